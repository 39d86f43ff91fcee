/** Proves what a command makes with the bytes of the disks that it is of. */

import { assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import type { Content } from "./content.ts";
import type { Files } from "./files.ts";
import { BLOCK_BYTES } from "./material.ts";
import type { Scenario } from "./scenarios.ts";

/** @throws {AssertionError} unless the files hold what the scenario says */
export function prove(result: Content, { disk, rdiff, setBits }: Scenario, material: Files): void {
  for (const [path, content] of Object.entries(result)) {
    // deno-lint-ignore no-explicit-any -- of an archive or a seal
    const { records, root, blockBytes } = content as any;
    const bytes = material.get(disk ?? "");
    if (/\.rdiff(\.|$)/.test(path)) {
      assertEquals(records, rdiffOf(rdiff!, material), path);
    } else if (path.endsWith(".bmp")) {
      const expected = setBits ?? Object.keys(rdiffOf(rdiff!, material)).map(Number);
      assertEquals([...`${content}`].flatMap((bit, i) => bit === "1" ? [i] : []), expected, path);
    } else if (bytes === undefined) continue;
    else if (/\.seal\.json$/.test(path)) assertEquals(root, blocksOf(bytes, blockBytes).root, path);
    else if (/\.(dump|digest)(\.|$)/.test(path)) {
      assertEquals(records, blocksOf(bytes, blockBytes).records, path);
    } else if (/\.raw$|-flat\.vmdk$/.test(path)) {
      assertEquals(content, [bytes.length, createHash("sha256").update(bytes).digest("hex")], path);
    }
  }
}

/** The blocks of the older disk that are others in the newer one. */
function rdiffOf(disks: [newer: string, older: string], material: Files): Record<string, string> {
  const [now, then] = disks.map((name) => blocksOf(material.get(name)!, BLOCK_BYTES).records);
  return Object.fromEntries(Object.entries(then).filter(([block, md5]) => now[block] !== md5));
}

/** The MD5s of the blocks of a disk, as archives of it have them, and what a seal calls their root. */
export function blocksOf(
  disk: Uint8Array,
  blockBytes: number,
): { records: Record<string, string>; root: string } {
  const records: Record<string, string> = {};
  const root = createHash("sha256");
  for (let block = 0; block * blockBytes < disk.length; block++) {
    const bytes = new Uint8Array(blockBytes);
    bytes.set(disk.subarray(block * blockBytes, (block + 1) * blockBytes));
    const md5 = createHash("md5").update(bytes).digest();
    const isZero = bytes.every((byte) => byte === 0);
    records[block] = isZero ? "zero" : md5.toString("hex");
    root.update(isZero ? new Uint8Array(16) : md5);
  }
  return { records, root: root.digest("hex") };
}
