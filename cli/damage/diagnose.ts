/**
 * Diagnoses archives that failed a `check`: which blocks are wrong, at which places of which files, and which
 * other files have them intact.
 *
 * Archives are read one at a time, so memory does not depend on their number. They are read from the oldest
 * to the newest, because the oldest archive with a record of a block supplies it. Only the digest decides
 * which blocks are right; the faults that a survey finds are explanations.
 */

import { Bitmap } from "../archive/bitmap.ts";
import type { DamagedFile } from "../archive/damaged_file.ts";
import type { Core } from "../core.ts";
import { Checkpoint, type RunOptions } from "../pipeline/run.ts";
import { type FoundBlock, searchBlocks } from "./block_search.ts";
import type { ArchiveFault } from "./fault_log.ts";
import { isUnknown, isZeroDigest } from "./digest_survey.ts";
import {
  compareWithDigest,
  type DigestInFile,
  uncertainOf,
  visitLost,
  wantedDigests,
} from "./lost_blocks.ts";
import type { Survey } from "./survey.ts";

/** How a block is wrong. */
export type BlockState =
  /** Its record has another content. */
  | "bad"
  /** There is no record of it where it belongs. */
  | "missing"
  /** Its record is intact, but stands in another place. */
  | "out of order"
  /** The system could not read the record. */
  | "unreadable"
  /** Its MD5 is damaged in the digest, so that it cannot be judged. */
  | "unprovable";

/** Neighbouring blocks that are wrong for the same reason. */
export interface DiagnosedRun {
  /** The first block. */
  start: number;
  /** The block after the last one. */
  end: number;
  /** How the blocks are wrong. */
  state: BlockState;
  /** Path of the file that should hold the first of them; if they are unprovable, of the digest. */
  path: string;
  /**
   * Offset in bytes in that file, if it is known. In a compressed file, the offset of the gzip member or zstd
   * frame.
   */
  offsetBytes?: number;
  /** Path of a file in which all of them are intact; of the digest, if it says that they are zero. */
  intactIn?: string;
}

/** The state of the blocks of a generation. */
export interface Diagnosis {
  /** Blocks of the disk. */
  blocks: number;
  /** Blocks that have the MD5 of the digest. */
  goodBlocks: number;
  /** Blocks of a list of rdiffs alone that have no record and need none. */
  absentBlocks: number;
  /** All other blocks. */
  wrongBlocks: number;
  /** Wrong blocks of which another file has an intact copy. */
  intactElsewhere: number;
  /** The wrong blocks in ascending order; the first 1000 runs. */
  runs: DiagnosedRun[];
  /** The number of runs of wrong blocks. */
  runCount: number;
  /** Damaged places, of the digest first, then of each archive; the first 1000. */
  faults: ArchiveFault[];
  /** The number of damaged places. */
  faultCount: number;
}

/** The largest number of runs, and of faults, that a diagnosis lists. */
export const MAX_RUNS = 1000;
/**
 * The largest number of causes that are kept, of all archives together. A cause takes some hundred bytes.
 * Blocks whose cause was not kept are reported as missing.
 */
const MAX_CAUSES = 100_000;
/** The number of blocks that are processed between two looks at the clock. */
const BLOCKS_PER_LOOK = 1000;

type Cause = Omit<DiagnosedRun, "intactIn">;

/**
 * An archive that is searched for intact blocks. It is opened for the search only, because a folder may hold
 * very many archives.
 */
export interface OtherArchive {
  path: string;
  /** Opens the file, calls `use` with it and closes it. */
  whileOpen(use: (file: DamagedFile) => Promise<void>): Promise<void>;
}

/**
 * Diagnoses the archives of a generation.
 *
 * @param given.archives the chain of the generation, newest first
 * @param given.digest the digest of the generation
 * @param given.others archives of any generation, which are searched for intact blocks
 */
