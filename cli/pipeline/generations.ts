/**
 * Finds out which generations a collection of archives can restore, and with which chains of archives:
 *
 *     dump 5        rdiff 4         rdiff 3         rdiff 2
 *       ▼   ◄─────────┘ ▼ ◄───────────┘ ▼ ◄───────────┘ ▼
 *     gen. 5          gen. 4          gen. 3          gen. 2
 *
 * A generation can be restored if an intact dump of it exists, or an intact rdiff that leads to it from a
 * generation that can be restored. This file reads no archives: the caller describes them, and passes a
 * function that proves a chain by reading it.
 *
 * Two generations of the same second are distinguished by their roots. A generation without a known root is
 * taken to be the same as every generation of its second.
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

/** A dump or rdiff and the generation to which it leads, as its header and its seal state them. */
export interface KnownArchive extends GenerationId {
  path: string;
  /** True for a dump. */
  full: boolean;
  /** For an rdiff, the generation from which it leads; undefined if no seal states it. */
  from?: GenerationId;
  /**
   * A description of the fault of the file. A chain with such a file restores a generation only if it is
   * proved.
   */
  fault?: string;
}

/** A chain that may restore a generation. */
export interface CandidateChain {
  /** The paths of the archives, the newest first. */
  chain: string[];
  /** True if the generation from which one of the rdiffs leads is not known and was assumed to fit. */
  isAssumed: boolean;
  /** Reasons why the chain may not restore the generation; empty if no fault is known. */
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

/**
 * Returns whether a chain restores a generation. If nothing can prove or disprove it, the result has neither
 * `proved` nor `fault`.
 */
export type ProveChain = (
  generation: GenerationId,
  candidate: CandidateChain,
) => Promise<{ proved: boolean; fault?: string }>;

/**
 * The largest number of reasons that are listed for a chain. A chain may have one for each of hundreds of
 * archives.
 */
const MAX_REASONS = 20;

/**
 * The largest number of chains that are kept for a generation, and of newer generations from which an rdiff
 * without a seal is assumed to lead.
 */
const MAX_CHAINS = 16;

/**
 * A chain during the search, as a list that is linked from its last archive to its first. Chains to older
 * generations share the archives at their beginning, and the reasons of these.
 */
interface ChainEnd extends Pick<CandidateChain, "isAssumed"> {
  last: string;
  front?: ChainEnd;
  length: number;
  /** The reasons of the last archive, and the number of reasons of the whole chain. */
  ownReasons: readonly string[];
  reasonCount: number;
  /** If true, the reasons of the archives before the last one do not count. */
  isSettled?: true;
  /** The number of generations that rdiffs without seals are assumed to pass over. */
  skips: number;
}

/** A generation and the chains that lead to it. */
interface ReachedGeneration {
  generation: GenerationId;
  ends: readonly ChainEnd[];
}

/**
 * Finds the generations of one series and the chains that restore them.
 *
 * @param archives the dumps and rdiffs of one series
 * @param options.others the generations that digests and seals of the series state
 * @param options.prove is called for the chains to a generation, the likeliest first, until one is proved
 * @returns all generations, the newest first
 */
export async function generationsOf(
  archives: readonly KnownArchive[],
  { others = [], prove = () => Promise.resolve({ proved: false }) }: {
    others?: readonly GenerationId[];
    prove?: ProveChain;
  } = {},
): Promise<KnownGeneration[]> {
  const generations = distinctGenerations(archives, others);
  const seconds = [...new Set(generations.map(({ seconds }) => seconds))];
  const reached: ReachedGeneration[] = [];
  const known: KnownGeneration[] = [];
  // The order is from the newest to the oldest, so that the chains to the generation from which an rdiff
  // leads are known before the rdiff is used.
  for (const generation of generations) {
    const isAmbiguous = ({ seconds, root }: GenerationId) =>
      root === null && generations.filter((other) => other.seconds === seconds).length > 1;
    const finder = { generation, reached, seconds, isAmbiguous };
    const found = archives.filter((archive) => isSame(archive, generation)).map((archive) =>
      chainsEndingWith(archive, finder)
    );
    const missing = found.filter((ends) => typeof ends === "string");
    const likeliest = likeliestOf(found.filter((ends) => typeof ends !== "string").flat());
    const { ends, proved } = await proveOneOf(generation, likeliest, prove);
    reached.push({ generation, ends });
    const [end] = proved ? ends : ends.filter(({ reasonCount, skips }) => reasonCount === 0 && skips === 0);
    if (end !== undefined) {
      known.push({ ...generation, chain: chainOf(end), isAssumed: end.isAssumed, proved, reasons: [] });
    } else {
      const reasons = reasonsWithoutChain(ends, missing);
      known.push({ ...generation, isAssumed: false, proved: false, reasons });
    }
  }
  return known;
}

/** Returns whether two identities may be of the same generation. */
export function isSame(
  a: Pick<GenerationId, "seconds" | "root">,
  b: Pick<GenerationId, "seconds" | "root">,
): boolean {
  return a.seconds === b.seconds && (a.root === null || b.root === null || a.root === b.root);
}

/**
 * Returns the generations, the newest first. Of those of one second, generations with a dump come first,
 * because rdiffs may lead from them to the others.
 */
function distinctGenerations(
  archives: readonly KnownArchive[],
  others: readonly GenerationId[],
): GenerationId[] {
  const generations: GenerationId[] = [];
  for (const [seconds, keys] of Map.groupBy([...archives, ...others], ({ seconds }) => seconds)) {
    const withRoot = keys.filter(({ root }) => root !== null);
    for (const root of new Set((withRoot.length > 0 ? withRoot : keys).map(({ root }) => root))) {
      const { time } = keys.find((one) => one.root === root)!;
      generations.push({ time, seconds, root });
    }
  }
  const hasDump = (generation: GenerationId) =>
    archives.some(({ full, seconds, root }) =>
      full && seconds === generation.seconds && root === generation.root
    );
  return generations.sort((a, b) => b.seconds - a.seconds || Number(hasDump(b)) - Number(hasDump(a)));
}

/**
 * Returns the chains that end with an archive, one list for each generation from which it may lead, or the
 * reason why there are none.
 */
function chainsEndingWith(
  archive: KnownArchive,
  { generation, reached, seconds, isAmbiguous }: {
    generation: GenerationId;
    reached: readonly ReachedGeneration[];
    seconds: readonly number[];
    isAmbiguous: (key: GenerationId) => boolean;
  },
): ChainEnd[][] | string {
  const { path: last, full, from, fault } = archive;
  const ownReasons = fault === undefined ? [] : [`"${last}" is damaged`];
  const isUnclear = isAmbiguous(archive);
  const reasonCount = ownReasons.length;
  if (full) return [[{ last, length: 1, skips: 0, isAssumed: isUnclear, ownReasons, reasonCount }]];
  // Without a seal, an rdiff is assumed to lead from the next newer generation, or else from one after it. A
  // generation of the same second is tried last: the original program gives a dump the time of its parent if
  // both are made within one second.
  const newer = reached.filter((one) => one.generation.seconds !== generation.seconds).toReversed();
  const twins = reached.filter((one) => one.generation.seconds === generation.seconds);
  const begins = from === undefined
    ? [...newer.slice(0, MAX_CHAINS), ...twins]
    : reached.filter((one) => isSame(one.generation, from));
  if (begins.length === 0) {
    return from === undefined
      ? `"${last}" leads to it, but no newer generation exists`
      : `"${last}" leads to it from the generation of ${from.time}, of which no file exists`;
  }
  const isAssumed = isUnclear || from === undefined || isAmbiguous(from);
  const passed = (begin: GenerationId) =>
    from === undefined
      ? Math.max(0, seconds.indexOf(generation.seconds) - seconds.indexOf(begin.seconds) - 1)
      : 0;
  const lists = begins.map(({ generation: begin, ends }) =>
    ends.map((front) => ({
      last,
      front,
      length: front.length + 1,
      skips: front.skips + passed(begin),
      isAssumed: isAssumed || front.isAssumed,
      ownReasons,
      reasonCount: front.reasonCount + reasonCount,
    }))
  );
  return lists.some((ends) => ends.length > 0)
    ? lists
    : `"${last}" leads to it from the generation of ${begins[0].generation.time}, to which no chain leads`;
}

/**
 * Returns the likeliest chains of several lists: chains without faults first, then the first chains of every
 * list. The likeliest chain of each list comes first.
 */
function likeliestOf(lists: readonly ChainEnd[][]): ChainEnd[] {
  return lists.flatMap((ends) => ends.map((end, rank) => ({ end, rank })))
    .sort(({ end: a, rank: rankA }, { end: b, rank: rankB }) =>
      a.reasonCount - b.reasonCount || Number(a.isAssumed) - Number(b.isAssumed) || rankA - rankB ||
      a.skips - b.skips || a.length - b.length
    ).map(({ end }) => end).slice(0, MAX_CHAINS);
}

/**
 * Proves one of the chains and returns it alone. If none can be proved, returns all chains; those that are
 * disproved come last.
 */
async function proveOneOf(
  generation: GenerationId,
  ends: readonly ChainEnd[],
  prove: ProveChain,
): Promise<{ ends: ChainEnd[]; proved: boolean }> {
  const left: ChainEnd[] = [];
  for (const end of ends) {
    const { isAssumed, length, reasonCount } = end;
    if (length > MAX_CHAIN) {
      const reason = `it takes ${length} archives, at most ${MAX_CHAIN} can be read at a time: ` +
        "merge some of them first";
      left.push(withReasons(end, [reason]));
      continue;
    }
    const { proved, fault } = await prove(generation, {
      chain: chainOf(end),
      isAssumed,
      reasons: reasonsOf(end),
    });
    // All blocks are right, even if files of the chain have faults. Chains to older generations can begin
    // with this one.
    if (proved) return { ends: [{ ...withReasons(end, []), skips: 0, isAssumed: false }], proved };
    left.push(fault === undefined || reasonCount > 0 ? end : withReasons(end, [fault]));
  }
  return { ends: left.sort((a, b) => a.reasonCount - b.reasonCount), proved: false };
}

/** Returns the same chain with only these reasons. */
function withReasons(end: ChainEnd, ownReasons: readonly string[]): ChainEnd {
  return { ...end, ownReasons, reasonCount: ownReasons.length, isSettled: true };
}

/**
 * Returns the reasons of a chain, from its first archive to its last, at most {@linkcode MAX_REASONS} of
 * them.
 */
function reasonsOf(end: ChainEnd): string[] {
  const reasons: string[] = [];
  for (let at: ChainEnd | undefined = end; at !== undefined; at = at.isSettled ? undefined : at.front) {
    reasons.push(...at.ownReasons);
  }
  reasons.reverse();
  const more = reasons.length - MAX_REASONS;
  return more > 0 ? [...reasons.slice(0, MAX_REASONS), `and ${more} more`] : reasons;
}

function reasonsWithoutChain([end]: readonly ChainEnd[], missing: readonly string[]): readonly string[] {
  if (end === undefined) return missing.length > 0 ? missing : ["no dump and no rdiff leads to it"];
  if (end.reasonCount > 0) return reasonsOf(end);
  return [
    `nothing proves that "${end.last}" and the archives before it lead to it past the generations between them`,
  ];
}

function chainOf(end: ChainEnd): string[] {
  const chain: string[] = [];
  for (let at: ChainEnd | undefined = end; at !== undefined; at = at.front) chain.push(at.last);
  return chain.reverse();
}
