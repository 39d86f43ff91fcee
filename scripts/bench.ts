/**
 * Measures, in one run, the MD5 kernel against other MD5s, and whole commands against md5sum and cp on the same disk.
 * Only ratios are worth quoting: the figures of one machine say little about another.
 *
 *     deno task bench [--mib 1024] [--rounds 3] [--json]
 */

import { createHash } from "node:crypto";
import { createMD5 } from "hash-wasm";
import { join } from "@std/path";
import { Core } from "../cli/core.ts";
import { makeMixedDisk } from "./disk_image.ts";

const MIB = 1024 * 1024;
const sizeMib = Number(option("--mib") ?? 1024);
const rounds = Number(option("--rounds") ?? 3);
const json = Deno.args.includes("--json");
const notes: string[] = [];

/** One line of the result. */
interface Figure {
  name: string;
  /** Median of the rounds. */
  seconds: number;
  /** This time as a multiple of another's, both of this run. */
  ratios: Record<string, number>;
  /** Largest resident set, where the system tells. */
  peakMib?: number;
}

const kernel = await benchKernel();
const commands = await benchCommands();
if (json) console.log(JSON.stringify({ sizeMib, rounds, kernel, commands, notes }, null, 2));
else {
  print("MD5 of 256 MiB in blocks of 1 MiB, one core", kernel);
  print(`Commands on a disk of ${sizeMib} MiB, half of it zero, files in ${folderForDisks()}`, commands);
  for (const note of notes) console.log(`Note: ${note}`);
}

async function benchKernel(): Promise<Figure[]> {
  const core = await Core.load();
  const hashWasm = await createMD5();
  const blockBytes = MIB;
  const count = 24;
  const repeats = Math.ceil(256 / count);
  const blocksPtr = core.alloc(count * blockBytes);
  const tablePtr = core.alloc(count * 4);
  const digestsPtr = core.alloc(count * 16);
  // A copy outside shared memory: other hashes refuse views of it.
  const blocks = new Uint8Array(count * blockBytes);
  for (let at = 0; at < blocks.length; at += 65536) crypto.getRandomValues(blocks.subarray(at, at + 65536));
  core.bytes(blocksPtr, blocks.length).set(blocks);
  core.words(tablePtr, count).set(Uint32Array.from({ length: count }, (_, i) => blocksPtr + i * blockBytes));

  const eachBlock = (hash: (block: Uint8Array) => unknown) => () => {
    for (let i = 0; i < count; i++) hash(blocks.subarray(i * blockBytes, (i + 1) * blockBytes));
  };
  const candidates: [string, () => void][] = [
    ["core (12 blocks at once)", () => core.md5Blocks(tablePtr, count, blockBytes, digestsPtr)],
    ["node:crypto", eachBlock((block) => createHash("md5").update(block).digest())],
    ["hash-wasm", eachBlock((block) => hashWasm.init().update(block).digest())],
  ];
  const times = candidates.map((): number[] => []);
  for (let round = 0; round <= rounds; round++) {
    candidates.forEach(([, hash], i) => {
      const start = performance.now();
      for (let repeat = 0; repeat < repeats; repeat++) hash();
      // The first round warms up.
      if (round > 0) times[i].push((performance.now() - start) / 1000);
    });
  }
  const seconds = times.map(median);
  return candidates.map(([name], i) => ({
    name,
    seconds: seconds[i],
    ratios: { "node:crypto": seconds[i] / seconds[1], "hash-wasm": seconds[i] / seconds[2] },
  }));
}

