/**
 * vmfsSparse extents, "COWD": the snapshots that ESXi writes on VMFS-5. A header of 2048 bytes,
 * little-endian:
 *
 * ```
 *  0 u32 magic "COWD"   12 u32 numSectors   24 u32 numGDEntries
 *  4 u32 version: 1     16 u32 grainSize    28 u32 freeSector
 *  8 u32 flags: 3       20 u32 gdOffset     32 names, texts, generations: not used
 * ```
 *
 * A table has 4096 entries, and a grain is mostly one sector. There is one copy of the directory and of the
 * tables. Entry 0 means that the parent is asked. Entry 1 is read as zeros, as xen-orchestra does, which
 * reads such files in production; qemu-img gives the bytes of sector 1.
 *
 * Source: VMware's technical note "Virtual Disk Format 5.0".
 */

import { SECTOR_BYTES } from "../../../sector.ts";
import { cannotOpen } from "../../refusal.ts";
import type { ExtentFile, ExtentReader } from "./extent.ts";
import { GrainExtent } from "./grains/extent.ts";
import type { GrainLayout } from "./grains/tables.ts";
import { grainPlaces32, tablePlaces32 } from "./grains/places.ts";
import type { TableCache } from "./grains/table_cache.ts";

const HEADER_BYTES = 2048;
const TABLE_ENTRIES = 4096;
const VERSION = 1;
const FLAGS = 3;
const GRAIN_LIMIT_SECTORS = 2048;

/**
 * Opens a COWD extent whose line has `sizeBytes`.
 * @throws {FormatError} if its header is unusable
 */
export function openCowdExtent(
  file: ExtentFile,
  { sizeBytes, cache }: { sizeBytes: number; cache: TableCache },
): ExtentReader {
  return new GrainExtent(file, { layout: readLayout(file, sizeBytes), sizeBytes, cache });
}

function readLayout(file: ExtentFile, sizeBytes: number): GrainLayout {
  const { path, sizeBytes: fileBytes } = file;
  if (fileBytes < HEADER_BYTES) throw cannotOpen(path, `the file ends after ${fileBytes} bytes`);
  const view = new DataView(new ArrayBuffer(HEADER_BYTES));
  file.image().read(new Uint8Array(view.buffer), 0);
  const field = (offsetBytes: number) => view.getUint32(offsetBytes, true);
  const refuse = (offsetBytes: number, reason: string) => cannotOpen(path, reason, { offsetBytes });

  if (field(4) !== VERSION) throw refuse(4, `the header has version ${field(4)}, only ${VERSION} is known`);
  if (field(8) !== FLAGS) {
    throw refuse(8, `the header has the flags 0x${field(8).toString(16)}, only 0x${FLAGS} is known`);
  }
  const capacityBytes = field(12) * SECTOR_BYTES;
  if (sizeBytes > capacityBytes) {
    throw refuse(12, `the extent line has ${sizeBytes} bytes, the header only ${capacityBytes}`);
  }
  const grain = field(16);
  if (grain === 0 || (grain & (grain - 1)) !== 0 || grain > GRAIN_LIMIT_SECTORS) {
    const wanted = `a power of two up to ${GRAIN_LIMIT_SECTORS} is wanted`;
    throw refuse(16, `the grain size is ${grain} sectors, ${wanted}`);
  }
  const grainBytes = grain * SECTOR_BYTES;
  const grainCount = Math.ceil(sizeBytes / grainBytes);
  const tableCount = Math.ceil(grainCount / TABLE_ENTRIES);
  if (field(24) < tableCount) {
    const found = field(24) === 1 ? "1 entry" : `${field(24)} entries`;
    throw refuse(24, `the grain directory has ${found}, ${tableCount} are needed`);
  }
  const directoryBytes = field(20) * SECTOR_BYTES;
  const grainsBytes = directoryBytes + tableCount * 4;
  if (directoryBytes < HEADER_BYTES || grainsBytes > fileBytes) {
    const found = `the file has ${Math.floor(fileBytes / SECTOR_BYTES)} sectors`;
    throw refuse(
      20,
      `the grain directory at sector ${field(20)} needs ${tableCount * 4} bytes behind the header, ${found}`,
    );
  }
  const zeros = true;
  const tableBytes = TABLE_ENTRIES * 4;
  const lengthOf = (grain: number) => Math.min(grainBytes, sizeBytes - grain * grainBytes);
  return {
    grainBytes,
    tableEntries: TABLE_ENTRIES,
    tableBytes,
    directoryBytes,
    directoryEntryBytes: 4,
    tablePlaces: (entries, at) => tablePlaces32(entries, { path, fileBytes, zeros, tableBytes, ...at }),
    grainPlaces: (entries, at) =>
      grainPlaces32(entries, { path, fileBytes, zeros, grainsBytes, grainCount, lengthOf, ...at }),
  };
}
