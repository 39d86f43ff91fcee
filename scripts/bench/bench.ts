/** Measuring the sections of a benchmark one after the other. */

import { join } from "@std/path/posix/join";
import {
  diskRecipes,
  dumpRows,
  generationRows,
  otherRecipes,
  REFERENCES,
  startRows,
  type Vmdkbkp,
} from "./commands.ts";
import { type Figure, figuresOf } from "./figures.ts";
import { remove } from "./folder.ts";
import { makeInputs } from "./inputs.ts";
import { runRounds } from "./rows.ts";
import { WarmMemory } from "./memory.ts";
import type { BenchOptions } from "./options.ts";
import type { Section } from "./sections.ts";

const MIB = 1024 * 1024;
/** Memory that a command uses besides its outputs: vmdkbkp promises to use at most 256 MiB. */
const PROCESS_BYTES = 256 * MIB;
/** Size of the disk for the warm-up. */
const TINY_MIB = 8;

/** Measures sections, each in a folder of its own that is removed afterwards. */
export class Bench {
  readonly #options: BenchOptions;
  readonly #path: string;
  readonly #encoder = new TextEncoder();

  constructor(options: BenchOptions, path: string) {
    this.#options = options;
    this.#path = path;
  }

  /**
   * Runs every command of vmdkbkp and the references once and ignores the figures. Afterwards modules,
   * compiled code and programs are in memory.
   */
  async warmUp(vmdkbkp: Vmdkbkp): Promise<void> {
    await this.measure({
      title: "warm-up",
      rows: [...REFERENCES, ...dumpRows(vmdkbkp), ...generationRows(vmdkbkp), ...startRows()],
      recipes: [...diskRecipes(vmdkbkp, { mib: TINY_MIB, pattern: "mixed" }), ...otherRecipes({ mib: 1 })],
      rounds: 1,
      outputBytes: 0,
    });
  }

  /**
   * Makes the inputs of a section, runs its rows, and returns their figures; none if no row was asked for.
   */
  async measure({ title, rows, recipes, rounds, outputBytes, targets = false }: Section): Promise<Figure[]> {
    const { only } = this.#options;
    const wanted = rows.filter((row) => REFERENCES.includes(row) || only.test(row.name));
    if (wanted.every((row) => REFERENCES.includes(row))) return [];
    const folder = join(this.#path, "section");
    Deno.mkdirSync(folder);
    try {
      const progress = (text: string) => this.progress(`${title}: ${text}`);
      await makeInputs(wanted.flatMap(({ reads }) => reads ?? []), { folder, recipes, progress });
      using memory = outputBytes === 0 ? undefined : new WarmMemory(this.#path, outputBytes + PROCESS_BYTES);
      return figuresOf(await runRounds(wanted, { folder, rounds, memory, progress }), { targets });
    } finally {
      remove(folder);
    }
  }

  /** Shows on a terminal what is being measured. */
  progress(text: string): void {
    if (Deno.stderr.isTerminal()) Deno.stderr.writeSync(this.#encoder.encode(`\r\x1b[K${text}`));
  }
}
