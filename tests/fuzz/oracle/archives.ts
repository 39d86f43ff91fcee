/**
 * A second reader of dumps, rdiffs, digests and bitmaps, from FORMAT.md alone: slow, and plain enough to be believed.
 * Strings are Latin-1, a character for each byte.
 */

import { createHash } from "node:crypto";
import { demand } from "./acceptable.ts";

/** The digest of a block: 32 hexadecimal digits, or `zero`. */
export type Md5 = string;

/** What a header says; a digest tells no `disk`. */
export interface Header {
  blockCount: number;
  blockBytes: number;
  series: string;
  time: number[];
  disk?: {
    adapterType: number;
    full: boolean;
    capacityBytes: number;
    /** Sorted. */
    metadata: [key: string, value: string][];
  };
}

/** A header, and the records by their blocks. */
export interface Archive {
  header: Header;
  records: Map<number, Md5>;
  /** The bytes of the disk's last block, if it has a record with bytes. */
  lastBlock?: Uint8Array;
}

const LARGEST = 2 ** 53 - 1;
const LONGEST_HEADER = 64 * 1024;

class Fields {
  at = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.at === this.#bytes.length;
  }

  take(length: number): Uint8Array {
    demand(this.at + length <= this.#bytes.length);
    this.at += length;
    return this.#bytes.subarray(this.at - length, this.at);
  }

  string(): string {
    const end = this.#bytes.indexOf(0, this.at);
    demand(end >= 0);
    const text = latin1(this.take(end - this.at));
    this.at++;
    return text;
  }

  integer(min: number, max: number): number {
    const text = this.string();
    demand(/^(0|-?[1-9][0-9]*)$/.test(text));
    const value = BigInt(text);
    demand(value >= BigInt(min) && value <= BigInt(max));
    return Number(value);
  }

  byteArray(length: number): Uint8Array {
    this.integer(length, length);
    return this.take(length);
  }
}

