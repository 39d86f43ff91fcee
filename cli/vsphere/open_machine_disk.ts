/** Opens a disk of a machine, or of a snapshot of it, on the data port of its host. */

import { ServerError } from "../errors.ts";
import type { AreaList } from "./area_list.ts";
import { listAllocated } from "./change_list.ts";
import { datastoreKindOf } from "./datastore_kind.ts";
import { shown } from "./errors.ts";
import { formatMachine, type Machine } from "./machine.ts";
import { type MachineDisk, obstacleOf } from "./machine_disk.ts";
import { NfcDisk } from "./nfc/disk.ts";
import type { CompressionName } from "./nfc/fragment.ts";
import type { VsphereSession } from "./session.ts";
import type { SnapshotDisks } from "./snapshot.ts";
import { takeTicket } from "./ticket.ts";

/** A disk: by a file of any link of it, or by its key. */
export type DiskWish = { path: string } | { key: number };

/** Options of opening a disk of a machine. */
export interface MachineDiskOptions {
  /** The state that is read; without it, the machine must not be running. */
  snapshot?: SnapshotDisks;
  /** False sends the disk's bytes in clear text: the caller warns. */
  isEncrypted?: boolean;
  /** Reads under way at a time, 1 to 32. */
  window?: number;
  compression?: CompressionName;
  /** False reads all of the disk. */
  isMapped?: boolean;
  /** The name of the disk in messages; by default the file that is opened. */
  name?: string;
  retries?: number;
  firstWaitMs?: number;
  /** The longest silence of the host while an answer is due. */
  patienceMs?: number;
  signal?: AbortSignal;
  random?: () => number;
}

const DEFAULTS = { isEncrypted: true, isMapped: true, retries: 10, firstWaitMs: 1000, patienceMs: 60_000 };

/**
 * The disk as it is to be read: that of the snapshot, if one is given.
 *
 * @throws {ServerError} if the machine has no such disk, if a snapshot leaves it out, or if the machine is
 * running and writes to it
 */
export function chooseDisk(machine: Machine, wish: DiskWish, snapshot?: SnapshotDisks): MachineDisk {
  const linksOf = ({ path, parentPaths }: MachineDisk) => [path, ...parentPaths];
  const isMeant = (disk: MachineDisk) =>
    "key" in wish ? disk.key === wish.key : linksOf(disk).includes(wish.path);
  const all = [...machine.disks, ...snapshot?.disks ?? []];
  const meant = all.find(isMeant);
  const named = "key" in wish ? `with key ${wish.key}` : `"${shown(wish.path)}"`;
  if (meant === undefined) {
    const has = machine.disks.map(({ path, key }) => `"${shown(path)}" (${key})`).join(", ");
    throw new ServerError(
      `Cannot find disk ${named} of machine ${formatMachine(machine)}: ${
        has === "" ? "it has none" : `it has ${has}`
      }`,
    );
  }
  const action = `Cannot read disk "${shown(meant.path)}" of machine ${formatMachine(machine)}`;
  if (snapshot !== undefined) {
    const frozen = snapshot.disks.find(({ key }) => key === meant.key);
    const obstacle = frozen === undefined ? "the snapshot does not have it" : obstacleOf(frozen);
    if (frozen === undefined || obstacle !== undefined) throw new ServerError(`${action}: ${obstacle}`);
    return frozen;
  }
  // A link below the one that the machine writes to does not change.
  if ("path" in wish && wish.path !== meant.path) return { ...meant, path: wish.path, changeId: undefined };
  if (!machine.isPoweredOn) return meant;
  throw new ServerError(`${action}: the machine is running and writes to it: ${NAME_A_SNAPSHOT}`);
}

const NAME_A_SNAPSHOT = "name a snapshot, whose disks do not change";

/**
 * Opens a disk that {@linkcode chooseDisk} gave.
 *
 * @throws {ServerError} if the server gives no ticket, or the host does not open the disk
 */
export async function openMachineDisk(
  session: VsphereSession,
  { machine, disk }: { machine: Machine; disk: MachineDisk },
  given: MachineDiskOptions = {},
): Promise<NfcDisk> {
  const { snapshot, signal, isMapped, ...options } = { ...DEFAULTS, ...given };
  // Elsewhere than on VMFS the server's list may lack areas.
  const areasInstead = async (): Promise<AreaList | undefined> =>
    snapshot !== undefined &&
      await datastoreKindOf(session, machine.ref, { path: disk.path, signal }) === "VMFS"
      ? await listAllocated(session, { machine: machine.ref, snapshot: snapshot.ref, disk, signal })
      : undefined;
  return await NfcDisk.open({
    ...options,
    path: disk.path,
    isMapped,
    areasInstead,
    signal,
    known: { capacityBytes: disk.capacityBytes, adapterType: disk.adapterType },
    takeTicket: () => takeTicket(session, machine, { signal }),
    onEvent: (event) => session.tell(event),
    ...(snapshot === undefined ? { hint: `if a machine is using it, ${NAME_A_SNAPSHOT}` } : {}),
  });
}
