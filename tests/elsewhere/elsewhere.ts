/** Commands on folders that a stranger has sent: nothing changes outside of the outputs that were asked for. */

import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { basename } from "@std/path/posix/basename";
import { join } from "@std/path/posix/join";
import { seeded } from "../disks/helpers.ts";
import { Archives } from "../refusals/refusal.ts";
import { layTraps } from "./traps.ts";

/** Commands by their words; those with a dot are files of the folder. `outputs` are the files that they may make. */
const COMMANDS: { line: string; outputs: string[] }[] = [
  { line: "check .", outputs: [] },
  { line: "check --quick .", outputs: [] },
  { line: "check --digestin g1.digest g1.dump", outputs: [] },
  { line: "check g1.dump g0.rdiff", outputs: [] },
  { line: "print --headers g1.dump g0.rdiff g1.digest", outputs: [] },
  { line: "compare g0.dump g1.dump", outputs: [] },
  { line: "map d0.raw", outputs: [] },
  { line: "restore --create --local n.raw g1.dump g0.rdiff", outputs: ["n.raw"] },
  { line: "restore --create --local n.raw --without-seal g1.dump g0.rdiff", outputs: ["n.raw"] },
  { line: "restore --create --local n.vmdk g1.dump", outputs: ["n.vmdk", "n-flat.vmdk"] },
  { line: "merge --dumpout n.dump g1.dump g0.rdiff", outputs: ["n.dump"] },
  { line: "digest --dumpin g1.dump --digestout n.digest", outputs: ["n.digest"] },
  { line: "rdiff g0.dump g1.dump --rdiffout n.rdiff", outputs: ["n.rdiff"] },
  { line: "rdiff2bmp g0.rdiff --bmpout n.bmp", outputs: ["n.bmp"] },
  { line: "seal g0.dump g0.digest", outputs: ["g0.dump", "g0.digest"] },
  {
    line: "dump --mode full --blocksize 512 --local d0.raw --dumpout n.dump --digestout n.digest",
    outputs: ["n.dump", "n.digest"],
  },
  {
    line: "dump --mode full --resume --blocksize 512 --local d0.raw --dumpout n.dump --digestout n.digest",
    outputs: ["n.dump", "n.digest"],
  },
  {
    line: "dump --mode diff --local d1.raw --dumpin g0.dump --digestin g0.digest --dumpout n.dump " +
      "--digestout n.digest --rdiffout n.rdiff",
    outputs: ["n.dump", "n.digest", "n.rdiff"],
  },
  { line: "salvage --digestin g0.digest --dumpout n.dump g0.dump", outputs: ["n.dump"] },
];

/** Longer than any command takes; a command that waits for the other end of a pipe takes longer. */
const LIMIT_MS = 60_000;

/** What the cases came to. */
export interface Tally {
  done: number;
  refused: number;
}

/** Runs the cases from `first` on. @throws {Error} for the first that changes something else */
export async function attack({ first, cases }: { first: number; cases: number }): Promise<Tally> {
  const tally = { done: 0, refused: 0 };
  for (let n = first; n < first + cases; n++) {
    const code = await oneCase(n);
    code === 0 ? tally.done++ : tally.refused++;
  }
  return tally;
}

async function oneCase(n: number): Promise<number> {
  const random = seeded(n);
  using archives = new Archives();
  const victim = join(archives.path, "../", `${basename(archives.path)}-victim`);
  Deno.mkdirSync(victim);
  try {
    Deno.writeTextFileSync(join(victim, "keys"), "an important file");
    Deno.writeTextFileSync(join(archives.path, "keys"), "another important file");
    await archives.done("seal g0.dump g0.digest");
    await archives.done("seal g1.dump g1.digest g0.rdiff");
    const traps = await layTraps({ folder: archives.path, victim }, random);
    const { line, outputs } = COMMANDS[random(COMMANDS.length)];
    const isForced = outputs.length > 0 && !line.startsWith("salvage") && random(3) === 0;
    const words = isForced ? `${line} --force` : line;
    const context = `case ${n}: ${words} with ${traps.join(", ")}`;

    const before = { ...inventory(archives.path), ...inventory(victim) };
    const { code, stdout, stderr } = await limited(archives.run(words), context);
    const after = { ...inventory(archives.path), ...inventory(victim) };
    assert([0, 1, 2, 3, 5, 6].includes(code), `${context}: exit code ${code}: ${stderr}`);
    const changed = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((path) =>
      before[path] !== after[path] && !isOf(path, outputs)
    );
    assertEquals(changed, [], `${context}\n${stdout}${stderr}`);
    return code;
  } finally {
    Deno.removeSync(victim, { recursive: true });
  }
}

/** Whether a path is an output, its seal, or a hidden file of one of them. */
function isOf(path: string, outputs: readonly string[]): boolean {
  const name = basename(path);
  return outputs.some((output) => {
    const stem = output.replace(/\.(dump|digest|rdiff)$/, "");
    const names = [output, `${stem}.seal.json`, `${output}.seal.json`];
    const isTimed = name.startsWith(`${output}.`) &&
      /^\.[0-9]{14}\.seal\.json$/.test(name.slice(output.length));
    const isHidden = (one: string) =>
      name === `.${one}.lock.vmdkbkp` ||
      (name.startsWith(`.${one}.`) &&
        /^[0-9a-f]{8}(\.old|\.journal)?\.vmdkbkp$/.test(name.slice(one.length + 2)));
    return isTimed || names.some((one) => name === one || isHidden(one));
  });
}

/** Everything below a folder: what it is, and what it holds. */
function inventory(folder: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const { name } of Deno.readDirSync(folder)) {
    const path = join(folder, name);
    const { isFile, isDirectory, isSymlink, mode, uid } = Deno.lstatSync(path);
    if (isDirectory) Object.assign(found, inventory(path));
    const content = isFile
      ? createHash("md5").update(Deno.readFileSync(path)).digest("hex")
      : isSymlink
      ? Deno.readLinkSync(path)
      : "";
    found[path] = `${isFile} ${isDirectory} ${isSymlink} ${mode} ${uid} ${content}`;
  }
  return found;
}

async function limited<T>(work: Promise<T>, context: string): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`${context}: it does not end`)), LIMIT_MS);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
