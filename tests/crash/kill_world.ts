/** A folder with two generations of a disk, and commands on it that are killed. */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { assert, assertEquals } from "@std/assert";
import { extname } from "@std/path/posix/extname";
import { parseSeal } from "../../cli/archive/seal.ts";
import { ignoreErrors } from "../../cli/files/paths.ts";
import { Folder, noise, type seeded } from "../disks/helpers.ts";
import { callMain, type CliResult, denoArgs } from "../support/run_cli.ts";

type Random = ReturnType<typeof seeded>;

/** Large enough that the moments of a command differ, small enough that many can be killed. */
const DISK_BYTES = 6 * 2 ** 20;
const BLOCK_BYTES = 65536;

/** A command and what it makes. */
interface Job {
  /** Words with a dot are files of the folder. */
  line: string;
  outputs: string[];
  /** Of which generation the dumps, digests and disks are. */
  generation: 0 | 1;
  /** An existing disk is overwritten, which no command can do at one stroke. */
  inPlace?: true;
}

const SUFFIXES = ["", ".gz", ".zst"];

/** All jobs, by what they do. */
const JOBS: Record<string, Job> = {
  ...each((to) => [`dump full "${to}"`, {
    line:
      `dump --mode full --blocksize ${BLOCK_BYTES} --local d0.raw --dumpout n.dump${to} --digestout n.digest`,
    outputs: [`n.dump${to}`, "n.digest", "n.seal.json"],
    generation: 0,
  }]),
  ...each((to) => [`dump diff "${to}"`, {
    line: `dump --mode diff --local d1.raw --dumpin g0.dump${to} --digestin g0${to}.digest ` +
      `--dumpout n.dump${to} --digestout n.digest --rdiffout n.rdiff${to}`,
    outputs: [`n.dump${to}`, "n.digest", `n.rdiff${to}`, "n.seal.json"],
    generation: 1,
  }]),
  ...each((to) => [`dump incr "${to}"`, {
    line: `dump --mode incr --bmpin g1.bmp --local d1.raw --dumpin g0.dump${to} --digestin g0${to}.digest ` +
      `--dumpout n.dump${to} --digestout n.digest --rdiffout n.rdiff${to}`,
    outputs: [`n.dump${to}`, "n.digest", `n.rdiff${to}`, "n.seal.json"],
    generation: 1,
  }]),
  ...each((to) => [`merge "${to}"`, {
    line: `merge --dumpout n.dump${to} g1.dump${to} g0.rdiff${to}`,
    outputs: [`n.dump${to}`, "n.seal.json"],
    generation: 0,
  }]),
  "restore raw": {
    line: "restore --create --local n.raw g1.dump g0.rdiff",
    outputs: ["n.raw"],
    generation: 0,
  },
  "restore monolithicFlat": {
    line: "restore --create --local n.vmdk g0.dump.zst",
    outputs: ["n-flat.vmdk", "n.vmdk"],
    generation: 0,
  },
  "restore monolithicSparse": {
    line: "restore --create --local n.vmdk --format monolithicSparse g0.dump",
    outputs: ["n.vmdk"],
    generation: 0,
  },
  "restore streamOptimized": {
    line: "restore --create --local n.vmdk --format streamOptimized g0.dump",
    outputs: ["n.vmdk"],
    generation: 0,
  },
  "restore in place": {
    line: "restore --local n.raw g1.dump g0.rdiff",
    outputs: ["n.raw"],
    generation: 0,
    inPlace: true,
  },
};

function each(job: (to: string) => [string, Job]): Record<string, Job> {
  return Object.fromEntries(SUFFIXES.map(job));
}

/** How the kills of a test ended. */
export interface Tally {
  kills: number;
  /** The command was done before. */
  tooLate: number;
  /** Temporary files were left. */
  whileWriting: number;
  /** Some outputs had their names, others not. */
  betweenRenames: number;
  /** All outputs were complete. */
  afterwards: number;
}

/** The folder; {@linkcode KillWorld.kill} may be called any number of times. */
export class KillWorld extends Folder {
  readonly tally: Tally = { kills: 0, tooLate: 0, whileWriting: 0, betweenRenames: 0, afterwards: 0 };
  readonly #random: Random;
  readonly #inputs = new Map<string, Uint8Array>();
  /** About how long a command writes. What is too long for this machine, as busy as it is, becomes shorter, and else longer. */
  #workMs = 200;

  private constructor(random: Random) {
    super();
    this.#random = random;
  }

