/** Takes and removes snapshots, and reads what is in one. */

import { ServerError } from "../errors.ts";
import { reasonOf, shown } from "./errors.ts";
import { allSnapshots, formatMachine, type Machine } from "./machine.ts";
import { type MachineDisk, parseDisks } from "./machine_disk.ts";
import { readProperties } from "./properties.ts";
import type { VsphereSession } from "./session.ts";
import { formatRef, type ObjectRef, refIn, textElement } from "./soap/envelope.ts";
import { VsphereFault } from "./soap/fault.ts";
import { runTask, type TaskOptions } from "./task.ts";

/** Whether the guest's file systems are brought to rest first. */
export type Quiescing = "yes" | "no" | "try";

/** Options of taking a snapshot. */
export interface SnapshotWish extends TaskOptions {
  name: string;
  description: string;
  /** `try`: if VMware Tools run, and without it if that fails. */
  quiesce: Quiescing;
}

/** A snapshot that was taken. */
export interface TakenSnapshot {
  ref: ObjectRef;
  /** The guest was brought to rest; otherwise the disks are as after a power failure. */
  isQuiesced: boolean;
}

/** The state of a machine's disks in a snapshot. */
export interface SnapshotDisks {
  ref: ObjectRef;
  disks: MachineDisk[];
}

/**
 * Takes a snapshot of the disks, without the memory.
 *
 * A wish to stop is granted when the server has come to an end: a snapshot that was taken all the same is
 * removed.
 *
 * @throws {VsphereFault} if the server refuses
 * @throws the reason of `signal`
 */
export async function createSnapshot(
  session: VsphereSession,
  machine: Pick<Machine, "ref" | "name" | "areToolsRunning" | "isPoweredOn">,
  wish: SnapshotWish,
): Promise<TakenSnapshot> {
  const mayRest = machine.isPoweredOn &&
    (wish.quiesce === "yes" || (wish.quiesce === "try" && machine.areToolsRunning));
  if (wish.quiesce === "try" && machine.isPoweredOn && !mayRest) {
    tellUnquiesced(session, machine, "VMware Tools do not run");
  }
  if (mayRest) {
    try {
      return { ref: await takeSnapshot(session, machine.ref, wish, true), isQuiesced: true };
    } catch (error) {
      // Once more without quiescing, if the server refuses.
      if (wish.quiesce === "yes" || !(error instanceof VsphereFault)) throw error;
      tellUnquiesced(session, machine, error.serverText);
    }
  }
  return { ref: await takeSnapshot(session, machine.ref, wish, false), isQuiesced: false };
}

function tellUnquiesced(
  session: VsphereSession,
  machine: Pick<Machine, "name" | "ref">,
  reason: string,
): void {
  session.tell({
    kind: "downgrade",
    text:
      `the guest of ${
        formatMachine(machine)
      } is not brought to rest, its disks are as after a power failure: ` +
      reason,
  });
}

async function takeSnapshot(
  session: VsphereSession,
  machine: ObjectRef,
  { name, description, ...task }: SnapshotWish,
  quiesce: boolean,
): Promise<ObjectRef> {
  const args = textElement("name", name) + textElement("description", description) +
    textElement("memory", false) +
    textElement("quiesce", quiesce);
  const result = await runTask(session, { method: "CreateSnapshot_Task", target: machine, args }, task);
  const ref = refIn(result, "the new snapshot");
  if (task.signal?.aborted) {
    await removeSnapshot(session, ref);
    throw task.signal.reason;
  }
  return ref;
}

/**
 * Removes one snapshot and merges its disks; its children stay. One that is gone already is no error.
 *
 * @throws {VsphereFault} if the server refuses
 */
export async function removeSnapshot(
  session: VsphereSession,
  snapshot: ObjectRef,
  options: TaskOptions = {},
): Promise<void> {
  const args = textElement("removeChildren", false) + textElement("consolidate", true);
  try {
    await runTask(
      session,
      { method: "RemoveSnapshot_Task", target: snapshot, args, isRepeatable: true },
      options,
    );
  } catch (error) {
    if (error instanceof VsphereFault && error.faultType === "ManagedObjectNotFound") return;
    throw error;
  }
}

/** The disks of a snapshot: their files, their capacities at that time and their change ids. */
export async function readSnapshot(
  session: VsphereSession,
  snapshot: ObjectRef,
  { signal }: { signal?: AbortSignal } = {},
): Promise<SnapshotDisks> {
  const paths = ["config.hardware.device"];
  const { values } = await readProperties(session, snapshot, { paths, signal });
  return { ref: snapshot, disks: parseDisks(values.get(paths[0])) };
}

/**
 * The snapshot of a machine that is meant by a reference (`snapshot-70`, also with `moref=` before it) or by
 * a name.
 *
 * @throws {ServerError} if there is none, or several have the name
 */
export function chooseSnapshot(
  machine: Pick<Machine, "name" | "ref" | "snapshots">,
  wish: string,
): ObjectRef {
  const value = wish.replace(/^moref=/i, "");
  const list = allSnapshots(machine);
  const byRef = list.find(({ ref }) => ref.value === value);
  if (byRef !== undefined) return byRef.ref;
  const named = list.filter(({ name }) => name === value);
  if (named.length === 1) return named[0].ref;
  const has = list.map(({ name, ref }) => `"${shown(name)}" (${ref.value})`).slice(0, 20).join(", ");
  throw new ServerError(
    `Cannot find snapshot "${shown(value)}" of machine ${formatMachine(machine)}: ` +
      (named.length > 1 ? `${named.length} have this name` : "there is none") +
      (has === "" ? "" : `; it has ${has}`),
  );
}

/**
 * Does `work` with a snapshot that exists as long as the work lasts: it is removed in every way out.
 *
 * If it cannot be removed after the work succeeded, the result counts and the remark goes to the session's
 * events.
 */
export async function withSnapshot<T>(
  session: VsphereSession,
  machine: Machine,
  wish: SnapshotWish,
  work: (snapshot: TakenSnapshot & SnapshotDisks) => Promise<T>,
): Promise<T> {
  const taken = await createSnapshot(session, machine, wish);
  try {
    return await work({ ...taken, ...await readSnapshot(session, taken.ref, { signal: wish.signal }) });
  } finally {
    await removeSnapshot(session, taken.ref).catch((error) =>
      session.tell({
        kind: "remark",
        text:
          `${formatRef(taken.ref)} of machine ${
            formatMachine(machine)
          } is still there and has to be removed by hand: ` +
          reasonOf(error),
      })
    );
  }
}
