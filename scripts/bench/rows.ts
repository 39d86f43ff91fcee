/** Rows of a benchmark: commands with their inputs and outputs, and runs of these commands. */

import { join } from "@std/path/posix/join";
import { sealNameOf } from "../../cli/archive/seal.ts";
import { bytesIn, remove } from "./folder.ts";
import type { WarmMemory } from "./memory.ts";
import { run, type Sample } from "./process.ts";

/** A row of a table: a command that is measured. Files are named relative to the folder of the section. */
export interface Row {
  /** Name of the row. */
  name: string;
  /** The program and its arguments. */
  command: string[];
  /** Additional environment variables. */
  env?: Record<string, string>;
  /** Input files, which are made once before the first round. */
  reads?: string[];
  /** Output files, which are removed after each run, so that every run makes them again. */
  makes?: string[];
  /** Other files that are removed after each run, if they exist. They do not count as outputs. */
  leaves?: string[];
  /** Limit of the rounds, for commands that are slow or only for comparison. */
  rounds?: number;
  /** A command that runs before each run and is not measured. */
  prepare?: string[];
  /** A command that runs after the first run, is not measured, and fails if the outputs are wrong. */
  proof?: string[];
  /** Whether the row runs vmdkbkp. The claims about all commands of vmdkbkp apply to it. */
  ours?: boolean;
}

/** The runs of a row. */
export interface Result {
  /** The row. */
  row: Row;
  /** Time and memory of each run. */
  samples: Sample[];
  /** Bytes of each output file, by name. */
  sizes: Record<string, number>;
}

/** Runs all rows once in each round, so that a minute in which the machine is slow affects all of them. */
export async function runRounds(
  rows: Row[],
  { folder, rounds, memory, progress }: {
    folder: string;
    rounds: number;
    memory?: WarmMemory;
    progress: (text: string) => void;
  },
): Promise<Result[]> {
  const results = rows.map((row): Result => ({ row, samples: [], sizes: {} }));
  for (let round = 0; round < rounds; round++) {
    for (const { row, samples, sizes } of results) {
      if (round >= (row.rounds ?? Infinity)) continue;
      progress(`round ${round + 1} of ${rounds}: ${row.name}`);
      const surroundings = { cwd: folder, env: row.env };
      if (row.prepare) await run(row.prepare, surroundings);
      memory?.warm();
      samples.push(await run(row.command, surroundings));
      if (round === 0 && row.proof) await run(row.proof, surroundings);
      for (const name of row.makes ?? []) {
        sizes[name] = bytesIn(join(folder, name));
        remove(join(folder, name));
        // The seal is removed as well. A generation is identified by its time in seconds, so that an old seal
        // could be mistaken for one of the next run.
        if (row.ours) remove(join(folder, sealNameOf(name)));
      }
      for (const name of row.leaves ?? []) remove(join(folder, name));
    }
  }
  return results;
}
