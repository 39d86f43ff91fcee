/**
 * Which generations a collection of archives can bring back, and by which of them:
 *
 *     dump 5        rdiff 4         rdiff 3         rdiff 2
 *       ▼   ◄─────────┘ ▼ ◄───────────┘ ▼ ◄───────────┘ ▼
 *     gen. 5          gen. 4          gen. 3          gen. 2
 *
 * A generation can be restored if an intact dump of it is there, or an intact rdiff that leads to it from a generation that
 * can be restored. Nothing is read here: what the files are is said already, and whoever can read them is asked for a proof.
 *
 * Two generations of one second are told apart by their roots. A root that is not known is that of any generation of its
 * second.
 */

import { MAX_CHAIN } from "./chain.ts";

/** A generation of a series, by its time and its root. */
export interface GenerationId {
  /** The time, as `formatTimeStamp` writes it. */
  time: string;
  /** The time in seconds, on a scale that has a meaning only within the series. */
  seconds: number;
  /** SHA-256 over the MD5s of all blocks, 64 hexadecimal digits; `null` if it is not known. */
  root: string | null;
}

/** A dump or an rdiff, as its header and its seal tell, with the generation that it leads to. */
export interface KnownArchive extends GenerationId {
  path: string;
  /** A dump. */
  full: boolean;
  /** Of an rdiff: the generation that it begins at, if a seal tells it. */
  from?: GenerationId;
  /** What is wrong with the file; by an archive with a fault only a proof leads anywhere. */
  fault?: string;
}

/** Archives that may bring a generation back. */
export interface Way {
  /** Newest first. */
  chain: string[];
  /** Not every rdiff is known to begin where the archive in front of it leads to. */
  isAssumed: boolean;
  /** Why it should bring nothing back; empty if nothing is known to be wrong. */
  reasons: readonly string[];
}

/** A generation, and the archives from which it can be restored. */
export interface KnownGeneration extends GenerationId {
  /** Paths of the archives from which it can be restored, newest first; undefined if there are none. */
  chain?: string[];
  /** Not every rdiff of `chain` is known to begin at the generation to which the archive before it leads. */
  isAssumed: boolean;
  /** The blocks to which `chain` leads are proved. */
  proved: boolean;
  /** Sentences that say why there is no chain: archives with faults, or archives that are missing. */
  reasons: readonly string[];
}

/** Whether a way brings a generation back; neither `proved` nor a `fault` where nothing can tell. */
export type Prove = (generation: GenerationId, way: Way) => Promise<{ proved: boolean; fault?: string }>;

/** Reasons that are told of a way; it may have one for each of hundreds of archives. */
const MAX_REASONS = 20;

/** Ways to one generation that are kept, and newer generations that an rdiff without a seal is tried from. */
const MAX_WAYS = 16;

/** A way while it is looked for: ways to older generations share the archives in front, and what is wrong with them. */
interface Path extends Pick<Way, "isAssumed"> {
  last: string;
  front?: Path;
  length: number;
  /** What is wrong at its end, and how much is wrong with all of it. */
  ownReasons: readonly string[];
  reasonCount: number;
  /** What is wrong in front does not count. */
  isSettled?: true;
  /** Generations that rdiffs without seals pass over. */
  skips: number;
}

/** A generation to which the ways are known. */
interface Reached {
  generation: GenerationId;
  paths: readonly Path[];
}

/**
 * @param archives of one series
 * @param others of the series: digests, seals
 * @param prove asked for each way, the likeliest first, until one is proved
 * @returns all generations, the newest first
 */
export async function generationsOf(
  archives: readonly KnownArchive[],
  { others = [], prove = () => Promise.resolve({ proved: false }) }: {
    others?: readonly GenerationId[];
    prove?: Prove;
  } = {},
): Promise<KnownGeneration[]> {
  const generations = distinct(archives, others);
  const seconds = [...new Set(generations.map(({ seconds }) => seconds))];
  const reached: Reached[] = [];
  const known: KnownGeneration[] = [];
  // The newest first: what an rdiff begins at is decided before it.
  for (const generation of generations) {
    const isAmbiguous = ({ seconds, root }: GenerationId) =>
      root === null && generations.filter((other) => other.seconds === seconds).length > 1;
    const finder = { generation, reached, seconds, isAmbiguous };
    const found = archives.filter((archive) => isSame(archive, generation)).map((archive) =>
      pathsBy(archive, finder)
    );
    const missing = found.filter((paths) => typeof paths === "string");
    const likeliest = likeliestOf(found.filter((paths) => typeof paths !== "string").flat());
    const { paths, proved } = await proveOne(generation, likeliest, prove);
    reached.push({ generation, paths });
    const [path] = proved
      ? paths
      : paths.filter(({ reasonCount, skips }) => reasonCount === 0 && skips === 0);
    if (path !== undefined) {
      known.push({ ...generation, chain: chainOf(path), isAssumed: path.isAssumed, proved, reasons: [] });
    } else known.push({ ...generation, isAssumed: false, proved: false, reasons: whyLost(paths, missing) });
  }
  return known;
}

/** Whether two may tell of one generation. */
export function isSame(
  a: Pick<GenerationId, "seconds" | "root">,
  b: Pick<GenerationId, "seconds" | "root">,
): boolean {
  return a.seconds === b.seconds && (a.root === null || b.root === null || a.root === b.root);
}

