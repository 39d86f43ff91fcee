/** Changes of every byte of every file of a list of archives, each checked by itself. */

import { type Archive, readDigest, readDump } from "../fuzz/oracle/archives.ts";
import { MemoryFile } from "../pipeline/memory_file.ts";
import { changeOf, CHANGES_PER_BYTE, Checker, type Proof } from "./changes.ts";
import { type Place, unnoticed } from "./unnoticed.ts";

/** What became of the changes. */
export interface Tally {
  changes: number;
  noticed: number;
  /** By what they are. */
  unnoticed: Record<string, number>;
}

/** Lists of archives of the golden folder with their digest in front. */
const LISTS = [
  ["0.digest", "0.dump"],
  ["0.digest", "1.dump", "0.rdiff"],
  ["0.digest", "0.rdiff"],
  ["padded.digest", "padded.dump"],
];
const SUFFIXES = ["", ".gz", ".zst"];
const GOLDEN = new URL("../golden/", import.meta.url).pathname;

/** The lists of the golden folder, plain and compressed. */
export function goldenProofs(): Proof[] {
  return SUFFIXES.flatMap((suffix) =>
    LISTS.map((list) => proofOf(list.map((name) => `${GOLDEN}${name}${suffix}`)))
  );
}

/** Files, the digest first. */
export function proofOf([digest, ...archives]: string[]): Proof {
  const read = (path: string) => new MemoryFile(path, [Deno.readFileSync(path)]);
  return { digest: read(digest), archives: archives.map(read) };
}

/**
 * Tries every `step`-th change of the files.
 *
 * @throws {Error} if one passes for what it is not, with the file, the byte and the change
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
        const withIt = (one: MemoryFile) => one === file ? changed : one;
        const isOk = await checker.isOk({
          digest: withIt(proof.digest),
          archives: proof.archives.map(withIt),
        });
        tally.changes++;
        if (!isOk) {
          tally.noticed++;
          continue;
        }
        try {
          for (const what of await unnoticed(await placeOf(proof, file), file.bytes, change.bytes)) {
            tally.unnoticed[what] = (tally.unnoticed[what] ?? 0) + 1;
          }
        } catch (cause) {
          const { message } = cause as Error;
          throw new Error(`"${file.path}", byte ${change.at} ${change.what}, is OK: ${message}`, { cause });
        }
      }
      next -= end;
    }
  }
  return tally;
}

async function placeOf({ archives, digest }: Proof, file: MemoryFile): Promise<Place> {
  const records: Archive["records"][] = [];
  for (const archive of archives) records.push(readDump(await archive.content()).records);
  if (file === digest) {
    const { header } = readDigest(await digest.content());
    const isKnown = (block: number) => records.some((one) => one.has(block));
    return {
      path: file.path,
      isDigest: true,
      ofNoConcern: (block) => block < header.blockCount && !isKnown(block),
    };
  }
  const later = records.slice(archives.indexOf(file) + 1);
  return { path: file.path, isDigest: false, ofNoConcern: (block) => later.some((one) => one.has(block)) };
}

/** A tally for people. */
export function tallyText({ changes, noticed, unnoticed }: Tally): string {
  const others = Object.entries(unnoticed).map(([what, count]) => `  ${count} unnoticed: ${what}`);
  return [`${changes} changes, ${noticed} noticed`, ...others].join("\n");
}
