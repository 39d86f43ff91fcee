/** What commands take of the system: open files, and bytes that are read. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Folder, noise } from "../disks/helpers.ts";
import { callMain, denoArgs } from "../support/run_cli.ts";

const BLOCK = 4096;
/** Files that are open at the same time when a program starts, those of a command, and some room. */
const OPEN_FILES = 100;
const FILES = 200;

async function done(...args: string[]): Promise<void> {
  const { code, stderr } = await callMain(args);
  assertEquals(code, 0, `${args.join(" ")}\n${stderr}`);
}

/** A dump, its digest, and many copies of them; in every fifth a block is damaged. */
async function manyArchives(folder: Folder): Promise<string[]> {
  const [disk, dump, digest] = ["disk.raw", "0.dump", "0.digest"].map((name) => folder.file(name));
  Deno.writeFileSync(disk, noise(4 * BLOCK, 1));
  const outputs = ["--dumpout", dump, "--digestout", digest];
  await done("dump", "--mode", "full", "--local", disk, "--blocksize", `${BLOCK}`, ...outputs);
  const bytes = Deno.readFileSync(dump);
  const copies: string[] = [];
  for (let i = 0; i < FILES; i++) {
    const copy = bytes.slice();
    if (i % 5 === 0) copy[copy.length - 1 - 7 * i] ^= 1;
    copies.push(folder.file(`copy${i}.dump`));
    Deno.writeFileSync(copies[i], copy);
  }
  Deno.removeSync(disk);
  return copies;
}

/** Runs a command that may have few files open. */
async function runLimited(args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const script = `ulimit -n ${OPEN_FILES} && exec "$@"`;
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", script, "sh", Deno.execPath(), ...denoArgs(), ...args],
    env: { VMDKBKP_THREADS: "1" },
  }).output();
  const text = new TextDecoder();
  return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
}

Deno.test("check of a folder with many archives, some of them damaged, keeps few files open", async () => {
  using folder = new Folder();
  await manyArchives(folder);
  const junit = folder.file("junit.xml");
  const { code, stdout, stderr } = await runLimited(["check", "--junit", junit, folder.path]);
  assertEquals(code, 3, stdout + stderr);
  assertEquals(stdout.match(/^ {2}wrong: .*copy\d+\.dump/gm)?.length, FILES / 5);
  assert(!/open files|EMFILE/i.test(stdout + stderr), stderr);
  assertStringIncludes(Deno.readTextFileSync(junit), "<testsuite");
});

Deno.test("print of many archives keeps few files open", async () => {
  using folder = new Folder();
  const copies = await manyArchives(folder);
  const { code, stdout, stderr } = await runLimited(["print", "--headers", ...copies]);
  assertEquals(code, 0, stderr);
  assertEquals(stdout.match(/^file: /gm)?.length, FILES);
});

Deno.test("check --quick passes over the blocks of plain archives", async () => {
  using folder = new Folder();
  const [disk, dump, digest] = ["disk.raw", "0.dump", "0.digest"].map((name) => folder.file(name));
  const diskBytes = 64 * 1024 * 1024;
  Deno.writeFileSync(disk, noise(diskBytes, 1));
  await done("dump", "--mode", "full", "--local", disk, "--dumpout", dump, "--digestout", digest);
  for (const args of [["--digestin", digest, dump], [dump], [folder.path]]) {
    const read = await bytesReadBy(["check", "--quick", ...args]);
    assert(read < diskBytes / 2, `check --quick ${args.join(" ")}: ${read} bytes were read`);
  }
  assert(await bytesReadBy(["check", "--digestin", digest, dump]) > diskBytes, "the reads are not counted");
});

/** Runs a command as a process of its own and returns how many bytes it has read, those of its own code included. */
async function bytesReadBy(args: string[]): Promise<number> {
  const script = new URL("counted_main.ts", import.meta.url).pathname;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...denoArgs(script), ...args],
  }).output();
  const text = new TextDecoder();
  assertEquals(code, 0, text.decode(stderr));
  return Number(text.decode(stdout).trimEnd().split("\n").at(-1));
}
