/** Memory does not grow with the archives of a list: as many as it may have, and commands that open them again and again. */

import { createHash } from "node:crypto";
import { dumpHeaderBytes } from "../../cli/archive/header.ts";
import { type Seal, sealBytes } from "../../cli/archive/seal.ts";
import { createSha256 } from "../../cli/archive/sha256.ts";
import { formatTimeStamp, type TimeStamp } from "../../cli/archive/time_stamp.ts";
import { concat } from "../archive/files.ts";
import { Folder, noise } from "../disks/helpers.ts";
import { headerOf } from "../pipeline/drawn_archives.ts";
import { testWith } from "../support/skip.ts";
import { assertPeak, missing, packed } from "./peak.ts";

const ARCHIVES = 800;
const BLOCK_BYTES = 256 * 1024;
/** More than two batches have. */
const BLOCKS = 144;
/** What every block of every generation holds. */
const CONTENT = noise(BLOCK_BYTES, 1);
/** The root of every generation: the SHA-256 of the MD5s of all blocks. */
const ROOT = rootOf(CONTENT);

for (const suffix of ["", ".gz", ".zst"]) {
  testWith({ missing }, `A list of ${ARCHIVES} archives${suffix} is merged, checked, restored`, async () => {
    using folder = new Folder();
    const paths = await writeList(folder, suffix);
    const disk = folder.file("disk.raw", new Uint8Array(BLOCKS * BLOCK_BYTES));
    await assertPeak(["merge", "--dumpout", "/dev/null", ...paths]);
    await assertPeak(["check", ...paths]);
    await assertPeak(["check", folder.path]);
    await assertPeak(["restore", "--local", disk, "--verify", "--threads", "4", ...paths]);
  });
}

testWith({ missing }, `${ARCHIVES} archives may have as much metadata as is accepted, each`, async () => {
  using folder = new Folder();
  const pairs = Array.from({ length: 4000 }, (_, i) => `key${i}\0v${i}\0`).join("");
  const paths = await writeList(folder, "", { metadata: `4000\0${pairs}` });
  await assertPeak(["merge", "--dumpout", "/dev/null", ...paths]);
});

/** A dump and rdiffs with two blocks each, newest first, and each with a seal. */
async function writeList(
  folder: Folder,
  suffix: string,
  { metadata = "0\0" } = {},
): Promise<string[]> {
  const recordsOf = (blocks: readonly number[]) =>
    packed(
      concat(...blocks.flatMap((block) => [tokens(`${block}`, "0", `${BLOCK_BYTES}`), CONTENT])),
      suffix,
    );
  const all = await recordsOf(Array.from({ length: BLOCKS }, (_, block) => block));
  const some: Uint8Array[] = [];
  const paths: string[] = [];
  for (let generation = ARCHIVES - 1; generation >= 0; generation--) {
    const full = generation === ARCHIVES - 1;
    const time = secondOf(generation);
    const drawn = headerOf("", { blockCount: BLOCKS, blockBytes: BLOCK_BYTES, metadata: new Map() });
    // A header ends with the number of its pairs, none here.
    const beginning = dumpHeaderBytes({ ...drawn, time, full }).slice(0, -2);
    const start = await packed(concat(beginning, new TextEncoder().encode(metadata)), suffix);
    const first = generation % (BLOCKS - 9);
    const records = full ? all : some[first] ??= await recordsOf([first, first + 9]);
    const name = `${generation}.${full ? "dump" : "rdiff"}${suffix}`;
    const bytes = concat(start, records);
    paths.push(folder.file(name, bytes));
    folder.file(`${name}.seal.json`, await sealOf(name, bytes, { generation, full }));
  }
  return paths;
}

function rootOf(content: Uint8Array): string {
  const md5 = createHash("md5").update(content).digest();
  const hash = createHash("sha256");
  for (let block = 0; block < BLOCKS; block++) hash.update(md5);
  return hash.digest("hex");
}

function tokens(...texts: string[]): Uint8Array {
  return new TextEncoder().encode(texts.map((text) => `${text}\0`).join(""));
}

function secondOf(generation: number): TimeStamp {
  return { ...headerOf("").time, minute: Math.floor(generation / 60), second: generation % 60 };
}

async function sealOf(
  name: string,
  bytes: Uint8Array,
  { generation, full }: { generation: number; full: boolean },
): Promise<Uint8Array> {
  const hash = await createSha256();
  hash.update(bytes);
  const named = (generation: number) => ({ time: formatTimeStamp(secondOf(generation)), root: ROOT });
  const seal: Seal = {
    ...named(full ? generation : generation + 1),
    program: "test",
    series: "5e".repeat(16),
    capacityBytes: BLOCKS * BLOCK_BYTES,
    blockBytes: BLOCK_BYTES,
    blockCount: BLOCKS,
    mode: { asked: "full", done: "full" },
    source: {},
    files: [{
      role: full ? "dump" : "rdiff",
      name,
      bytes: bytes.length,
      sha256: hash.hex(),
      dataRecords: full ? BLOCKS : 2,
      zeroRecords: 0,
      ...full ? {} : { from: named(generation + 1), to: named(generation) },
    }],
  };
  return await sealBytes(seal);
}