function latin1(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function readSizes(fields: Fields) {
  const blockCount = fields.integer(1, LARGEST);
  const blockBytes = fields.integer(512, 16 * 1024 * 1024);
  demand(blockBytes % 512 === 0 && BigInt(blockCount) * BigInt(blockBytes) <= BigInt(LARGEST));
  return { blockCount, blockBytes };
}

function readTime(fields: Fields): number[] {
  const most = [60, 59, 23, 31, 11, 8099, 6, 365, 1];
  return most.map((max, i) => fields.integer(i === 3 ? 1 : i === 8 ? -1 : 0, max));
}

/** Reads a dump or an rdiff. @throws {NotAcceptable} */
export function readDump(bytes: Uint8Array): Archive {
  const fields = new Fields(bytes);
  const { blockCount, blockBytes } = readSizes(fields);
  const adapterType = fields.integer(0, 2 ** 31 - 1);
  const full = fields.integer(0, 1) === 1;
  const series = hex(fields.byteArray(16));
  const time = readTime(fields);
  const metadata = new Map<string, string>();
  for (let left = fields.integer(0, 4096); left > 0; left--) metadata.set(fields.string(), fields.string());
  demand(fields.at <= LONGEST_HEADER);
  const capacity = metadata.get("vmdkbkp.capacityBytes") ?? `${blockCount * blockBytes}`;
  metadata.delete("vmdkbkp.capacityBytes");
  demand(/^[1-9][0-9]*$/.test(capacity));
  const surplus = BigInt(blockCount) * BigInt(blockBytes) - BigInt(capacity);
  demand(surplus >= 0n && surplus < BigInt(blockBytes));
  const disk = { adapterType, full, capacityBytes: Number(capacity), metadata: [...metadata].sort() };

  const records = new Map<number, Md5>();
  let lastBlock: Uint8Array | undefined;
  for (let next = 0; full ? next < blockCount : !fields.atEnd;) {
    const block = fields.integer(next, full ? next : blockCount - 1);
    const isZero = fields.integer(0, 1) === 1;
    const content = isZero ? undefined : fields.byteArray(blockBytes);
    records.set(block, content === undefined ? "zero" : md5Of(content));
    if (block === blockCount - 1) lastBlock = content;
    next = block + 1;
  }
  demand(fields.atEnd);
  return { header: { blockCount, blockBytes, series, time, disk }, records, lastBlock };
}

/** A block of zeros may be written in full as well. */
function md5Of(block: Uint8Array): Md5 {
  return block.every((byte) => byte === 0) ? "zero" : createHash("md5").update(block).digest("hex");
}

/** Reads a digest. @throws {NotAcceptable} */
export function readDigest(bytes: Uint8Array): Archive {
  const fields = new Fields(bytes);
  const { blockCount, blockBytes } = readSizes(fields);
  const series = hex(fields.byteArray(16));
  const time = readTime(fields);
  demand(fields.at <= LONGEST_HEADER);
  const records = new Map<number, Md5>();
  for (let block = 0; block < blockCount; block++) {
    const md5 = fields.integer(0, 1) === 1 ? "zero" : hex(fields.byteArray(16));
    demand(!/^0+$/.test(md5));
    records.set(block, md5);
  }
  demand(fields.atEnd);
  return { header: { blockCount, blockBytes, series, time }, records };
}

/** The bits of a bitmap, as text. @throws {NotAcceptable} */
export function readBits(bytes: Uint8Array): string {
  const fields = new Fields(bytes);
  const count = fields.integer(1, 2 ** 30);
  const bits = Array.from(
    fields.take(Math.ceil(count / 8)),
    (byte) => byte.toString(2).padStart(8, "0"),
  ).join("");
  demand(fields.atEnd && !bits.slice(count).includes("1"));
  return bits.slice(0, count);
}

/** What a check of archives, newest first, finds. */
export interface Finding {
  badBlocks: number[];
  zeroBlocks: number;
  absentBlocks: number;
}

/** Holds a chain against a digest. @throws {NotAcceptable} if they do not belong together */
export function checkChain(archives: readonly Archive[], digest: Archive): Finding {
  const [first, ...others] = archives;
  let newer = first;
  for (const older of others) {
    demand(!older.header.disk!.full && isSameDisk(first.header, older.header));
    const gap = secondsOf(newer.header) - secondsOf(older.header);
    demand(gap > 0 || (gap === 0 && newer.header.disk!.full));
    newer = older;
  }
  demand(isSameDisk(newer.header, digest.header) && secondsOf(newer.header) === secondsOf(digest.header));
  const finding: Finding = { badBlocks: [], zeroBlocks: 0, absentBlocks: 0 };
  for (const [block, expected] of digest.records) {
    const holder = archives.findLast(({ records }) => records.has(block));
    const md5 = holder?.records.get(block);
    if (md5 === undefined) finding.absentBlocks++;
    else {
      if (block === digest.header.blockCount - 1) demand(hasPadding(holder!));
      if (md5 === "zero") finding.zeroBlocks++;
      if (md5 !== expected) finding.badBlocks.push(block);
    }
  }
  return finding;
}

/** What lies behind the capacity is zero. */
function hasPadding({ header, lastBlock = new Uint8Array() }: Archive): boolean {
  const { blockCount, blockBytes, disk } = header;
  return lastBlock.subarray(disk!.capacityBytes - (blockCount - 1) * blockBytes).every((byte) => byte === 0);
}

function isSameDisk(a: Header, b: Header): boolean {
  return a.blockCount === b.blockCount && a.blockBytes === b.blockBytes && a.series === b.series &&
    (b.disk === undefined || a.disk!.capacityBytes === b.disk.capacityBytes);
}

function secondsOf({ time: [second, minute, hour, day, month, year, , , summer] }: Header): number {
  return Date.UTC(1900 + year, month, day, hour, minute, second) / 1000 - (summer === 1 ? 3600 : 0);
}
