/**
 * What stands in front of everything in a streamOptimized file, on a sector of its own or before a compressed grain:
 *
 * ```
 * 0 u64 value   a grain: its sector on the disk; all others: sectors that follow the marker
 * 8 u32 size    a grain: its compressed bytes, which begin at 12; all others: 0
 * 12 u32 type   of all others: 0 end of stream, 1 grain table, 2 grain directory, 3 footer
 * ```
 */

/** Bytes in front of the data of a compressed grain. */
export const MARKER_BYTES = 12;

/** Types of the markers of what is no grain; the end of the stream is a sector of zeros. */
export const MARKER = { grainTable: 1, grainDirectory: 2, footer: 3 } as const;
/** Where the type lies. */
export const TYPE_AT = 12;

/** A marker as it is. */
export interface Marker {
  value: bigint;
  sizeBytes: number;
}

/** The first {@linkcode MARKER_BYTES} of a marker that lies at `at`. */
export function readMarker(bytes: Uint8Array, at: number): Marker {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, MARKER_BYTES);
  return { value: view.getBigUint64(0, true), sizeBytes: view.getUint32(8, true) };
}

/** Puts a marker at the start of `bytes`. */
export function writeMarker(bytes: Uint8Array, { value, sizeBytes }: Marker): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, MARKER_BYTES);
  view.setBigUint64(0, value, true);
  view.setUint32(8, sizeBytes, true);
}