  /** Makes the disks and their archives. */
  static async make(random: Random): Promise<KillWorld> {
    const world = new KillWorld(random);
    const disk = new Uint8Array(DISK_BYTES);
    disk.set(noise(DISK_BYTES / 2, 1), DISK_BYTES / 4);
    world.file("d0.raw", disk);
    for (let i = 0; i < 40; i++) disk.set(noise(512, i + 2), random(DISK_BYTES / 512) * 512);
    world.file("d1.raw", disk);
    for (const to of SUFFIXES) {
      const full = `--dumpout g0.dump${to} --digestout g0${to}.digest`;
      const changed = `--dumpout g1.dump${to} --digestout g1${to}.digest --rdiffout g0.rdiff${to}`;
      await world.#done(`dump --mode full --blocksize ${BLOCK_BYTES} --local d0.raw ${full}`);
      await world.#done(
        `dump --mode diff --local d1.raw --dumpin g0.dump${to} --digestin g0${to}.digest ${changed}`,
      );
    }
    await world.#done("rdiff2bmp g0.rdiff --bmpout g1.bmp");
    for (const { name } of Deno.readDirSync(world.path)) {
      world.#inputs.set(name, Deno.readFileSync(world.file(name)));
    }
    return world;
  }

  /** Kills one command after the other, each at its own moment, until it has hit `count` that were still at work. */
  async kill(count: number): Promise<void> {
    const names = Object.keys(JOBS);
    for (let i = 0; this.tally.kills < count; i++) {
      await this.#killJob(names[i % names.length], { force: this.#random(2) === 1 });
    }
  }

  async #killJob(name: string, { force }: { force: boolean }): Promise<void> {
    const job = JOBS[name];
    const before = new Map<string, Uint8Array>();
    if (job.inPlace) this.file("n.raw", new Uint8Array(DISK_BYTES).fill(1));
    else if (force) {
      for (const output of job.outputs) before.set(output, this.#write(output, `the old ${output}`));
    }
    const line = force && !job.inPlace ? `${job.line} --force` : job.line;

    const moment = await this.#runAndKill(line, job);
    const context = `${name}: killed ${moment}`;
    this.#assertInputs(context);
    await this.#assertOutputs(job, before, context);

    let next = await this.#call(line);
    if (next.code === 2 && !force && next.stderr.includes("it exists already")) {
      for (const output of job.outputs) await this.#assertWhole(output, job, context);
      next = await this.#call(`${line} --force`);
    }
    assertEquals(next.code, 0, `${context}\nnext: ${next.stderr}`);
    for (const output of job.outputs) await this.#assertWhole(output, job, `${context}, and run again`);
    this.#assertInputs(context);
    for (const output of job.outputs) Deno.removeSync(this.file(output));
    const names = [...Deno.readDirSync(this.path)].map((entry) => entry.name).sort();
    assertEquals(names, [...this.#inputs.keys()].sort(), context);
  }

  /** Kills at a random moment, or as soon as something has happened in the folder. Returns when that was. */
  async #runAndKill(line: string, job: Job): Promise<string> {
    const child = this.#spawn(this.#args(line));
    const status = child.output();
    let ended = false;
    status.then(() => ended = true);
    const moment = this.#random(4) === 0 && !job.inPlace ? "in the commit" : "at random";
    let waited = "";
    if (moment === "at random") {
      // It takes its time to start, and the more the more there is to do for the machine.
      if (this.#random(4) > 0) { while (!ended && !this.#hasBegun()) await pause(); }
      const ms = this.#random(Math.ceil(this.#workMs));
      await pause(ms);
      waited = ` after ${ms} ms`;
    } else {
      while (!ended && !this.#isCommitting(job)) await pause();
      // A rename takes some microseconds, and what is synced before it some milliseconds.
      const until = performance.now() + (this.#random(1000) / 250) ** 2;
      while (performance.now() < until);
    }
    // It may end at this very moment.
    if (!ended) ignoreErrors(() => child.kill("SIGKILL"));
    const { signal } = await status;
    const hit = signal === "SIGKILL";
    this.tally[hit ? "kills" : "tooLate"]++;
    if (moment === "at random") this.#workMs *= hit ? 1.1 : 0.7;
    return `${moment}${waited}`;
  }

  /** Whoever writes has a lock. */
  #hasBegun(): boolean {
    return [...Deno.readDirSync(this.path)].some(({ name }) => name.endsWith(".lock.vmdkbkp"));
  }

  /** The note of a commit is longer than that of who holds a lock. */
  #isCommitting({ outputs }: Job): boolean {
    try {
      return Deno.statSync(this.file(`.${outputs.at(-1)}.lock.vmdkbkp`)).size > 100;
    } catch {
      return false;
    }
  }

  #assertInputs(context: string): void {
    for (const [name, bytes] of this.#inputs) {
      const now = Deno.readFileSync(this.file(name));
      assert(Buffer.compare(now, bytes) === 0, `${context}: ${name} is damaged`);
    }
  }

  /** Each output is the old one or a whole new one. */
  async #assertOutputs(job: Job, before: Map<string, Uint8Array>, context: string): Promise<void> {
    if (job.inPlace) return;
    const hidden = [...Deno.readDirSync(this.path)].some(({ name }) => /\.[0-9a-f]{8}\.vmdkbkp$/.test(name));
    const isNew = job.outputs.map((output) => {
      const now = this.#readIfThere(output);
      const old = before.get(output);
      return now !== undefined && (old === undefined || Buffer.compare(now, old) !== 0);
    });
    for (const [i, output] of job.outputs.entries()) {
      if (!isNew[i]) {
        assertEquals(this.#readIfThere(output), before.get(output), `${context}: ${output} is gone`);
      }
    }
    if (hidden) this.tally.whileWriting++;
    if (isNew.every((one) => one)) this.tally.afterwards++;
    else if (isNew.some((one) => one)) this.tally.betweenRenames++;
    // A disk of two files is none until it has both.
    const readable = job.outputs.at(-1)!.endsWith(".vmdk") ? isNew.every((one) => one) : true;
    for (const [i, output] of job.outputs.entries()) {
      if (isNew[i] && readable) await this.#assertWhole(output, job, context);
    }
  }

  /** The output holds what it should, and all of it. It is read as a copy, of which nothing can be undone. */
  async #assertWhole(output: string, { generation, outputs }: Job, context: string): Promise<void> {
    using copies = new Folder();
    for (const name of outputs) {
      if (this.#readIfThere(name) !== undefined) Deno.copyFileSync(this.file(name), copies.file(name));
    }
    const copy = copies.file(output);
    if (output.endsWith(".json")) return await assertSeals(copies, output, context);
    const digest = copies.file("copy.digest");
    const [kind] = /\.(dump|digest|rdiff|raw|vmdk)/.exec(output)!;
    const done = async (...args: string[]) => {
      const { code, stderr, stdout } = await callMain([...args, "--quiet"]);
      assertEquals(code, 0, `${context}: ${output} is not whole\n${args.join(" ")}\n${stderr}${stdout}`);
    };
    if (kind === ".rdiff") return await done("compare", copy, this.file("g0.rdiff"));
    if (output.endsWith("-flat.vmdk")) return;
    // The seal may be the old one, which is damaged; seals are looked at by themselves.
    if (kind === ".dump") {
      await done("digest", "--without-seal", "--dumpin", copy, "--digestout", digest);
    }
    if (kind === ".raw" || kind === ".vmdk") {
      const out = ["--dumpout", copies.file("copy.dump"), "--digestout", digest];
      await done("dump", "--mode", "full", "--blocksize", String(BLOCK_BYTES), "--local", copy, ...out);
    }
    await done("compare", kind === ".digest" ? copy : digest, this.file(`g${generation}.digest`));
  }

  #readIfThere(name: string): Uint8Array | undefined {
    try {
      return Deno.readFileSync(this.file(name));
    } catch {
      return undefined;
    }
  }

  #write(name: string, text: string): Uint8Array {
    const bytes = new TextEncoder().encode(text);
    this.file(name, bytes);
    return bytes;
  }

  #args(line: string): string[] {
    return [...line.split(" ").map((word) => extname(word) !== "" ? this.file(word) : word), "--quiet"];
  }

  #call(line: string): Promise<CliResult> {
    return callMain(this.#args(line));
  }

  async #done(line: string): Promise<void> {
    const { code, stderr } = await this.#call(line);
    assertEquals(code, 0, `${line}\n${stderr}`);
  }

  #spawn(args: string[]): Deno.ChildProcess {
    return new Deno.Command(Deno.execPath(), {
      args: [...denoArgs(), ...args],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  }
}

/** The last one to get its name: the files that it tells of are there. */
async function assertSeals(folder: Folder, name: string, context: string): Promise<void> {
  const { files } = await parseSeal(Deno.readFileSync(folder.file(name)), name);
  for (const { name, bytes, sha256 } of files) {
    const file = Deno.readFileSync(folder.file(name));
    const found = createHash("sha256").update(file).digest("hex");
    assertEquals([file.length, found], [bytes, sha256], `${context}: ${name} is not as it was sealed`);
  }
}

function pause(ms = 0): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
