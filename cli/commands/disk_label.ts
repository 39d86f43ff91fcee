/** The names of backed-up disks in reports. */

import { dirname } from "@std/path/posix/dirname";
import type { Seal } from "../archive/seal.ts";
import { comparableSeconds, parseTimeStamp } from "../archive/time_stamp.ts";

/** The archives and the seals from which the name of a disk is made. */
export interface Labelled {
  /** 32 hexadecimal digits. */
  series: string;
  seals: readonly Seal[];
  /** Archives of the disk. */
  paths: readonly string[];
}

/** Returns the machine and the path of a disk, as its newest seal records them; undefined without seals. */
export function diskOf(seals: readonly Seal[]): string | undefined {
  const newest = seals.filter(({ source: { disk } }) => disk !== undefined)
    .toSorted((a, b) => secondsOf(b) - secondsOf(a)).at(0);
  if (newest === undefined) return undefined;
  const { disk, vm } = newest.source;
  return vm === undefined ? disk : `${vm} ${disk}`;
}

/** `DISK in FOLDER`, and without seals `series HEX in FOLDER`; several folders have commas between them. */
export function labelOf({ series, seals, paths }: Labelled): string {
  const folders = [...new Set(paths.map((path) => dirname(path)))].sort();
  return `${diskOf(seals) ?? `series ${series}`}${folders.length === 0 ? "" : ` in ${folders.join(", ")}`}`;
}

/** Returns the name of a JUnit suite: {@linkcode labelOf}, and the series, because two disks may have the same name. */
export function suiteNameOf(labelled: Labelled): string {
  const label = labelOf(labelled);
  return diskOf(labelled.seals) === undefined ? label : `${label} (series ${labelled.series})`;
}

function secondsOf({ time }: Seal): number {
  return comparableSeconds(parseTimeStamp(time));
}
