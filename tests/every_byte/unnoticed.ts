/**
 * What a check with a digest cannot notice: a digest proves the blocks that the archives have, in their places, of a generation
 * of a series; nothing else. A seal proves the files.
 */

import { acceptable } from "../fuzz/oracle/acceptable.ts";
import { type Archive, readDigest, readDump } from "../fuzz/oracle/archives.ts";
import { gunzipped } from "../fuzz/oracle/gzip.ts";
import { unzstd } from "../fuzz/oracle/zstd.ts";
import { assertSameBytes } from "../disks/helpers.ts";

/** All that may be changed without being noticed. */
export const UNNOTICED = [
  // Times, flags and file systems in gzip's headers, bits of zstd's that mean nothing, its index; the content is the same.
  "the container around the content",
  "the metadata",
  "the adapter type",
  // Every block has a record in it, as an rdiff may have.
  "the full flag of a dump",
  // Of a dump in front of rdiffs any time that is later than theirs; of the last archive the days that follow from the date.
  "the time stamp",
  "the capacity within the last block",
  "a block that a later archive of the list replaces",
  // Of a list of rdiffs nobody knows which blocks it should have.
  "a record left out of an rdiff",
  "the digest of a block that no archive has",
] as const;

/** A file of a list that is checked. */
export interface Place {
  path: string;
  isDigest: boolean;
  /** Blocks that other archives of the list replace, or that none has. */
  ofNoConcern(block: number): boolean;
}

/** Which of them a change of a file is, by the second readers of the tests. @throws {Error} if it is none */
export async function unnoticed(place: Place, before: Uint8Array, after: Uint8Array): Promise<string[]> {
  const [was, is] = [await contentOf(place.path, before), await contentOf(place.path, after)];
  if (was === undefined || is === undefined) throw new Error("the container is damaged");
  const [a, b] = await Promise.all(
    [was, is].map((bytes) => acceptable(() => (place.isDigest ? readDigest : readDump)(bytes))),
  );
  if (a === undefined || b === undefined) throw new Error("the archive is damaged");
  const found = differences(place, a, b);
  if (found.length > 0) return found;
  assertSameBytes(is, was, "content that says the same in other bytes");
  return ["the container around the content"];
}

function differences(place: Place, a: Archive, b: Archive): string[] {
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
    if (a.header[name] !== b.header[name]) throw new Error(`another ${name}`);
  }
  for (const block of new Set([...a.records.keys(), ...b.records.keys()])) {
    const [inA, inB] = [a.records.get(block), b.records.get(block)];
    if (inA === inB) continue;
    if (place.ofNoConcern(block)) {
      found.add(
        place.isDigest
          ? "the digest of a block that no archive has"
          : "a block that a later archive of the list replaces",
      );
    } else if (inB === undefined) found.add("a record left out of an rdiff");
    else throw new Error(`another block ${block}`);
  }
  return [...found];
}

async function contentOf(path: string, bytes: Uint8Array): Promise<Uint8Array | undefined> {
  if (path.endsWith(".gz")) return await acceptable(() => gunzipped(bytes, { streamed: false }));
  if (path.endsWith(".zst")) return (await acceptable(() => unzstd(bytes)))?.content;
  return bytes;
}
