/**
 * The items of a streamOptimized VMDK: each begins on a sector, with a marker.
 *
 * ```
 *  0 u64 grain: its first sector on the disk    other: number of sectors that follow the marker
 *  8 u32 grain: bytes of its stream             other: 0
 * 12     grain: the stream, then zeros          other: u32 type, then zeros
 * ```
 *
 * Source: VMware's technical note "Virtual Disk Format 5.0".
 */

import { GRAIN_SECTORS, SECTOR_BYTES } from "./vmdk_sparse_header_write.ts";

/** Where the stream begins in the item of a grain. */
export const STREAM_AT = 12;

/** Most bytes of the item of a grain: what open-vmdk and VirtualBox have room for. */
export const ITEM_LIMIT_BYTES = (GRAIN_SECTORS + 1) * SECTOR_BYTES;

/** Types of the other items; the end of the stream is a sector of zeros. */
export const MARKER = { grainTable: 1, grainDirectory: 2, footer: 3 } as const;

/** Puts the marker in front of a stream, and zeros behind it; returns how many bytes the item has. */
export function endItem(
  item: Uint8Array,
  { sector, streamBytes }: { sector: number; streamBytes: number },
): number {
  const marker = new DataView(item.buffer, item.byteOffset, STREAM_AT);
  marker.setBigUint64(0, BigInt(sector), true);
  marker.setUint32(8, streamBytes, true);
  const endBytes = itemBytes(streamBytes);
  item.fill(0, STREAM_AT + streamBytes, endBytes);
  return endBytes;
}

/** The grains whose items fill `items`, one behind the other. */
export function* grainsOf(items: Uint8Array): Generator<{ sector: number; atBytes: number }> {
  const view = new DataView(items.buffer, items.byteOffset, items.length);
  for (let atBytes = 0; atBytes < items.length;) {
    yield { sector: Number(view.getBigUint64(atBytes, true)), atBytes };
    atBytes += itemBytes(view.getUint32(atBytes + 8, true));
  }
}

/** An item that is no grain: a marker of `type`, and whole sectors. */
export function formatItem(type: number, sectors: Uint8Array): Uint8Array {
  const item = new Uint8Array(SECTOR_BYTES + sectors.length);
  const marker = new DataView(item.buffer);
  marker.setBigUint64(0, BigInt(sectors.length / SECTOR_BYTES), true);
  marker.setUint32(12, type, true);
  item.set(sectors, SECTOR_BYTES);
  return item;
}

function itemBytes(streamBytes: number): number {
  return Math.ceil((STREAM_AT + streamBytes) / SECTOR_BYTES) * SECTOR_BYTES;
}
