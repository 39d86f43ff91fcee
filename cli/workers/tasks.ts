/**
 * The tasks that any thread can perform. They are coarse, work on memory that all threads share, and need
 * nothing else of the program.
 */

import { type Codecs, HERE, inflateAll, type Inflating } from "../archive/codecs.ts";
import type { BlockRun, Core } from "../core.ts";
import type { PackedGrains } from "../disks/vmdk/create/grain_pack.ts";

/** Finds the zero blocks of a run and computes the digests of the others, whose number is the result. */
export interface HashTask {
  kind: "hash";
  /** Entries of zero blocks become `Core.ZERO`. */
  run: BlockRun;
  /** Address that receives the digests, 16 bytes for each block. */
  digestsPtr: number;
}

/**
 * Finds the zero blocks of the newer run, compares the run with the older one, and makes its digests:
 * unchanged blocks have the older digests, so that only changed blocks are hashed. The result is the number
 * of changed blocks.
 */
export interface CompareTask {
  kind: "compare";
  /** The blocks before the change. The entries of its zero blocks are `Core.ZERO` already. */
  older: BlockRun;
  /** The same blocks after the change. Entries of zero blocks become `Core.ZERO`. */
  newer: BlockRun;
  /** Address that receives one byte for each block: 1 if the block changed, else 0. */
  changedPtr: number;
  /** Address of the digests of the older run, 16 bytes for each block. */
  olderDigestsPtr: number;
  /** Address that receives the digests of the newer run, 16 bytes for each block. */
  newerDigestsPtr: number;
}

/**
 * Compresses or decompresses a piece of an archive; see {@linkcode Codecs}. The result is the length of the
 * compressed piece in bytes, or 0 after decompression.
 */
export type CodecTask = {
  [Kind in CodecKind]: { kind: Kind; given: Parameters<Codecs[Kind]>[0] };
}[CodecKind];

type CodecKind = "gzip" | "gunzip" | "zstd" | "unzstd";

/** Inflates grains of a disk. The result is 0. */
export interface InflateTask {
  kind: "inflate";
  /** The compressed grains, and memory for their content. */
  streams: readonly Inflating[];
}

/** Deflates grains of a VMDK. The result is the length in bytes of the grains with their markers. */
export interface GrainTask {
  kind: "packGrains";
  /** The grains, and memory for the result. */
  given: PackedGrains;
}

/** A task. It can be posted to a worker. */
export type Task = HashTask | CompareTask | CodecTask | InflateTask | GrainTask;

// Loaded with the first grains, so that threads without grains do not spend time and memory on the module.
let grainPack: typeof import("../disks/vmdk/create/grain_pack.ts") | undefined;

/**
 * Performs a task on the calling thread and returns its result.
 *
 * @throws {Error} if the task fails, for example because compressed data is damaged
 */
export async function perform(core: Core, task: Task): Promise<number> {
  switch (task.kind) {
    case "hash":
      return hash(core, task);
    case "compare":
      return compare(core, task);
    case "gzip":
      return await HERE.gzip(task.given);
    case "gunzip":
      await HERE.gunzip(task.given);
      return 0;
    case "zstd":
      return await HERE.zstd(task.given);
    case "unzstd":
      await HERE.unzstd(task.given);
      return 0;
    case "inflate":
      await inflateAll(task.streams);
      return 0;
    case "packGrains":
      return (grainPack ??= await import("../disks/vmdk/create/grain_pack.ts")).packGrains(task.given);
  }
}

function hash(core: Core, { run: { tablePtr, count, blockBytes }, digestsPtr }: HashTask): number {
  const dataBlocks = core.dropZeros(tablePtr, count, blockBytes);
  core.md5Blocks(tablePtr, count, blockBytes, digestsPtr);
  return dataBlocks;
}

function compare(core: Core, { older, newer, changedPtr, ...digests }: CompareTask): number {
  const { tablePtr, count, blockBytes } = newer;
  const size = core.DIGEST_SIZE;
  core.dropZeros(tablePtr, count, blockBytes);
  const changedBlocks = core.diffBlocks(older, newer, changedPtr);
  const changed = core.bytes(changedPtr, count);
  const table = core.words(tablePtr, count);
  const tableBefore = table.slice();
  for (let i = 0; i < count; i++) if (changed[i] === 0) table[i] = core.ABSENT;
  core.md5Blocks(tablePtr, count, blockBytes, digests.newerDigestsPtr);
  table.set(tableBefore);
  const from = core.bytes(digests.olderDigestsPtr, count * size);
  const to = core.bytes(digests.newerDigestsPtr, count * size);
  for (let i = 0; i < count; i++) {
    if (changed[i] === 0) to.set(from.subarray(i * size, (i + 1) * size), i * size);
  }
  return changedBlocks;
}
