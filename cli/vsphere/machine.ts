/** A virtual machine as the server describes it, as far as a backup needs it. */

import { ProtocolError, shown } from "./errors.ts";
import { type MachineDisk, parseDisks } from "./machine_disk.ts";
import { type ObjectProperties, readProperties } from "./properties.ts";
import type { VsphereSession } from "./session.ts";
import { formatRef, type ObjectRef, refIn } from "./soap/envelope.ts";
import { booleanAt, childOf, childrenOf, textAt, type XmlElement } from "./soap/xml.ts";

/** A virtual machine. */
export interface Machine {
  ref: ObjectRef;
  name: string;
  /**
   * `config.uuid` (SMBIOS) and `config.instanceUuid` (vCenter's own); absent while the machine has no
   * configuration.
   */
  uuid?: string;
  instanceUuid?: string;
  isTemplate: boolean;
  isPoweredOn: boolean;
  /** `connected`, or why its host does not know it: `disconnected`, `inaccessible`, `invalid`, `orphaned`. */
  connectionState: string;
  host?: ObjectRef;
  /** The folder that it lies in. */
  parent?: ObjectRef;
  /** `vmx-19`. */
  hardwareVersion?: string;
  /** `[datastore] folder/name.vmx`. */
  vmxPath?: string;
  areToolsRunning: boolean;
  needsConsolidation: boolean;
  tracking: { isSupported: boolean; isEnabled: boolean };
  disks: MachineDisk[];
  /** Roots of the tree. */
  snapshots: Snapshot[];
  currentSnapshot?: ObjectRef;
  /** Properties that the account may not see. */
  missing: string[];
}

/** A snapshot of a machine. */
export interface Snapshot {
  ref: ObjectRef;
  name: string;
  description: string;
  /** ISO 8601, as the server writes it. */
  createTime: string;
  children: Snapshot[];
}

/** The properties that a {@linkcode Machine} is made of. */
export const MACHINE_PATHS = [
  "name",
  "parent",
  "config.uuid",
  "config.instanceUuid",
  "config.template",
  "config.version",
  "config.files.vmPathName",
  "config.changeTrackingEnabled",
  "config.hardware.device",
  "capability.changeTrackingSupported",
  "guest.toolsRunningStatus",
  "runtime.powerState",
  "runtime.connectionState",
  "runtime.consolidationNeeded",
  "runtime.host",
  "snapshot",
] as const;

/** The machine as it is now. @throws {VsphereFault} `ManagedObjectNotFound` if there is none any more */
export async function readMachine(
  session: VsphereSession,
  ref: ObjectRef,
  { signal }: { signal?: AbortSignal } = {},
): Promise<Machine> {
  return parseMachine(await readProperties(session, ref, { paths: MACHINE_PATHS, signal }));
}

/** The machine of these properties. @throws {ProtocolError} if one of them has no usable value */
export function parseMachine({ ref, values, missing }: ObjectProperties): Machine {
  const text = (path: string) => values.get(path)?.text;
  const reference = (path: string) => values.has(path) ? refIn(values.get(path), path) : undefined;
  const snapshot = values.get("snapshot");
  const current = childOf(snapshot, "currentSnapshot");
  return {
    ref,
    name: text("name") ?? "",
    uuid: text("config.uuid"),
    instanceUuid: text("config.instanceUuid"),
    isTemplate: booleanAt(values.get("config.template")) ?? false,
    isPoweredOn: text("runtime.powerState") !== "poweredOff",
    connectionState: text("runtime.connectionState") ?? "connected",
    host: reference("runtime.host"),
    parent: reference("parent"),
    hardwareVersion: text("config.version"),
    vmxPath: text("config.files.vmPathName"),
    areToolsRunning: text("guest.toolsRunningStatus") === "guestToolsRunning",
    needsConsolidation: booleanAt(values.get("runtime.consolidationNeeded")) ?? false,
    tracking: {
      isSupported: booleanAt(values.get("capability.changeTrackingSupported")) ?? false,
      isEnabled: booleanAt(values.get("config.changeTrackingEnabled")) ?? false,
    },
    disks: parseDisks(values.get("config.hardware.device")),
    snapshots: childrenOf(snapshot, "rootSnapshotList").map((root) => parseSnapshot(root)),
    currentSnapshot: current && refIn(current, "the current snapshot"),
    missing: [...missing.keys()].filter((path) => missing.get(path) === "NoPermission"),
  };
}

/** Snapshots follow each other in a chain of a few dozen at most. */
const MAX_SNAPSHOT_DEPTH = 64;

function parseSnapshot(element: XmlElement, depth = 1): Snapshot {
  if (depth > MAX_SNAPSHOT_DEPTH) throw new ProtocolError("the tree of snapshots is too deep");
  return {
    ref: refIn(childOf(element, "snapshot"), "a snapshot"),
    name: textAt(element, "name") ?? "",
    description: textAt(element, "description") ?? "",
    createTime: textAt(element, "createTime") ?? "",
    children: childrenOf(element, "childSnapshotList").map((child) => parseSnapshot(child, depth + 1)),
  };
}

/** All snapshots of a machine, each before its children. */
export function allSnapshots({ snapshots }: Pick<Machine, "snapshots">): Snapshot[] {
  return snapshots.flatMap((snapshot) => [snapshot, ...allSnapshots({ snapshots: snapshot.children })]);
}

/** `"web01" (VirtualMachine:vm-42)`, for messages. */
export function formatMachine({ name, ref }: Pick<Machine, "name" | "ref">): string {
  return `"${shown(name)}" (${formatRef(ref)})`;
}
