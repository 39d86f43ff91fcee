/**
 * The end of a streamOptimized file that was written from front to back. The place of its grain directory was
 * not known when the header was written, so a second header at the end has it.
 *
 * ```
 * ... | footer marker | footer: the header again | end of stream: zeros | padding of some transfers: zeros
 * ```
 */

import type { FormatError } from "../../../../errors.ts";
import { SECTOR_BYTES } from "../../../../sector.ts";
import { cannotOpen } from "../../../refusal.ts";
import type { ExtentFile } from "../extent.ts";
import { MARKER, readMarker, TYPE_AT } from "./marker.ts";
import { endOfStream } from "./stream_end.ts";
import { parseSparseHeader, SPARSE_HEADER_BYTES, type SparseHeader } from "./header.ts";

/** The length of the end of the file in which the footer is searched, behind which may be zeros. */
const SEARCH_BYTES = 1 << 20;
const MAGIC = [0x4b, 0x44, 0x4d, 0x56];

/**
 * Returns the place of the grain directory from the footer of a file with the given header.
 * @throws {FormatError} if there is no footer or it contradicts the header
 */
export function readFooter(file: ExtentFile, header: SparseHeader): number {
  const { path, sizeBytes: fileBytes } = file;
  const { marker, bytes, offsetBytes } = lastSectors(file, header);
  const view = new DataView(marker.buffer, marker.byteOffset);
  const { value, sizeBytes } = readMarker(marker, 0);
  const isFooter = value === 1n && sizeBytes === 0 && view.getUint32(TYPE_AT, true) === MARKER.footer;
  if (!isFooter || !MAGIC.every((byte, index) => bytes[index] === byte)) {
    throw missing(file, { header, offsetBytes });
  }
  const footer = parseSparseHeader(bytes, { path, fileBytes, beginBytes: offsetBytes });
  for (const key of ["capacityBytes", "grainBytes", "tableEntries", "zeroGrains", "compressed"] as const) {
    if (footer[key] === header[key]) continue;
    throw cannotOpen(path, `the footer contradicts the header: ${key} ${footer[key]} and ${header[key]}`, {
      offsetBytes,
      expected: String(header[key]),
      found: String(footer[key]),
    });
  }
  if (footer.directoryOffsetBytes === undefined) {
    throw cannotOpen(path, "the footer does not say where the grain directory is", {
      offsetBytes: offsetBytes + 56,
    });
  }
  return footer.directoryOffsetBytes;
}

/** Returns the last sector that is not zero and has a sector of zeros behind it, and the sector before it. */
function lastSectors(
  file: ExtentFile,
  header: SparseHeader,
): { marker: Uint8Array; bytes: Uint8Array; offsetBytes: number } {
  const { sizeBytes: fileBytes } = file;
  const wholeBytes = fileBytes - fileBytes % SECTOR_BYTES;
  const beginBytes = Math.max(0, wholeBytes - SEARCH_BYTES);
  const tail = new Uint8Array(wholeBytes - beginBytes);
  file.image().read(tail, beginBytes);
  let last = tail.length - 1;
  while (last >= 0 && tail[last] === 0) last--;
  const at = last - last % SECTOR_BYTES;
  if (fileBytes !== wholeBytes || at < SECTOR_BYTES || at + 2 * SECTOR_BYTES > tail.length) {
    throw missing(file, { header, offsetBytes: fileBytes });
  }
  return {
    marker: tail.subarray(at - SECTOR_BYTES, at),
    bytes: tail.subarray(at, at + SPARSE_HEADER_BYTES),
    offsetBytes: beginBytes + at,
  };
}

/** Returns the error for a file that does not end with a footer: it is cut, or something was appended to it. */
function missing(
  file: ExtentFile,
  { header, offsetBytes }: { header: SparseHeader; offsetBytes: number },
): FormatError {
  const { path, sizeBytes } = file;
  const endBytes = endOfStream(file, Math.max(header.overheadBytes, SPARSE_HEADER_BYTES));
  if (endBytes === undefined || endBytes === sizeBytes) {
    return cannotOpen(path, "the footer is missing, the file may be incomplete", { offsetBytes });
  }
  return cannotOpen(
    path,
    `the stream is complete and ends at byte ${endBytes}, ${sizeBytes - endBytes} bytes are behind it; ` +
      `to read it, cut a copy there (truncate -s ${endBytes})`,
    { offsetBytes: endBytes, expected: "the end of the file", found: `${sizeBytes - endBytes} bytes` },
  );
}
