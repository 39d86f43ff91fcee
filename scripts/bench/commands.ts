/** The rows of vmdkbkp and of the two references, and how their inputs are made. */

import { join } from "@std/path/posix/join";
import { changeBlocks, makePatternDisk, makeSparseDisk } from "../disk_image.ts";
import type { Recipe } from "./inputs.ts";
import type { Row } from "./rows.ts";

const MIB = 1024 * 1024;
const MAIN = new URL("../../cli/main.ts", import.meta.url).pathname;
const CONFIG = new URL("../../deno.json", import.meta.url).pathname;

/** Rounds of rows that compress with gzip. They take so long that three rounds give a good median. */
const GZIP_ROUNDS = 3;

/** Returns the program and arguments that run a command line, whose words single blanks separate. */
export type Vmdkbkp = (line: string) => string[];

/** Returns commands that run vmdkbkp from its sources, as users do; `deno run` does not check types. */
export function vmdkbkpWith({ threads }: { threads?: number }): Vmdkbkp {
  const more = threads === undefined ? [] : ["--threads", String(threads)];
  return (line) => [Deno.execPath(), "run", "-A", "--config", CONFIG, MAIN, ...line.split(" "), ...more];
}

/** The rows that every other row is compared with. */
export const REFERENCES: Row[] = [
  { name: "md5sum", command: ["md5sum", "0.raw"], reads: ["0.raw"] },
  {
    name: "cp",
    command: ["cp", "--sparse=never", "0.raw", "copy.raw"],
    reads: ["0.raw"],
    makes: ["copy.raw"],
  },
];

/** Returns the rows of full dumps and their checks, which run on every disk. */
export function dumpRows(vmdkbkp: Vmdkbkp): Row[] {
  return [
    fullDump(vmdkbkp, { name: "full dump, plain", dump: "new.dump" }),
    fullDump(vmdkbkp, { name: "full dump .gz", dump: "new.dump.gz" }),
    fullDump(vmdkbkp, { name: "full dump .zst", dump: "new.dump.zst" }),
    check(vmdkbkp, { name: "check, plain", end: "" }),
    check(vmdkbkp, { name: "check .gz", end: ".gz" }),
    check(vmdkbkp, { name: "check .zst", end: ".zst" }),
  ];
}

/**
 * Returns the rows of commands that make one generation of another: differential dumps, merges and a restore.
 */
export function generationRows(vmdkbkp: Vmdkbkp): Row[] {
  const made = { makes: ["new.dump", "new.digest", "new.rdiff"], ours: true };
  const outputs =
    "--dumpin 0.dump --digestin 0.digest --dumpout new.dump --digestout new.digest --rdiffout new.rdiff";
  // The new dump and its rdiff must lead back to the first disk, whose full dump made this digest.
  const proof = vmdkbkp("check --digestin 0.digest new.dump new.rdiff");
  const merge = (end: string): Row => ({
    name: end === "" ? "merge dump + rdiff, plain" : `merge dump + rdiff ${end}`,
    command: vmdkbkp(`merge --dumpout new.dump${end} 1.dump${end} 0.rdiff${end}`),
    reads: [`1.dump${end}`, `0.rdiff${end}`],
    makes: [`new.dump${end}`],
    rounds: end === ".gz" ? GZIP_ROUNDS : undefined,
    proof: vmdkbkp(`check --digestin 0.digest new.dump${end}`),
    ours: true,
  });
  return [
    {
      name: "diff, 5 % changed, plain",
      command: vmdkbkp(`dump --mode diff --local 1.raw ${outputs}`),
      reads: ["1.raw", "0.dump"],
      proof,
      ...made,
    },
    {
      name: "incr, 1 % changed, plain",
      command: vmdkbkp(`dump --mode incr --local 2.raw --bmpin 2.bmp ${outputs}`),
      reads: ["2.raw", "2.bmp", "0.dump"],
      proof,
      ...made,
    },
    merge(""),
    merge(".gz"),
    {
      name: "restore to a new raw file",
      command: vmdkbkp("restore --create --local new.raw 0.dump"),
      reads: ["0.dump"],
      makes: ["new.raw"],
      proof: ["cmp", "new.raw", "0.raw"],
      ours: true,
    },
  ];
}

/** Returns the rows of full dumps with small blocks. */
export function blockSizeRows(vmdkbkp: Vmdkbkp): Row[] {
  return [64, 4].map((kib) =>
    fullDump(vmdkbkp, { name: blockSizeName(kib), dump: "new.dump", blockBytes: kib * 1024 })
  );
}

/** Returns the name of the row of a block size in KiB. */
export function blockSizeName(kib: number): string {
  return `full dump, ${kib} KiB blocks`;
}

/** Name of the row that only starts Deno. */
export const EMPTY_PROGRAM = "an empty Deno program";
/** Name of the row that only starts vmdkbkp. */
export const VERSION_ROW = "vmdkbkp --version";

/** Returns the rows that only start a program. */
export function startRows(): Row[] {
  const empty = [Deno.execPath(), "run", "-A", "empty.ts"];
  return [
    { name: EMPTY_PROGRAM, command: empty, reads: ["empty.ts"] },
    { name: VERSION_ROW, command: vmdkbkpWith({})("--version"), ours: true },
  ];
}

