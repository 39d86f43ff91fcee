/** Finds machines: by name, pattern, inventory path, reference or UUID. */

import { ServerError } from "../errors.ts";
import { reasonOf, shown } from "./errors.ts";
import { formatMachine, type Machine, MACHINE_PATHS, parseMachine, readMachine } from "./machine.ts";
import { readAll, readProperties } from "./properties.ts";
import type { VsphereSession } from "./session.ts";
import { formatRef, type ObjectRef, refIn, textElement } from "./soap/envelope.ts";
import { VsphereFault } from "./soap/fault.ts";
import { childOf } from "./soap/xml.ts";

/** The ways to name a machine. */
export type MachineWish =
  /** A name as the server has it, or a pattern with `*` and `?`. */
  | { name: string }
  /** `Datacenter/vm/Folder/Name`. */
  | { path: string }
  | { moref: string }
  /** SMBIOS or instance UUID. */
  | { uuid: string };

/** Names are short. */
const NAMES_AT_A_TIME = 500;

const UUID = /^[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}$/i;

/**
 * Understands `moref=vm-42`, `uuid=...`, `path=...` and `name=...`; without a word before it, what looks like
 * a UUID is one, what has a slash is a path, and all else is a name.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseMachineWish("web*"), { name: "web*" });
 * assertEquals(parseMachineWish("moref=vm-42"), { moref: "vm-42" });
 * assertEquals(parseMachineWish("DC/vm/web01"), { path: "DC/vm/web01" });
 * ```
 */
export function parseMachineWish(text: string): MachineWish {
  const [, word, value] = /^(moref|uuid|path|name)=(.+)$/is.exec(text) ?? [];
  if (word !== undefined) return { [word.toLowerCase()]: value } as unknown as MachineWish;
  if (UUID.test(text)) return { uuid: text };
  return text.includes("/") ? { path: text } : { name: text };
}

/**
 * All machines that the account may see, in the server's order; those that it cannot describe are left out
 * with a word.
 */
export async function listMachines(
  session: VsphereSession,
  { signal }: { signal?: AbortSignal } = {},
): Promise<Machine[]> {
  const objects = await readAll(session, { type: "VirtualMachine", paths: MACHINE_PATHS, signal });
  return objects.flatMap((object) => {
    try {
      return [parseMachine(object)];
    } catch (error) {
      if (!(error instanceof ServerError)) throw error;
      session.tell({ kind: "remark", text: `${formatRef(object.ref)} is left out: ${reasonOf(error)}` });
      return [];
    }
  });
}

/** The machines that are meant: none, one or, of a name or a pattern, several. */
export async function findMachines(
  session: VsphereSession,
  wish: MachineWish,
  { signal }: { signal?: AbortSignal } = {},
): Promise<Machine[]> {
  if ("name" in wish) {
    const matches = matcherOf(wish.name);
    // Names first: what belongs to a machine is much more.
    const names = await readAll(session, {
      type: "VirtualMachine",
      paths: ["name"],
      pageObjects: NAMES_AT_A_TIME,
      signal,
    });
    const refs = names.filter(({ values }) => matches(values.get("name")?.text ?? "")).map(({ ref }) => ref);
    return await readEach(session, refs, signal);
  }
  if ("moref" in wish) {
    return await readEach(session, [{ type: "VirtualMachine", value: wish.moref }], signal);
  }
  if ("path" in wish) {
    const path = textElement("inventoryPath", wish.path.replace(/^\/+/, ""));
    return await readEach(session, await searchIndex(session, "FindByInventoryPath", path, signal), signal);
  }
  const byUuid = async (isInstance: boolean) => {
    const args = textElement("uuid", wish.uuid) + textElement("vmSearch", true) +
      textElement("instanceUuid", isInstance);
    return await searchIndex(session, "FindByUuid", args, signal);
  };
  const bios = await byUuid(false);
  return await readEach(session, bios.length > 0 ? bios : await byUuid(true), signal);
}

/**
 * The one machine that is meant.
 *
 * @throws {ServerError} if there is none, or more than one; the message names them
 */
export async function findMachine(
  session: VsphereSession,
  wish: MachineWish,
  { signal }: { signal?: AbortSignal } = {},
): Promise<Machine> {
  const found = await findMachines(session, wish, { signal });
  if (found.length === 1) return found[0];
  const [[kind, value]] = Object.entries(wish);
  const named = `Cannot find machine "${shown(value)}" (${kind})`;
  if (found.length === 0) throw new ServerError(`${named}: the server has none that this account can see`);
  const list = found.slice(0, 10).map(formatMachine).join(", ");
  throw new ServerError(`${named}: the server has ${found.length}: ${list}; name one by moref=`);
}

