/**
 * The blocks of a disk that an incremental backup has to read: the server's change list, where it can be
 * believed.
 *
 * A list that lacks an area makes a wrong backup without an error, so every doubt ends with "read the whole
 * disk".
 */

import { Bitmap } from "../archive/bitmap.ts";
import type { AreaList } from "./area_list.ts";
import { ALLOCATED, queryAreas } from "./changed_areas.ts";
import { ProtocolError, reasonOf, shown } from "./errors.ts";
import type { MachineDisk } from "./machine_disk.ts";
import type { VsphereSession } from "./session.ts";
import { formatRef, type ObjectRef } from "./soap/envelope.ts";
import { VsphereFault } from "./soap/fault.ts";

/** The state of a disk that a backup records for the next one. */
export interface ChangeMark {
  changeId: string;
  capacityBytes: number;
  /**
   * The machine's current snapshot before the backup took its own; null if there was none. Undefined if not
   * recorded.
   */
  currentSnapshot?: string | null;
}

/** The areas to read, or the reason to read the whole disk. */
export type ChangeList =
  | { kind: "changes"; areas: AreaList; changeId: string }
  | { kind: "all"; reason: string; changeId?: string };

/** The disk in the snapshot that is to be read. */
export interface ChangeQuery {
  machine: ObjectRef;
  snapshot: ObjectRef;
  /** From the configuration of that snapshot. */
  disk: MachineDisk;
  /** The record of the last complete backup. */
  since: ChangeMark;
  /**
   * The machine's current snapshot before this backup took its own; null if there was none. Undefined if not
   * known.
   */
  currentSnapshot?: ObjectRef | null;
  signal?: AbortSignal;
}

/**
 * The areas that have changed since the state that `since` was recorded of.
 *
 * `changeId` of the result is for the next backup; it may be recorded once this one is complete.
 *
 * @throws {VsphereFault} if machine or snapshot are gone
 * @throws {ServerError} if the server cannot be reached
 */
export async function listChanges(session: VsphereSession, query: ChangeQuery): Promise<ChangeList> {
  const { changeId } = query.disk;
  const doubt = doubtOf(query);
  if (doubt !== undefined) return { kind: "all", reason: doubt, changeId };
  const { machine, snapshot, disk: { key: deviceKey, capacityBytes }, since, signal } = query;
  try {
    const question = { machine, snapshot, deviceKey, capacityBytes, changeId: since.changeId, signal };
    return { kind: "changes", areas: await queryAreas(session, question), changeId: changeId! };
  } catch (error) {
    return { kind: "all", reason: `the server does not tell the changes: ${refusalOf(error)}`, changeId };
  }
}

/** The reason not to use the server's list; undefined if there is none. */
function doubtOf({ disk, since, currentSnapshot }: ChangeQuery): string | undefined {
  if (disk.changeId === undefined) return "change tracking is off for this disk";
  if (since.changeId === "" || since.changeId === ALLOCATED) return "the last backup has no change id";
  if (disk.capacityBytes !== since.capacityBytes) {
    return `the capacity has changed from ${since.capacityBytes} to ${disk.capacityBytes} bytes`;
  }
  const [before, now] = [partsOf(since.changeId), partsOf(disk.changeId)];
  if (before.epoch !== now.epoch) return "change tracking has begun anew since the last backup";
  if (before.count !== undefined && now.count !== undefined) {
    if (now.count < before.count) {
      return "the disk has gone back to an earlier state: its change id counts backwards";
    }
    // Where the machine has snapshots, it may have gone back to one of them, and forward again by as much.
    if (now.count === before.count && currentSnapshot) {
      return "the disk may have gone back to an earlier snapshot";
    }
  }
  if (currentSnapshot !== undefined && since.currentSnapshot !== undefined) {
    const current = currentSnapshot === null ? null : formatRef(currentSnapshot);
    if (current !== since.currentSnapshot) {
      return "the machine's current snapshot is another one than at the last backup";
    }
  }
  return undefined;
}

/**
 * `52 2d ... bb 7b/12`: what stands before the last slash names the tracking, the rest counts its snapshots.
 */
function partsOf(changeId: string): { epoch: string; count?: bigint } {
  const [, epoch, digits] = /^(.*)\/([^/]*)$/s.exec(changeId) ?? [undefined, changeId];
  return /^\d{1,20}$/.test(digits ?? "") ? { epoch: epoch!, count: BigInt(digits!) } : { epoch: epoch! };
}

/** Faults that mean that there is nothing to be backed up. */
const GONE = ["ManagedObjectNotFound", "NotFound", "NotAuthenticated"];

/** The reason why the whole disk has to be read. @throws the error itself if that would not help */
function refusalOf(error: unknown): string {
  const isGone = error instanceof VsphereFault && GONE.includes(error.faultType);
  if (isGone || !(error instanceof VsphereFault || error instanceof ProtocolError)) throw error;
  return shown(reasonOf(error));
}

/** The record of a disk for the next backup: it is stored once this backup is complete. */
export function changeMarkOf(
  disk: MachineDisk,
  currentSnapshot: ObjectRef | undefined,
): ChangeMark | undefined {
  if (disk.changeId === undefined) return undefined;
  return {
    changeId: disk.changeId,
    capacityBytes: disk.capacityBytes,
    currentSnapshot: currentSnapshot === undefined ? null : formatRef(currentSnapshot),
  };
}

/**
 * The allocated areas of a disk with change tracking; undefined if the server does not tell, with a word to
 * the session's events. Only right for disks on VMFS whose tracking was switched on without snapshots: a
 * fallback for hosts that do not tell it on the data port.
 */
export async function listAllocated(
  session: VsphereSession,
  { machine, snapshot, disk, signal }: Pick<ChangeQuery, "machine" | "snapshot" | "disk" | "signal">,
): Promise<AreaList | undefined> {
  if (disk.changeId === undefined) return undefined;
  const { key: deviceKey, capacityBytes } = disk;
  try {
    return await queryAreas(session, {
      machine,
      snapshot,
      deviceKey,
      capacityBytes,
      changeId: ALLOCATED,
      signal,
    });
  } catch (error) {
    const text = `allocated areas are not known, all are read: ${refusalOf(error)}`;
    session.tell({ kind: "downgrade", text });
    return undefined;
  }
}

/**
 * One bit for each block that an area touches.
 *
 * @throws {RangeError} if the disk has more blocks than a bitmap can hold
 */
export function bitmapOf(
  areas: AreaList,
  { capacityBytes, blockBytes }: { capacityBytes: number; blockBytes: number },
): Bitmap {
  const bitmap = new Bitmap(Math.ceil(capacityBytes / blockBytes));
  for (const { startBytes, endBytes } of areas) {
    const end = Math.ceil(Math.min(endBytes, capacityBytes) / blockBytes);
    for (let block = Math.floor(startBytes / blockBytes); block < end; block++) bitmap.set(block);
  }
  return bitmap;
}
