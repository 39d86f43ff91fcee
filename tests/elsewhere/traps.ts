/**
 * Folders as a stranger may send them: a good backup, and beside it lock notes, seals, links, pipes and names that are made
 * to lead the program elsewhere. The number of a case makes the folder.
 */

import { join } from "@std/path/posix/join";
import { closedSeal } from "./closed_seal.ts";

type Random = (limit: number) => number;

/** Where the traps are laid, and what they aim at. */
export interface Place {
  /** The unpacked folder. */
  folder: string;
  /** A folder of the user, with files that nobody may touch. */
  victim: string;
}

/** Names of outputs that the commands of a case may have. */
export const NAMES = [
  "n.dump",
  "n.digest",
  "n.rdiff",
  "n.raw",
  "n.vmdk",
  "n-flat.vmdk",
  "n.seal.json",
  "n.bmp",
];
const PRESENT = ["g0.dump", "g0.digest", "g0.rdiff", "g1.dump", "g1.digest", "g1.seal.json", "g0.seal.json"];

/** Lays one to four traps. */
export async function layTraps(place: Place, random: Random): Promise<string[]> {
  const laid: string[] = [];
  for (let i = 1 + random(4); i > 0; i--) {
    const trap = pick(TRAPS, random);
    laid.push(trap.name);
    try {
      await trap(place, random);
    } catch (error) {
      // A name that two traps want, or that the file system does not take.
      if (!(error instanceof Deno.errors.AlreadyExists) && !/os error/.test((error as Error).message)) {
        throw error;
      }
    }
  }
  return laid;
}

const TRAPS = [
  lockNote,
  lockNoteOfTheRightForm,
  lockLink,
  seal,
  sealLink,
  leftover,
  outputLink,
  journalLink,
  pipe,
];

function pick<T>(all: readonly T[], random: Random): T {
  return all[random(all.length)];
}

function hex(random: Random, length: number): string {
  return Array.from({ length }, () => random(16).toString(16)).join("");
}

function someName(random: Random): string {
  return pick([...NAMES, ...PRESENT], random);
}

/** Where a name in a note or a seal may lead. */
function somePath({ folder, victim }: Place, random: Random): string {
  const name = someName(random);
  return pick([
    join(victim, "keys"),
    "../victim/keys",
    `../victim/.keys.${hex(random, 8)}.old.vmdkbkp`,
    join(folder, name),
    name,
    ".",
    "..",
    "",
    "/",
    `.${name}.${hex(random, 8)}.vmdkbkp`,
    `.${name}.${hex(random, 8)}.old.vmdkbkp`,
    `./${name}`,
    `.${name}.12345678.old.vmdkbkp`,
    `.${name}.12345678.vmdkbkp`,
    `.${name}/../../victim/keys.12345678.old.vmdkbkp`,
    "keys\0.12345678.vmdkbkp",
  ], random);
}

/** Writes a new file; a trap that lies there already may be a pipe, which would wait for a reader. */
function put(path: string, content: string | Uint8Array): void {
  using file = Deno.openSync(path, { write: true, createNew: true });
  file.writeSync(typeof content === "string" ? new TextEncoder().encode(content) : content);
}

/** A note of the first form that the program had, and of every mixture of forms. */
function lockNote(place: Place, random: Random): void {
  const path = () => somePath(place, random);
  const id = pick(["0".repeat(32), "x", hex(random, 32)], random);
  const note = pick<() => unknown>([
    () => ({
      pid: 1,
      commit: {
        id,
        decidedBy: path(),
        renames: [{
          temporaryPath: path(),
          finalPath: path(),
          asidePath: path(),
          sizeBytes: 1,
          changedMs: 1,
        }],
      },
    }),
    () => ({
      pid: random(99999),
      state: pick(["p", "c", "u", "x", "__proto__"], random),
      commit: {
        ...{ id, outputs: random(4), temporary: path(), aside: path() },
        ...{ sizeBytes: random(2000), changedMs: 0 },
      },
    }),
    () => [],
    () => null,
    () => ({ pid: -1 }),
    () => ({ pid: 1, state: "c", commit: "x".repeat(9000) }),
  ], random)();
  const text = JSON.stringify(note);
  const cut = random(10) === 0 ? text.slice(0, random(text.length)) : text;
  put(join(place.folder, `.${someName(random)}.lock.vmdkbkp`), cut);
}

