import { assert, assertEquals } from "@std/assert";
import type { DamagedFile } from "../../cli/archive/damaged_file.ts";
import { Core } from "../../cli/core.ts";
import { diagnose, type Diagnosis, MAX_RUNS } from "../../cli/damage/diagnose.ts";
import { surveyDigest } from "../../cli/damage/digest_survey.ts";
import { noise } from "../disks/helpers.ts";
import { type Archive, concat, digest, dump, dumpRecord, rdiff } from "../refusals/material.ts";
import { damagedFile, inContainer } from "./damaged.ts";

const BLOCKS = Array.from({ length: 12 }, (_, i) => i % 6 === 5 ? undefined : noise(512, i));
const OLD: Archive = { second: 1, blocks: BLOCKS };
/** Blocks 2, 3 and 8 change. */
const NEW: Archive = {
  second: 2,
  blocks: BLOCKS.map((block, i) => [2, 3, 8].includes(i) ? noise(512, 100 + i) : block),
};

const core = await Core.load();

async function diagnosed(
  generation: Archive,
  archives: DamagedFile[],
  { others = [] as DamagedFile[], digestFile = damagedFile("digest", concat(...digest(generation))) } = {},
): Promise<Diagnosis> {
  const findings = await surveyDigest(core, digestFile);
  return await diagnose(core, {
    archives,
    digest: { file: digestFile, findings },
    others: others.map((file) => ({ path: file.path, whileOpen: (use) => use(file) })),
  });
}

const file = (name: string, ...parts: Uint8Array[]) => damagedFile(name, concat(...parts));
const startOf = (parts: Uint8Array[], at: number) => concat(...parts.slice(0, at)).length;

Deno.test("diagnose() finds nothing wrong with intact archives", async () => {
  const list = [file("new.dump", ...dump(NEW)), file("old.rdiff", ...rdiff(OLD, NEW))];
  const { blocks, goodBlocks, absentBlocks, wrongBlocks, runs, faults } = await diagnosed(OLD, list);
  assertEquals({ blocks, goodBlocks, absentBlocks, wrongBlocks, runs, faults }, {
    blocks: 12,
    goodBlocks: 12,
    absentBlocks: 0,
    wrongBlocks: 0,
    runs: [],
    faults: [],
  });
});

Deno.test("diagnose() names bad blocks with file and offset, and where they are intact", async () => {
  const parts = dump(NEW);
  parts[3] = dumpRecord(2, noise(512, 70));
  parts[4] = dumpRecord(3, noise(512, 80));
  parts[8] = dumpRecord(7, noise(512, 90));
  const { runs, wrongBlocks, intactElsewhere, goodBlocks } = await diagnosed(NEW, [
    file("new.dump", ...parts),
  ], {
    others: [file("old.dump", ...dump(OLD))],
  });
  assertEquals(runs, [
    { start: 2, end: 4, state: "bad", path: "new.dump", offsetBytes: startOf(parts, 3), intactIn: undefined },
    {
      start: 7,
      end: 8,
      state: "bad",
      path: "new.dump",
      offsetBytes: startOf(parts, 8),
      intactIn: "old.dump",
    },
  ]);
  assertEquals({ wrongBlocks, intactElsewhere, goodBlocks }, {
    wrongBlocks: 3,
    intactElsewhere: 1,
    goodBlocks: 9,
  });
});

Deno.test("diagnose() blames the archive of the list that should have had the block", async () => {
  const parts = rdiff(OLD, NEW);
  // Block 3 of the rdiff is gone; block 3 of the dump is intact, of the newer generation, and no fault.
  const lost = [parts[0], parts[1], noise(30, 1), parts[3]];
  const { runs } = await diagnosed(OLD, [file("new.dump", ...dump(NEW)), file("old.rdiff", ...lost)]);
  assertEquals(runs, [{
    start: 3,
    end: 4,
    state: "missing",
    path: "old.rdiff",
    offsetBytes: startOf(parts, 2),
    intactIn: undefined,
  }]);
});

Deno.test("diagnose() takes a block that no archive changed from the dump, whatever an rdiff has lost around it", async () => {
  const parts = rdiff(OLD, NEW);
  const lost = [parts[0], parts[1], noise(600, 1), parts[3]];
  const result = await diagnosed(OLD, [file("new.dump", ...dump(NEW)), file("old.rdiff", ...lost)]);
  // Blocks 4 to 7 lie in the damage too, by their numbers.
  assertEquals(result.runs.map(({ start, end }) => [start, end]), [[3, 4]]);
});