/**
 * The one machine that a user names, as {@linkcode parseMachineWish} understands it; a bare `vm-42` or `42`
 * may also be a reference, as VMware's disk library wants it.
 *
 * @throws {ServerError} if there is none, or more than one
 */
export async function findMachineOf(
  session: VsphereSession,
  text: string,
  options: { signal?: AbortSignal } = {},
): Promise<Machine> {
  const wish = parseMachineWish(text);
  if ("name" in wish && /^(?:vm-)?\d+$/.test(text)) {
    const byRef = await findMachines(session, { moref: text }, options);
    const others = (await findMachines(session, wish, options)).filter(({ ref }) => ref.value !== text);
    if (byRef.length === 1 && others.length === 0) return byRef[0];
    if (byRef.length > 0) {
      const list = [...byRef, ...others].slice(0, 10).map(formatMachine).join(", ");
      throw new ServerError(`Cannot tell which machine "${text}" is: ${list}; say moref= or name=`);
    }
  }
  return await findMachine(session, wish, options);
}

/** Reads machines; of those that are gone by now, nothing. */
async function readEach(
  session: VsphereSession,
  refs: ObjectRef[],
  signal?: AbortSignal,
): Promise<Machine[]> {
  const machines: Machine[] = [];
  for (const ref of refs) {
    try {
      machines.push(await readMachine(session, ref, { signal }));
    } catch (error) {
      if (!(error instanceof VsphereFault) || error.faultType !== "ManagedObjectNotFound") throw error;
    }
  }
  return machines;
}

async function searchIndex(
  session: VsphereSession,
  method: string,
  args: string,
  signal?: AbortSignal,
): Promise<ObjectRef[]> {
  const value = childOf(
    await session.call(method, session.content.searchIndex, args, { signal }),
    "returnval",
  );
  const refs = value === undefined ? [] : [refIn(value, "an object")];
  return refs.filter(({ type }) => type === "VirtualMachine");
}

/** A pattern with `*` (any text) and `?` (any character); without them the name itself. */
function matcherOf(pattern: string): (name: string) => boolean {
  if (!/[*?]/.test(pattern)) return (name) => name === pattern;
  // Runs of stars are one star: nested repetition would take for ever on a long name.
  const parts = pattern.replace(/\*+/g, "*").split("*").map((part) => [...part]);
  return (name) => matchesParts([...name], parts);
}

/** Each part at the first place where it fits, the last one at the end. */
function matchesParts(name: string[], parts: string[][]): boolean {
  const fits = (part: string[], at: number) =>
    at >= 0 && at + part.length <= name.length &&
    part.every((character, i) => character === "?" || character === name[at + i]);
  const [first, ...others] = parts;
  if (!fits(first, 0)) return false;
  if (others.length === 0) return first.length === name.length;
  let at = first.length;
  const last = others.pop()!;
  for (const part of others) {
    while (at + part.length <= name.length && !fits(part, at)) at++;
    if (!fits(part, at)) return false;
    at += part.length;
  }
  return name.length - last.length >= at && fits(last, name.length - last.length);
}

/** Folders of an inventory are nested some levels deep. */
const MAX_FOLDERS = 64;

/**
 * The inventory path of the datacenter that a machine lies in, as the server's file service wants it:
 * `ha-datacenter` on an ESXi host.
 *
 * @throws {ServerError} if the machine lies in none
 */
export async function datacenterPathOf(
  session: VsphereSession,
  machine: Pick<Machine, "name" | "ref" | "parent">,
  { signal }: { signal?: AbortSignal } = {},
): Promise<string> {
  const names: string[] = [];
  let isInside = false;
  let ref = machine.parent;
  for (let count = 0; ref !== undefined && count < MAX_FOLDERS; count++) {
    const { values } = await readProperties(session, ref, { paths: ["name", "parent"], signal });
    const above: ObjectRef | undefined = values.has("parent")
      ? refIn(values.get("parent"), "a folder")
      : undefined;
    isInside ||= ref.type === "Datacenter";
    // The root folder is no part of a path.
    if (isInside && above !== undefined) names.unshift(values.get("name")?.text ?? "");
    ref = above;
  }
  if (names.length > 0) return names.join("/");
  throw new ServerError(`Cannot tell the datacenter of machine ${formatMachine(machine)}: it lies in none`);
}