export async function diagnose(
  owner: Core,
  { archives, digest, others = [] }: {
    archives: readonly DamagedFile[];
    digest: DigestInFile;
    others?: readonly OtherArchive[];
  },
  options: RunOptions = {},
): Promise<Diagnosis> {
  await using core = owner.scope();
  const { blockCount, blockBytes } = digest.findings.header;
  const { pages } = options;
  /**
   * `good` marks the blocks that are proved, and `decided` those that have a record in some archive, right or
   * wrong.
   */
  const good = new Bitmap(blockCount, pages);
  const decided = new Bitmap(blockCount, pages);
  /** The blocks that are wrong for a known reason, whether the cause was kept or not. */
  const suspected = new Bitmap(blockCount, pages);
  const uncertain = uncertainOf(digest, options);
  const causes = new CauseLists();
  const faults: ArchiveFault[] = [...digest.findings.faults];
  let faultCount = faults.length;
  let isFull = false;

  for (const file of archives.toReversed()) {
    const survey = await compareWithDigest(core, {
      file,
      digest,
      onBatch: ({ batch, recorded, bad }, survey) => {
        for (let i = 0; i < batch.count; i++) {
          const block = batch.first + i;
          if (batch.table[i] === core.ABSENT || decided.get(block)) continue;
          decided.set(block);
          if (bad[i] === 0) good.set(block);
          else if (!isUnknown(recorded, i * core.DIGEST_SIZE) && !uncertain.get(block)) {
            suspected.set(block);
            causes.add(causeOf(file, survey, { block, place: survey.placeOf(batch, block)?.offsetBytes }));
          }
        }
      },
    }, options);
    for (const fault of survey.faults) {
      const { start, end, offsetBytes, path } = fault;
      const state = isUnreadable(file, fault) ? "unreadable" : "missing";
      if (end <= start) continue;
      suspected.setRange(start, Math.min(end, blockCount));
      causes.add({ start, end, state, path, offsetBytes });
    }
    causes.endArchive();
    faults.push(...survey.faults.slice(0, MAX_RUNS - Math.min(MAX_RUNS, faults.length)));
    faultCount += survey.faultCount;
    isFull ||= survey.full;
  }

  const result: Diagnosis = {
    blocks: blockCount,
    goodBlocks: good.count(),
    absentBlocks: 0,
    wrongBlocks: 0,
    intactElsewhere: 0,
    runs: [],
    runCount: 0,
    faults,
    faultCount,
  };
  const wrong = new Bitmap(blockCount, pages);
  const checkpoint = new Checkpoint(options);
  for (let block = good.next(0, blockCount, false), count = 1; block < blockCount; count++) {
    if (isFull || decided.get(block) || suspected.get(block)) wrong.set(block);
    else result.absentBlocks++;
    block = good.next(block + 1, blockCount, false);
    if (count % BLOCKS_PER_LOOK > 0) continue;
    await checkpoint.pass({ doneBlocks: block, totalBlocks: blockCount, blockBytes });
  }
  result.wrongBlocks = blockCount - result.goodBlocks - result.absentBlocks;
  if (result.wrongBlocks === 0) return result;

  const files: OtherArchive[] = [...archives.map(openAlready), ...others];
  const wanted = await wantedDigests(core, digest, wrong, options);
  /** The block numbers in the headers of stray blocks of the generation's own archives. */
  const claimed = new Bitmap(blockCount, pages);
  for (const [i, file] of files.entries()) {
    if (wanted.count === 0) break;
    const search = {
      wanted,
      expected: { blockBytes, blockCount },
      run: options,
      onFound: ({ digest, block, isStray }: FoundBlock) => {
        if (wanted.placeOf(digest, 0) === undefined) wanted.place(digest, 0, i);
        if (isStray && i < archives.length && block !== undefined && block < blockCount) claimed.set(block);
      },
    };
    await file.whileOpen(async (file) => void await searchBlocks(core, file, search));
  }
  const runs = new DiagnosedRuns(result);
  const fallback = archives[0]?.path ?? digest.file.path;
  await visitLost(core, { digest, lost: wrong }, options, (block, digests, at) => {
    const cause = causes.of(block) ??
      { start: block, end: block + 1, state: "missing" as const, path: fallback };
    if (isUnknown(digests, at) || uncertain.get(block)) {
      const { path, offsetBytes } = digest.findings.faults[0] ?? { path: digest.file.path };
      runs.add(block, { ...cause, state: "unprovable", path, offsetBytes });
      return;
    }
    const place = wanted.placeOf(digests, at);
    const intactIn = isZeroDigest(digests, at)
      ? digest.file.path
      : place === undefined
      ? undefined
      : files[place].path;
    if (intactIn !== undefined) result.intactElsewhere++;
    const state = cause.state === "missing" && claimed.get(block) ? "out of order" : cause.state;
    runs.add(block, { ...cause, state, intactIn });
  });
  return result;
}

