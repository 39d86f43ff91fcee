/**
 * What is left of a generation, as a dump: each block from wherever it is intact.
 *
 *     its own dump    ──► its blocks, proved by the digest ─────────────────────┐
 *     all archives    ──► blocks that it lacks, proved by their MD5 ──► scratch ┴─► dump
 *
 * A record's number, its place and the generation that it was made for do not matter: a block is what has its MD5.
 *
 * The digest may be damaged too. Where it says what an archive of the generation contradicts, or where it says nothing, only
 * the root of the generation's seal can decide. Without one, data are saved rather than zeros, and are called doubtful.
 */

import { Bitmap } from "../archive/bitmap.ts";
import type { ByteSink } from "../archive/bytes.ts";
import type { DamagedFile } from "../archive/damaged_file.ts";
import type { DumpHeader } from "../archive/header.ts";
import type { OpenScratch } from "../archive/scratch.ts";
import { createSha256 } from "../archive/sha256.ts";
import type { Core } from "../core.ts";
import { FormatError } from "../errors.ts";
import { Pace } from "../pace.ts";
import { isSameGeneration, isSameSeries, readHeader } from "./archive_headers.ts";
import { searchBlocks } from "./block_search.ts";
import { BlockStore, KeptBlocks } from "./block_store.ts";
import { isUnknown, isZeroDigest, KnownDigests } from "./digest_survey.ts";
import { DumpWriter } from "./dump_writer.ts";
import type { ArchiveFault } from "./fault_log.ts";
import {
  type DigestInFile,
  eachLost,
  judgeArchive,
  JudgedRun,
  sizesOfGeneration,
  uncertainOf,
  wantLost,
} from "./lost_blocks.ts";
import { Checkpoint, type RunOptions } from "./run.ts";
import { decide, type Plan } from "./salvage_decide.ts";
import { Survey } from "./survey.ts";
import type { WantedBlocks } from "./wanted_blocks.ts";

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
  /**
   * Blocks that were saved and are in doubt: those that the digest calls zero while an archive of the generation has data, and,
   * where a digest is damaged and nothing else proves the whole, those that no archive has in their place.
   */
  doubtful: Bitmap;
  doubtfulBlocks: number;
  /** Blocks that digest and archives did not prove, or not without contradiction, and that the root did. */
  decidedBlocks: number;
  /** Whether what was saved has the root that it must have; undefined if none is known. */
  hasRoot?: boolean;
  /** More is lost than one run can look for: another run with this dump in front brings back more. */
  isPartial: boolean;
  /** How many blocks that were missing came from each archive. */
  foundIn: { path: string; blocks: number }[];
  /** Of the digest and the archives. */
  faults: ArchiveFault[];
  faultCount: number;
}

const MAX_SHOWN_FAULTS = 1000;

/** What the seal of the generation says. */
export interface SealedDigest {
  /** SHA-256 over the MD5s of all blocks, in hexadecimal digits; null if it is not known. */
  root: string | null;
  /** The digest is, byte for byte, what was sealed. */
  isIntact: boolean;
}

/**
 * Writes the dump of a generation with all of its blocks that exist anywhere in the archives.
 *
 * @param given `header`: of the dump; `scratch` opens the file for blocks, if any are needed; `sealed`: if there is a seal
 * @throws {FormatError} if the archives hold none of the blocks
 */
