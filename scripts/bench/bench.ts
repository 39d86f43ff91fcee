/** Measures one section after the other. */

import { join } from "@std/path/posix/join";
import {
  diskRecipes,
  dumpLines,
  generationLines,
  otherRecipes,
  REFERENCES,
  startLines,
  type Vmdkbkp,
} from "./commands.ts";
import { type Figure, figuresOf } from "./figures.ts";
import { remove } from "./folder.ts";
import { makeInputs } from "./inputs.ts";
import { runRounds } from "./lines.ts";
import { WarmMemory } from "./memory.ts";
import type { Options } from "./options.ts";
import type { Section } from "./sections.ts";

const MIB = 1024 * 1024;
/** Beside its outputs a command uses less than this; ours promise 256 MiB. */
const PROCESS_BYTES = 256 * MIB;
/** The warm-up disk: its figures are thrown away. */
const TINY_MIB = 8;

/** Measures sections in a folder, each in one of its own that is gone after it. */
export class Bench {
  readonly #options: Options;
  readonly #path: string;
  readonly #encoder = new TextEncoder();

  constructor(options: Options, path: string) {
    this.#options = options;
    this.#path = path;
  }

  /** Runs every command of ours once: modules, compiled code and the programs of others are then in memory. */
  async warmUp(vmdkbkp: Vmdkbkp): Promise<void> {
    await this.measure({
      title: "warm-up",
      lines: [...REFERENCES, ...dumpLines(vmdkbkp), ...generationLines(vmdkbkp), ...startLines()],
      recipes: [...diskRecipes(vmdkbkp, { mib: TINY_MIB, pattern: "mixed" }), ...otherRecipes({ mib: 1 })],
      rounds: 1,
      outputBytes: 0,
    });
  }

  async measure({ title, lines, recipes, rounds, outputBytes, targets = false }: Section): Promise<Figure[]> {
    const { only } = this.#options;
    const wanted = lines.filter((line) => REFERENCES.includes(line) || only.test(line.name));
    if (wanted.every((line) => REFERENCES.includes(line))) return [];
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

  /** Shows what is being done, on a terminal. */
  progress(text: string): void {
    if (Deno.stderr.isTerminal()) Deno.stderr.writeSync(this.#encoder.encode(`\r\x1b[K${text}`));
  }
}
