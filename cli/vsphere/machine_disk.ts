/** The disks of a machine, or of a snapshot of it, from the list of its devices. */

import { ADAPTER } from "../disks/disk.ts";
import { ProtocolError, shown } from "./errors.ts";
import { childOf, childrenOf, integerAt, textAt, type XmlElement } from "./soap/xml.ts";

/** A virtual disk in the configuration of a machine or a snapshot. */
export interface MachineDisk {
  /** `VirtualDisk.key`: the same in the machine and all its snapshots. */
  key: number;
  /** `Hard disk 1`. */
  label: string;
  /** `scsi0:1`; absent where the controller is unknown. */
  slot?: string;
  /** One of {@linkcode ADAPTER}. */
  adapterType: number;
  capacityBytes: number;
  /** The file that is read and written: `[datastore] folder/name.vmdk`; empty for a disk without a file. */
  path: string;
  /** The files below it, the nearest first. */
  parentPaths: string[];
  /** The type of the backing: `VirtualDiskFlatVer2BackingInfo` ... */
  backing: string;
  /** `persistent`, `independent_persistent` ... */
  mode: string;
  /** `physicalMode` or `virtualMode` of a raw device mapping. */
  compatibilityMode?: string;
  /** Several machines may write to it. */
  isShared: boolean;
  uuid?: string;
  /**
   * The server lists changes from this state on; present in the configuration of a snapshot only, and only
   * with tracking.
   */
  changeId?: string;
}

/** Adapters by the type of the controller; the names of the slots are those of a VMX file. */
const CONTROLLERS: Record<string, { slot: string; adapterType: number }> = {
  VirtualIDEController: { slot: "ide", adapterType: ADAPTER.ide },
  VirtualBusLogicController: { slot: "scsi", adapterType: ADAPTER.busLogic },
  VirtualLsiLogicController: { slot: "scsi", adapterType: ADAPTER.lsiLogic },
  VirtualLsiLogicSASController: { slot: "scsi", adapterType: ADAPTER.lsiLogic },
  ParaVirtualSCSIController: { slot: "scsi", adapterType: ADAPTER.lsiLogic },
  VirtualAHCIController: { slot: "sata", adapterType: ADAPTER.lsiLogic },
  VirtualNVMEController: { slot: "nvme", adapterType: ADAPTER.lsiLogic },
};

const MAX_LINKS = 256;

/**
 * The disks in the property `config.hardware.device`, in its order.
 *
 * @throws {ProtocolError} if one has no usable values
 */
export function parseDisks(devices: XmlElement | undefined): MachineDisk[] {
  const list = childrenOf(devices, "VirtualDevice");
  const controllers = new Map(list.map((device) => [textAt(device, "key"), device]));
  return list.filter(({ schemaType }) => schemaType === "VirtualDisk")
    .map((device) => parseDisk(device, controllers.get(textAt(device, "controllerKey"))));
}

function parseDisk(device: XmlElement, controller: XmlElement | undefined): MachineDisk {
  const key = integerAt(device, "key");
  if (key === undefined) throw new ProtocolError("the server tells of a disk without a key");
  const kilobytes = integerAt(device, "capacityInKB");
  const capacityBytes = integerAt(device, "capacityInBytes") ?? (kilobytes ?? 0) * 1024;
  if (!Number.isSafeInteger(capacityBytes) || capacityBytes <= 0) {
    throw new ProtocolError(`the server tells of disk ${key} without a capacity`);
  }
  const backing = childOf(device, "backing");
  const kind = CONTROLLERS[controller?.schemaType ?? ""];
  const bus = textAt(controller, "busNumber");
  const unit = textAt(device, "unitNumber");
  const sharing = textAt(backing, "sharing");
  return {
    key,
    label: textAt(device, "deviceInfo", "label") ?? `disk ${key}`,
    ...(kind && bus && unit ? { slot: `${kind.slot}${shown(bus)}:${shown(unit)}` } : {}),
    adapterType: kind?.adapterType ?? ADAPTER.unknown,
    capacityBytes,
    path: textAt(backing, "fileName") ?? "",
    parentPaths: parentsOf(backing),
    backing: backing?.schemaType ?? "",
    mode: textAt(backing, "diskMode") ?? "",
    compatibilityMode: textAt(backing, "compatibilityMode"),
    isShared: sharing !== undefined && sharing !== "sharingNone",
    uuid: textAt(backing, "uuid"),
    // An empty one means the same as none.
    changeId: textAt(backing, "changeId") || undefined,
  };
}

function parentsOf(backing: XmlElement | undefined): string[] {
  const paths: string[] = [];
  for (let link = childOf(backing, "parent"); link !== undefined; link = childOf(link, "parent")) {
    if (paths.length === MAX_LINKS) {
      throw new ProtocolError(`the server tells of a disk with over ${MAX_LINKS} links`);
    }
    paths.push(textAt(link, "fileName") ?? "");
  }
  return paths;
}

/** The reason why a disk cannot be backed up through a snapshot; undefined if it can. */
export function obstacleOf({ mode, compatibilityMode, isShared, path }: MachineDisk): string | undefined {
  if (mode.startsWith("independent")) return "it is independent: snapshots leave it out";
  if (compatibilityMode === "physicalMode") {
    return "it is a raw device mapping in physical mode: snapshots leave it out";
  }
  if (isShared) return "several machines share it: a snapshot is not possible";
  if (path === "") return "it has no file";
  return undefined;
}
