/**
 * Backs up a real disk in every way, brings every generation back, and proves each step with tools that are not ours.
 *
 *     deno task demo [--program PATH] [--keep]
 *
 * `--program` runs a compiled vmdkbkp instead of the sources, `--keep` leaves the files.
 */

import { join } from "@std/path/posix/join";
import { changeDisk, makeDisk } from "./disk_image.ts";

const MIB = 1024 * 1024;
const DISK_BYTES = 96 * MIB + 512 * 3;

const programAt = Deno.args.indexOf("--program");
const program = programAt < 0 ? undefined : Deno.realPathSync(Deno.args[programAt + 1]);
const keep = Deno.args.includes("--keep");
const folder = Deno.makeTempDirSync({ prefix: "vmdkbkp-demo-" });
const main = new URL("../cli/main.ts", import.meta.url).pathname;
const config = new URL("../deno.json", import.meta.url).pathname;
let proofs = 0;

try {
  say("1. A disk with files on it, and the same disk after two days of work");
  const kind = makeDisk(join(folder, "day0.raw"), { sizeBytes: DISK_BYTES, seed: 1 });
  // Not a whole number of blocks, so that the padding of the last block is shown too.
  Deno.truncateSync(join(folder, "day0.raw"), DISK_BYTES);
  for (const day of [1, 2]) {
    Deno.copyFileSync(join(folder, `day${day - 1}.raw`), join(folder, `day${day}.raw`));
    changeDisk(join(folder, `day${day}.raw`), { seed: day });
  }
  note(`day0.raw, day1.raw, day2.raw: ${kind}, ${DISK_BYTES} bytes each`);

  say("2. A full dump, compressed, and its digest");
  vmdkbkp("dump --mode full --local day0.raw --dumpout 0.dump.zst --digestout 0.digest");
  vmdkbkp("check --digestin 0.digest 0.dump.zst");

  say("3. A day later: a differential dump reads the disk and keeps the way back to day 0");
  vmdkbkp(
    "dump --mode diff --local day1.raw --dumpin 0.dump.zst --digestin 0.digest " +
      "--dumpout 1.dump.gz --digestout 1.digest --rdiffout 0.rdiff.gz",
  );
  vmdkbkp("check --digestin 0.digest 1.dump.gz 0.rdiff.gz");

  say("4. Another day later: an incremental dump reads only what a bitmap names");
  vmdkbkp(
    "dump --mode diff --local day2.raw --dumpin 1.dump.gz --digestin 1.digest " +
      "--dumpout 2diff.dump --digestout 2diff.digest --rdiffout 1diff.rdiff",
  );
  vmdkbkp("rdiff2bmp 1diff.rdiff --bmpout 2.bmp");
  vmdkbkp(
    "dump --mode incr --local day2.raw --bmpin 2.bmp --dumpin 1.dump.gz --digestin 1.digest " +
      "--dumpout 2.dump --digestout 2.digest --rdiffout 1.rdiff",
  );
  vmdkbkp("compare 2.dump 2diff.dump");
  vmdkbkp("compare 1.rdiff 1diff.rdiff");

  say("5. Going back: merge makes the dump of day 0 again, byte for byte, and digest its digest");
  vmdkbkp("merge --dumpout 0again.dump.zst 2.dump 1.rdiff 0.rdiff.gz");
  vmdkbkp("compare 0again.dump.zst 0.dump.zst");
  vmdkbkp("digest --dumpin 0again.dump.zst --digestout 0again.digest");
  proveSame("0again.digest", "0.digest");

  say("6. Every day comes back as it was");
  vmdkbkp("restore --create --local restored2.raw 2.dump");
  vmdkbkp("restore --create --local restored1.raw 2.dump 1.rdiff");
  vmdkbkp("restore --create --local restored0.vmdk 2.dump 1.rdiff 0.rdiff.gz");
  proveSame("restored2.raw", "day2.raw");
  proveSame("restored1.raw", "day1.raw");
  proveSame("restored0-flat.vmdk", "day0.raw");
  vmdkbkp("dump --mode full --local restored0.vmdk --dumpout 0from-vmdk.dump --digestout 0from-vmdk.digest");
  vmdkbkp("compare 0from-vmdk.digest 0.digest");

  say("7. A damaged archive is found, and nothing is made of it");
  const damaged = Deno.readFileSync(join(folder, "2.dump"));
  damaged[damaged.length >> 1] ^= 1;
  Deno.writeFileSync(join(folder, "damaged.dump"), damaged);
  vmdkbkp("check --digestin 2.digest damaged.dump", { exitCode: 3 });
  Deno.truncateSync(join(folder, "damaged.dump"), damaged.length - 1000);
  vmdkbkp("restore --create --local never.raw damaged.dump", { exitCode: 3 });
  prove(!exists("never.raw"), "never.raw was not made");

  say(`Done: ${proofs} proofs hold${keep ? `, the files are in ${folder}` : ""}`);
} finally {
  if (!keep) Deno.removeSync(folder, { recursive: true });
}

function vmdkbkp(line: string, expected: { exitCode: number } = { exitCode: 0 }): void {
  console.log(`\n  $ vmdkbkp ${line}`);
  const args = line.split(" ");
  const { code, stdout, stderr } = new Deno.Command(program ?? Deno.execPath(), {
    args: program ? args : ["run", "-A", "--config", config, main, ...args],
    cwd: folder,
  }).outputSync();
  const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  console.log(said.trimEnd().replaceAll(/^/gm, "    "));
  prove(code === expected.exitCode, `exit code ${code}`);
}

function proveSame(a: string, b: string): void {
  const { success } = new Deno.Command("cmp", { args: [a, b], cwd: folder }).outputSync();
  prove(success, `cmp: ${a} and ${b} are the same, byte for byte`);
}

function prove(holds: boolean, what: string): void {
  if (!holds) throw new Error(`The demo fails: not true that ${what}`);
  proofs++;
  note(what);
}

function exists(name: string): boolean {
  return [...Deno.readDirSync(folder)].some((entry) => entry.name === name);
}

function say(text: string): void {
  console.log(`\n${text}`);
}

function note(text: string): void {
  console.log(`    ✓ ${text}`);
}
