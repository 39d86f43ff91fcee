/**
 * Loops over files let events be handled: a malicious file can be read for a very long time without any
 * waiting.
 */

import zlib from "node:zlib";
import { sourceFor, walkContainer } from "../../cli/archive/container.ts";
import { remainsOf } from "../../cli/archive/remains.ts";
import { damagedFile } from "../damage/damaged.ts";
import { assertGivesWay, repeated } from "./busy_loops.ts";
import { readAll, streamOf } from "./files.ts";
import { frameOf, memberOf } from "./pieces.ts";

const COUNT = 2000;
const NOTHING = new Uint8Array(0);
const foreignMember = new Uint8Array(zlib.gzipSync(NOTHING));
const ownMember = await memberOf(NOTHING, { isLast: false });
const lastMember = await memberOf(NOTHING, { isLast: true });
const ownFrame = await frameOf(NOTHING, { isLast: false });
const lastFrame = await frameOf(NOTHING, { isLast: true });
/** RFC 8878: magic, descriptor, window, content size; one empty raw block. */
const MAGIC = [0x28, 0xb5, 0x2f, 0xfd];
const sizedFrame = Uint8Array.of(...MAGIC, 0x20, 0, 1, 0, 0);
const unsizedFrame = Uint8Array.of(...MAGIC, 0, 0, 1, 0, 0);
const skippableFrame = Uint8Array.of(0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0);
const emptyIndex = Uint8Array.of(0x5e, 0x2a, 0x4d, 0x18, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0xb1, 0xea, 0x92, 0x8f);
const emptyBlock = Uint8Array.of(0, 0, 0);

/** Files with very many small parts, by a description. The content of all of them is empty. */
const FILES: Record<string, { path: string; bytes: Uint8Array<ArrayBuffer> }> = {
  "empty gzip members of other programs": {
    path: "a.gz",
    bytes: repeated(foreignMember, COUNT, foreignMember),
  },
  "empty gzip members of this program": { path: "a.gz", bytes: repeated(ownMember, COUNT, lastMember) },
  "empty zstd frames": { path: "a.zst", bytes: repeated(sizedFrame, COUNT, sizedFrame) },
  "empty zstd frames of this program": { path: "a.zst", bytes: repeated(ownFrame, COUNT, lastFrame) },
  "zstd frames without content size": {
    path: "a.zst",
    bytes: repeated(unsizedFrame, COUNT, unsizedFrame),
  },
  "skippable frames": { path: "a.zst", bytes: repeated(skippableFrame, COUNT, sizedFrame) },
  "indexes of no frames": {
    path: "a.zst",
    bytes: repeated(emptyIndex, COUNT, sizedFrame),
  },
  "empty blocks of one zstd frame": {
    path: "a.zst",
    bytes: new Uint8Array([...MAGIC, 0, 0, ...repeated(emptyBlock, COUNT, Uint8Array.of(1, 0, 0))]),
  },
};

for (const [name, { path, bytes }] of Object.entries(FILES)) {
  Deno.test(`Reading ${name} lets signal handlers run`, async () => {
    await assertGivesWay(async ({ pace }) => {
      using source = await sourceFor(path, streamOf(bytes), { pace });
      await readAll(source);
    });
  });

  // Members of other programs do not contain their lengths.
  if (name === "empty gzip members of other programs") continue;
  Deno.test(`walkContainer() over ${name} lets signal handlers run`, async () => {
    await assertGivesWay(({ pace }) => walkContainer(path, streamOf(bytes), { pace }));
  });
}

const DAMAGED: Record<string, { path: string; bytes: Uint8Array }> = {
  ...FILES,
  "ten mebibytes of zeros after a gzip member": {
    path: "a.gz",
    bytes: new Uint8Array([...ownMember, ...new Uint8Array(10 << 20)]),
  },
  "ten mebibytes of zeros after a zstd frame": {
    path: "a.zst",
    bytes: new Uint8Array([...ownFrame, ...new Uint8Array(10 << 20)]),
  },
};

for (const [name, { path, bytes }] of Object.entries(DAMAGED)) {
  Deno.test(`remainsOf() over ${name} lets signal handlers run`, async () => {
    await assertGivesWay(async ({ pace }) => {
      using file = damagedFile(path, bytes, { pace });
      for await (const _ of remainsOf(file, { onFault() {} }));
    });
  });
}
