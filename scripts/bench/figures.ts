/** Figures: the numbers that are printed, computed from the runs of a row. */

import type { Result } from "./rows.ts";
import type { Sample } from "./process.ts";
import { largest, median } from "./statistics.ts";
import { holds, type Ratios, type Target, TARGETS } from "./targets.ts";

/** The figures of a row. */
export interface Figure {
  /** Name of the row. */
  name: string;
  /** Whether the row runs vmdkbkp. */
  ours: boolean;
  /** Median time of the rounds. */
  seconds: number;
  /** Shortest time in seconds. */
  fastest: number;
  /** Longest time in seconds. */
  slowest: number;
  /** The median as a multiple of the medians of md5sum and cp, on the same disk in the same run. */
  ratios: Ratios;
  /** The target of the row, if it has one. */
  target?: Target;
  /** Whether the target is reached; undefined if there is none, or no reference was measured. */
  holds?: boolean;
  /** Bytes of all output files together. */
  outputBytes?: number;
  /** Bytes of each output file, by name. */
  sizes: Record<string, number>;
  /** Largest peak of memory of the rounds in MiB. */
  peakMib?: number;
  /** Median processor time of the rounds. */
  cpuSeconds?: number;
  /** Time and memory of each run. */
  samples: Sample[];
}

/** Returns the figures of results with samples; ratios only if `md5sum` and `cp` are among them. */
export function figuresOf(results: Result[], { targets }: { targets: boolean }): Figure[] {
  const measured = results.filter(({ samples }) => samples.length > 0);
  const seconds = ({ samples }: Result) => median(samples.map(({ seconds }) => seconds));
  const reference = (name: string) => {
    const result = measured.find(({ row }) => row.name === name);
    return result && seconds(result);
  };
  const md5sum = reference("md5sum");
  const cp = reference("cp");
  return measured.map((result): Figure => {
    const { row, samples, sizes } = result;
    const all = samples.map(({ seconds }) => seconds);
    const ratios = { md5sum: md5sum && seconds(result) / md5sum, cp: cp && seconds(result) / cp };
    const target = targets ? TARGETS[row.name] : undefined;
    const cpu = samples.map(({ cpuSeconds }) => cpuSeconds).filter((value) => value !== undefined);
    const outputs = Object.values(sizes);
    return {
      name: row.name,
      ours: row.ours ?? false,
      seconds: seconds(result),
      fastest: Math.min(...all),
      slowest: Math.max(...all),
      ratios,
      target,
      holds: target && holds(target, ratios),
      outputBytes: outputs.length === 0 ? undefined : outputs.reduce((sum, bytes) => sum + bytes),
      sizes,
      peakMib: largest(samples.map(({ peakMib }) => peakMib)),
      cpuSeconds: cpu.length === 0 ? undefined : median(cpu),
      samples,
    };
  });
}
