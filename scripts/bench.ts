/**
 * Measures commands of vmdkbkp in comparison with md5sum, cp and other programs on the same disks, and the
 * MD5 kernel in comparison with other implementations of MD5, all in one run. Only the ratios are of use to
 * others, because the times depend on the machine. The results are printed with their targets; a missed
 * target is not a failure of the run.
 *
 *     deno task bench --help
 */

import { Bench } from "./bench/bench.ts";
import { type Claim, claimsOf } from "./bench/claims.ts";
import { vmdkbkpWith } from "./bench/commands.ts";
import type { Figure } from "./bench/figures.ts";
import { BenchFolder } from "./bench/folder.ts";
import { benchKernel, type KernelFigure } from "./bench/kernel.ts";
import { type BenchOptions, parseOptions, USAGE } from "./bench/options.ts";
import { nfcClaims, nfcServers } from "./bench/nfc.ts";
import { remoteClaims, remoteLibrary } from "./bench/remote.ts";
import { type Section, sectionsOf } from "./bench/sections.ts";
import { claimTable, figureTable, kernelTable, verdict } from "./bench/table.ts";
import { vmdkClaims } from "./bench/vmdk.ts";
import { TARGETS } from "./bench/targets.ts";

await main();

async function main(): Promise<void> {
  const options = parseOptions(Deno.args);
  if (options.help) return console.log(USAGE);
  const notes = machineNotes();
  using folder = new BenchFolder();
  if (folder.inMemory) needMemory(options.mib);
  else notes.push(`the files are in ${folder.path}: the times include those of a real disk`);
  const bench = new Bench(options, folder.path);

  const kernel = options.only.test("kernel") ? await benchKernel(options.rounds) : [];
  const vmdkbkp = vmdkbkpWith(options);
  await bench.warmUp(vmdkbkp);
  const note = (text: string) => void notes.push(text);
  const libdir = await remoteLibrary(note);
  await using servers = await nfcServers(vmdkbkp, { mib: options.mib, folder: folder.path, note });
  const nfcRows = servers?.rows ?? [];
  const sections = sectionsOf(options, { vmdkbkp, folder: folder.path, libdir, nfc: nfcRows, note });
  const figures: Record<string, Figure[]> = {};
  for (const [name, section] of Object.entries(sections)) figures[name] = await bench.measure(section);
  bench.progress("");

  const { mixed = [], start = [], sparse = [], remote = [], vmdk = [], nfc = [] } = figures;
  const all = Object.values(figures).flat();
  if (all.some(({ peakMib }) => peakMib === undefined)) {
    notes.push("some peaks of memory are missing: there is no /proc, or a command ended too soon");
  }
  const { mib } = options;
  const claims = [
    ...claimsOf({ kernel, mixed, start, sparse, all, mib }),
    ...remoteClaims({ remote, mib }),
    ...vmdkClaims(vmdk),
    ...nfcClaims(nfc),
  ];
  if (options.json) printJson({ options, figures, kernel, claims, notes });
  else printTables({ sections, figures, kernel, claims, notes });
}

interface Results {
  figures: Record<string, Figure[]>;
  kernel: KernelFigure[];
  claims: Claim[];
  notes: string[];
}

function printJson({ options, ...results }: Results & { options: BenchOptions }): void {
  const machine = {
    deno: Deno.version.deno,
    system: `${Deno.build.os} ${Deno.osRelease()}`,
    cores: navigator.hardwareConcurrency,
  };
  console.log(
    JSON.stringify({ machine, options: { ...options, only: options.only.source }, ...results }, null, 2),
  );
}

function printTables(
  { sections, figures, kernel, claims, notes }: Results & { sections: Record<string, Section> },
) {
  console.log(`Deno ${Deno.version.deno} on ${navigator.hardwareConcurrency} cores`);
  for (const [name, { title, rounds }] of Object.entries(sections)) {
    if (figures[name].length > 0) {
      console.log(`\n${title}; medians of up to ${rounds} rounds\n\n${figureTable(figures[name])}`);
    }
  }
  if (kernel.length > 0) console.log(`\nMD5 of blocks of 1 MiB, one core\n\n${kernelTable(kernel)}`);
  console.log(`\nOther targets\n\n${claimTable(claims)}\n`);
  for (const note of notes) console.log(`Note: ${note}`);
  const targets = Object.keys(TARGETS).map((name) => ({
    name,
    holds: figures.mixed.find((figure) => figure.name === name)?.holds,
  }));
  console.log(verdict([...targets, ...claims]));
}

/**
 * Checks that the files fit into memory. The mixed disk, two changed ones, their archives, an output and the
 * warm memory need about seven times the size of the disk.
 *
 * @throws {Error} if less than eight times the size is free
 */
function needMemory(mib: number): void {
  const availableMib = Math.floor(Deno.systemMemoryInfo().available / 1024 / 1024);
  if (availableMib > 8 * mib) return;
  throw new Error(
    `Cannot measure disks of ${mib} MiB in memory: ${availableMib} MiB are free, ${
      8 * mib
    } are needed; see --mib`,
  );
}

/** Returns notes on what makes the times of this run doubtful from the start. */
function machineNotes(): string[] {
  const [load] = Deno.loadavg();
  return load > 0.5 ? [`other programs were running at the start: load ${load.toFixed(1)}`] : [];
}