export async function salvage(
  owner: Core,
  { archives, digest, header, dumpOut, scratch, sealed = { root: null, isIntact: false } }: {
    archives: readonly DamagedFile[];
    digest: DigestInFile;
    header: DumpHeader;
    dumpOut: ByteSink;
    scratch: OpenScratch;
    sealed?: SealedDigest;
  },
  options: RunOptions = {},
): Promise<Salvaged> {
  await using core = owner.scope();
  const { blockBytes, blockCount } = header;
  const { pages } = options;
  const { first, isOwn, ownOthers } = await orderOf(archives, digest);
  const result: Salvaged = {
    blocks: blockCount,
    zeroBlocks: 0,
    intactBlocks: 0,
    foundBlocks: 0,
    lostBlocks: 0,
    unprovableBlocks: 0,
    lost: new Bitmap(blockCount, pages),
    doubtful: new Bitmap(blockCount, pages),
    doubtfulBlocks: 0,
    decidedBlocks: 0,
    isPartial: false,
    foundIn: [],
    faults: [...digest.findings.faults],
    faultCount: digest.findings.faults.length,
  };
  const hear = ({ faults, faultCount }: Survey) => {
    result.faults.push(...faults.slice(0, Math.max(0, MAX_SHOWN_FAULTS - result.faults.length)));
    result.faultCount += faultCount;
  };

  const { doubtful } = result;
  const uncertain = uncertainOf(digest, options);
  // Records that are gone without a trace shift all that follow: only what stands in its place says that none are.
  const isVouched = sealed.root !== null || digest.findings.faults.length === 0;
  const displaced = new Bitmap(blockCount, pages);
  const missing = new Bitmap(blockCount, pages);
  /** Blocks without a digest that holds. */
  const unproved = new Bitmap(blockCount, pages);
  const store = new BlockStore(scratch, blockBytes);
  const survey = await judgeArchive(core, {
    file: first,
    digest,
    onBatch: ({ batch, recorded, bad }) => {
      for (let i = 0; i < batch.count; i++) {
        const block = batch.first + i;
        const at = i * core.DIGEST_SIZE;
        const entry = batch.table[i];
        const isZero = isZeroDigest(recorded, at);
        if (isUnknown(recorded, at)) unproved.set(block);
        else if (isZero && isOwn && entry === core.ZERO) result.zeroBlocks++;
        else if (!isZero && entry !== core.ABSENT && bad[i] === 0) continue;
        else if (uncertain.get(block)) unproved.set(block);
        else if (!isZero) missing.set(block);
        else if (isOwn && entry !== core.ABSENT && !sealed.isIntact) doubtful.set(block);
        else {
          result.zeroBlocks++;
          if (!isVouched) displaced.set(block);
        }
      }
    },
  }, options);
  /** Blocks that stand in other archives of the generation. */
  const kept = new KeptBlocks(store);
  for (const file of sealed.isIntact ? [] : ownOthers) {
    await judgeArchive(core, {
      file,
      digest,
      onBatch: ({ batch, recorded, bad }) => {
        for (let i = 0; i < batch.count; i++) {
          const block = batch.first + i;
          const at = i * core.DIGEST_SIZE;
          if (batch.table[i] === core.ABSENT || batch.table[i] === core.ZERO || kept.has(block)) continue;
          const keep = () =>
            kept.keep(block, {
              content: batch.slots(block, block + 1),
              digest: batch.digests.slice(at, at + core.DIGEST_SIZE),
            });
          if (unproved.get(block) && bad[i] === 0) {
            if (!keep()) continue;
            unproved.clear(block);
            result.foundBlocks++;
          } else if (isZeroDigest(recorded, at) && !unproved.get(block) && !doubtful.get(block) && keep()) {
            doubtful.set(block);
            result.zeroBlocks--;
          }
        }
      },
    }, options);
  }

  const wanted = await wantLost(core, digest, missing, options);
  result.isPartial = wanted.isFull;
  if (wanted.count === 0) hear(survey);
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
  await eachLost(core, { digest, lost: missing }, options, (block, digests, at) => {
    if (wanted.placeOf(digests, at) === undefined) result.lost.set(block);
    else {
      result.foundBlocks++;
      if (!isVouched) displaced.set(block);
    }
  });

  const plan: Plan = { unproved, doubtful, kept, lost: result.lost, asIs: new Bitmap(blockCount, pages) };
  await decide(core, { first, isOwn, digest, plan, root: sealed.root, result }, options);
  const pace = new Pace(options);
  for (let block = displaced.next(0, blockCount, true); block < blockCount;) {
    if (pace.isDue()) await pace.rest();
    if (missing.get(block)) result.foundBlocks--;
    else if (!doubtful.get(block)) result.zeroBlocks--;
    doubtful.set(block);
    block = displaced.next(block + 1, blockCount, true);
  }
  result.doubtfulBlocks = doubtful.count();
  result.lostBlocks = result.lost.count();
  result.intactBlocks = blockCount - result.zeroBlocks - result.foundBlocks - result.lostBlocks -
    result.doubtfulBlocks;
  assertWorthIt(result, { archives, digest });
  const root = await write(core, { first, digest, header, dumpOut, wanted, store, plan }, options);
  if (sealed.root !== null) result.hasRoot = root === sealed.root;
  return result;
}

