/** A command that fails at every operation on files in turn, and what must hold each time. */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { assert, assertEquals } from "@std/assert";
import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { sealBytes } from "../../cli/archive/seal.ts";
import { aroundCommit } from "../../cli/files/unfinished.ts";
import type { CliResult } from "../support/run_cli.ts";
import { Archives } from "../refusals/refusal.ts";
import { type Fault, FaultyFiles } from "./faulty_files.ts";
import { Frozen } from "./frozen.ts";

type Files = Record<string, string>;

/**
 * Lets every operation of `line` fail in turn, until there is none left: what was there before stays as it was, no part of
 * an output has its name, and the next run makes what it would have made anyway. With `force` the outputs exist before.
 * Returns how often it failed.
 */
export async function failEverywhere(
  line: string,
  { fault, force }: { fault: Fault; force: boolean },
): Promise<number> {
  const world = await World.make(force ? `${line} --force` : line, { force });
  for (let at = 1;; at++) {
    using _folder = world.begin();
    if (await world.survives({ at, fault })) continue;
    assert(at > 10, "the operations are not counted");
    return at - 1;
  }
}

/** A command with what is there before it and what it makes. */
class World {
  readonly #line: string;
  readonly #before: Files;
  readonly #made: Files;
  #archives!: Archives;

  private constructor(line: string, files: { before: Files; made: Files }) {
    this.#line = line;
    this.#before = files.before;
    this.#made = files.made;
  }

  /** Runs the command once without a fault. With `force` other files have the names of its outputs. */
  static async make(line: string, { force }: { force: boolean }): Promise<World> {
    using archives = newFolder();
    const before = filesOf(archives);
    using frozen = new Frozen();
    await archives.done(line);
    frozen.again();
    const after = filesOf(archives);
    const made = Object.fromEntries(Object.entries(after).filter(([name]) => !(name in before)));
    assert(Object.keys(made).length > 0);
    const replaced = Object.keys(made).map((
      name,
    ) => [name, hashOf(name, new TextEncoder().encode(oldOne(name)), archives)]);
    return new World(line, { before: { ...before, ...Object.fromEntries(force ? replaced : []) }, made });
  }

