/** Memory does not grow with the blocks of a disk, where something is remembered of each: bitmaps, and why blocks are wrong. */

import { digestHeaderBytes, dumpHeaderBytes } from "../../cli/archive/header.ts";
import { concat } from "../archive/files.ts";
import { Folder } from "../disks/helpers.ts";
import { headerOf } from "../pipeline/drawn_archives.ts";
import { testWith } from "../support/skip.ts";
import { assertPeak, missing } from "./peak.ts";

const BLOCK_BYTES = 512;
const encoder = new TextEncoder();

testWith({ missing }, "A bitmap of 2^33 blocks is made of an rdiff", async () => {
  using folder = new Folder();
  const blockCount = 2 ** 33;
  const header = { ...headerOf("", { blockCount, blockBytes: BLOCK_BYTES }), full: false };
  const records = encoder.encode(`5\x001\0${blockCount / 2}\x001\0${blockCount - 1}\x001\0`);
  const path = folder.file("a.rdiff", concat(dumpHeaderBytes(header), records));
  await assertPeak(["rdiff2bmp", "--bmpout", "/dev/null", path]);
});

for (const [json, bitCount] of [[[], 2 ** 26], [["--json"], 2 ** 22]] as const) {
  testWith({ missing }, `A bitmap in which every other bit is set is printed ${json}`, async () => {
    using folder = new Folder();
    const bits = new Uint8Array(bitCount / 8).fill(0x55);
    const path = folder.file("a.bmp", new Uint8Array([...encoder.encode(`${bitCount}\0`), ...bits]));
    await assertPeak(["print-bmp", ...json, path]);
  });
}

testWith({ missing }, "The reasons for which two million blocks are wrong are told", async () => {
  using folder = new Folder();
  const archives = 20;
  const blocks = 200_000;
  const blockCount = archives * blocks;
  const header = headerOf("", { blockCount, blockBytes: BLOCK_BYTES });
  // Every other block is data, says the digest; each of the archives has zeros for some of them.
  const paths = Array.from({ length: archives }, (_, i) => {
    const records = Array.from({ length: blocks / 2 }, (_, at) => `${i * blocks + 2 * at}\x001\0`).join("");
    const time = { ...header.time, minute: archives - 1 - i };
    const bytes = [dumpHeaderBytes({ ...header, full: false, time }), encoder.encode(records)];
    return folder.file(`${i}.rdiff`, concat(...bytes));
  });
  const recordPair = [
    ...encoder.encode("0\x0016\0"),
    ...new Uint8Array(16).fill(0x5e),
    ...encoder.encode("1\0"),
  ];
  const head = digestHeaderBytes({ ...header, time: { ...header.time, minute: 0 } });
  const digest = new Uint8Array(head.length + blockCount / 2 * recordPair.length);
  digest.set(head);
  for (let at = head.length; at < digest.length; at += recordPair.length) digest.set(recordPair, at);
  await assertPeak(["check", "--digestin", folder.file("0.digest", digest), ...paths], { exitCode: 3 });
});
