/**
 * The headers of dump, rdiff and digest (FORMAT.md, "Dump and rdiff", "Digest"). The records after a header
 * are written and read by the core.
 */

import { formatError } from "../errors.ts";
import { SECTOR_BYTES } from "../sector.ts";
import { FieldReader, FieldWriter, quote } from "./fields.ts";
import { compareText, encodeText } from "./text.ts";
import { readTimeStamp, type TimeStamp, writeTimeStamp } from "./time_stamp.ts";

/** The largest block that is accepted. The original program fails with blocks of 8 MiB. */
export const MAX_BLOCK_BYTES = 16 * 1024 * 1024;
/** The largest length of a header. The metadata of VMware take a few hundred bytes. */
export const MAX_HEADER_BYTES = 64 * 1024;

const SERIES_ID_BYTES = 16;
const MAX_METADATA_PAIRS = 4096;
/**
 * The metadata key of the exact capacity in bytes, which this program adds if the last block is padded. It is
 * absent if the capacity is a whole number of blocks, so that such an archive has the bytes that the original
 * program would write.
 */
const CAPACITY_KEY = "vmdkbkp.capacityBytes";
const CAPACITY_KEY_BYTES = encodeText(CAPACITY_KEY);

/** The fields that all files of one series have in common, and the time of the generation. */
export interface Generation {
  /** The number of blocks of the disk, at least 1. */
  blockCount: number;
  /**
   * The length of a block: a multiple of 512 up to {@linkcode MAX_BLOCK_BYTES}. `blockCount * blockBytes` is
   * a safe integer.
   */
  blockBytes: number;
  /** The id of the series, 16 bytes: all generations of one disk have it. */
  seriesId: Uint8Array;
  /** When the disk was dumped. */
  time: TimeStamp;
}

/** Header of a digest. */
export type DigestHeader = Generation;

/** Header of a dump or an rdiff. */
export interface DumpHeader extends Generation {
  /** True for a dump, false for an rdiff. */
  full: boolean;
  /** `VixDiskLibAdapterType`: 1 IDE, 2 BusLogic, 3 LSI Logic, 256 unknown. */
  adapterType: number;
  /** The disk's metadata, without the key that holds the capacity. */
  metadata: ReadonlyMap<string, string>;
  /**
   * The capacity of the disk in bytes: more than `(blockCount - 1) * blockBytes`, at most `blockCount *
   * blockBytes`.
   */
  capacityBytes: number;
}

/** Options of {@linkcode parseDumpHeader}. */
export interface MetadataOptions {
  /** Whether the metadata are skipped. The header has empty metadata then. */
  dropsMetadata?: boolean;
}

/** A header, and its length, which is the offset of the first record. */
export interface Parsed<Header> {
  header: Header;
  headerBytes: number;
}

/**
 * Reads the header of a dump or an rdiff.
 *
 * @param bytes the first {@linkcode MAX_HEADER_BYTES} bytes of the file, or all of it
 * @throws {FormatError} if `bytes` do not begin with such a header
 */
export function parseDumpHeader(
  bytes: Uint8Array,
  path: string,
  options: MetadataOptions = {},
): Parsed<DumpHeader> {
  if (looksLikeDigest(bytes)) {
    throw formatError("dump", { path, offsetBytes: 0, expected: "a dump or rdiff", found: "a digest" });
  }
  const fields = new FieldReader(bytes.subarray(0, MAX_HEADER_BYTES), "dump", path);
  const { blockCount, blockBytes } = readSizes(fields);
  const adapterType = fields.integer({ name: "adapter type", min: 0, max: 0x7fffffff });
  const full = fields.boolean("full flag");
  const seriesId = fields.byteArray("series id", SERIES_ID_BYTES);
  const time = readTimeStamp(fields);
  const { metadata, capacity } = readMetadata(fields, options);
  const capacityBytes = parseCapacity(capacity, { blockCount, blockBytes, path });
  return {
    header: { blockCount, blockBytes, adapterType, full, seriesId, time, metadata, capacityBytes },
    headerBytes: fields.offset,
  };
}

/**
 * Returns the bytes of the header of a dump or an rdiff.
 *
 * @throws {RangeError} if the metadata are larger than a reader accepts
 */
export function dumpHeaderBytes(header: DumpHeader): Uint8Array {
  const metadata = new Map(header.metadata);
  // The metadata of a disk may contain the key: the disk may come from a dump that the original program
  // restored, or from an attacker.
  metadata.delete(CAPACITY_KEY);
  if (header.capacityBytes !== header.blockCount * header.blockBytes) {
    metadata.set(CAPACITY_KEY, String(header.capacityBytes));
  }
  const fields = new FieldWriter()
    .integer(header.blockCount)
    .integer(header.blockBytes)
    .integer(header.adapterType)
    .boolean(header.full)
    .byteArray(header.seriesId);
  writeTimeStamp(fields, header.time);
  fields.integer(metadata.size);
  for (const key of [...metadata.keys()].sort(compareText)) fields.string(key).string(metadata.get(key)!);
  const bytes = fields.bytes();
  if (metadata.size > MAX_METADATA_PAIRS || bytes.length > MAX_HEADER_BYTES) {
    throw new RangeError(
      `Cannot write a dump header: ${metadata.size} metadata pairs make it ${bytes.length} bytes long, ` +
        `at most ${MAX_METADATA_PAIRS} pairs and ${MAX_HEADER_BYTES} bytes are accepted`,
    );
  }
  return bytes;
}

