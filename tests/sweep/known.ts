/** What a sweep knows: the generations as they were, and what archives hold by the second reader of the fuzz tests. */

import { createHash } from "node:crypto";
import { type Archive, readDigest, readDump } from "../fuzz/oracle/archives.ts";
import { NotAcceptable } from "../fuzz/oracle/acceptable.ts";
import { gunzipped } from "../fuzz/oracle/gzip.ts";
import { unzstd } from "../fuzz/oracle/zstd.ts";

/** The state of a disk at one time, and what its archives are called. */
export interface Known {
  /** 32 hexadecimal digits. */
  series: string;
  /** As reports show it. */
  time: string;
  /** SHA-256 over the MD5s, 64 hexadecimal digits. */
  root: string;
  /** All bytes of the disk. */
  disk: Uint8Array;
  blockBytes: number;
  /** For each block, the last one padded: 32 hexadecimal digits, or `zero`. */
  md5s: readonly string[];
  adapterType: number;
  metadata: Readonly<Record<string, string>>;
}

/** Works out the MD5s and the root of a disk, as FORMAT.md says. */
export function known(told: Omit<Known, "md5s" | "root">): Known {
  const md5s = md5sOf(told.disk, told.blockBytes);
  const root = createHash("sha256");
  for (const md5 of md5s) root.update(md5 === "zero" ? new Uint8Array(16) : hexBytes(md5));
  return { ...told, md5s, root: root.digest("hex") };
}

/** The MD5 of each block. */
export function md5sOf(disk: Uint8Array, blockBytes: number): string[] {
  return Array.from({ length: Math.ceil(disk.length / blockBytes) }, (_, block) => {
    const bytes = new Uint8Array(blockBytes);
    bytes.set(disk.subarray(block * blockBytes, (block + 1) * blockBytes));
    return bytes.every((byte) => byte === 0) ? "zero" : createHash("md5").update(bytes).digest("hex");
  });
}

/** What an archive of whatever kind holds, undefined if it is none, or damaged. */
export function archiveAt(path: string, kind: "dump" | "digest"): Archive | undefined {
  try {
    const content = contentAt(path);
    return kind === "dump" ? readDump(content) : readDigest(content);
  } catch (error) {
    if (error instanceof NotAcceptable || error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** The MD5s that archives, newest first, lead to, `absent` where none has the block; undefined if one of them is damaged. */
export function md5sIn(paths: readonly string[]): string[] | undefined {
  const archives = paths.map((path) => archiveAt(path, "dump"));
  if (archives.includes(undefined)) return undefined;
  const { blockCount } = archives[0]!.header;
  return Array.from(
    { length: blockCount },
    (_, block) => archives.findLast((archive) => archive!.records.has(block))?.records.get(block) ?? "absent",
  );
}

/** The bytes behind the container that the name tells. @throws {NotAcceptable} */
export function contentAt(path: string): Uint8Array {
  const bytes = Deno.readFileSync(path);
  if (path.endsWith(".gz")) return gunzipped(bytes);
  if (!path.endsWith(".zst")) return bytes;
  const { content } = unzstd(bytes);
  if (content === undefined) throw new NotAcceptable();
  return content;
}

/** What a descriptor says of its disk, without the prefix `ddb.`. */
export function metadataOf(descriptor: string): Record<string, string> {
  return Object.fromEntries(
    [...descriptor.matchAll(/^ddb\.([^ =]+) *= *"([^"]*)"/gm)].map(([, key, value]) => [key, value]),
  );
}

function hexBytes(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g)!, (byte) => parseInt(byte, 16));
}
