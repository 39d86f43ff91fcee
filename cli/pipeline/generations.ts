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
  /** Why there is none: archives with faults, or what is missing. */
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
  const byTime = new Map<string, KnownGeneration>();
  for (const { time, seconds } of [...archives, ...others]) byTime.set(time, { time, seconds, reasons: [] });
  const generations = [...byTime.values()].sort((a, b) =>
    b.seconds - a.seconds || (a.time < b.time ? 1 : -1)
  );
  // The newest first: what an rdiff begins at is decided before it.
  for (const [i, generation] of generations.entries()) {
    const leading = archives.filter(({ time }) => time === generation.time);
    const dump = leading.find(({ full, fault }) => full && fault === undefined);
    if (dump !== undefined) {
      generation.chain = [dump.path];
      continue;
    }
    for (const archive of leading) {
      const way = wayBy(archive, { byTime, newer: generations[i - 1] });
      if (typeof way === "string") generation.reasons.push(way);
      else if (generation.chain === undefined || way.length < generation.chain.length) generation.chain = way;
    }
    if (generation.chain !== undefined) generation.reasons = [];
    else if (leading.length === 0) generation.reasons.push("no dump and no rdiff leads to it");
  }
  return generations;
}

/** The archives of the way that ends with this one, or why there is none. */
function wayBy(
  { path, full, from, fault, seconds }: KnownArchive,
  { byTime, newer }: { byTime: ReadonlyMap<string, KnownGeneration>; newer?: KnownGeneration },
): string[] | string {
  if (fault !== undefined) return `"${path}" is damaged`;
  if (full) return [path];
  // Without a seal, an rdiff is taken to begin at the generation that follows.
  const begin = from === undefined ? newer : byTime.get(from);
  if (begin === undefined) {
    return from === undefined
      ? `"${path}" leads to it, but there is no newer generation`
      : `"${path}" leads to it from the generation of ${from}, of which nothing is there`;
  }
  if (begin.seconds <= seconds) return `"${path}" leads to it from a generation that is not newer`;
  if (begin.chain !== undefined) return [...begin.chain, path];
  return `"${path}" leads to it from the generation of ${begin.time}, which cannot be restored`;
}