/** The generations, the newest first; of those of one second the ones with a dump first, since rdiffs may begin there. */
function distinct(archives: readonly KnownArchive[], others: readonly GenerationId[]): GenerationId[] {
  const generations: GenerationId[] = [];
  for (const [seconds, told] of Map.groupBy([...archives, ...others], ({ seconds }) => seconds)) {
    const withRoot = told.filter(({ root }) => root !== null);
    for (const root of new Set((withRoot.length > 0 ? withRoot : told).map(({ root }) => root))) {
      const { time } = told.find((one) => one.root === root)!;
      generations.push({ time, seconds, root });
    }
  }
  const hasDump = (generation: GenerationId) =>
    archives.some(({ full, seconds, root }) =>
      full && seconds === generation.seconds && root === generation.root
    );
  return generations.sort((a, b) => b.seconds - a.seconds || Number(hasDump(b)) - Number(hasDump(a)));
}

/** The ways that end with an archive, for each generation that it may begin at; or why there is none at all. */
function pathsBy(
  archive: KnownArchive,
  { generation, reached, seconds, isAmbiguous }: {
    generation: GenerationId;
    reached: readonly Reached[];
    seconds: readonly number[];
    isAmbiguous: (told: GenerationId) => boolean;
  },
): Path[][] | string {
  const { path: last, full, from, fault } = archive;
  const ownReasons = fault === undefined ? [] : [`"${last}" is damaged`];
  const isUnclear = isAmbiguous(archive);
  const reasonCount = ownReasons.length;
  if (full) return [[{ last, length: 1, skips: 0, isAssumed: isUnclear, ownReasons, reasonCount }]];
  // Without a seal, an rdiff is taken to begin at the generation that follows, or else at one further on. One of the same
  // second comes last: the original gave a dump the time of its parent when both were made within one second.
  const newer = reached.filter((one) => one.generation.seconds !== generation.seconds).toReversed();
  const twins = reached.filter((one) => one.generation.seconds === generation.seconds);
  const begins = from === undefined
    ? [...newer.slice(0, MAX_WAYS), ...twins]
    : reached.filter((one) => isSame(one.generation, from));
  if (begins.length === 0) {
    return from === undefined
      ? `"${last}" leads to it, but no newer generation is there`
      : `"${last}" leads to it from the generation of ${from.time}, of which nothing is there`;
  }
  const isAssumed = isUnclear || from === undefined || isAmbiguous(from);
  const passed = (begin: GenerationId) =>
    from === undefined
      ? Math.max(0, seconds.indexOf(generation.seconds) - seconds.indexOf(begin.seconds) - 1)
      : 0;
  const ways = begins.map(({ generation: begin, paths }) =>
    paths.map((front) => ({
      last,
      front,
      length: front.length + 1,
      skips: front.skips + passed(begin),
      isAssumed: isAssumed || front.isAssumed,
      ownReasons,
      reasonCount: front.reasonCount + reasonCount,
    }))
  );
  return ways.some((paths) => paths.length > 0)
    ? ways
    : `"${last}" leads to it from the generation of ${begins[0].generation.time}, to which nothing leads`;
}

/** Of lists of ways, each with the likeliest first, the likeliest of all: those without faults, and some of every list. */
function likeliestOf(lists: readonly Path[][]): Path[] {
  return lists.flatMap((paths) => paths.map((path, rank) => ({ path, rank })))
    .sort(({ path: a, rank: rankA }, { path: b, rank: rankB }) =>
      a.reasonCount - b.reasonCount || Number(a.isAssumed) - Number(b.isAssumed) || rankA - rankB ||
      a.skips - b.skips || a.length - b.length
    ).map(({ path }) => path).slice(0, MAX_WAYS);
}

/** The way that is proved, alone; or all, those at the end that are refuted. */
async function proveOne(
  generation: GenerationId,
  paths: readonly Path[],
  prove: Prove,
): Promise<{ paths: Path[]; proved: boolean }> {
  const left: Path[] = [];
  for (const path of paths) {
    const { isAssumed, length, reasonCount } = path;
    if (length > MAX_CHAIN) {
      const reason = `it takes ${length} archives, at most ${MAX_CHAIN} can be read at a time: ` +
        "merge some of them first";
      left.push(settled(path, [reason]));
      continue;
    }
    const { proved, fault } = await prove(generation, {
      chain: chainOf(path),
      isAssumed,
      reasons: reasonsOf(path),
    });
    // All blocks are right, whatever is wrong with the files: the ways to older generations can begin here.
    if (proved) return { paths: [{ ...settled(path, []), skips: 0, isAssumed: false }], proved };
    left.push(fault === undefined || reasonCount > 0 ? path : settled(path, [fault]));
  }
  return { paths: left.sort((a, b) => a.reasonCount - b.reasonCount), proved: false };
}

/** The same way, of which nothing is wrong but this. */
function settled(path: Path, ownReasons: readonly string[]): Path {
  return { ...path, ownReasons, reasonCount: ownReasons.length, isSettled: true };
}

/** What is wrong with a way, from its beginning on, as far as it is told. */
function reasonsOf(path: Path): string[] {
  const reasons: string[] = [];
  for (let at: Path | undefined = path; at !== undefined; at = at.isSettled ? undefined : at.front) {
    reasons.push(...at.ownReasons);
  }
  reasons.reverse();
  const more = reasons.length - MAX_REASONS;
  return more > 0 ? [...reasons.slice(0, MAX_REASONS), `and ${more} more`] : reasons;
}

function whyLost([path]: readonly Path[], missing: readonly string[]): readonly string[] {
  if (path === undefined) return missing.length > 0 ? missing : ["no dump and no rdiff leads to it"];
  if (path.reasonCount > 0) return reasonsOf(path);
  return [`nothing proves that "${path.last}" and those before it lead to it past the generations between`];
}

function chainOf(path: Path): string[] {
  const chain: string[] = [];
  for (let at: Path | undefined = path; at !== undefined; at = at.front) chain.push(at.last);
  return chain.reverse();
}