/** Sizes of the sparse disks, as multiples of the size of the mixed one. */
export const SPARSE_FACTORS = [1, 4, 16];

/** Returns the rows of full dumps of sparse disks. One sixteenth of such a disk is data. */
export function sparseRows(vmdkbkp: Vmdkbkp): Row[] {
  return SPARSE_FACTORS.map((factor) => ({
    name: sparseName(factor),
    command: vmdkbkp(`dump --mode full --local ${factor}x.raw --dumpout new.dump --digestout new.digest`),
    reads: [`${factor}x.raw`],
    makes: ["new.dump", "new.digest"],
    ours: true,
  }));
}

/** Returns the name of the row of a sparse disk. */
export function sparseName(factor: number): string {
  return `full dump of a sparse disk, x${factor}`;
}

/**
 * Returns how the inputs are made for a disk of `mib` MiB: the disk 0.raw and its archives, the changed disks
 * 1.raw and 2.raw (5 % and 1 % of the blocks) and their archives, and the bitmap of the second.
 */
export function diskRecipes(
  vmdkbkp: Vmdkbkp,
  { mib, pattern }: { mib: number; pattern: "mixed" | "noise" | "text" },
): Recipe[] {
  const full = (dump: string, digest: string): Recipe => ({
    makes: [dump, digest],
    reads: ["0.raw"],
    command: vmdkbkp(`dump --mode full --local 0.raw --dumpout ${dump} --digestout ${digest}`),
  });
  const changed = (name: string, everyMib: number): Recipe => ({
    makes: [name],
    reads: ["0.raw"],
    make: (folder) => {
      Deno.copyFileSync(join(folder, "0.raw"), join(folder, name));
      changeBlocks(join(folder, name), { everyBytes: everyMib * MIB, seed: everyMib });
    },
  });
  const diff = (
    disk: string,
    { dump, digest, rdiff }: Record<"dump" | "digest" | "rdiff", string>,
  ): Recipe => ({
    makes: [rdiff, dump, digest],
    reads: [disk, "0.dump"],
    command: vmdkbkp(
      `dump --mode diff --local ${disk} --dumpin 0.dump --digestin 0.digest ` +
        `--dumpout ${dump} --digestout ${digest} --rdiffout ${rdiff}`,
    ),
  });
  return [
    {
      makes: ["0.raw"],
      make: (folder) => makePatternDisk(join(folder, "0.raw"), { sizeBytes: mib * MIB, seed: 1, pattern }),
    },
    full("0.dump", "0.digest"),
    full("0.dump.gz", "0.gz.digest"),
    full("0.dump.zst", "0.zst.digest"),
    changed("1.raw", 20),
    changed("2.raw", 100),
    diff("1.raw", { dump: "1.dump", digest: "1.digest", rdiff: "0.rdiff" }),
    diff("1.raw", { dump: "1.dump.gz", digest: "1.gz.digest", rdiff: "0.rdiff.gz" }),
    diff("2.raw", { dump: "2.dump", digest: "2.digest", rdiff: "2.rdiff" }),
    {
      makes: ["2.bmp"],
      reads: ["2.rdiff"],
      command: vmdkbkpWith({})("rdiff2bmp --bmpout 2.bmp 2.rdiff"),
      leaves: ["2.dump", "2.digest", "2.rdiff"],
    },
  ];
}

/** Returns how the inputs are made for the rows of sparse disks and of starts. */
export function otherRecipes({ mib }: { mib: number }): Recipe[] {
  return [
    { makes: ["empty.ts"], make: (folder) => Deno.writeTextFileSync(join(folder, "empty.ts"), "") },
    ...SPARSE_FACTORS.map((factor): Recipe => ({
      makes: [`${factor}x.raw`],
      make: (folder) =>
        makeSparseDisk(join(folder, `${factor}x.raw`), { sizeBytes: factor * mib * MIB, seed: factor }),
    })),
  ];
}

function fullDump(
  vmdkbkp: Vmdkbkp,
  { name, dump, blockBytes }: { name: string; dump: string; blockBytes?: number },
): Row {
  const blockSize = blockBytes === undefined ? "" : ` --blocksize ${blockBytes}`;
  return {
    name,
    command: vmdkbkp(`dump --mode full --local 0.raw --dumpout ${dump} --digestout new.digest${blockSize}`),
    reads: ["0.raw"],
    makes: [dump, "new.digest"],
    rounds: dump.endsWith(".gz") ? GZIP_ROUNDS : undefined,
    proof: vmdkbkp(`check --digestin new.digest ${dump}`),
    ours: true,
  };
}

/** The digest of a check is the one that was made with the dump: both contain the same random id. */
function check(vmdkbkp: Vmdkbkp, { name, end }: { name: string; end: string }): Row {
  const [dump, digest] = [`0.dump${end}`, `0${end}.digest`];
  return { name, command: vmdkbkp(`check --digestin ${digest} ${dump}`), reads: [digest, dump], ours: true };
}
