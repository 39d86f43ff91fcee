/** A command with all that is known of it before it is disturbed: the files it begins with, its calls, its result. */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path/posix/join";
import { Frozen } from "../crash/frozen.ts";
import { Folder } from "../disks/helpers.ts";
import { readDump } from "../fuzz/oracle/archives.ts";
import { callMain } from "../support/run_cli.ts";
import { type CountedCall, ruleFor } from "./calls.ts";
import { CaseFolder } from "./case_folder.ts";
import { type Content, contentOf, type Names } from "./content.ts";
import { type Files, isHidden, readFiles } from "./files.ts";
import { run } from "./material.ts";
import { blocksOf, prove } from "./proof.ts";
import type { Scenario } from "./scenarios.ts";

/** As dumps have it if nothing is said. */
const DUMPED_BLOCK_BYTES = 1024 * 1024;

/** What all worlds are made of. */
export interface Material {
  files: Files;
  names: Names;
}

/** A command over a folder in which its outputs do, or do not, exist. */
export class World {
  readonly name: string;
  readonly scenario: Scenario;
  /** With `--force` where it is needed. */
  readonly line: string;
  /** All files before the command; those that are hidden are what a killed run has left. */
  before: Files = new Map();
  /** Paths of the files that the command makes or replaces. */
  outputs: string[] = [];
  /** What they hold behind a run that nothing disturbs. */
  result: Content = {};
  /** Which of them others may read, behind such a run. */
  modes: number[] = [];
  /** Outputs that can be read back, with what they may be read as: the new one, or what was there before. */
  readable = new Map<string, string[]>();
  /** What such a run calls. */
  calls: CountedCall[] = [];
  readonly #names: Names;
  /** Of the last undisturbed run; seals name the disk by its path. */
  #folder = "";

  private constructor(
    name: string,
    scenario: Scenario,
    { exists, names }: { exists: boolean; names: Names },
  ) {
    this.name = exists ? `${name} over files that exist` : name;
    this.scenario = scenario;
    this.line = `${scenario.line}${exists && scenario.replaces === undefined ? " --force" : ""} --quiet`;
    this.#names = names;
  }

