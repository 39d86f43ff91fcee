/**
 * The items of a streamOptimized VMDK. Each begins on a sector with a marker (`extents/hosted/marker.ts`),
 * and is filled up to whole sectors.
 *
 * Source: VMware's technical note "Virtual Disk Format 5.0".
 */

import { SECTOR_BYTES } from "../../../sector.ts";
import { MARKER_BYTES, readMarker, TYPE_AT, writeMarker } from "../extents/hosted/marker.ts";
import { GRAIN_SECTORS } from "./sparse_header.ts";

/** The longest item of a grain: open-vmdk and VirtualBox have room for this much. */
export const ITEM_LIMIT_BYTES = (GRAIN_SECTORS + 1) * SECTOR_BYTES;

/** Writes the marker in front of a stream, and zeros behind it. Returns the size of the item in bytes. */
export function endItem(
  item: Uint8Array,
  { sector, streamBytes }: { sector: number; streamBytes: number },
): number {
  writeMarker(item, { value: BigInt(sector), sizeBytes: streamBytes });
  const endBytes = itemBytes(streamBytes);
  item.fill(0, MARKER_BYTES + streamBytes, endBytes);
  return endBytes;
}

/** Yields the grains whose items fill `items`, one behind the other. */
export function* grainsOf(items: Uint8Array): Generator<{ sector: number; atBytes: number }> {
  for (let atBytes = 0; atBytes < items.length;) {
    const { value, sizeBytes } = readMarker(items, atBytes);
    yield { sector: Number(value), atBytes };
    atBytes += itemBytes(sizeBytes);
  }
}

/** Returns an item that is not a grain: a marker of `type`, and whole sectors. */
export function formatItem(type: number, sectors: Uint8Array): Uint8Array {
  const item = new Uint8Array(SECTOR_BYTES + sectors.length);
  writeMarker(item, { value: BigInt(sectors.length / SECTOR_BYTES), sizeBytes: 0 });
  new DataView(item.buffer).setUint32(TYPE_AT, type, true);
  item.set(sectors, SECTOR_BYTES);
  return item;
}

function itemBytes(streamBytes: number): number {
  return Math.ceil((MARKER_BYTES + streamBytes) / SECTOR_BYTES) * SECTOR_BYTES;
}
