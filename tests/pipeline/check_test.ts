import { assertEquals, assertRejects } from "@std/assert";
import { Core } from "../../cli/core.ts";
import { FormatError, MismatchError } from "../../cli/errors.ts";
import { check, type CheckCounts, MAX_BAD_RUNS } from "../../cli/pipeline/check.ts";
import { drawDigest, drawDump, drawRdiff, openChain, openDigest } from "./drawn_archives.ts";
import { MemoryFile } from "./memory_file.ts";

Deno.test("check() counts good, zero and bad blocks, and names the runs of bad ones", async () => {
  const result = await checked([drawDump("abc...defg")], drawDigest("aXX..Y.efZ"));
  assertEquals(result, {
    blocks: 10,
    goodBlocks: 5,
    zeroBlocks: 3,
    absentBlocks: 0,
    badBlocks: 5,
    badRuns: [{ start: 1, end: 3 }, { start: 5, end: 7 }, { start: 9, end: 10 }],
    badRunCount: 3,
  });
});

Deno.test("check() finds nothing wrong with a dump and its own digest", async () => {
  const { badBlocks, badRuns, goodBlocks } = await checked([drawDump("ab.c")], drawDigest("ab.c"));
  assertEquals({ badBlocks, badRuns, goodBlocks }, { badBlocks: 0, badRuns: [], goodBlocks: 4 });
});

Deno.test("check() finds a zero block where data belong, and data where zeros belong", async () => {
  assertEquals((await checked([drawDump("a...")], drawDigest("a.b."))).badRuns, [{ start: 2, end: 3 }]);
  assertEquals((await checked([drawDump("a.b.")], drawDigest("a..."))).badRuns, [{ start: 2, end: 3 }]);
});

Deno.test("check() of rdiffs alone compares only the blocks that they have", async () => {
  const rdiffs = [drawRdiff("a__x_.", { generation: 1 }), drawRdiff("_b____")];
  const result = await checked(rdiffs, drawDigest("abcdef"));
  assertEquals(result, {
    blocks: 6,
    goodBlocks: 2,
    zeroBlocks: 1,
    absentBlocks: 2,
    badBlocks: 2,
    badRuns: [{ start: 3, end: 4 }, { start: 5, end: 6 }],
    badRunCount: 2,
  });
});

Deno.test("check() finds the blocks of a link that was left out", async () => {
  const newest = drawDump("aBC", { generation: 2 });
  const links = [drawRdiff("_b_", { generation: 1 }), drawRdiff("__c")];
  assertEquals((await checked([newest, ...links], drawDigest("abc"))).badBlocks, 0);
  assertEquals((await checked([newest, links[1]], drawDigest("abc"))).badRuns, [{ start: 1, end: 2 }]);
});

Deno.test("check() lists a limited number of runs and counts all", async () => {
  const blocks = 2 * MAX_BAD_RUNS + 10;
  const result = await checked([drawDump("a".repeat(blocks))], drawDigest("aX".repeat(blocks / 2)));
  assertEquals(result.badRuns.length, MAX_BAD_RUNS);
  assertEquals(result.badBlocks, blocks / 2);
  assertEquals(result.goodBlocks, blocks / 2);
});

Deno.test("check() refuses the digest of another generation, series or disk", async () => {
  const digests = [
    drawDigest("ab", { generation: 1 }),
    drawDigest("ab", { seriesId: new Uint8Array(16) }),
    drawDigest("abc"),
    drawDigest("ab", { blockBytes: 1024 }),
  ];
  for (const digest of digests) {
    await assertRejects(() => checked([drawDump("ab")], digest), MismatchError);
  }
});

Deno.test("check() wants the digest of the generation that the list leads to", async () => {
  const list = [drawDump("aB", { generation: 1 }), drawRdiff("_b")];
  await assertRejects(() => checked(list, drawDigest("aB", { generation: 1 })), MismatchError);
  assertEquals((await checked(list, drawDigest("ab"))).badBlocks, 0);
});

Deno.test("check() refuses a digest that ends too early or goes on", async () => {
  const short = drawDigest("ab", { path: "short" });
  const fits = drawDigest("ab");
  const cut = short.bytes.subarray(0, short.bytes.length - 21);
  const tooShort = new MemoryFile("short", [cut]);
  const tooLong = new MemoryFile("long", [fits.bytes, new TextEncoder().encode("1\0")]);
  for (const digest of [tooShort, tooLong]) {
    const error = await assertRejects(() => checked([drawDump("ab")], digest), FormatError);
    assertEquals(error.fault.path, digest.path);
  }
});

async function checked(archives: MemoryFile[], digest: MemoryFile): Promise<CheckCounts> {
  const core = await Core.load();
  return await check(core, {
    chain: await openChain(core, ...archives),
    digest: await openDigest(core, digest),
  });
}
