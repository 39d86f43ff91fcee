/** The targets of the rows, and what the original (vmdkbkp 1.2) reached on a machine of the same kind. */

/** Elapsed time as a multiple of the times of `md5sum` and `cp --sparse=never` on the same disk. */
export interface Ratios {
  /** Multiple of the time of `md5sum`. */
  md5sum?: number;
  /** Multiple of the time of `cp --sparse=never`. */
  cp?: number;
}

/** The target of a row. */
export interface Target {
  /** Result of the original program. */
  original?: Ratios;
  /** One of the two is enough: where writing takes most of the time, `cp` is the fair comparison. */
  atMost: Ratios;
}

/** The targets on the mixed disk, by the name of the row. */
export const TARGETS: Record<string, Target> = {
  "full dump, plain": { original: { md5sum: 1.08, cp: 0.57 }, atMost: { md5sum: 0.45, cp: 0.35 } },
  "full dump .gz": { original: { md5sum: 4.9 }, atMost: { md5sum: 2.2 } },
  "full dump .zst": { atMost: { md5sum: 0.9 } },
  "diff, 5 % changed, plain": { original: { md5sum: 1.58, cp: 0.78 }, atMost: { md5sum: 0.6, cp: 0.4 } },
  "incr, 1 % changed, plain": { original: { md5sum: 1.27, cp: 0.67 }, atMost: { md5sum: 0.5, cp: 0.35 } },
  "check, plain": { original: { md5sum: 0.52 }, atMost: { md5sum: 0.2 } },
  "check .gz": { original: { md5sum: 1.31 }, atMost: { md5sum: 0.8 } },
  "check .zst": { atMost: { md5sum: 0.35 } },
  "merge dump + rdiff, plain": { original: { md5sum: 0.35, cp: 0.18 }, atMost: { md5sum: 0.3, cp: 0.16 } },
  "merge dump + rdiff .gz": { original: { md5sum: 4.9 }, atMost: { md5sum: 2.4 } },
  "restore to a new raw file": { original: { cp: 0.83 }, atMost: { cp: 0.5 } },
};

/** Returns whether one of the ratios of the target is reached; undefined if none of them was measured. */
export function holds({ atMost }: Target, measured: Ratios): boolean | undefined {
  const pairs = [[measured.md5sum, atMost.md5sum], [measured.cp, atMost.cp]];
  const known = pairs.filter((pair): pair is [number, number] => !pair.includes(undefined));
  return known.length === 0 ? undefined : known.some(([ratio, limit]) => ratio <= limit);
}
