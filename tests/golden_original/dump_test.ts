/** Dumps of the disks of which the original made archives must have the blocks of these archives. */

import { assert } from "@std/assert";
import { assertSameBytes, type Folder } from "../disks/helpers.ts";
import { assertSameContent, run, runJson } from "./expect.ts";
import { contentOf, type GoldenSet, goldenTest, SERIES, WITH_BITMAP } from "./manifest.ts";

goldenTest("a full dump of each disk has the blocks of the original's dump", async (set, folder) => {
  const { files: [{ blockSize }] } = await runJson(["print", "--headers", set.path("g0.dump")]);
  for (const generation of set.generations()) {
    const [dump, digest] = [folder.file(`${generation}.dump`), folder.file(`${generation}.digest`)];
    await run([
      "dump",
      "--mode=full",
      `--blocksize=${blockSize}`,
      `--local=${folder.file("disk.raw", set.content(`d${generation}.raw`))}`,
      `--dumpout=${dump}`,
      `--digestout=${digest}`,
    ]);
    await run(["compare", dump, set.path(`g${generation}.dump`)]);
    await run(["compare", digest, set.path(`g${generation}.digest`)]);
  }
});

for (const suffix of ["", ".gz"]) {
  goldenTest(
    `a diff dump to "${suffix}" has the blocks of the original's dump, and its rdiff the original's bytes`,
    async (set, folder) => {
      for (const generation of set.generations().slice(1)) {
        await dumpOn(set, folder, { generation, suffix, options: ["--mode=diff"] });
      }
    },
    SERIES,
  );
}

goldenTest(
  "an incr dump with the bitmap has the blocks of the original's dump, and its rdiff the original's bytes",
  async (set, folder) => {
    for (const generation of set.generations().slice(1)) {
      const bitmap = set.find(`g${generation}.bmp`);
      if (bitmap === undefined) continue;
      const options = ["--mode=incr", `--bmpin=${bitmap}`];
      const { blocksRead } = await dumpOn(set, folder, { generation, suffix: "", options });
      const { setBlocks } = await runJson(["print-bmp", bitmap]);
      assert(blocksRead <= setBlocks, `${blocksRead} blocks were read, ${setBlocks} bits are set`);
    }
  },
  WITH_BITMAP,
);

/** Makes a diff or incr dump of a generation. The previous dump and digest are those of the original. */
async function dumpOn(
  set: GoldenSet,
  folder: Folder,
  { generation, suffix, options }: { generation: number; suffix: string; options: string[] },
): Promise<{ blocksRead: number }> {
  const before = generation - 1;
  const out = (stem: string) => folder.file(`${stem}${suffix}`);
  const result = await runJson([
    "dump",
    ...options,
    "--force",
    `--local=${folder.file("disk.raw", set.content(`d${generation}.raw`))}`,
    `--dumpin=${set.path(`g${before}.dump`)}`,
    `--digestin=${set.path(`g${before}.digest`)}`,
    `--dumpout=${out("new.dump")}`,
    `--digestout=${out("new.digest")}`,
    `--rdiffout=${out("new.rdiff")}`,
  ]);
  await run(["compare", out("new.dump"), set.path(`g${generation}.dump`)]);
  await run(["compare", out("new.digest"), set.path(`g${generation}.digest`)]);
  await run(["check", `--digestin=${out("new.digest")}`, out("new.dump")]);
  assertSameContent(out("new.rdiff"), set.content(`g${before}.rdiff`));
  // The header of the digest differs in the time of the dump. Its records must have the original's bytes.
  assertSameBytes(
    digestRecords(contentOf(out("new.digest"))),
    digestRecords(set.content(`g${generation}.digest`)),
    "records of the digest",
  );
  return result;
}

/**
 * Returns the bytes after the header of a digest: two numbers, 16 bytes with their length, and nine numbers.
 */
function digestRecords(digest: Uint8Array): Uint8Array {
  let at = 0;
  const skipTokens = (count: number) => {
    for (; count > 0; count--) at = digest.indexOf(0, at) + 1;
  };
  skipTokens(3);
  at += 16;
  skipTokens(9);
  return digest.subarray(at);
}
