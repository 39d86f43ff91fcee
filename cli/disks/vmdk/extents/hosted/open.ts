/**
 * Hosted sparse extents, "KDMV": their grains are stored as they are (monolithicSparse, twoGbMaxExtentSparse)
 * or compressed (streamOptimized). They have two levels of tables with 32-bit sector numbers. The redundant
 * copy of the tables is not read.
 */

import type { ExtentFile, ExtentReader } from "../extent.ts";
import { GrainExtent } from "../grains/extent.ts";
import { StreamExtent } from "./stream.ts";
import type { GrainLayout } from "../grains/tables.ts";
import { MARKER_BYTES } from "./marker.ts";
import { grainPlaces32, tablePlaces32 } from "../grains/places.ts";
import { cannotOpen } from "../../../refusal.ts";
import { parseSparseHeader, SPARSE_HEADER_BYTES, type SparseHeader } from "./header.ts";
import { readFooter } from "./footer.ts";
import type { InflateRoom } from "./inflate.ts";
import type { TableCache } from "../grains/table_cache.ts";

/** The resources that the extents of a disk share, and the wanted size of this one. */
export interface HostedOptions {
  /** The size in the extent line; the header may have more. */
  sizeBytes: number;
  cache: TableCache;
  room: InflateRoom;
}

/** A header with the place of the grain directory. */
export type HostedHeader = SparseHeader & { directoryOffsetBytes: number };

/**
 * Reads the header of a hosted sparse extent, and its footer if the footer has the place of the directory.
 * @throws {FormatError} if one of them is unusable
 */
export function readHostedHeader(file: ExtentFile): HostedHeader {
  const { path, sizeBytes: fileBytes } = file;
  if (fileBytes < SPARSE_HEADER_BYTES) throw cannotOpen(path, `the file ends after ${fileBytes} bytes`);
  const bytes = new Uint8Array(SPARSE_HEADER_BYTES);
  file.image().read(bytes, 0);
  const header = parseSparseHeader(bytes, { path, fileBytes });
  const { directoryOffsetBytes } = header;
  if (directoryOffsetBytes !== undefined) return { ...header, directoryOffsetBytes };
  if (header.compressed) return { ...header, directoryOffsetBytes: readFooter(file, header) };
  throw cannotOpen(
    path,
    "the grain directory is said to be in a footer, which only compressed files have",
    { offsetBytes: 56 },
  );
}

/**
 * Opens the extent that `header` describes.
 * @throws {FormatError} if it is smaller than `sizeBytes`
 */
export function openHostedExtent(
  file: ExtentFile,
  header: HostedHeader,
  { sizeBytes, cache, room }: HostedOptions,
): ExtentReader {
  // VirtualBox rounds the header's capacity up, and the extent line has the exact size.
  if (sizeBytes > header.capacityBytes) {
    throw cannotOpen(
      file.path,
      `the extent line has ${sizeBytes} bytes, the header only ${header.capacityBytes}`,
      { offsetBytes: 12 },
    );
  }
  const layout = layoutOf(file, { header, sizeBytes });
  return header.compressed
    ? new StreamExtent(file, { layout, sizeBytes, cache, room })
    : new GrainExtent(file, { layout, sizeBytes, cache });
}

function layoutOf(
  { path, sizeBytes: fileBytes }: ExtentFile,
  { header, sizeBytes }: { header: HostedHeader; sizeBytes: number },
): GrainLayout {
  const { grainBytes, tableEntries, compressed, zeroGrains: zeros } = header;
  const tableBytes = tableEntries * 4;
  const grainCount = Math.ceil(sizeBytes / grainBytes);
  // Sector 1 is metadata, whatever the header says.
  const grainsBytes = Math.max(header.overheadBytes, 2 * SPARSE_HEADER_BYTES);
  const lengthOf = compressed
    ? () => MARKER_BYTES + 1
    // The last grain ends at the capacity, and some writers do not fill it.
    : (grain: number) => Math.min(grainBytes, sizeBytes - grain * grainBytes);
  return {
    grainBytes,
    tableEntries,
    tableBytes,
    directoryBytes: header.directoryOffsetBytes,
    directoryEntryBytes: 4,
    tablePlaces: (entries, at) => tablePlaces32(entries, { path, fileBytes, zeros, tableBytes, ...at }),
    grainPlaces: (entries, at) =>
      grainPlaces32(entries, { path, fileBytes, zeros, grainsBytes, grainCount, lengthOf, ...at }),
  };
}