Deno.test("diagnose() tells missing blocks, and those that stand in another order", async () => {
  const [header, ...records] = dump(OLD);
  const swapped = [...records.slice(0, 3), records[4], records[3], ...records.slice(5)];
  const { runs } = await diagnosed(OLD, [file("swapped.dump", header, ...swapped)]);
  assertEquals(runs.map(({ start, end, state, intactIn }) => ({ start, end, state, intactIn })), [
    { start: 3, end: 5, state: "out of order", intactIn: "swapped.dump" },
  ]);
  const cut = await diagnosed(OLD, [file("cut.dump", header, ...records.slice(0, 7))]);
  assertEquals(cut.runs.map(({ start, end, state, intactIn }) => ({ start, end, state, intactIn })), [
    { start: 7, end: 11, state: "missing", intactIn: undefined },
    { start: 11, end: 12, state: "missing", intactIn: "digest" },
  ]);
});

Deno.test("diagnose() knows sectors that cannot be read from bad blocks", async () => {
  const blocks = Array.from({ length: 60 }, (_, i) => noise(512, i));
  const bytes = concat(...dump({ second: 1, blocks }));
  const unreadable = [{ start: 8192, end: 12_288 }];
  const { runs } = await diagnosed({ second: 1, blocks }, [damagedFile("dump", bytes, { unreadable })]);
  assert(runs.length > 0 && runs.every(({ state }) => state === "unreadable"), JSON.stringify(runs));
});

Deno.test("diagnose() counts blocks that a list of rdiffs need not have", async () => {
  const { absentBlocks, goodBlocks, wrongBlocks } = await diagnosed(OLD, [
    file("old.rdiff", ...rdiff(OLD, NEW)),
  ]);
  assertEquals({ absentBlocks, goodBlocks, wrongBlocks }, { absentBlocks: 9, goodBlocks: 3, wrongBlocks: 0 });
});

Deno.test("diagnose() says which blocks a damaged digest cannot prove", async () => {
  const parts = digest(OLD);
  parts[4] = noise(21, 3);
  const digestFile = damagedFile("digest", concat(...parts));
  const { runs, faults } = await diagnosed(OLD, [file("old.dump", ...dump(OLD))], { digestFile });
  assertEquals(runs, [{
    start: 3,
    end: 4,
    state: "unprovable",
    path: "digest",
    offsetBytes: startOf(parts, 4),
    intactIn: undefined,
  }]);
  assertEquals(faults.map(({ path, start, end }) => ({ path, start, end })), [{
    path: "digest",
    start: 3,
    end: 4,
  }]);
});

Deno.test("diagnose() calls no block bad for a zero record that a flipped flag has made", async () => {
  const parts = digest(NEW);
  const bytes = concat(...parts);
  bytes[startOf(parts, 3)] ^= 1;
  const { runs, goodBlocks } = await diagnosed(NEW, [file("new.dump", ...dump(NEW))], {
    digestFile: damagedFile("digest", bytes),
  });
  assertEquals(runs.map(({ start, end, state }) => ({ start, end, state })), [
    { start: 2, end: 3, state: "unprovable" },
  ]);
  assertEquals(goodBlocks, 11);
});

Deno.test("diagnose() gives the place of the member or frame in a compressed file", async () => {
  for (const suffix of [".gz", ".zst"]) {
    const blocks = Array.from({ length: 40 }, (_, i) => noise(512, i));
    const bytes = concat(...dump({ second: 1, blocks }));
    const stored = await inContainer({ path: "dump", bytes }, suffix, 4000);
    const damaged = stored.slice();
    const place = Math.floor(damaged.length / 2) + 200;
    damaged[place] ^= 1;
    const { runs } = await diagnosed({ second: 1, blocks }, [damagedFile("dump" + suffix, damaged)]);
    assertEquals(runs.map(({ state, path }) => ({ state, path })), [{ state: "bad", path: "dump" + suffix }]);
    const at = runs[0].offsetBytes!;
    assert(at < place && at > place - 4100, `${at} of ${place}`);
  }
});

Deno.test("diagnose() lists a limited number of runs and counts all", async () => {
  const blocks = Array.from({ length: 2 * MAX_RUNS + 10 }, (_, i) => noise(512, i));
  const other = blocks.map((block, i) => i % 2 === 0 ? block : noise(512, i + 1e6));
  const { runs, runCount, wrongBlocks } = await diagnosed({ second: 1, blocks }, [
    file("dump", ...dump({ second: 1, blocks: other })),
  ]);
  assertEquals([runs.length, runCount, wrongBlocks], [MAX_RUNS, MAX_RUNS + 5, MAX_RUNS + 5]);
});
