/**
 * The markers of a streamOptimized file. One stands in front of every item: before the data of a compressed
 * grain, or in a sector of its own before a table, a directory or a footer.
 *
 * ```
 * 0 u64 value   grain: its sector on the disk; other items: the number of sectors that follow the marker
 * 8 u32 size    grain: its compressed bytes, which begin at byte 12; other items: 0
 * 12 u32 type   other items: 0 end of stream, 1 grain table, 2 grain directory, 3 footer
 * ```
 */

/** The bytes in front of the data of a compressed grain. */
export const MARKER_BYTES = 12;

/** The types of the markers of items that are not grains. The end of the stream is a sector of zeros. */
export const MARKER = { grainTable: 1, grainDirectory: 2, footer: 3 } as const;
/** The offset of the type. */
export const TYPE_AT = 12;

/** The fields of a marker. */
export interface Marker {
  value: bigint;
  sizeBytes: number;
}

/** Reads the first {@linkcode MARKER_BYTES} of the marker at `at`. */
export function readMarker(bytes: Uint8Array, at: number): Marker {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, MARKER_BYTES);
  return { value: view.getBigUint64(0, true), sizeBytes: view.getUint32(8, true) };
}

/** Writes a marker to the start of `bytes`. */
export function writeMarker(bytes: Uint8Array, { value, sizeBytes }: Marker): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, MARKER_BYTES);
  view.setBigUint64(0, value, true);
  view.setUint32(8, sizeBytes, true);
}