  /** Runs the command undisturbed, and proves its result with the disk that the scenario names. */
  static async make(
    name: string,
    scenario: Scenario,
    { exists, material }: { exists: boolean; material: Material },
  ): Promise<World> {
    const { files, names } = material;
    const world = new World(name, scenario, { exists, names });
    const inputs = inputsOf(scenario, files);
    const older = exists && scenario.older !== "" ? await world.#olderFiles(files) : [];
    const made = scenario.replaces === "disk" ? new Map(older) : await world.#made(scenario.line, files);
    world.outputs = [...made.keys()];
    assert(world.outputs.length > 0, `${name}: nothing is made`);
    world.before = new Map([...inputs, ...older]);
    if (exists && scenario.older === "") {
      for (const path of world.outputs) world.before.set(path, new TextEncoder().encode("damaged"));
    }
    if (scenario.resumes) await world.#addLeftovers();

    const first = world.contentOf(await world.#run(world.before, world.line), world.#folder);
    const second = world.contentOf(await world.#run(world.before, world.line), world.#folder);
    assertEquals(first, second, `${name}: two runs do not make the same`);
    world.result = first;
    prove(world.result, scenario, files);

    using folder = world.begin();
    await world.#addReadable(folder.path);
    const counted = await folder.disturbed(world.line, "");
    assertEquals(counted.code, 0, `${name}: ${counted.stderr}`);
    world.calls = counted.calls;
    assertEquals(world.contentOf(folder.files(), folder.path), first, name);
    world.modes = folder.modes(world.outputs);
    await world.#addReadable(folder.path);
    world.#proveReadable(files);
    return world;
  }

  /** The folder as it is before the command. */
  begin(): CaseFolder {
    return new CaseFolder(this.before);
  }

  /** What the outputs among `files` hold. @throws if they are not whole */
  contentOf(files: Files, folder: string, paths: readonly string[] = this.outputs): Content {
    return contentOf(paths, { files, folder, names: this.#names });
  }

  /**
   * What the program reads from an output, a dump or a disk.
   * @throws if it cannot
   */
  async readBack(folder: string, path: string): Promise<string> {
    using probe = new Folder();
    const [raw, dump, digest] = ["raw", "dump", "digest"].map((name) => probe.file(`probe.${name}`));
    const args = isDump(path)
      ? ["restore", "--create", "--local", raw, join(folder, path)]
      : ["dump", "--mode", "full", "--local", join(folder, path), "--dumpout", dump, "--digestout", digest];
    const { code, stderr } = await callMain([...args, "--quiet"]);
    if (code !== 0) throw new Error(`${args[0]} of "${path}" has exit code ${code}: ${stderr}`);
    if (!isDump(path)) return JSON.stringify(readDump(Deno.readFileSync(dump)).records.values().toArray());
    return JSON.stringify(
      contentOf(["probe.raw"], { files: readFiles(probe.path), folder, names: this.#names }),
    );
  }

  async #addReadable(folder: string): Promise<void> {
    const files = readFiles(folder);
    for (const path of this.outputs) {
      if (!files.has(path) || this.scenario.replaces !== undefined) continue;
      if (!isDump(path) && (!/\.(raw|vmdk)$/.test(path) || path.endsWith("-flat.vmdk"))) continue;
      this.readable.set(path, [...this.readable.get(path) ?? [], await this.readBack(folder, path)]);
    }
  }

  /** Disks of all formats are what the scenario says, as the program reads them. */
  #proveReadable(material: Files): void {
    const disk = material.get(this.scenario.disk ?? "");
    for (const [path, contents] of this.readable) {
      if (disk === undefined || isDump(path)) continue;
      const records = Object.values(blocksOf(disk, DUMPED_BLOCK_BYTES).records);
      assertEquals(contents.at(-1), JSON.stringify(records), `${this.name}: "${path}" is another disk`);
    }
  }

  /** Runs a line that must succeed over `files`, and returns all that is there then. */
  async #run(files: Files, line: string): Promise<Files> {
    using folder = new CaseFolder(files);
    this.#folder = folder.path;
    await run(folder.path, line);
    const after = folder.files();
    assertEquals([...after.keys()].filter(isHidden), [], `${this.name}: hidden files are left`);
    return after;
  }

  /** Another generation, whose time is not that of the new one. */
  async #olderFiles(material: Files): Promise<Files> {
    using _frozen = new Frozen();
    return await this.#made(this.scenario.older, material);
  }

  /** What a line makes of the material. */
  async #made(line: string, material: Files): Promise<Files> {
    const inputs = inputsOf({ ...this.scenario, line }, material);
    return new Map([...await this.#run(inputs, line)].filter(([path]) => !inputs.has(path)));
  }

  /** Kills the command when it has written most of its dump. */
  async #addLeftovers(): Promise<void> {
    using counting = this.begin();
    const { calls } = await counting.disturbed(this.line, "");
    const writes = calls.filter(({ kind, path }) => /^p?writev?$/.test(kind) && path.includes("n.dump"));
    // What can be gone on with ends at a batch, and is there when the journal tells of it.
    for (const part of [0.7, 0.75, 0.8, 0.85, 0.9, 0.95]) {
      using folder = this.begin();
      const { isKilled } = await folder.disturbed(
        this.line,
        ruleFor("kill", writes[Math.floor(writes.length * part)]),
      );
      assert(isKilled, `${this.name}: it is not killed`);
      const left = folder.files();
      const { resumedBlocks } = JSON.parse(await run(folder.path, `${this.line} --json`));
      this.before = left;
      if (resumedBlocks > 0) return;
    }
    throw new Error(`${this.name}: nothing is left to go on with`);
  }
}

function isDump(path: string): boolean {
  return /\.dump(\.|$)/.test(path);
}

/** The files of the material that a scenario reads, with their seals. */
function inputsOf({ line, alsoReads = [] }: Scenario, material: Files): Files {
  const named = [...line.split(" "), ...alsoReads].filter((name) => material.has(name));
  const seals = named.map((name) => name.replace(/\.(dump|digest|rdiff).*$/, ".seal.json"));
  const paths = new Set([...named, ...seals.filter((name) => material.has(name))]);
  return new Map([...paths].map((path) => [path, material.get(path)!]));
}
