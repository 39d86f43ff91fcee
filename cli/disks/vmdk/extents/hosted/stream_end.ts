/**
 * Finds the end of a streamOptimized file that has other bytes behind it, by reading its markers from front to back.
 * Only a file whose footer is not at its end needs this: usually it was cut, sometimes something was appended to it,
 * such as the padding of a tar archive or a second download.
 */

import { SECTOR_BYTES } from "../../../../sector.ts";
import type { ExtentFile } from "../extent.ts";
import { MARKER, MARKER_BYTES, readMarker, TYPE_AT } from "./marker.ts";

const MAGIC = [0x4b, 0x44, 0x4d, 0x56];
const END_OF_STREAM = 0;
/** An undocumented marker of one sector in exports of vSphere, which VirtualBox skips. */
const PROGRESS = 4;

/** The number of markers that are read; grains of 64 KiB for 128 GiB, in a few seconds. */
const MARKER_LIMIT = 1 << 21;

/**
 * Returns the byte where a complete stream ends that begins at `beginBytes`: behind the end of stream that follows
 * its footer. Returns undefined if the stream is not complete, or is too long for this.
 */
export function endOfStream(file: ExtentFile, beginBytes: number): number | undefined {
  const sector = new Uint8Array(SECTOR_BYTES);
  let hasFooter = false;
  for (let at = beginBytes, count = 0; count < MARKER_LIMIT && at + SECTOR_BYTES <= file.sizeBytes; count++) {
    file.image().read(sector, at);
    const { value, sizeBytes } = readMarker(sector, 0);
    if (sizeBytes > 0) {
      at += sectorsUp(MARKER_BYTES + sizeBytes);
      continue;
    }
    const type = new DataView(sector.buffer).getUint32(TYPE_AT, true);
    if (type === END_OF_STREAM) return hasFooter && value === 0n ? at + SECTOR_BYTES : undefined;
    if (type === MARKER.footer) {
      if (value !== 1n || at + 2 * SECTOR_BYTES > file.sizeBytes) return undefined;
      file.image().read(sector, at + SECTOR_BYTES);
      if (!MAGIC.every((byte, index) => sector[index] === byte)) return undefined;
      hasFooter = true;
    } else if (type !== MARKER.grainTable && type !== MARKER.grainDirectory && type !== PROGRESS) {
      return undefined;
    }
    const followingSectors = type === PROGRESS ? 0n : value;
    if (followingSectors > BigInt(Math.floor(file.sizeBytes / SECTOR_BYTES))) return undefined;
    at += SECTOR_BYTES + Number(followingSectors) * SECTOR_BYTES;
  }
  return undefined;
}

function sectorsUp(bytes: number): number {
  return Math.ceil(bytes / SECTOR_BYTES) * SECTOR_BYTES;
}