function openAlready(file: DamagedFile): OtherArchive {
  return { path: file.path, whileOpen: (use) => use(file) };
}

function causeOf(
  file: DamagedFile,
  { blockBytes }: Survey,
  { block, place }: { block: number; place?: number },
): Cause {
  let state: BlockState = "bad";
  for (const { offsetBytes } of file.unreadable.values()) {
    if (place !== undefined && offsetBytes + 4096 > place && offsetBytes < place + blockBytes) {
      state = "unreadable";
    }
  }
  return { start: block, end: block + 1, state, path: file.path, offsetBytes: place };
}

function isUnreadable(file: DamagedFile, { offsetBytes }: ArchiveFault): boolean {
  return file.unreadable.has(offsetBytes - offsetBytes % 4096);
}

/**
 * The causes of wrong blocks. If several archives have a cause for a block, the one of the archive that was
 * read first counts, because that archive should have supplied the block.
 */
class CauseLists {
  /** For each archive with causes a list of them, ascending. Lists are sorted when the archive ends. */
  readonly #lists: Cause[][] = [];
  #list: Cause[] = [];
  #count = 0;

  add(cause: Cause): void {
    const last = this.#list[this.#list.length - 1];
    if (last?.state === "bad" && cause.state === "bad" && last.end === cause.start) last.end = cause.end;
    else if (this.#count < MAX_CAUSES) {
      this.#list.push({ ...cause });
      this.#count++;
    }
  }

  endArchive(): void {
    const list = this.#list.sort((a, b) => a.start - b.start);
    // Several faults may affect the same blocks. The first of them in the file is kept.
    if (list.length > 0) {
      this.#lists.push(list.filter(({ start }, i) => i === 0 || list[i - 1].start !== start));
    }
    this.#list = [];
  }

  of(block: number): Cause | undefined {
    for (const list of this.#lists) {
      let [low, high] = [0, list.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (list[middle].start <= block) low = middle + 1;
        else high = middle;
      }
      if (low > 0 && list[low - 1].end > block) return list[low - 1];
    }
    return undefined;
  }
}

/** Joins ascending block numbers to runs. */
class DiagnosedRuns {
  readonly #result: Diagnosis;
  #last?: DiagnosedRun;

  constructor(result: Diagnosis) {
    this.#result = result;
  }

  add(block: number, { state, path, offsetBytes, intactIn }: Cause & { intactIn?: string }): void {
    const last = this.#last;
    if (
      last?.end === block && last.state === state && last.path === path && last.intactIn === intactIn
    ) {
      last.end = block + 1;
      return;
    }
    // The offset is that of the first block of the run.
    const run: DiagnosedRun = { start: block, end: block + 1, state, path, offsetBytes, intactIn };
    this.#last = run;
    this.#result.runCount++;
    if (this.#result.runs.length < MAX_RUNS) this.#result.runs.push(run);
  }
}
