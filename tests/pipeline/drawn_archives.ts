/**
 * Archives as they are drawn: one character a block.
 *
 *     "ab.a_"    block 0 holds noise a, block 1 noise b, block 2 zeros, block 3 noise a again, block 4 has no record
 *
 * Records and digests are put together here from the words of FORMAT.md, not by the core, and their MD5s by node:crypto.
 */

import { createHash } from "node:crypto";
import { digestHeaderBytes, type DumpHeader, dumpHeaderBytes } from "../../cli/archive/header.ts";
import type { TimeStamp } from "../../cli/archive/time_stamp.ts";
import type { Core } from "../../cli/core.ts";
import { DigestReader, DumpReader } from "../../cli/pipeline/archive_reader.ts";
import { Chain } from "../../cli/pipeline/chain.ts";
import { noise } from "../disks/helpers.ts";
import { MemoryFile } from "./memory_file.ts";

const ZERO = ".";
const ABSENT = "_";

/** Fields of the header that are not as usual. */
export interface DrawOptions extends Partial<Omit<DumpHeader, "full" | "blockCount" | "time">> {
  /** Minutes after twelve: a higher number is a later generation. */
  generation?: number;
  /** Name of the file. */
  path?: string;
}

/** A dump with a record for each character; one that is cut short says so with `blockCount`. */
export function drawDump(blocks: string, options: DrawOptions & { blockCount?: number } = {}): MemoryFile {
  return drawRecords(blocks, { path: "dump", ...options }, true);
}

/** An rdiff: the blocks of the older generation, `_` where it has none. */
export function drawRdiff(blocks: string, options: DrawOptions = {}): MemoryFile {
  return drawRecords(blocks, { path: "rdiff", ...options }, false);
}

/** The digest of a disk. */
export function drawDigest(blocks: string, options: DrawOptions = {}): MemoryFile {
  const header = headerOf(blocks, options);
  const records = [...blocks].map((mark) => {
    if (mark === ZERO) return tokens(1);
    return joined(tokens(0, 16), createHash("md5").update(drawBlock(mark, header.blockBytes)).digest());
  });
  return new MemoryFile(options.path ?? "digest", [digestHeaderBytes(header), ...records]);
}

/** The bytes of a disk; those of blocks that are absent are `fill`. */
export function drawDisk(blocks: string, { blockBytes = 512, fill = 0 } = {}): Uint8Array<ArrayBuffer> {
  const disk = new Uint8Array(blocks.length * blockBytes).fill(fill);
  [...blocks].forEach((mark, block) => {
    if (mark !== ABSENT) disk.set(drawBlock(mark, blockBytes), block * blockBytes);
  });
  return disk;
}

/** The bytes of one block. */
export function drawBlock(mark: string, blockBytes = 512): Uint8Array<ArrayBuffer> {
  return mark === ZERO ? new Uint8Array(blockBytes) : noise(blockBytes, mark.charCodeAt(0));
}

/** Opens archives as a chain, newest first. */
export async function openChain(core: Core, ...files: MemoryFile[]): Promise<Chain> {
  const readers = [];
  for (const file of files) readers.push(await openDump(core, file));
  return new Chain(readers);
}

export async function openDump(core: Core, file: MemoryFile): Promise<DumpReader> {
  return await DumpReader.open(core, await file.source());
}

export async function openDigest(core: Core, file: MemoryFile): Promise<DigestReader> {
  return await DigestReader.open(core, await file.source());
}

/** The header of an archive. */
export function headerOf(
  blocks: string,
  { generation = 0, blockBytes = 512, path: _, ...others }: DrawOptions & { blockCount?: number } = {},
): DumpHeader {
  const blockCount = others.blockCount ?? blocks.length;
  return {
    full: true,
    blockCount,
    blockBytes,
    capacityBytes: blockCount * blockBytes,
    adapterType: 3,
    seriesId: new Uint8Array(16).fill(0x5e),
    time: minuteOf(generation),
    metadata: new Map([["adapterType", "lsilogic"]]),
    ...others,
  };
}

function minuteOf(minute: number): TimeStamp {
  return {
    second: 0,
    minute,
    hour: 12,
    dayOfMonth: 15,
    month: 6,
    year: 112,
    dayOfWeek: 0,
    dayOfYear: 196,
    summerTime: 1,
  };
}

function drawRecords(blocks: string, options: DrawOptions & { path: string }, full: boolean): MemoryFile {
  const header = { ...headerOf(blocks, options), full };
  const records = [...blocks].map((mark, block) => {
    if (mark === ABSENT) return new Uint8Array(0);
    if (mark === ZERO) return tokens(block, 1);
    return joined(tokens(block, 0, header.blockBytes), drawBlock(mark, header.blockBytes));
  });
  return new MemoryFile(options.path, [dumpHeaderBytes(header), ...records]);
}

function tokens(...integers: number[]): Uint8Array {
  return new TextEncoder().encode(integers.map((integer) => `${integer}\0`).join(""));
}

function joined(...parts: Uint8Array[]): Uint8Array {
  return new MemoryFile("joined", parts).bytes;
}