async function benchCommands(): Promise<Figure[]> {
  const folder = Deno.makeTempDirSync({ dir: folderForDisks(), prefix: "vmdkbkp-bench-" });
  try {
    makeMixedDisk(join(folder, "0.raw"), { sizeBytes: sizeMib * MIB, seed: 1 });
    Deno.copyFileSync(join(folder, "0.raw"), join(folder, "1.raw"));
    overwrite(join(folder, "1.raw"));
    const vmdkbkp = (line: string) => [Deno.execPath(), "run", "-A", mainPath(), ...line.split(" ")];
    const diff = "dump --mode diff --local 1.raw --dumpin 0.dump --digestin 0.digest " +
      "--dumpout 1.dump --digestout 1.digest --rdiffout 0.rdiff --force";
    const runs: [string, string[]][] = [
      ["md5sum", ["md5sum", "0.raw"]],
      ["cp", ["cp", "--sparse=never", "0.raw", "copy.raw"]],
      ["full dump", vmdkbkp("dump --mode full --local 0.raw --dumpout 0.dump --digestout 0.digest --force")],
      ["check", vmdkbkp("check --digestin 0.digest 0.dump")],
      ["diff dump, 5 % changed", vmdkbkp(diff)],
      ["merge dump + rdiff", vmdkbkp("merge --dumpout 0m.dump 1.dump 0.rdiff --force")],
    ];
    const measured = runs.map((): { seconds: number; peakMib?: number }[] => []);
    for (let round = 0; round < rounds; round++) {
      for (const [i, [, command]] of runs.entries()) measured[i].push(await measure(command, folder));
    }
    const seconds = measured.map((list) => median(list.map((one) => one.seconds)));
    if (measured[0][0].peakMib === undefined) {
      notes.push("peak memory is not measured: there is no /proc here");
    }
    return runs.map(([name], i) => ({
      name,
      seconds: seconds[i],
      ratios: { md5sum: seconds[i] / seconds[0], cp: seconds[i] / seconds[1] },
      peakMib: measured[i].reduce<number | undefined>((peak, { peakMib }) => max(peak, peakMib), undefined),
    }));
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Runs a command to its end; asks the system for its largest resident set meanwhile. */
async function measure(
  [program, ...args]: string[],
  cwd: string,
): Promise<{ seconds: number; peakMib?: number }> {
  const start = performance.now();
  const child = new Deno.Command(program, { args, cwd, stdout: "null", stderr: "inherit" }).spawn();
  let peakMib: number | undefined;
  const timer = setInterval(() => peakMib = max(peakMib, residentPeakMib(child.pid)), 10);
  const { success } = await child.status;
  clearInterval(timer);
  if (!success) throw new Error(`Cannot measure "${program} ${args.join(" ")}": it failed`);
  return { seconds: (performance.now() - start) / 1000, peakMib };
}

function residentPeakMib(pid: number): number | undefined {
  try {
    const line = Deno.readTextFileSync(`/proc/${pid}/status`).match(/^VmHWM:\s+([0-9]+) kB/m);
    return line ? Number(line[1]) / 1024 : undefined;
  } catch {
    return undefined;
  }
}

/** Changes 5 % of a disk: one mebibyte of twenty. */
function overwrite(path: string): void {
  using file = Deno.openSync(path, { read: true, write: true });
  const chunk = new Uint8Array(65536);
  for (let mib = 0; mib < sizeMib; mib += 20) {
    file.seekSync(mib * MIB, Deno.SeekMode.Start);
    for (let i = 0; i < MIB / chunk.length; i++) file.writeSync(crypto.getRandomValues(chunk));
  }
}

/** Files in memory where possible: a disk's own speed is not what is compared. */
function folderForDisks(): string {
  try {
    return Deno.statSync("/dev/shm").isDirectory ? "/dev/shm" : "/tmp";
  } catch {
    return Deno.env.get("TMPDIR") ?? "/tmp";
  }
}

function mainPath(): string {
  return new URL("../cli/main.ts", import.meta.url).pathname;
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

function max(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined ? b : b === undefined ? a : Math.max(a, b);
}

function print(title: string, figures: Figure[]): void {
  const against = Object.keys(figures[0].ratios);
  const columns = ["seconds", ...against.map((name) => `x ${name}`), "peak MiB"];
  console.log(`\n${title}; medians of ${rounds} rounds\n`);
  console.log("".padEnd(28) + columns.map((column) => column.padStart(14)).join(""));
  for (const { name, seconds, ratios, peakMib } of figures) {
    const values = [
      seconds.toFixed(3),
      ...against.map((other) => ratios[other].toFixed(2)),
      peakMib?.toFixed(0) ?? "",
    ];
    console.log(name.padEnd(28) + values.map((value) => value.padStart(14)).join(""));
  }
}

function option(name: string): string | undefined {
  const at = Deno.args.indexOf(name);
  return at < 0 ? undefined : Deno.args[at + 1];
}
