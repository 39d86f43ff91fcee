/**
 * Writes the rest of a damaged generation as a dump. Each block comes from any place where it is intact.
 *
 *     dump of the generation ──► its blocks, proved by the digest ────────────────────────┐
 *     all archives           ──► blocks that it lacks, proved by their MD5 ──► temporary ─┴─► new dump
 *                                                                              file
 *
 * The number of a record, its place and the generation of its archive do not matter: a block with the right
 * MD5 is the right block.
 *
 * The digest may be damaged too. If an archive of the generation contradicts a digest, or a digest is not
 * known, only the root in the seal of the generation can decide. Without a root, data is kept rather than
 * zeros, and reported as doubtful.
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
import { DumpWriter } from "../pipeline/dump_writer.ts";
import { Checkpoint, type RunOptions } from "../pipeline/run.ts";
import { isSameGeneration, isSameSeries, readHeader } from "./archive_headers.ts";
import { searchBlocks } from "./block_search.ts";
import { BlockStore, KeptBlocks } from "./block_store.ts";
import { isUnknown, isZeroDigest, KnownDigests } from "./digest_survey.ts";
import type { ArchiveFault } from "./fault_log.ts";
import {
  compareWithDigest,
  DigestComparison,
  type DigestInFile,
  sizesOfGeneration,
  uncertainOf,
  visitLost,
  wantedDigests,
} from "./lost_blocks.ts";
import { decideByRoot, type SalvagePlan } from "./salvage_decide.ts";
import { Survey } from "./survey.ts";
import type { WantedBlocks } from "./wanted_blocks.ts";

/** The result of a salvage. */
export interface Salvaged {
  blocks: number;
  /** The number of zero blocks according to the digest. They need no archive. */
  zeroBlocks: number;
  /**
   * The number of blocks that are intact at their place in the first archive, and the number of blocks from
   * other archives or other places.
   */
  intactBlocks: number;
  foundBlocks: number;
  /** The number of blocks that were not found. The dump has zeros in their place. */
  lostBlocks: number;
  /** The number of lost blocks whose digest is not known, so that they could not be proved. */
  unprovableBlocks: number;
  lost: Bitmap;
  /**
   * Blocks that were saved but may be wrong: blocks that are zero according to the digest while an archive of
   * the generation has data; and, if the digest is damaged and nothing else proves the whole generation,
   * blocks that no archive has at their place.
   */
  doubtful: Bitmap;
  doubtfulBlocks: number;
  /**
   * The number of blocks that the root proved, and that the digest and the archives did not prove or
   * contradicted each other about.
   */
  decidedBlocks: number;
  /** Whether the saved blocks have the root of the seal; undefined if no root is known. */
  hasRoot?: boolean;
  /**
   * True if more blocks are lost than one run can search for. Another run with this dump as the first archive
   * finds more of them.
   */
  isPartial: boolean;
  /** For each archive the number of blocks that were found in it and that the first archive lacks. */
  foundIn: { path: string; blocks: number }[];
  /** The first faults of the digest and the archives. */
  faults: ArchiveFault[];
  faultCount: number;
}

const MAX_SHOWN_FAULTS = 1000;

/** The facts that the seal of a generation states about its digest. */
export interface SealedDigest {
  /** The SHA-256 of the MD5s of all blocks, in hexadecimal digits; null if it is not known. */
  root: string | null;
  /** True if the digest file has the bytes that were sealed. */
  isIntact: boolean;
}

/**
 * Writes a dump with all blocks of a generation that exist anywhere in the archives.
 *
 * @param given.header the header of the dump
 * @param given.scratch opens the temporary file for blocks; it is called only if it is needed
 * @param given.sealed the facts from a seal, if there is one
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
  const addFaults = ({ faults, faultCount }: Survey) => {
    result.faults.push(...faults.slice(0, Math.max(0, MAX_SHOWN_FAULTS - result.faults.length)));
    result.faultCount += faultCount;
  };

  const { doubtful } = result;
  const uncertain = uncertainOf(digest, options);
  // If records of the digest are missing without a trace, all following digests are assigned to wrong blocks.
  // Only blocks at their own places show that none are missing.
  const isVouched = sealed.root !== null || digest.findings.faults.length === 0;
  const displaced = new Bitmap(blockCount, pages);
  const missing = new Bitmap(blockCount, pages);
  /** The blocks whose digest is not known or does not prove them. */
  const unproved = new Bitmap(blockCount, pages);
  const store = new BlockStore(scratch, blockBytes);
  const survey = await compareWithDigest(core, {
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
  /** Blocks at their own place in other archives of the generation. */
  const kept = new KeptBlocks(store);
  for (const file of sealed.isIntact ? [] : ownOthers) {
    await compareWithDigest(core, {
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

  const wanted = await wantedDigests(core, digest, missing, options);
  result.isPartial = wanted.isFull;
  if (wanted.count === 0) addFaults(survey);
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
    addFaults(survey);
    const blocks = wanted.foundCount - before;
    if (blocks > 0) result.foundIn.push({ path: file.path, blocks });
  }
  await visitLost(core, { digest, lost: missing }, options, (block, digests, at) => {
    if (wanted.placeOf(digests, at) === undefined) result.lost.set(block);
    else {
      result.foundBlocks++;
      if (!isVouched) displaced.set(block);
    }
  });

  const plan: SalvagePlan = {
    unproved,
    doubtful,
    kept,
    lost: result.lost,
    asIs: new Bitmap(blockCount, pages),
  };
  await decideByRoot(core, { first, isOwn, digest, plan, root: sealed.root, result }, options);
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
  assertAnyBlockFound(result, { archives, digest });
  const root = await write(core, { first, digest, header, dumpOut, wanted, store, plan }, options);
  if (sealed.root !== null) result.hasRoot = root === sealed.root;
  return result;
}

/**
 * Returns the archive that is read first: the largest dump of the generation, or else the largest archive.
 * Also returns the other archives of the generation.
 */
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

function assertAnyBlockFound(
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
 * Reads the first archive again, adds the blocks that were found, and verifies each block before it is
 * written. Returns the root of the written blocks.
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
    plan: SalvagePlan;
  },
  options: RunOptions,
): Promise<string> {
  const { kept, lost, asIs } = plan;
  const root = await createSha256();
  const { blockBytes, blockCount } = header;
  const checkpoint = new Checkpoint(options);
  const survey = await Survey.open(core, first, { expected: sizesOfGeneration(digest), run: options });
  const digests = new KnownDigests(core, digest.file, digest.findings);
  const run = new DigestComparison(core, blockBytes);
  const { batch, recorded, bad } = run;
  const writer = new DumpWriter(core, dumpOut, header);
  for (let from = 0; batch.start(from, blockCount); from = batch.end) {
    await survey.take(batch);
    await digests.take(run.recordedPtr, batch.count);
    await run.compare(core, options);
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
    await run.compare(core, options);
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
  return new Error(`Cannot salvage: "${path}" or the temporary file changed while it was read`);
}

/**
 * Returns the header of the new dump. The digest states the generation. The other fields come from the
 * archive that fits best: one of the generation, or else one of the series. Without such an archive, there is
 * no metadata.
 *
 * @param headers the readable headers of the archives and their paths
 * @param options.capacityBytes the capacity that a seal states; it takes precedence over headers
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

/** `VixDiskLibAdapterType` of an unknown adapter. */
const UNKNOWN_ADAPTER = 256;
