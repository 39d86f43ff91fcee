/** Changes every byte of sealed archives and their seals, one at a time, and runs `check` after each. */

import { Folder } from "../disks/helpers.ts";
import { callMain } from "../support/run_cli.ts";
import { changeOf, CHANGES_PER_BYTE } from "./changes.ts";

const GOLDEN = new URL("../golden/", import.meta.url).pathname;

/** The files of each generation, for the command `seal`. */
const SEALED = [["0.dump", "0.digest"], ["1.dump", "1.digest", "0.rdiff"], ["padded.dump", "padded.digest"]];
/** Arguments of `check`, the digest first, and the files that are changed: each file in one of the lists. */
const CHECKED: [list: string[], changed: string[]][] = [
  [["0.digest", "0.dump"], ["0.digest", "0.dump", "0.seal.json"]],
  [["0.digest", "1.dump", "0.rdiff"], ["1.dump", "0.rdiff", "1.seal.json"]],
  [["padded.digest", "padded.dump"], ["padded.digest", "padded.dump", "padded.seal.json"]],
];

/** Changes of a byte: a flip of one of its bits (the next bit for the next byte), and all others. */
const KINDS = CHANGES_PER_BYTE - 8 + 1;

/**
 * Seals copies of the golden archives with a suffix, and tries every `step`-th change of the archives; with
 * ".gz" also of the seals. Returns how many changes were tried.
 *
 * @throws {Error} if a check does not report WRONG; the message names file, byte and change
 */
export async function trySealed(suffix: string, step: number): Promise<number> {
  using folder = new Folder();
  const pathOf = (name: string) => folder.file(name.endsWith(".json") ? name : `${name}${suffix}`);
  for (const names of SEALED) {
    for (const name of names) Deno.copyFileSync(`${GOLDEN}${name}${suffix}`, pathOf(name));
    await done("seal", ...names.map(pathOf));
  }
  let changes = 0;
  // Seals of other suffixes differ only in names and numbers, so one suffix is enough.
  const hasSeals = suffix === ".gz";
  let next = 0;
  for (const [[digest, ...archives], changed] of CHECKED) {
    const check = ["check", "--digestin", pathOf(digest), ...archives.map(pathOf)];
    await done(...check);
    for (const path of changed.filter((name) => hasSeals || !name.endsWith(".json")).map(pathOf)) {
      const bytes = Deno.readFileSync(path);
      for (; next < bytes.length * KINDS; next += step) {
        const at = Math.floor(next / KINDS);
        const kind = next % KINDS === 0 ? at % 8 : 7 + next % KINDS;
        const change = changeOf(bytes, at * CHANGES_PER_BYTE + kind);
        Deno.writeFileSync(path, change.bytes);
        const { code, stdout, stderr } = await callMain(check);
        changes++;
        if (code === 3 && stdout.endsWith("Check: WRONG\n")) continue;
        throw new Error(`"${path}", byte ${at} ${change.what}: exit code ${code}\n${stdout}${stderr}`);
      }
      next -= bytes.length * KINDS;
      Deno.writeFileSync(path, bytes);
    }
  }
  return changes;
}

async function done(...args: string[]): Promise<void> {
  const { code, stdout, stderr } = await callMain(args);
  if (code !== 0) throw new Error(`vmdkbkp ${args.join(" ")}\n${stdout}${stderr}`);
}
