/** Checks and decodes the entries of the formats with 32-bit sector numbers: hosted sparse and COWD. */

import { SECTOR_BYTES } from "../../../../sector.ts";
import { cannotRead } from "../../../refusal.ts";
import { type EntriesAt, ZEROS } from "./tables.ts";

/** The file whose entries are read. */
export interface SectorPlacesOptions extends EntriesAt {
  path: string;
  fileBytes: number;
  /** Whether an entry of 1 means zeros. */
  zeros: boolean;
}

/**
 * Reads directory entries.
 * @throws {FormatError} if the file does not contain a table with all of its `tableBytes`
 */
export function tablePlaces32(
  entries: DataView,
  { path, fileBytes, entriesBytes, first, zeros, tableBytes }: SectorPlacesOptions & { tableBytes: number },
): Float64Array {
  const places = new Float64Array(entries.byteLength / 4);
  for (let i = 0; i < places.length; i++) {
    const sector = entries.getUint32(i * 4, true);
    if (sector === 0) continue;
    if (sector === 1 && zeros) {
      places[i] = ZEROS;
      continue;
    }
    places[i] = sector * SECTOR_BYTES;
    if (sector > 1 && places[i] + tableBytes <= fileBytes) continue;
    throw cannotRead(
      path,
      `grain table ${first + i} lies at sector ${sector}, the file has ${sectorsOf(fileBytes)}`,
      { offsetBytes: entriesBytes + i * 4 },
    );
  }
  return places;
}

/**
 * Reads table entries. Those behind the last grain are ignored.
 * @throws {FormatError} if a grain lies before byte `grainsBytes` of the file, or the file does not contain
 * all of the bytes that `lengthOf` returns for it
 */
export function grainPlaces32(
  entries: DataView,
  { path, fileBytes, entriesBytes, first, zeros, grainsBytes, grainCount, lengthOf }: SectorPlacesOptions & {
    grainsBytes: number;
    grainCount: number;
    lengthOf: (grain: number) => number;
  },
): Float64Array {
  const places = new Float64Array(entries.byteLength / 4);
  const count = Math.min(places.length, grainCount - first);
  for (let i = 0; i < count; i++) {
    const sector = entries.getUint32(i * 4, true);
    if (sector === 0) continue;
    if (sector === 1 && zeros) {
      places[i] = ZEROS;
      continue;
    }
    const place = sector * SECTOR_BYTES;
    const where = { offsetBytes: entriesBytes + i * 4 };
    if (place < grainsBytes) {
      throw cannotRead(path, `grain ${first + i} lies in the metadata, at sector ${sector}`, where);
    }
    if (place + lengthOf(first + i) > fileBytes) {
      const found = `the file has ${sectorsOf(fileBytes)}`;
      throw cannotRead(path, `grain ${first + i} lies at sector ${sector}, ${found}`, where);
    }
    places[i] = place;
  }
  return places;
}

function sectorsOf(bytes: number): number {
  return Math.floor(bytes / SECTOR_BYTES);
}
