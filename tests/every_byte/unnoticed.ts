/**
 * The changes that a check with a digest cannot notice. A digest proves only that the blocks of the archives
 * are those of a generation of a series. Everything else in the files is proved only by a seal.
 */

import { acceptable } from "../fuzz/oracle/acceptable.ts";
import { type Archive, readDigest, readDump } from "../fuzz/oracle/archives.ts";
import { gunzipped } from "../fuzz/oracle/gzip.ts";
import { unzstd } from "../fuzz/oracle/zstd.ts";
import { assertSameBytes } from "../disks/helpers.ts";

/** The kinds of changes that may remain unnoticed. */
export const UNNOTICED = [
  // The content is the same. Examples: the time, the flags and the system in a gzip header, unused bits of a
  // zstd header, the index of a zstd file.
  "the container around the content",
  "the metadata",
  "the adapter type",
  // A dump without the flag is read as an rdiff, and an rdiff may have records of all blocks.
  "the full flag of a dump",
  // A dump that rdiffs follow may have any time that is later than theirs. In the last archive only the days
  // of the week and of the year may change, which follow from the date.
  "the time stamp",
  "the capacity within the last block",
  "a block that a later archive of the list replaces",
  // If the chain begins with an rdiff, the blocks that it must have are not known.
  "a record left out of an rdiff",
  "the digest of a block that no archive has",
] as const;

/** What a file is in the chain that is checked. */
export interface FileRole {
  /** Path of the file, whose suffix tells the container. */
  path: string;
  /** True for the digest, false for a dump or rdiff. */
  isDigest: boolean;
  /**
   * Returns whether the check does not depend on a block of the file: in an archive, because a later archive
   * of the chain has the block too; in the digest, because no archive has it.
   */
  isIrrelevant(block: number): boolean;
}

/**
 * Returns the kinds of a change of a file, which the second readers of the tests find.
 *
 * @throws {Error} if the change is of another kind, which the check should have noticed
 */
export async function unnoticed(role: FileRole, before: Uint8Array, after: Uint8Array): Promise<string[]> {
  const [was, is] = [await contentOf(role.path, before), await contentOf(role.path, after)];
  if (was === undefined || is === undefined) throw new Error("the container is damaged");
  const [a, b] = await Promise.all(
    [was, is].map((bytes) => acceptable(() => (role.isDigest ? readDigest : readDump)(bytes))),
  );
  if (a === undefined || b === undefined) throw new Error("the archive is damaged");
  const found = differences(role, a, b);
  if (found.length > 0) return found;
  assertSameBytes(is, was, "the content has other bytes with the same meaning");
  return ["the container around the content"];
}

function differences(role: FileRole, a: Archive, b: Archive): string[] {
  const found = new Set<typeof UNNOTICED[number]>();
  const note = (what: typeof UNNOTICED[number], inA: unknown, inB: unknown) => {
    if (JSON.stringify(inA) !== JSON.stringify(inB)) found.add(what);
  };
  note("the metadata", a.header.disk?.metadata, b.header.disk?.metadata);
  note("the adapter type", a.header.disk?.adapterType, b.header.disk?.adapterType);
  note("the full flag of a dump", a.header.disk?.full, b.header.disk?.full);
  note("the capacity within the last block", a.header.disk?.capacityBytes, b.header.disk?.capacityBytes);
  note("the time stamp", a.header.time, b.header.time);
  for (const name of ["blockCount", "blockBytes", "series"] as const) {
    if (a.header[name] !== b.header[name]) throw new Error(`${name} differs`);
  }
  for (const block of new Set([...a.records.keys(), ...b.records.keys()])) {
    const [inA, inB] = [a.records.get(block), b.records.get(block)];
    if (inA === inB) continue;
    if (role.isIrrelevant(block)) {
      found.add(
        role.isDigest
          ? "the digest of a block that no archive has"
          : "a block that a later archive of the list replaces",
      );
    } else if (inB === undefined) found.add("a record left out of an rdiff");
    else throw new Error(`block ${block} differs`);
  }
  return [...found];
}

async function contentOf(path: string, bytes: Uint8Array): Promise<Uint8Array | undefined> {
  if (path.endsWith(".gz")) return await acceptable(() => gunzipped(bytes));
  if (path.endsWith(".zst")) return (await acceptable(() => unzstd(bytes)))?.content;
  return bytes;
}