  /** Sets the folder up as it is before the command. */
  begin(): Archives {
    const archives = this.#archives = newFolder();
    for (const name of Object.keys(this.#made)) {
      if (name in this.#before) archives.file(name, oldOne(name));
    }
    return archives;
  }

  /** Runs the command with a fault, and once more without. Returns whether there was something left that could fail. */
  async survives({ at, fault }: { at: number; fault: Fault }): Promise<boolean> {
    let result: CliResult;
    let victim: string;
    {
      using files = new FaultyFiles({ at, fault });
      result = await this.#run();
      if (!files.happened) {
        assertEquals(result.code, 0, result.stderr);
        return false;
      }
      victim = `operation ${at}: ${files.victim!.kind} ${basename(files.victim!.path)}`;
    }
    const context = `${this.#line}\n${victim}\n${result.stderr}`;
    const committed = fault === "die"
      ? this.#assertWhole(context)
      : this.#assertAllOrNothing(result, context);
    using _working = new FaultyFiles();
    const isCommitted = fault === "die" && await this.#assertReadsTogether(context);
    let next = await this.#run();
    if ((committed || isCommitted) && next.code === 2) {
      // It was complete already, so that nothing is to be done, but for the hidden files.
      assert(next.stderr.includes("it exists already"), `${context}next: ${next.stderr}`);
      next = await this.#run("--force");
    }
    const again = `${context}next: ${next.stderr}`;
    assertEquals(next.code, 0, again);
    assertEquals(this.#now(), { ...this.#before, ...this.#made }, again);
    return true;
  }

  async #run(...options: string[]): Promise<CliResult> {
    using _frozen = new Frozen();
    return await this.#archives.run([this.#line, ...options].join(" "));
  }

  #now(): Files {
    return filesOf(this.#archives);
  }

  /** Each output is the old or the new one. Returns whether all are new. */
  #assertWhole(context: string): boolean {
    const now = this.#now();
    for (const [name, bytes] of Object.entries(this.#before)) {
      if (!(name in this.#made)) assertEquals(now[name], bytes, `${context}${name} is damaged`);
    }
    const names = Object.keys(this.#made);
    for (const name of names) {
      const allowed = [this.#before[name], this.#made[name]];
      assert(allowed.includes(now[name]), `${context}${name} is neither the old nor the new file`);
    }
    const others = Object.keys(now).filter((name) => !(name in this.#before) && !(name in this.#made));
    assertEquals(others.filter((name) => !isHidden(name)), [], context);
    return names.every((name) => now[name] === this.#made[name]);
  }

  /**
   * Whoever reads outputs of one folder reads all the old ones or all the new ones, and changes nothing. Returns whether all
   * are new.
   */
  async #assertReadsTogether(context: string): Promise<boolean> {
    const before = this.#now();
    const isNew: boolean[] = [];
    for (const [folder, names] of Map.groupBy(Object.keys(this.#made), dirname)) {
      const read: (string | undefined)[] = [];
      for (const name of names) read.push(await this.#asRead(name));
      const areNew = names.every((name, i) => read[i] === this.#made[name]);
      const areOld = names.every((name, i) => read[i] === this.#before[name]);
      assert(areNew || areOld, `${context}the outputs in "${folder}" do not belong together`);
      isNew.push(areNew);
    }
    assertEquals(this.#now(), before, `${context}reading changed something`);
    return isNew.every((one) => one);
  }

  /** What a reader finds under the name of an output; undefined if nothing. */
  async #asRead(name: string): Promise<string | undefined> {
    const path = join(this.#archives.path, name);
    const around = await aroundCommit(path);
    if (around === undefined) return this.#now()[name];
    if (around.path === undefined) return undefined;
    return hashOf(name, Deno.readFileSync(around.path), this.#archives);
  }

  /** Every output is there if the command says so, and none if not. */
  #assertAllOrNothing({ code }: CliResult, context: string): boolean {
    const now = this.#now();
    const visible = Object.fromEntries(Object.entries(now).filter(([name]) => !isHidden(name)));
    assertEquals(visible, code === 0 ? { ...this.#before, ...this.#made } : this.#before, context);
    return code === 0;
  }
}

function newFolder(): Archives {
  const archives = new Archives();
  for (const name of ["one", "two"]) Deno.mkdirSync(join(archives.path, name));
  return archives;
}

function isHidden(name: string): boolean {
  return /^\..*\.vmdkbkp$/.test(basename(name));
}

/** What had the name of an output before. A seal that cannot be read would stop the command: it may be that of its inputs. */
function oldOne(name: string): string {
  return name.endsWith(".seal.json") ? OLD_SEAL : `the old ${basename(name)}`;
}

/** The seal of another disk, whose files are gone. */
const OLD_SEAL = new TextDecoder().decode(
  await sealBytes({
    program: "vmdkbkp",
    series: "0".repeat(32),
    time: "2001-01-01 00:00:00",
    root: null,
    capacityBytes: 512,
    blockBytes: 512,
    blockCount: 1,
    mode: { asked: "full", done: "full" },
    source: {},
    files: [],
  }),
);

/** Every file by its name, as a hash of what it holds, so that a difference can be read. */
function filesOf(archives: Archives): Files {
  const files = Object.entries(archives.snapshot());
  return Object.fromEntries(files.map(([name, hex]) => {
    const bytes = Buffer.from(hex, "hex");
    return [name, hashOf(name, bytes, archives)];
  }));
}

function hashOf(name: string, bytes: Uint8Array, archives: Archives): string {
  return hash(name.endsWith(".seal.json") ? sealAnywhere(bytes, archives) : bytes);
}

/** A seal names the disk by its path, which is another one in every folder, and ends with its own hash. */
function sealAnywhere(bytes: Uint8Array, { path }: Archives): string {
  return new TextDecoder().decode(bytes).replaceAll(path, "").replace(/^ {2}"sha256": "[0-9a-f]{64}"$/m, "");
}

function hash(bytes: string | Uint8Array): string {
  return createHash("md5").update(bytes).digest("hex");
}
