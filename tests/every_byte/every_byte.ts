/** Changes every byte of the files of a chain, one at a time, and checks the chain after each change. */

import { type Archive, readDigest, readDump } from "../fuzz/oracle/archives.ts";
import { MemoryFile } from "../pipeline/memory_file.ts";
import { changeOf, CHANGES_PER_BYTE, Checker, type Proof } from "./changes.ts";
import { type FileRole, unnoticed } from "./unnoticed.ts";

/** The numbers of changes that were tried, and that the check noticed. */
export interface Tally {
  /** Number of all changes. */
  changes: number;
  /** Number of changes that the check noticed. */
  noticed: number;
  /** Numbers of the others by kind, see `UNNOTICED`. */
  unnoticed: Record<string, number>;
}

/** Chains of archives of the golden folder. The digest is first in each list. */
const CHAINS = [
  ["0.digest", "0.dump"],
  ["0.digest", "1.dump", "0.rdiff"],
  ["0.digest", "0.rdiff"],
  ["padded.digest", "padded.dump"],
];
const SUFFIXES = ["", ".gz", ".zst"];
const GOLDEN = new URL("../golden/", import.meta.url).pathname;

/** Returns the chains of the golden folder, plain and compressed. */
export function goldenProofs(): Proof[] {
  return SUFFIXES.flatMap((suffix) =>
    CHAINS.map((names) => proofOf(names.map((name) => `${GOLDEN}${name}${suffix}`)))
  );
}

/** Reads the files of a proof. The digest is the first path, then the archives follow, newest first. */
export function proofOf([digest, ...archives]: string[]): Proof {
  const read = (path: string) => new MemoryFile(path, [Deno.readFileSync(path)]);
  return { digest: read(digest), archives: archives.map(read) };
}

/**
 * Tries every `step`-th change of the files and returns the numbers.
 *
 * @throws {Error} if the check does not notice a change that is none of `UNNOTICED`; the message names file,
 * byte and change
 */
export async function tryChanges(proofs: readonly Proof[], { step }: { step: number }): Promise<Tally> {
  const checker = await Checker.create();
  const tally: Tally = { changes: 0, noticed: 0, unnoticed: {} };
  let next = 0;
  for (const proof of proofs) {
    if (!await checker.isOk(proof)) throw new Error(`"${proof.digest.path}" does not prove its archives`);
    for (const file of [proof.digest, ...proof.archives]) {
      const end = file.bytes.length * CHANGES_PER_BYTE;
      for (; next < end; next += step) {
        const change = changeOf(file.bytes, next);
        const changed = new MemoryFile(file.path, [change.bytes]);
        const replaced = (one: MemoryFile) => one === file ? changed : one;
        const isOk = await checker.isOk({
          digest: replaced(proof.digest),
          archives: proof.archives.map(replaced),
        });
        tally.changes++;
        if (!isOk) {
          tally.noticed++;
          continue;
        }
        try {
          for (const what of await unnoticed(await roleOf(proof, file), file.bytes, change.bytes)) {
            tally.unnoticed[what] = (tally.unnoticed[what] ?? 0) + 1;
          }
        } catch (cause) {
          const { message } = cause as Error;
          throw new Error(
            `The check does not notice a change of "${file.path}", byte ${change.at}, ${change.what}: ${message}`,
            { cause },
          );
        }
      }
      next -= end;
    }
  }
  return tally;
}

/** Returns which part of a proof a file is, and which of its blocks are irrelevant to the proof. */
async function roleOf({ archives, digest }: Proof, file: MemoryFile): Promise<FileRole> {
  const records: Archive["records"][] = [];
  for (const archive of archives) records.push(readDump(await archive.content()).records);
  if (file === digest) {
    const { header } = readDigest(await digest.content());
    const isKnown = (block: number) => records.some((one) => one.has(block));
    return {
      path: file.path,
      isDigest: true,
      isIrrelevant: (block) => block < header.blockCount && !isKnown(block),
    };
  }
  const later = records.slice(archives.indexOf(file) + 1);
  return { path: file.path, isDigest: false, isIrrelevant: (block) => later.some((one) => one.has(block)) };
}

/** Returns a tally as text. */
export function tallyText({ changes, noticed, unnoticed }: Tally): string {
  const others = Object.entries(unnoticed).map(([what, count]) => `  ${count} unnoticed: ${what}`);
  return [`${changes} changes, ${noticed} noticed`, ...others].join("\n");
}