/** The archive that is read first, the dump of the generation or else the largest; and what else is of the generation. */
async function orderOf(
  archives: readonly DamagedFile[],
  { findings }: DigestInFile,
): Promise<{ first: DamagedFile; isOwn: boolean; ownOthers: DamagedFile[] }> {
  const own: DamagedFile[] = [];
  let dump: DamagedFile | undefined;
  for (const file of archives) {
    const header = await readHeader(file);
    if (header === undefined || !isSameGeneration(header, findings.header)) continue;
    if (header.blockBytes !== findings.header.blockBytes) continue;
    own.push(file);
    if (header.full && (dump === undefined || file.sizeBytes > dump.sizeBytes)) dump = file;
  }
  const first = dump ?? archives.toSorted((a, b) => b.sizeBytes - a.sizeBytes)[0];
  return { first, isOwn: own.includes(first), ownOthers: own.filter((file) => file !== first) };
}

function assertWorthIt(
  { blocks, zeroBlocks, doubtfulBlocks, lostBlocks }: Salvaged,
  { archives, digest }: { archives: readonly DamagedFile[]; digest: DigestInFile },
): void {
  if (lostBlocks === 0 || lostBlocks < blocks - zeroBlocks - doubtfulBlocks) return;
  const names = archives.map(({ path }) => `"${path}"`).join(", ");
  throw new FormatError(
    `Cannot salvage: none of the ${lostBlocks} blocks of data that digest "${digest.file.path}" names is in ${names}`,
    { path: digest.file.path, expected: "archives with blocks of the generation", found: "none of them" },
  );
}

/**
 * Reads the first archive again, fills in what was found, and proves each block once more before it is written. Returns the
 * root of what was written.
 */
async function write(
  core: Core,
  { first, digest, header, dumpOut, wanted, store, plan }: {
    first: DamagedFile;
    digest: DigestInFile;
    header: DumpHeader;
    dumpOut: ByteSink;
    wanted: WantedBlocks;
    store: BlockStore;
    plan: Plan;
  },
  options: RunOptions,
): Promise<string> {
  const { kept, lost, asIs } = plan;
  const root = await createSha256();
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
      const keptPlace = kept.placeOf(block);
      if (keptPlace !== undefined && (asIs.get(block) || !isZeroDigest(recorded, at))) {
        store.load(keptPlace, batch.slots(block, block + 1));
        batch.table[i] = batch.slotPtr(block);
      } else if (asIs.get(block)) {
        if (batch.table[i] === core.ABSENT) batch.table[i] = core.ZERO;
      } else if (isZeroDigest(recorded, at) || lost.get(block)) {
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
      const block = batch.first + i;
      if (bad[i] !== 0 && !lost.get(block) && !asIs.get(block)) throw changed(first);
    }
    root.update(batch.allDigests);
    await writer.write(batch);
    await checkpoint.passBatch(batch, header);
  }
  await writer.finish();
  return root.hex();
}

function changed({ path }: DamagedFile): Error {
  return new Error(`Cannot salvage: "${path}" or what was found changed while it was read`);
}

/**
 * The header that the dump gets: what the digest says of the generation, and what the digest does not hold from the archive
 * that fits best: one of the generation itself, or else of the series. Without one there are no metadata.
 *
 * @param headers of the archives, as far as they can be read, with their files
 * @param sealed what a seal says of the generation; it counts more than headers
 */
export function headerFor(
  generation: Pick<DumpHeader, "blockBytes" | "blockCount" | "seriesId" | "time">,
  headers: readonly { path: string; header: DumpHeader }[],
  { capacityBytes }: { capacityBytes?: number } = {},
): { header: DumpHeader; from?: string; isOfGeneration: boolean } {
  const { blockBytes, blockCount, seriesId, time } = generation;
  const ofSeries = headers.filter(({ header }) =>
    header.blockBytes === blockBytes && header.blockCount === blockCount && isSameSeries(header, generation)
  );
  const exact = ofSeries.find(({ header }) => isSameGeneration(header, generation));
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
      capacityBytes: capacityBytes ?? best?.header.capacityBytes ?? blockBytes * blockCount,
    },
    from: best?.path,
    isOfGeneration: exact !== undefined,
  };
}

/** `VixDiskLibAdapterType`. */
const UNKNOWN_ADAPTER = 256;
