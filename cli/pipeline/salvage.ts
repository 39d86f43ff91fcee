/**
 * What is left of a generation, as a dump: each block from wherever it is intact.
 *
 *     largest archive ──► its blocks, proved by the digest ─────────────────────┐
 *     all archives    ──► blocks that it lacks, proved by their MD5 ──► scratch ┴─► dump
 *
 * A record's number, its place and the generation that it was made for do not matter: a block is what has its MD5.
 */

import { Bitmap } from "../archive/bitmap.ts";
import type { ByteSink } from "../archive/bytes.ts";
import type { DamagedFile } from "../archive/damaged_file.ts";
import type { DumpHeader } from "../archive/header.ts";
import { comparableSeconds } from "../archive/time_stamp.ts";
import type { Core } from "../core.ts";
import { FormatError } from "../errors.ts";
import { searchBlocks } from "./block_search.ts";
import { DumpWriter } from "./dump_writer.ts";
import type { Fault } from "./fault_log.ts";
import {
  type DigestInFile,
  eachLost,
  isUnknown,
  isZeroDigest,
  judgeArchive,
  JudgedRun,
  sizesOfGeneration,
  wantLost,
} from "./lost_blocks.ts";
import { KnownDigests } from "./digest_survey.ts";
import { Checkpoint, type RunOptions } from "./run.ts";
import { Survey } from "./survey.ts";
import type { WantedBlocks } from "./wanted_blocks.ts";

/** A file for blocks until they are written, in no order that anybody else knows. */
export type Scratch = Pick<Deno.FsFile, "readSync" | "writeSync" | "seekSync">;

/** What was brought back. */
export interface Salvaged {
  blocks: number;
  /** Blocks that are zero, as the digest says; they need no archive. */
  zeroBlocks: number;
  /** Blocks that are intact in the first archive that was read, and those that came from others or from other places. */
  intactBlocks: number;
  foundBlocks: number;
  /** Blocks that are nowhere; the dump has zeros in their place. */
  lostBlocks: number;
  /** Those of them whose digest is lost, so that they could not be proved. */
  unprovableBlocks: number;
  lost: Bitmap;
  /** More is lost than one run can look for: another run with this dump in front brings back more. */
  isPartial: boolean;
  /** How many blocks that were missing came from each archive. */
  foundIn: { path: string; blocks: number }[];
  /** Of the digest and the archives. */
  faults: Fault[];
  faultCount: number;
}

const MAX_SHOWN_FAULTS = 1000;

/**
 * Writes the dump of a generation with all of its blocks that exist anywhere in the archives.
 *
 * @param given `header`: of the dump; `scratch` opens the file for blocks, if any are needed
 * @throws {FormatError} if the archives hold none of the blocks
 */
export async function salvage(
  core: Core,
  { archives, digest, header, dumpOut, scratch }: {
    archives: readonly DamagedFile[];
    digest: DigestInFile;
    header: DumpHeader;
    dumpOut: ByteSink;
    scratch: () => Scratch;
  },
  options: RunOptions = {},
): Promise<Salvaged> {
  const { blockBytes, blockCount } = header;
  const largest = archives.toSorted((a, b) => b.sizeBytes - a.sizeBytes)[0];
  const result: Salvaged = {
    blocks: blockCount,
    zeroBlocks: 0,
    intactBlocks: 0,
    foundBlocks: 0,
    lostBlocks: 0,
    unprovableBlocks: 0,
    lost: new Bitmap(blockCount),
    isPartial: false,
    foundIn: [],
    faults: [...digest.findings.faults],
    faultCount: digest.findings.faults.length,
  };
  const hear = ({ faults, faultCount }: Survey) => {
    result.faults.push(...faults.slice(0, Math.max(0, MAX_SHOWN_FAULTS - result.faults.length)));
    result.faultCount += faultCount;
  };

  const missing = new Bitmap(blockCount);
  const first = await judgeArchive(core, {
    file: largest,
    digest,
    onBatch: ({ batch, recorded, bad }) => {
      for (let i = 0; i < batch.count; i++) {
        if (isZeroDigest(recorded, i * core.DIGEST_SIZE)) result.zeroBlocks++;
        else if (batch.table[i] === core.ABSENT || bad[i] !== 0) missing.set(batch.first + i);
      }
    },
  }, options);
  const wanted = await wantLost(core, digest, missing);
  result.isPartial = wanted.isFull;

  const store = new BlockStore(scratch, blockBytes);
  if (wanted.count === 0) hear(first);
  for (const file of wanted.count === 0 ? [] : archives) {
    const before = wanted.foundCount;
    const survey = await searchBlocks(core, file, {
      wanted,
      expected: sizesOfGeneration(digest),
      run: options,
      onFound: ({ content, digest }) => {
        if (wanted.placeOf(digest, 0) === undefined) wanted.place(digest, 0, store.keep(content));
      },
    });
    hear(survey);
    const blocks = wanted.foundCount - before;
    if (blocks > 0) result.foundIn.push({ path: file.path, blocks });
  }

  await eachLost(core, digest, missing, (block, digests, at) => {
    if (isUnknown(digests, at)) result.unprovableBlocks++;
    if (wanted.placeOf(digests, at) === undefined) result.lost.set(block);
    else result.foundBlocks++;
  });
  result.lostBlocks = result.lost.count();
  result.intactBlocks = blockCount - result.zeroBlocks - result.foundBlocks - result.lostBlocks;
  assertWorthIt(result, { archives, digest });
  await write(core, { first: largest, digest, header, dumpOut, wanted, store, lost: result.lost }, options);
  return result;
}

