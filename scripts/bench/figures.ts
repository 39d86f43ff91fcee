/** From the runs of a line to the numbers that are printed. */

import type { Result } from "./lines.ts";
import type { Sample } from "./process.ts";
import { largest, median } from "./statistics.ts";
import { holds, type Ratios, type Target, TARGETS } from "./targets.ts";

/** One line of the result. */
export interface Figure {
  name: string;
  ours: boolean;
  /** Median of the rounds. */
  seconds: number;
  fastest: number;
  slowest: number;
  /** The median as a multiple of those of the references, on the same disk in the same run. */
  ratios: Ratios;
  target?: Target;
  holds?: boolean;
  /** Of all outputs together. */
  outputBytes?: number;
  sizes: Record<string, number>;
  /** The largest of the rounds. */
  peakMib?: number;
  /** Median of the rounds. */
  cpuSeconds?: number;
  samples: Sample[];
}

/** Figures of the results that have samples, compared with `md5sum` and `cp` if they are among them. */
export function figuresOf(results: Result[], { targets }: { targets: boolean }): Figure[] {
  const measured = results.filter(({ samples }) => samples.length > 0);
  const seconds = ({ samples }: Result) => median(samples.map(({ seconds }) => seconds));
  const reference = (name: string) => {
    const result = measured.find(({ line }) => line.name === name);
    return result && seconds(result);
  };
  const md5sum = reference("md5sum");
  const cp = reference("cp");
  return measured.map((result): Figure => {
    const { line, samples, sizes } = result;
    const all = samples.map(({ seconds }) => seconds);
    const ratios = { md5sum: md5sum && seconds(result) / md5sum, cp: cp && seconds(result) / cp };
    const target = targets ? TARGETS[line.name] : undefined;
    const cpu = samples.map(({ cpuSeconds }) => cpuSeconds).filter((value) => value !== undefined);
    const outputs = Object.values(sizes);
    return {
      name: line.name,
      ours: line.ours ?? false,
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
