/**
 * Which generations a collection of archives can bring back, and by which of them:
 *
 *     dump 5        rdiff 4         rdiff 3         rdiff 2
 *       ▼   ◄─────────┘ ▼ ◄───────────┘ ▼ ◄───────────┘ ▼
 *     gen. 5          gen. 4          gen. 3          gen. 2
 *
 * A generation can be restored if an intact dump of it is there, or an intact rdiff that leads to it from a generation that
 * can be restored. Nothing is read here: it is all said of the files already.
 */

/** A dump or an rdiff, as its header and its seal tell. */
export interface KnownArchive {
  path: string;
  /** The generation that it leads to. */
  time: string;
  /** That time, to be compared. */
  seconds: number;
  /** A dump. */
  full: boolean;
  /** Of an rdiff: the time of the generation that it begins at, if a seal tells it. */
  from?: string;
  /** What is wrong with the file; an archive with a fault leads nowhere. */
  fault?: string;
}

/** A generation, and how it is brought back. */
export interface KnownGeneration {
  time: string;
  seconds: number;
  /** Archives to restore it from, newest first; undefined if there is no way. */
  chain?: string[];
  /** Where there is none: the same with archives that have faults, which may do no harm to this generation. */
  doubtfulChain?: string[];
  /** Why there is none: archives with faults, or what is missing. */
  reasons: string[];
}

/** A way to a generation. */
interface Way {
  chain: string[];
  /** Why it is none; empty if it is one. */
  reasons: string[];
}

/**
 * @param archives of one series
 * @param others times of generations of the series of which something else tells: digests, seals
 * @returns all generations, the newest first
 */
export function generationsOf(
  archives: readonly KnownArchive[],
  others: readonly { time: string; seconds: number }[] = [],
): KnownGeneration[] {
  const ways = new Map<string, Way | string>();
  const times = new Map([...archives, ...others].map(({ time, seconds }) => [time, seconds]));
  const sorted = [...times].sort(([timeA, a], [timeB, b]) => b - a || (timeA < timeB ? 1 : -1));
  // The newest first: what an rdiff begins at is decided before it.
  for (const [i, [time]] of sorted.entries()) {
    const found: (Way | string)[] = [];
    for (const archive of archives) {
      if (archive.time === time) found.push(wayBy(archive, ways, sorted[i - 1]?.[0]));
    }
    ways.set(time, bestOf(found));
  }
  return sorted.map(([time, seconds]) => {
    const way = ways.get(time)!;
    if (typeof way === "string") return { time, seconds, reasons: [way] };
    const { chain, reasons } = way;
    return reasons.length === 0
      ? { time, seconds, chain, reasons }
      : { time, seconds, doubtfulChain: chain, reasons };
  });
}

/** The shortest way without a fault, or else the one with the fewest. */
function bestOf(found: readonly (Way | string)[]): Way | string {
  const ways = found.filter((way) => typeof way !== "string");
  ways.sort((a, b) => a.reasons.length - b.reasons.length || a.chain.length - b.chain.length);
  return ways[0] ?? found[0] ?? "no dump and no rdiff leads to it";
}

/** The way that ends with this archive, or why there is none at all. */
function wayBy(
  { path, full, from, fault }: KnownArchive,
  ways: ReadonlyMap<string, Way | string>,
  newer: string | undefined,
): Way | string {
  const reasons = fault === undefined ? [] : [`"${path}" is damaged`];
  if (full) return { chain: [path], reasons };
  // Without a seal, an rdiff is taken to begin at the generation that follows.
  const begin = from ?? newer;
  if (begin === undefined) return `"${path}" leads to it, but no newer generation is there`;
  const way = ways.get(begin);
  if (way === undefined) {
    return `"${path}" leads to it from the generation of ${begin}, of which nothing is there`;
  }
  if (typeof way === "string") return `"${path}" leads to it from the generation of ${begin}: ${way}`;
  return { chain: [...way.chain, path], reasons: [...way.reasons, ...reasons] };
}
