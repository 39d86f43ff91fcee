/** Asks a server which areas of a disk have changed, up to the disk's last byte. */

import { ProtocolError, shown } from "./errors.ts";
import { type Area, AreaList } from "./area_list.ts";
import type { VsphereSession } from "./session.ts";
import { type ObjectRef, refElement, textElement } from "./soap/envelope.ts";
import { childOf, integerAt, type XmlElement } from "./soap/xml.ts";

/** Instead of a change id: which areas are allocated. */
export const ALLOCATED = "*";

/** The disk, the snapshot and the beginning of a question about areas. */
export interface AreaQuery {
  machine: ObjectRef;
  snapshot: ObjectRef;
  /** `VirtualDisk.key`. */
  deviceKey: number;
  /** The capacity of the disk in that snapshot. */
  capacityBytes: number;
  changeId: string;
  signal?: AbortSignal;
}

/** The server goes through the whole list of a large disk before it sends the first byte. */
const PATIENCE_MS = 10 * 60_000;

/**
 * The areas that have changed since `changeId`, or that are allocated; clamped to the capacity.
 *
 * One answer covers a part of the disk, so the question is repeated until the answers reach the capacity.
 *
 * @throws {VsphereFault} if the server refuses
 * @throws {ProtocolError} if an answer does not go on where it was asked to
 */
export async function queryAreas(session: VsphereSession, query: AreaQuery): Promise<AreaList> {
  const { machine, snapshot, deviceKey, capacityBytes, changeId, signal } = query;
  const areas = new AreaList();
  // Asked at the capacity itself, the server refuses.
  for (let offsetBytes = 0; offsetBytes < capacityBytes;) {
    const args = refElement("snapshot", snapshot) + textElement("deviceKey", deviceKey) +
      textElement("startOffset", offsetBytes) + textElement("changeId", changeId);
    const answer = await session.call("QueryChangedDiskAreas", machine, args, {
      signal,
      passing: { name: "changedArea", take: (element) => areas.add(areaIn(element, capacityBytes)) },
      patienceMs: PATIENCE_MS,
      isRepeatable: true,
    });
    offsetBytes = nextOffset(answer, offsetBytes);
  }
  return areas;
}

/** An area, clamped to the capacity. @throws {ProtocolError} if it has an unknown form: skipped, it would be lost */
function areaIn(element: XmlElement, capacityBytes: number): Area {
  checkNames(element, ["start", "length"]);
  const startBytes = integerAt(element, "start")!;
  return { startBytes, endBytes: Math.min(capacityBytes, startBytes + integerAt(element, "length")!) };
}

/** Where the answer ends. */
function nextOffset(answer: XmlElement, offsetBytes: number): number {
  checkNames(answer, ["returnval"]);
  const value = childOf(answer, "returnval")!;
  // The areas were handed over.
  checkNames(value, ["startOffset", "length"]);
  const startBytes = integerAt(value, "startOffset")!;
  const lengthBytes = integerAt(value, "length")!;
  if (startBytes !== offsetBytes || lengthBytes <= 0) {
    throw new ProtocolError(
      `the server was asked for changes from byte ${offsetBytes} on, and tells of ${lengthBytes} bytes ` +
        `from byte ${startBytes} on`,
    );
  }
  return startBytes + lengthBytes;
}

/** @throws {ProtocolError} unless an element has exactly these children, in their order */
function checkNames(element: XmlElement, names: readonly string[]): void {
  const found = element.children.map(({ name }) => name);
  if (found.length === names.length && found.every((name, i) => name === names[i])) return;
  throw new ProtocolError(
    `the list of changed areas has an unknown form: ${shown(found.slice(0, 5).join(", "))}`,
  );
}
