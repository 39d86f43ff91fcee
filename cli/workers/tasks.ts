/** The work that any thread can do: coarse, on memory that all threads share, and nothing else of the program. */

import { type Codecs, HERE, inflateAll, type Inflating } from "../archive/codecs.ts";
import type { BlockRun, Core } from "../core.ts";
import type { PackedGrains } from "../disks/vmdk/create/grain_pack.ts";

/** Finds the zero blocks of a run and computes the digests of the others. Gives the number of the others. */
export interface HashTask {
  kind: "hash";
  run: BlockRun;
  digestsPtr: number;
}

/**
 * Finds the zero blocks of `newer`, marks at `changedPtr` (a byte a block) the blocks in which it differs from `older`,
 * and makes its digests: equal bytes have equal digests, so only changed blocks are hashed. The zero blocks of `older`
 * are known, and its digests are there. Gives the number of changed blocks.
 */
export interface CompareTask {
  kind: "compare";
  older: BlockRun;
  newer: BlockRun;
  changedPtr: number;
  olderDigestsPtr: number;
  newerDigestsPtr: number;
}

/** Compresses or decompresses a piece; see {@linkcode Codecs}. Gives the bytes of the stored piece, or 0. */
export type CodecTask = {
  [Kind in CodecKind]: { kind: Kind; given: Parameters<Codecs[Kind]>[0] };
}[CodecKind];

type CodecKind = "gzip" | "gunzip" | "zstd" | "unzstd";

/** Inflates grains of a disk. Gives 0. */
export interface InflateTask {
  kind: "inflate";
  streams: readonly Inflating[];
}

/** Deflates grains of a VMDK. Gives how many bytes their items have. */
export interface GrainTask {
  kind: "packGrains";
  given: PackedGrains;
}

/** One of them; all of it can be posted to a worker. */
export type Task = HashTask | CompareTask | CodecTask | InflateTask | GrainTask;

// Loaded by the first grains: a thread that has none does not pay for it.
let grainPack: typeof import("../disks/vmdk/create/grain_pack.ts") | undefined;

/** Does it, on this thread. */
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
  const whole = table.slice();
  for (let i = 0; i < count; i++) if (changed[i] === 0) table[i] = core.ABSENT;
  core.md5Blocks(tablePtr, count, blockBytes, digests.newerDigestsPtr);
  table.set(whole);
  const from = core.bytes(digests.olderDigestsPtr, count * size);
  const to = core.bytes(digests.newerDigestsPtr, count * size);
  for (let i = 0; i < count; i++) {
    if (changed[i] === 0) to.set(from.subarray(i * size, (i + 1) * size), i * size);
  }
  return changedBlocks;
}
