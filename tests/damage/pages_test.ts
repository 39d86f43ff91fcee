/** What is known of each block of a disk may lie in a scratch file: then the results are the same. */

import { createHash } from "node:crypto";
import { assert, assertEquals } from "@std/assert";
import { BitmapPages } from "../../cli/archive/bitmap_pages.ts";
import { digestHeaderBytes, dumpHeaderBytes } from "../../cli/archive/header.ts";
import { Core } from "../../cli/core.ts";
import { diagnose } from "../../cli/damage/diagnose.ts";
import { surveyDigest } from "../../cli/damage/digest_survey.ts";
import type { RunOptions } from "../../cli/pipeline/run.ts";
import { salvage } from "../../cli/damage/salvage.ts";
import { salvageUnproved } from "../../cli/damage/salvage_unproved.ts";
import { repeated } from "../archive/busy_loops.ts";
import { concat } from "../archive/files.ts";
import { noise } from "../disks/helpers.ts";
import { MemoryScratch } from "../support/memory_scratch.ts";
import { damagedFile } from "./damaged.ts";
import { headerOf } from "../pipeline/drawn_archives.ts";
import { MemoryFile } from "../pipeline/memory_file.ts";

const core = await Core.load();

/** Some pages of a bitmap and a piece. */
const BLOCKS = 3 * 2 ** 19 + 1001;
const BLOCK_BYTES = 512;
const DATA = noise(BLOCK_BYTES, 3);
const encoder = new TextEncoder();
const header = headerOf("", { blockCount: BLOCKS, blockBytes: BLOCK_BYTES });

/** Every seventh block has data, all others are zero. */
const digest = (() => {
  const zero = encoder.encode("1\0");
  const data = concat(encoder.encode("0\x0016\0"), createHash("md5").update(DATA).digest());
  const seven = concat(data, ...Array(6).fill(zero));
  const records = repeated(seven, Math.ceil(BLOCKS / 7), new Uint8Array(0));
  return concat(digestHeaderBytes(header), records).subarray(0, lengthOfDigest(data.length, zero.length));
})();

function lengthOfDigest(dataBytes: number, zeroBytes: number): number {
  const dataBlocks = Math.ceil(BLOCKS / 7);
  return digestHeaderBytes(header).length + dataBlocks * dataBytes + (BLOCKS - dataBlocks) * zeroBytes;
}

/** Has zeros for every other block, with damage in the middle, and the data of block 0. */
const archive = (() => {
  const records = (from: number, to: number) => {
    let text = "";
    for (let block = from; block < to; block += 2) text += `${block}\x001\0`;
    return encoder.encode(text);
  };
  const first = concat(encoder.encode(`0\x000\0${BLOCK_BYTES}\0`), DATA);
  const middle = 2 * Math.floor(BLOCKS / 4);
  return concat(
    dumpHeaderBytes({ ...header, full: false }),
    first,
    records(2, middle),
    noise(3000, 5),
    records(middle + 10_000, BLOCKS),
  );
})();

/** Runs the same with all pages in memory and with some of them. */
async function both<Result>(work: (options: RunOptions) => Promise<Result>): Promise<[Result, Result]> {
  const scratch = new MemoryScratch();
  const inMemory = await work({});
  const pages = new BitmapPages({ scratch: () => scratch, pagesInMemory: 5 });
  const inFile = await work({ pages });
  assert(scratch.length > 4 * 64 * 1024, `only ${scratch.length} bytes were put away`);
  return [inMemory, inFile];
}

Deno.test("diagnose() finds the same wherever its bitmaps lie", async () => {
  const [inMemory, inFile] = await both(async (options) => {
    const file = damagedFile("digest", digest);
    const findings = await surveyDigest(core, file);
    const archives = [damagedFile("a.rdiff", archive)];
    return await diagnose(core, { archives, digest: { file, findings } }, options);
  });
  assert(inMemory.wrongBlocks > 100_000 && inMemory.absentBlocks > 100_000 && inMemory.faultCount > 0);
  assertEquals(inFile, inMemory);
});

Deno.test("salvage() brings back the same wherever its bitmaps lie", async () => {
  const [inMemory, inFile] = await both(async (options) => {
    const file = damagedFile("digest", digest.subarray(0, digest.length - 50_001));
    const findings = await surveyDigest(core, file);
    const saved = new MemoryFile("saved.dump");
    using dumpOut = await saved.sink();
    const { lost, doubtful, ...result } = await salvage(core, {
      archives: [damagedFile("a.rdiff", archive)],
      digest: { file, findings },
      header,
      dumpOut,
      scratch: () => new MemoryScratch(),
    }, options);
    return { ...result, lost: [...lost.runs()], doubtful: [...doubtful.runs()], dump: md5Of(saved) };
  });
  assert(inMemory.lostBlocks > 100_000 && inMemory.unprovableBlocks > 100_000);
  assertEquals(inFile, inMemory);
});

Deno.test("salvageUnproved() brings back the same wherever its bitmaps lie", async () => {
  const [inMemory, inFile] = await both(async (options) => {
    const saved = new MemoryFile("saved.dump");
    using dumpOut = await saved.sink();
    const archives = [damagedFile("b.rdiff", archive), damagedFile("a.rdiff", archive)];
    const { lost, doubtful, ...result } = await salvageUnproved(core, { archives, header, dumpOut }, options);
    return { ...result, lost: [...lost.runs()], doubtful: [...doubtful.runs()], dump: md5Of(saved) };
  });
  assert(inMemory.lostBlocks > 100_000);
  assertEquals(inFile, inMemory);
});

function md5Of(file: MemoryFile): string {
  return createHash("md5").update(file.bytes).digest("hex");
}
