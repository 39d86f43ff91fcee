/** Switches on the list of changed blocks that a server keeps for the disks of a machine. */

import { ServerError } from "../errors.ts";
import { allSnapshots, formatMachine, type Machine, readMachine } from "./machine.ts";
import { obstacleOf } from "./machine_disk.ts";
import type { VsphereSession } from "./session.ts";
import { textElement, wrap } from "./soap/envelope.ts";
import { runTask, type TaskOptions } from "./task.ts";

/**
 * The reason why the changes of a machine's disks are not known; undefined if they are, or would be from the
 * next snapshot on.
 */
export function trackingObstacle(machine: Machine): string | undefined {
  if (!machine.tracking.isSupported) {
    return `its hardware (${machine.hardwareVersion ?? "unknown"}) has no change tracking`;
  }
  if (machine.disks.every((disk) => obstacleOf(disk) !== undefined)) {
    return "it has no disk that a snapshot holds";
  }
  if (machine.tracking.isEnabled) return undefined;
  // Switched on over a snapshot, releases from 6.5 on answer with wrong changes and no error.
  const count = allSnapshots(machine).length;
  return count > 0
    ? `change tracking is off, and ${count} snapshots are in the way of switching it on`
    : undefined;
}

/**
 * Switches change tracking on. On a running machine it begins with the next snapshot, so that the first
 * change id comes from that one.
 *
 * @returns the machine as it is then; unchanged if change tracking was on
 * @throws {ServerError} if the machine does not have it, has snapshots, or does not keep it switched on
 */
export async function enableTracking(
  session: VsphereSession,
  machine: Machine,
  options: TaskOptions = {},
): Promise<Machine> {
  const action = `Cannot switch on change tracking of machine ${formatMachine(machine)}`;
  const obstacle = trackingObstacle(machine);
  if (obstacle !== undefined) throw new ServerError(`${action}: ${obstacle}`);
  if (machine.tracking.isEnabled) return machine;
  const args = wrap("spec", textElement("changeTrackingEnabled", true));
  await runTask(
    session,
    { method: "ReconfigVM_Task", target: machine.ref, args, isRepeatable: true },
    options,
  );
  const changed = await readMachine(session, machine.ref, options);
  if (!changed.tracking.isEnabled) throw new ServerError(`${action}: the server took it, and it is off`);
  return changed;
}
