/**
 * The headers of dump, rdiff and digest (FORMAT.md, "Dump and rdiff", "Digest").
 * Records are packed and taken by the core; here is all that stands in front of them.
 */

import { formatError } from "../errors.ts";
import { SECTOR_BYTES } from "../sector.ts";
import { FieldReader, FieldWriter, quote } from "./fields.ts";
import { compareText, encodeText } from "./text.ts";
import { readTimeStamp, type TimeStamp, writeTimeStamp } from "./time_stamp.ts";

/** The largest block accepted; the original breaks down at 8 MiB. */
export const MAX_BLOCK_BYTES = 16 * 1024 * 1024;
/** A header ends within this many bytes; VMware's metadata take a few hundred. */
export const MAX_HEADER_BYTES = 64 * 1024;

const SERIES_ID_BYTES = 16;
const MAX_METADATA_PAIRS = 4096;
/**
 * Metadata key of ours: the exact bytes of a disk whose last block is padded. Absent where the disk is a whole
 * number of blocks, so that such an archive is byte for byte what the original would write.
 */
const CAPACITY_KEY = "vmdkbkp.capacityBytes";
const CAPACITY_KEY_BYTES = encodeText(CAPACITY_KEY);

/** What all files of one series share, and the generation. */
export interface Generation {
  /** Blocks of the disk, at least 1. */
  blockCount: number;
  /** Bytes of a block: a multiple of 512 up to {@linkcode MAX_BLOCK_BYTES}; `blockCount * blockBytes` is a safe integer. */
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
  /** A full dump, not an rdiff. */
  full: boolean;
  /** `VixDiskLibAdapterType`: 1 IDE, 2 BusLogic, 3 LSI Logic, 256 unknown. */
  adapterType: number;
  /** The disk's metadata, without the key that holds the capacity. */
  metadata: ReadonlyMap<string, string>;
  /** Bytes of the disk: more than `(blockCount - 1) * blockBytes`, at most `blockCount * blockBytes`. */
  capacityBytes: number;
}

/** What of a header is of interest. */
export interface MetadataOptions {
  /** The metadata are passed over, and none are given. */
  dropsMetadata?: boolean;
}

/** A header and where the records begin. */
export interface Parsed<Header> {
  header: Header;
  headerBytes: number;
}

/**
 * Reads the header of a dump or an rdiff.
 *
 * @param bytes the first {@linkcode MAX_HEADER_BYTES} bytes of the file, or all of it
 * @throws {FormatError} if it is not one
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
 * The bytes of a dump's or an rdiff's header.
 *
 * @throws {RangeError} if the metadata are more than a reader accepts
 */
export function dumpHeaderBytes(header: DumpHeader): Uint8Array {
  const metadata = new Map(header.metadata);
  // A disk may bring the key along: from a dump that the original restored, or from somebody who means harm.
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

/** The bytes of a digest's header. */
export function digestHeaderBytes(header: DigestHeader): Uint8Array {
  const fields = new FieldWriter()
    .integer(header.blockCount)
    .integer(header.blockBytes)
    .byteArray(header.seriesId);
  writeTimeStamp(fields, header.time);
  return fields.bytes();
}

/** What a file's first bytes make it; both kinds begin with two sizes, then comes `16` or an adapter type. */
export function archiveKind(bytes: Uint8Array): "dump" | "digest" | undefined {
  return looksLikeDump(bytes) ? "dump" : looksLikeDigest(bytes) ? "digest" : undefined;
}

/** A series id as 32 hexadecimal digits. */
export function formatSeriesId(seriesId: Uint8Array): string {
  return Array.from(seriesId, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @throws {RangeError} if no archive can have blocks of this size */
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

/** The value of {@linkcode CAPACITY_KEY}, and where it stands. */
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
  // A repeated key keeps its last value, as in the original.
  for (let i = 0; i < pairs; i++) {
    // Of hundreds of archives the metadata of most are of no interest, and their strings take more memory than all else.
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

/** The first bytes as text, with bars for the zero bytes that end a token. */
function start(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(0, 64)).replaceAll("\0", "|");
}