/** A note that is accepted, with or without the files that it tells of: it may move hidden files of its own output, and no other. */
function lockNoteOfTheRightForm(place: Place, random: Random): void {
  const name = someName(random);
  const [temporary, aside] = [`.${name}.12345678.vmdkbkp`, `.${name}.87654321.old.vmdkbkp`];
  const stat = (path: string) => {
    try {
      return Deno.statSync(join(place.folder, path));
    } catch {
      return undefined;
    }
  };
  for (const hidden of [temporary, aside]) {
    if (random(2) === 0) put(join(place.folder, hidden), "planted");
  }
  const info = stat(name);
  const commit = {
    id: pick(["1".repeat(32), "2".repeat(32)], random),
    outputs: 1 + random(3),
    temporary,
    ...(random(2) === 0 ? { aside } : {}),
    sizeBytes: info?.size ?? 7,
    changedMs: info?.mtime?.getTime() ?? 0,
  };
  const text = JSON.stringify({ pid: 1, state: pick(["p", "c", "u"], random), commit });
  put(join(place.folder, `.${name}.lock.vmdkbkp`), text);
}

/** A lock file that is another file. */
function lockLink({ folder, victim }: Place, random: Random): void {
  const lock = join(folder, `.${someName(random)}.lock.vmdkbkp`);
  const target = pick([join(victim, "keys"), join(folder, someName(random))], random);
  pick([Deno.linkSync, Deno.symlinkSync], random)(target, lock);
}

/** A seal that names files elsewhere, or claims what is not so. */
async function seal(place: Place, random: Random): Promise<void> {
  const body = sealIn(place);
  if (body === undefined) return;
  delete body.sha256;
  for (let i = 1 + random(3); i > 0; i--) {
    const file = pick(body.files as Record<string, unknown>[], random);
    pick<() => void>([
      () => file.name = somePath(place, random),
      () => file.bytes = random(2 ** 31),
      () => file.role = pick(["dump", "digest", "rdiff", "../dump"], random),
      () => body.root = hex(random, 64),
      () => body.time = "2099-01-01 00:00:00",
      () => body.series = hex(random, 32),
      () => (body.files as unknown[]).push({ ...file, name: somePath(place, random) }),
      () => body.source = { disk: join(place.victim, "keys") },
    ], random)();
  }
  const bytes = await closedSeal(body);
  const name = pick(["g0.seal.json", "g1.seal.json", "n.seal.json", "x.seal.json"], random);
  if (PRESENT.includes(name)) Deno.removeSync(join(place.folder, name));
  put(join(place.folder, name), random(8) === 0 ? bytes.subarray(0, random(bytes.length)) : bytes);
}

/** The good seal of the folder, unless another trap has spoilt it. */
function sealIn({ folder }: Place): Record<string, unknown> | undefined {
  try {
    return JSON.parse(Deno.readTextFileSync(join(folder, "g1.seal.json")));
  } catch {
    return undefined;
  }
}

function sealLink({ folder, victim }: Place, random: Random): void {
  Deno.symlinkSync(
    join(victim, "keys"),
    join(
      folder,
      pick(["n.seal.json", "n.dump.seal.json", "x.seal.json", "._g.seal.json", "n-flat.vmdk"], random),
    ),
  );
}

/** Hidden files as killed runs leave them, some of them links. */
function leftover({ folder, victim }: Place, random: Random): void {
  const kind = pick(["", ".old", ".journal"], random);
  const path = join(folder, `.${someName(random)}.${hex(random, 8)}${kind}.vmdkbkp`);
  pick<() => void>([
    () => put(path, "left"),
    () => Deno.symlinkSync(join(victim, "keys"), path),
    () => Deno.linkSync(join(victim, "keys"), path),
    () => Deno.mkdirSync(path),
  ], random)();
}

/** Something that has the name of an output already. */
function outputLink({ folder, victim }: Place, random: Random): void {
  const path = join(folder, pick(NAMES, random));
  pick<() => void>([
    () => Deno.symlinkSync(join(victim, "nothing"), path),
    () => Deno.mkdirSync(path),
    () => Deno.symlinkSync("/dev/null", path),
  ], random)();
}

function journalLink({ folder, victim }: Place, random: Random): void {
  const start = join(folder, `.n.dump.12345678`);
  put(`${start}.vmdkbkp`, "left");
  Deno.symlinkSync(join(victim, "keys"), `${start}.journal.vmdkbkp`);
  if (random(2) === 0) Deno.symlinkSync(join(victim, "keys"), join(folder, ".n.dump.lock.vmdkbkp"));
}

/** A pipe at whose other end nobody is. */
async function pipe({ folder }: Place, random: Random): Promise<void> {
  const name = someName(random);
  const path = join(folder, pick([`.${name}.lock.vmdkbkp`, "x.seal.json", "n.seal.json", "x.dump"], random));
  await new Deno.Command("mkfifo", { args: [path], stderr: "null" }).output();
}