function assertWorthIt(
  { blocks, zeroBlocks, lostBlocks }: Salvaged,
  { archives, digest }: { archives: readonly DamagedFile[]; digest: DigestInFile },
): void {
  if (lostBlocks === 0 || lostBlocks < blocks - zeroBlocks) return;
  const names = archives.map(({ path }) => `"${path}"`).join(", ");
  throw new FormatError(
    `Cannot salvage: none of the ${lostBlocks} blocks of data that digest "${digest.file.path}" names is in ${names}`,
    { path: digest.file.path, expected: "archives with blocks of the generation", found: "none of them" },
  );
}

/** Reads the first archive again, fills in what was found, and proves each block once more before it is written. */
async function write(
  core: Core,
  { first, digest, header, dumpOut, wanted, store, lost }: {
    first: DamagedFile;
    digest: DigestInFile;
    header: DumpHeader;
    dumpOut: ByteSink;
    wanted: WantedBlocks;
    store: BlockStore;
    lost: Bitmap;
  },
  options: RunOptions,
): Promise<void> {
  const { blockBytes, blockCount } = header;
  const checkpoint = new Checkpoint(options);
  const survey = await Survey.open(core, first, { expected: sizesOfGeneration(digest), run: options });
  const digests = new KnownDigests(core, digest.file, digest.findings);
  const run = new JudgedRun(core, blockBytes);
  const { batch, recorded, bad } = run;
  const writer = new DumpWriter(core, dumpOut, header);
  for (let from = 0; batch.start(from, blockCount); from = batch.end) {
    await survey.take(batch);
    await digests.take(run.recordedPtr, batch.count);
    await run.judge(core, options);
    for (let i = 0; i < batch.count; i++) {
      const block = batch.first + i;
      const at = i * core.DIGEST_SIZE;
      if (isZeroDigest(recorded, at) || lost.get(block)) {
        batch.table[i] = core.ZERO;
      } else if (batch.table[i] === core.ABSENT || bad[i] !== 0) {
        const place = wanted.placeOf(recorded, at);
        if (place === undefined) throw changed(first);
        store.load(place, batch.slots(block, block + 1));
        batch.table[i] = batch.slotPtr(block);
      }
    }
    await run.judge(core, options);
    for (let i = 0; i < batch.count; i++) {
      if (bad[i] !== 0 && !lost.get(batch.first + i)) throw changed(first);
    }
    await writer.write(batch);
    await checkpoint.passBatch(batch, header);
  }
  await writer.finish();
}

function changed({ path }: DamagedFile): Error {
  return new Error(`Cannot salvage: "${path}" or what was found changed while it was read`);
}

/** Blocks in a file. */
class BlockStore {
  readonly #open: () => Scratch;
  readonly #blockBytes: number;
  #file?: Scratch;
  #count = 0;

  constructor(open: () => Scratch, blockBytes: number) {
    this.#open = open;
    this.#blockBytes = blockBytes;
  }

  /** Writes a block behind the others; returns its place. */
  keep(content: Uint8Array): number {
    const file = this.#file ??= this.#open();
    file.seekSync(this.#count * this.#blockBytes, Deno.SeekMode.Start);
    for (let done = 0; done < content.length;) done += file.writeSync(content.subarray(done));
    return this.#count++;
  }

  load(place: number, into: Uint8Array): void {
    const file = this.#file!;
    file.seekSync(place * this.#blockBytes, Deno.SeekMode.Start);
    for (let done = 0; done < into.length;) {
      const got = file.readSync(into.subarray(done));
      if (got === null) throw new Error("Cannot salvage: the file for blocks that were found became shorter");
      done += got;
    }
  }
}

/**
 * The header that the dump gets: what the digest says of the generation, and what the digest does not hold from the archive
 * that fits best: one of the generation itself, or else of the series. Without one there are no metadata.
 *
 * @param headers of the archives, as far as they can be read, with their files
 */
export function headerFor(
  generation: Pick<DumpHeader, "blockBytes" | "blockCount" | "seriesId" | "time">,
  headers: readonly { path: string; header: DumpHeader }[],
): { header: DumpHeader; from?: string; isOfGeneration: boolean } {
  const { blockBytes, blockCount, seriesId, time } = generation;
  const ofSeries = headers.filter(({ header }) =>
    header.blockBytes === blockBytes && header.blockCount === blockCount &&
    header.seriesId.every((byte, i) => byte === seriesId[i])
  );
  const exact = ofSeries.find(({ header }) => comparableSeconds(header.time) === comparableSeconds(time));
  const best = exact ?? ofSeries[0];
  return {
    header: {
      full: true,
      blockBytes,
      blockCount,
      seriesId,
      time,
      adapterType: best?.header.adapterType ?? UNKNOWN_ADAPTER,
      metadata: best?.header.metadata ?? new Map(),
      capacityBytes: best?.header.capacityBytes ?? blockBytes * blockCount,
    },
    from: best?.path,
    isOfGeneration: exact !== undefined,
  };
}

/** `VixDiskLibAdapterType`. */
const UNKNOWN_ADAPTER = 256;
