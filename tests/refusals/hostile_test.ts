/** Headers and records that promise far more than the file holds: refused at once, within the memory of every run. */

import { assert, assertEquals } from "@std/assert";
import { denoArgs } from "../support/run_cli.ts";
import { testWith } from "../support/skip.ts";
import { concat, digest, dump, GENERATIONS, token } from "./material.ts";
import { Archives, assertRefusal, EXIT } from "./refusal.ts";

const MEMORY_LIMIT_KIB = 256 * 1024;
/** Generous, for machines that are busy with other tests; what is measured takes a second or two at most. */
const TIME_LIMIT_MS = 10_000;
const MEASURED_MAIN = new URL("main_with_peak.ts", import.meta.url).pathname;

const DUMP = dump(GENERATIONS[0]);
const TIME = [1, 0, 12, 30, 5, 113, 0, 180, 1];
const ID = concat(token(16), new Uint8Array(16).fill(0x5e));

const tokens = (...values: (number | string)[]) => concat(...values.map(token));
/** A dump's header up to the metadata. */
const upToMetadata = (blocks: number | string, blockBytes: number | string, full = 1) =>
  concat(tokens(blocks, blockBytes, 3, full), ID, tokens(...TIME));

/** Beginnings of dumps. */
const DUMPS: Record<string, Uint8Array> = {
  "2^53 blocks": concat(upToMetadata("9007199254740992", 512), token(0)),
  "2^44 blocks of 512 bytes": concat(upToMetadata(2 ** 44, 512), token(0)),
  "2^43 blocks of 512 bytes and no record": concat(upToMetadata(2 ** 43, 512), token(0)),
  "2^43 blocks of 512 bytes and one record": concat(upToMetadata(2 ** 43, 512), token(0), tokens(0, 1)),
  "a block of 32 MiB": concat(upToMetadata(1, 32 * 1024 * 1024), token(0)),
  "a block of 2^60 bytes": concat(upToMetadata(1, "1152921504606846976"), token(0)),
  "the largest block and no content": concat(upToMetadata(64, 16 * 1024 * 1024), tokens(0, 0, 0, 16777216)),
  "no blocks": concat(upToMetadata(0, 512), token(0)),
  "blocks of no bytes": concat(upToMetadata(6, 0), token(0)),
  "blocks of 513 bytes": concat(upToMetadata(6, 513), token(0)),
  "a number of blocks with a thousand digits": concat(upToMetadata("1".repeat(1000), 512), token(0)),
  "a number of blocks that never ends": new Uint8Array(1 << 20).fill(0x31),
  "a negative number of blocks": concat(upToMetadata(-6, 512), token(0)),
  "a number of blocks with a leading zero": concat(upToMetadata("06", 512), token(0)),
  "a series id of 2^40 bytes": concat(tokens(6, 512, 3, 1, 2 ** 40), new Uint8Array(16), tokens(...TIME, 0)),
  "a series id of 15 bytes": concat(tokens(6, 512, 3, 1, 15), new Uint8Array(15), tokens(...TIME, 0)),
  "a thirteenth month": concat(tokens(6, 512, 3, 1), ID, tokens(1, 0, 12, 30, 12, 113, 0, 180, 1, 0)),
  "the year 2^40": concat(tokens(6, 512, 3, 1), ID, tokens(1, 0, 12, 30, 5, 2 ** 40, 0, 180, 1, 0)),
  "2^40 pairs of metadata": concat(upToMetadata(6, 512), token(2 ** 40)),
  "4096 pairs of metadata and none of them": concat(upToMetadata(6, 512), token(4096)),
  "metadata that never end": concat(upToMetadata(6, 512), token(1), new Uint8Array(1 << 20).fill(0x61)),
  "the full flag 2": concat(upToMetadata(6, 512, 2), token(0)),
  "a capacity beyond its blocks": concat(upToMetadata(6, 512), tokens(1, "vmdkbkp.capacityBytes", 3073)),
  "a capacity of fewer blocks": concat(upToMetadata(6, 512), tokens(1, "vmdkbkp.capacityBytes", 2560)),
  "a capacity that is no number": concat(upToMetadata(6, 512), tokens(1, "vmdkbkp.capacityBytes", "3e3")),
  "a content of 2^40 bytes": concat(DUMP[0], tokens(0, 0, 2 ** 40)),
  "an index that never ends": concat(DUMP[0], new Uint8Array(1 << 20).fill(0x31)),
};

