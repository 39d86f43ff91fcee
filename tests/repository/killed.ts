/** Commands on a repository that are killed, or fail, at one of their calls of the system. */

import { assert, assertEquals } from "@std/assert";
import type { Engine } from "../../cli/jobs/engine.ts";
import { noise } from "../disks/helpers.ts";
import { type DisturbedRun, runDisturbed } from "../faults/disturbed.ts";
import { denoArgs } from "../support/run_cli.ts";
import { assertSameContents, BLOCK_BYTES, type Contents, RepositoryWorld } from "./world.ts";

/** A command, and the disks that it finds. */
export interface KillScenario {
  /** The words of the command behind `--repo`. `@` stands for the folder. */
  words: string;
  /** The disks before the command; undefined if it needs none. */
  disks?: Contents;
  /** Whether the repository is empty before. */
  isFirst?: true;
}

function disk(
  blocks: number,
  seed: number,
  ...changes: [block: number, seed: number][]
): Uint8Array<ArrayBuffer> {
  const bytes = noise(blocks * BLOCK_BYTES - 512, seed) as Uint8Array<ArrayBuffer>;
  for (const [block, seed] of changes) {
    const part = bytes.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES);
    if (seed === 0) part.fill(0);
    else part.set(noise(part.length, seed));
  }
  return bytes;
}

const NEWEST: Contents = { a: disk(40, 1, [0, 3], [7, 0], [39, 4]), b: disk(3, 2, [1, 5]) };
const CHANGED: Contents = { a: disk(40, 1, [0, 8], [3, 0], [7, 9], [39, 4]), b: disk(3, 2, [2, 6]) };

/** The scenarios by their names. */
export const SCENARIOS: Record<string, KillScenario> = {
  "the first backup": { words: "backup --init --machine m @/a.raw @/b.raw", disks: NEWEST, isFirst: true },
  "a differential backup": { words: "backup --machine m @/a.raw @/b.raw", disks: CHANGED },
  "an incremental backup": {
    words: "backup --machine m --changed @/changes.json @/a.raw",
    disks: { a: CHANGED.a },
  },
  "a backup of a disk with another size": {
    words: "backup --machine m @/a.raw @/b.raw",
    disks: { a: disk(7, 6), b: CHANGED.b },
  },
  "forget": { words: "forget --keep-noted" },
};

/** A scenario that can be run many times, each from the same beginning. */
export class KilledWorld implements Disposable {
  readonly #world: RepositoryWorld;
  readonly #scenario: KillScenario;
  /** A copy of the repository as the command finds it. */
  readonly #template: string;

  private constructor(world: RepositoryWorld, scenario: KillScenario) {
    this.#world = world;
    this.#scenario = scenario;
    this.#template = `${world.folder}/template`;
  }

  /** Makes the repository with three generations, or none, and the disks. */
  static async make(engine: Engine, scenario: KillScenario): Promise<KilledWorld> {
    const world = new RepositoryWorld(engine);
    const killed = new KilledWorld(world, scenario);
    if (!scenario.isFirst) {
      await world.backup({ a: disk(40, 1), b: disk(3, 2) }, { note: "first" });
      await world.backup({ a: disk(40, 1, [0, 0], [7, 7]), b: disk(3, 2) });
      await world.backup(NEWEST);
      copy(world.repository, killed.#template);
    }
    for (const [key, bytes] of Object.entries(scenario.disks ?? {})) {
      Deno.writeFileSync(`${world.folder}/${key}.raw`, bytes);
    }
    const changes = [0, 3, 7].map((block) => ({ start: block * BLOCK_BYTES, length: BLOCK_BYTES }));
    Deno.writeTextFileSync(`${world.folder}/changes.json`, JSON.stringify(changes));
    return killed;
  }

  /** The repository after the last run. */
  get world(): RepositoryWorld {
    return this.#world;
  }

  /** Runs the command with a rule of the fault layer, from the beginning. */
  async run(rule = ""): Promise<DisturbedRun> {
    const { repository } = this.#world;
    if (exists(repository)) Deno.removeSync(repository, { recursive: true });
    if (!this.#scenario.isFirst) copy(this.#template, repository);
    return await this.runAgain(rule);
  }

  /** Runs the command on what is there. */
  async runAgain(rule = ""): Promise<DisturbedRun> {
    const { folder, repository } = this.#world;
    const [command, ...words] = this.#scenario.words.replaceAll("@", folder).split(" ");
    const blocks = command === "backup" && this.#scenario.isFirst ? ["--blocksize", `${BLOCK_BYTES}`] : [];
    const args = [...denoArgs(), command, "--repo", repository, "--threads", "1", ...blocks, ...words];
    return await runDisturbed(Deno.execPath(), args, { folder, rules: rule });
  }

  /**
   * Judges the repository after a run that did not end as it should: every generation is the one before, or the
   * command has done its work; and the command can be repeated.
   */
  async assertSound(hint: string): Promise<void> {
    await this.#assertGenerations(hint);
    const again = await this.runAgain();
    assertEquals(again.code, 0, `${hint}: the next run: ${again.stderr}`);
    await this.#assertGenerations(`${hint}, after the next run`);
    assertEquals(await this.#world.faults(), [], `${hint}, after the next run`);
    const left = [...this.#world.files().keys()].filter((path) =>
      /\.partial|\.removed|\.new$|\.to-|unfinished/.test(path)
    );
    assertEquals(left, [], `${hint}, after the next run`);
  }

  async #assertGenerations(hint: string): Promise<void> {
    const { wanted, repository } = this.#world;
    if (!exists(`${repository}/repository.json`)) return assertEquals([...wanted.keys()], []);
    if (exists(`${repository}/m/machine.json`)) assertEquals(await this.#world.faults(), [], hint);
    const listed = await this.#world.listed();
    if (this.#scenario.disks === undefined) assert(listed.length >= 2, `${hint}: ${listed}`);
    else for (const id of wanted.keys()) assert(listed.includes(id), `${hint}: ${id} is not listed`);
    for (const id of listed) {
      const expected = wanted.get(id) ?? this.#scenario.disks;
      assertSameContents(await this.#world.restored(id), expected!, `${hint}: ${id}`);
    }
  }

  [Symbol.dispose](): void {
    this.#world[Symbol.dispose]();
  }
}

function copy(from: string, to: string): void {
  const { success } = new Deno.Command("cp", { args: ["-a", "--sparse=always", from, to] }).outputSync();
  assert(success);
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