/** Reads the header of a digest; parameters and errors as {@linkcode parseDumpHeader}. */
export function parseDigestHeader(bytes: Uint8Array, path: string): Parsed<DigestHeader> {
  if (looksLikeDump(bytes)) {
    throw formatError("digest", { path, offsetBytes: 0, expected: "a digest", found: "a dump or rdiff" });
  }
  const fields = new FieldReader(bytes.subarray(0, MAX_HEADER_BYTES), "digest", path);
  const { blockCount, blockBytes } = readSizes(fields);
  const seriesId = fields.byteArray("series id", SERIES_ID_BYTES);
  const time = readTimeStamp(fields);
  return { header: { blockCount, blockBytes, seriesId, time }, headerBytes: fields.offset };
}

/** Returns the bytes of the header of a digest. */
export function digestHeaderBytes(header: DigestHeader): Uint8Array {
  const fields = new FieldWriter()
    .integer(header.blockCount)
    .integer(header.blockBytes)
    .byteArray(header.seriesId);
  writeTimeStamp(fields, header.time);
  return fields.bytes();
}

/**
 * Returns the kind of a file by its first bytes, or undefined if it is neither. Both kinds begin with two
 * sizes. In a digest the next token is `16`, the length of the series id; in a dump or rdiff it is the
 * adapter type.
 */
export function archiveKind(bytes: Uint8Array): "dump" | "digest" | undefined {
  return looksLikeDump(bytes) ? "dump" : looksLikeDigest(bytes) ? "digest" : undefined;
}

/** Returns a series id as 32 hexadecimal digits. */
export function formatSeriesId(seriesId: Uint8Array): string {
  return Array.from(seriesId, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Checks a block size. @throws {RangeError} if no archive can have blocks of this size */
export function assertBlockBytes(blockBytes: number): void {
  if (!Number.isInteger(blockBytes / SECTOR_BYTES) || blockBytes <= 0 || blockBytes > MAX_BLOCK_BYTES) {
    throw new RangeError(
      `The block size ${blockBytes} is not a multiple of ${SECTOR_BYTES} from ${SECTOR_BYTES} to ${MAX_BLOCK_BYTES}`,
    );
  }
}

function readSizes(fields: FieldReader): { blockCount: number; blockBytes: number } {
  const blockCount = fields.integer({ name: "number of blocks", min: 1, max: Number.MAX_SAFE_INTEGER });
  const blockBytes = fields.integer({ name: "block size", min: SECTOR_BYTES, max: MAX_BLOCK_BYTES });
  try {
    assertBlockBytes(blockBytes);
    if (!Number.isSafeInteger(blockCount * blockBytes)) {
      throw new RangeError(`${blockCount} blocks of ${blockBytes} bytes are more than 2^53 bytes`);
    }
  } catch (cause) {
    throw fields.unusable((cause as Error).message, { cause });
  }
  return { blockCount, blockBytes };
}

/** The value of {@linkcode CAPACITY_KEY}, and its offset in the file. */
interface CapacityField {
  text: string;
  offsetBytes: number;
}

function readMetadata(
  fields: FieldReader,
  { dropsMetadata = false }: MetadataOptions,
): { metadata: Map<string, string>; capacity?: CapacityField } {
  const pairs = fields.integer({ name: "number of metadata pairs", min: 0, max: MAX_METADATA_PAIRS });
  const metadata = new Map<string, string>();
  let capacity: CapacityField | undefined;
  // If a key is repeated, its last value counts, as in the original program.
  for (let i = 0; i < pairs; i++) {
    // When hundreds of archives are open, the metadata of most of them are not needed, and their strings
    // would take more memory than everything else.
    if (dropsMetadata && !fields.isNext(CAPACITY_KEY_BYTES)) {
      fields.skipString("metadata key", MAX_HEADER_BYTES);
      fields.skipString("metadata value", MAX_HEADER_BYTES);
      continue;
    }
    const key = fields.string("metadata key", MAX_HEADER_BYTES);
    const offsetBytes = fields.offset;
    const text = fields.string("metadata value", MAX_HEADER_BYTES);
    if (key === CAPACITY_KEY) capacity = { text, offsetBytes };
    else metadata.set(key, text);
  }
  return { metadata, capacity };
}

function parseCapacity(
  capacity: CapacityField | undefined,
  { blockCount, blockBytes, path }: { blockCount: number; blockBytes: number; path: string },
): number {
  const whole = blockCount * blockBytes;
  if (capacity === undefined) return whole;
  const { text, offsetBytes } = capacity;
  const capacityBytes = /^[1-9][0-9]{0,15}$/.test(text) ? Number(text) : NaN;
  if (capacityBytes > whole - blockBytes && capacityBytes <= whole) return capacityBytes;
  throw formatError("dump", {
    path,
    offsetBytes,
    expected: `a capacity from ${whole - blockBytes + 1} to ${whole} bytes`,
    found: quote(text),
  });
}

const DIGEST_START = /^[0-9]+\|[0-9]+\|16\|/;
const DUMP_START = /^[0-9]+\|[0-9]+\|[0-9]+\|[01]\|16\|/;

function looksLikeDigest(bytes: Uint8Array): boolean {
  return DIGEST_START.test(start(bytes)) && !DUMP_START.test(start(bytes));
}

function looksLikeDump(bytes: Uint8Array): boolean {
  return DUMP_START.test(start(bytes));
}

/** Returns the first bytes as text, with bars in place of the zero bytes that end the tokens. */
function start(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(0, 64)).replaceAll("\0", "|");
}