for (const [what, bytes] of Object.entries(DUMPS)) {
  Deno.test(`a dump that promises ${what} is refused at once`, async () => {
    using archives = new Archives({ "bad.dump": bytes });
    for (
      const line of [
        "check --digestin g0.digest bad.dump",
        "digest --dumpin bad.dump --digestout new.digest",
        "restore --local d0.raw bad.dump",
        "restore --create --local new.raw bad.dump",
        "rdiff2bmp bad.dump --bmpout new.bmp",
        "print bad.dump",
      ]
    ) {
      const before = archives.snapshot();
      const start = performance.now();
      const result = await archives.run(line);
      assert(performance.now() - start < TIME_LIMIT_MS, `${line} took ${performance.now() - start} ms`);
      // A file system may not have room for the promised disk: that is a refusal as well.
      const code = result.code === EXIT.environment ? EXIT.environment : EXIT.corrupt;
      assertRefusal(line, result, { code, says: [] });
      assertEquals(archives.snapshot(), before, line);
    }
  });
}

/** Beginnings of digests. */
const DIGESTS: Record<string, Uint8Array> = {
  "2^43 blocks and no record": concat(tokens(2 ** 43, 512), ID, tokens(...TIME)),
  "an MD5 of 2^40 bytes": concat(digest(GENERATIONS[0])[0], tokens(0, 2 ** 40)),
  "a flag that never ends": concat(digest(GENERATIONS[0])[0], new Uint8Array(1 << 20).fill(0x30)),
};

for (const [what, bytes] of Object.entries(DIGESTS)) {
  Deno.test(`a digest that promises ${what} is refused at once`, async () => {
    using archives = new Archives({ "bad.digest": bytes });
    for (
      const line of [
        "check --digestin bad.digest g0.dump",
        "print bad.digest",
        "compare bad.digest bad.digest",
      ]
    ) {
      await archives.refused(line, { code: EXIT.corrupt, says: [] });
    }
  });
}

Deno.test("an rdiff without records of a disk of 64 TiB is merged in seconds", async () => {
  const empty = (second: number) =>
    concat(tokens(2 ** 26, 2 ** 20, 3, 0), ID, tokens(second, ...TIME.slice(1)), token(0));
  using archives = new Archives({ "1.rdiff": empty(1), "0.rdiff": empty(0) });
  const start = performance.now();
  await archives.done("merge --rdiffout new.rdiff 1.rdiff 0.rdiff");
  assert(performance.now() - start < TIME_LIMIT_MS, `it took ${performance.now() - start} ms`);
});

const missing = Deno.build.os === "linux" ? undefined : "only Linux tells the peak of a process";

testWith({ missing }, "refusals stay below 256 MiB of memory", async (t) => {
  const bomb = gzipBomb();
  using archives = new Archives({
    "bomb.dump.gz": bomb,
    "bits.bmp": token(2 ** 30),
    ...Object.fromEntries(Object.values(DUMPS).map((bytes, i) => [`bad${i}.dump`, bytes])),
  });
  for (
    const line of [
      `print --headers ${Object.keys(DUMPS).map((_what, i) => `bad${i}.dump`).join(" ")}`,
      "print bomb.dump.gz",
      "check --digestin g0.digest bomb.dump.gz",
      "print-bmp bits.bmp",
      `print bad${Object.keys(DUMPS).indexOf("the largest block and no content")}.dump`,
    ]
  ) {
    await t.step(line.slice(0, 60), async () => {
      const { code, stderr } = await new Deno.Command(Deno.execPath(), {
        args: [...denoArgs(MEASURED_MAIN), ...archives.args(line)],
        stdout: "null",
        stderr: "piped",
      }).output();
      assertEquals(code, EXIT.corrupt);
      const peak = Number(/VmHWM:\s*(\d+) kB/.exec(new TextDecoder().decode(stderr))?.[1]);
      assert(peak < MEMORY_LIMIT_KIB, `${line}: ${peak} KiB`);
    });
  }
});

/** 256 MiB of zeros behind a header, in a few hundred kilobytes. */
function gzipBomb(): Uint8Array {
  const { stdout } = new Deno.Command("sh", {
    args: ["-c", "head -c 268435456 /dev/zero | gzip -1"],
  }).outputSync();
  return stdout;
}
