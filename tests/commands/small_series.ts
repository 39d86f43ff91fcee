/** A few generations of disks of four blocks in one folder, and what `check` says of them. */

import { assertEquals } from "@std/assert";
import { basename } from "@std/path/posix/basename";
import { join } from "@std/path/posix/join";
import { Folder, noise } from "../disks/helpers.ts";
import { callMain } from "../support/run_cli.ts";
import { BLOCK } from "./ten_generations.ts";

/** Disks of four blocks in a folder, and commands on them that must succeed. */
export class Small extends Folder {
  /** A disk whose blocks are noise of these seeds, or zeros. */
  disk(name: string, seeds: number[]): string {
    const bytes = new Uint8Array(seeds.length * BLOCK);
    seeds.forEach((seed, i) => {
      if (seed !== 0) bytes.set(noise(BLOCK, seed), i * BLOCK);
    });
    const folder = join(this.path, "disks");
    Deno.mkdirSync(folder, { recursive: true });
    const path = join(folder, name);
    Deno.writeFileSync(path, bytes);
    return path;
  }

  /** Runs a command line, in which names of archives are files of the folder; returns what it prints. */
  async run(line: string): Promise<string> {
    const args = line.split(" ").map((word) => /\.(dump|digest|rdiff)$/.test(word) ? this.file(word) : word);
    const { code, stdout, stderr } = await callMain(args);
    assertEquals(code, 0, `${line}\n${stdout}${stderr}`);
    return stdout;
  }

  /** The first generation. */
  async full(name: string, seeds: number[]): Promise<void> {
    const local = this.disk(name, seeds);
    await this.run(
      `dump --local ${local} --mode full --blocksize ${BLOCK} --dumpout ${name}.dump --digestout ${name}.digest`,
    );
  }

  /** A generation after `parent`. */
  async diff(name: string, parent: string, seeds: number[]): Promise<void> {
    const local = this.disk(name, seeds);
    await this.run(
      `dump --local ${local} --mode diff --dumpin ${parent}.dump --digestin ${parent}.digest ` +
        `--dumpout ${name}.dump --digestout ${name}.digest --rdiffout ${name}-${parent}.rdiff`,
    );
  }

  /** Removes files of the folder. */
  remove(...names: string[]): void {
    for (const name of names) Deno.removeSync(this.file(name));
  }

  /** Removes all seals. */
  unseal(): void {
    for (const { name } of Deno.readDirSync(this.path)) if (name.endsWith(".seal.json")) this.remove(name);
  }

  /** Checks the folder; `chains` has the names of the archives of each generation, the newest first. */
  async check(...more: string[]) {
    const { code, stdout, stderr } = await callMain(["check", this.path, "--json", ...more]);
    const found = JSON.parse(stdout);
    const generations: { archives?: string[]; reasons?: string[]; proved?: boolean }[] =
      found.series[0]?.generations ?? [];
    const chains = generations.map(({ archives, proved }) =>
      archives === undefined
        ? "LOST"
        : `${proved ? "" : "not proved: "}${archives.map((path) => basename(path)).join(" ")}`
    );
    return { code, stderr, found, generations, chains };
  }

  /** What a check of the folder prints. */
  async text(...more: string[]): Promise<string> {
    return (await callMain(["check", this.path, ...more])).stdout;
  }
}

/** Runs with a clock that stands still, so many seconds from now. */
export async function atOneMoment(run: () => Promise<void>, fromNow = 0): Promise<void> {
  const RealDate = globalThis.Date;
  const now = RealDate.now() + fromNow * 1000;
  globalThis.Date = class extends RealDate {
    constructor(...args: unknown[]) {
      super(...(args.length === 0 ? [now] : args) as [number]);
    }
  } as DateConstructor;
  try {
    await run();
  } finally {
    globalThis.Date = RealDate;
  }
}
