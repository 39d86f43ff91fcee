/** What is measured: one command line, what it needs and what it leaves. */

import { join } from "@std/path/posix/join";
import { sealNameOf } from "../../cli/archive/seal.ts";
import { bytesIn, remove } from "./folder.ts";
import type { WarmMemory } from "./memory.ts";
import { run, type Sample } from "./process.ts";

/** One line of a table. */
export interface Line {
  name: string;
  command: string[];
  env?: Record<string, string>;
  /** Inputs that are made once, before the first round. */
  reads?: string[];
  /** Outputs, removed after each run so that every run makes its files anew. */
  makes?: string[];
  /** Removed as well; may be missing, and counts for nothing. */
  leaves?: string[];
  /** At most so many rounds: for what is slow, or here for information only. */
  rounds?: number;
  /** Runs before each run, not measured. */
  prepare?: string[];
  /** Runs once after the first run, not measured: fails if the outputs are wrong. */
  proof?: string[];
  /** Runs vmdkbkp, so what is promised of every command is asked of it. */
  ours?: boolean;
}

/** What the runs of a line took. */
export interface Result {
  line: Line;
  samples: Sample[];
  /** Bytes by output. */
  sizes: Record<string, number>;
}

/** Runs the lines one after the other, then again, so that a slow minute of the machine meets all of them. */
export async function runRounds(
  lines: Line[],
  { folder, rounds, memory, progress }: {
    folder: string;
    rounds: number;
    memory?: WarmMemory;
    progress: (text: string) => void;
  },
): Promise<Result[]> {
  const results = lines.map((line): Result => ({ line, samples: [], sizes: {} }));
  for (let round = 0; round < rounds; round++) {
    for (const { line, samples, sizes } of results) {
      if (round >= (line.rounds ?? Infinity)) continue;
      progress(`round ${round + 1} of ${rounds}: ${line.name}`);
      const surroundings = { cwd: folder, env: line.env };
      if (line.prepare) await run(line.prepare, surroundings);
      memory?.warm();
      samples.push(await run(line.command, surroundings));
      if (round === 0 && line.proof) await run(line.proof, surroundings);
      for (const name of line.makes ?? []) {
        sizes[name] = bytesIn(join(folder, name));
        remove(join(folder, name));
        // The next run may make another generation of the same second.
        if (line.ours) remove(join(folder, sealNameOf(name)));
      }
      for (const name of line.leaves ?? []) remove(join(folder, name));
    }
  }
  return results;
}
