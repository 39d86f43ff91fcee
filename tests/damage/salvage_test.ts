import { assert, assertEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import type { DamagedFile } from "../../cli/archive/damaged_file.ts";
import type { DumpHeader } from "../../cli/archive/header.ts";
import { Core } from "../../cli/core.ts";
import { FormatError } from "../../cli/errors.ts";
import { surveyDigest } from "../../cli/damage/digest_survey.ts";
import { headerFor, type Salvaged } from "../../cli/damage/salvage.ts";
import { type SalvagedUnproved, salvageUnproved } from "../../cli/damage/salvage_unproved.ts";
import { noise, seeded } from "../disks/helpers.ts";
import { type Archive, type Block, concat, digest, dump, rdiff } from "../refusals/material.ts";
import { damagedFile, inContainer } from "./damaged.ts";
import { DAMAGE_KINDS, drawDamage, type Touched } from "./damaged_cases.ts";
import { MemoryFile } from "../pipeline/memory_file.ts";
import { blocksOf, headerOf, salvaged } from "./salvaged.ts";

const nameOf = (block: Uint8Array) => createHash("md5").update(block).digest("hex");

/** What is not lost is right, what is lost is zero, and nothing is lost whose content `existing` has. */
function assertSalvaged(
  { blocks }: Archive,
  { result, blocks: saved }: { result: Salvaged; blocks: Block[] },
  { existing, message }: { existing: Set<string>; message: string },
): void {
  assertEquals(saved.length, blocks.length, message);
  for (const [i, wanted] of blocks.entries()) {
    const isLost = result.lost.get(i);
    const isRight = wanted === undefined
      ? saved[i] === undefined
      : saved[i] !== undefined && nameOf(saved[i]) === nameOf(wanted);
    assert(isLost ? saved[i] === undefined : isRight, `${message}: block ${i}`);
    assert(!isLost || !existing.has(nameOf(wanted!)), `${message}: block ${i} exists`);
  }
  assertEquals(result.lostBlocks, result.lost.count(), message);
  assertEquals(
    result.zeroBlocks + result.intactBlocks + result.foundBlocks + result.lostBlocks,
    blocks.length,
    message,
  );
}

/** Three generations of a disk with some blocks in common. */
function drawHistory(seed: number, blockCount: number, blockBytes = 512): Archive[] {
  const random = seeded(seed);
  const draw = (): Block => random(5) === 0 ? undefined : noise(blockBytes, random(1_000_000));
  const history: Archive[] = [{ second: 1, blockBytes, blocks: Array.from({ length: blockCount }, draw) }];
  for (let second = 2; second <= 3; second++) {
    const { blocks } = history[history.length - 1];
    history.push({ second, blockBytes, blocks: blocks.map((block) => random(4) === 0 ? draw() : block) });
  }
  return history;
}

/** The contents of all records of `parts` (header first) that an accident has not touched. */
function untouched(parts: Uint8Array[], blockBytes: number, touched: Touched[]): string[] {
  let end = 0;
  return parts.flatMap((part, i) => {
    const start = end;
    end += part.length;
    const isData = i > 0 && part.length > blockBytes;
    const isTouched = touched.some((touch) =>
      touch.start < end && start < Math.max(touch.end, touch.start + 1)
    );
    return isData && !isTouched ? [nameOf(part.subarray(-blockBytes))] : [];
  });
}

for (const suffix of ["", ".gz", ".zst"]) {
  Deno.test(`salvage() brings back every block that exists anywhere${suffix && `, of ${suffix} archives`}`, async () => {
    for (let seed = 1; seed <= 12; seed++) {
      const history = drawHistory(seed, 60);
      const [oldest, middle, newest] = history;
      const given: [string, Uint8Array[]][] = [
        ["1.dump", dump(oldest)],
        ["3.dump", dump(newest)],
        ["2.rdiff", rdiff(middle, newest)],
        ["1.rdiff", rdiff(oldest, middle)],
      ];
      for (const [target, generation] of history.entries()) {
        const existing = new Set<string>();
        const files = [];
        for (const [i, [name, parts]] of given.entries()) {
          const bytes = concat(...parts);
          const kind = DAMAGE_KINDS[(seed + i + target) % DAMAGE_KINDS.length];
          if (suffix === "") {
            const damage = drawDamage(bytes, kind, seed * 50 + i * 5 + target);
            files.push(damagedFile(name, damage.bytes));
            for (const content of untouched(parts, 512, [damage])) existing.add(content);
          } else {
            // What is untouched in a compressed file is tested with the survey: here one archive is whole.
            const stored = await inContainer({ path: name, bytes }, suffix, 4000);
            const isWhole = i === seed % given.length;
            files.push(
              damagedFile(name + suffix, isWhole ? stored : drawDamage(stored, kind, seed * 50 + i).bytes),
            );
            if (isWhole) { for (const content of untouched(parts, 512, [])) existing.add(content); }
          }
        }
        const outcome = await salvaged(generation, files, { out: "saved.dump" + suffix });
        assertSalvaged(generation, outcome, { existing, message: `seed ${seed}, generation ${target}` });
      }
    }
  });
}

Deno.test("salvage() makes the intact dump again, byte for byte, if nothing is lost", async () => {
  const [oldest, middle, newest] = drawHistory(20, 100);
  const intact = concat(...dump(oldest));
  const bytes = intact.slice().fill(0, 3000, 12_000);
  const others = [
    damagedFile("3.dump", concat(...dump(newest))),
    damagedFile("2.rdiff", concat(...rdiff(middle, newest))),
    damagedFile("1.rdiff", concat(...rdiff(oldest, middle))),
  ];
  const { result, file } = await salvaged(oldest, [damagedFile("1.dump", bytes), ...others]);
  assertEquals(result.lostBlocks, 0);
  assert(result.foundBlocks > 10);
  assertEquals(file.bytes, intact);
});

Deno.test("salvage() finds blocks by their content alone: in another place, in another series, in a larger disk", async () => {
  const [generation] = drawHistory(21, 20);
  const other: Archive = {
    second: 9,
    series: 7,
    blocks: [...generation.blocks, ...generation.blocks].reverse(),
  };
  const { result } = await salvaged(generation, [damagedFile("other.dump", concat(...dump(other)))]);
  assertEquals(result.lostBlocks, 0);
});

Deno.test("salvage() writes zeros for what is lost, and says so for each block", async () => {
  const blocks = Array.from({ length: 20 }, (_, i) => noise(512, i));
  const parts = dump({ second: 1, blocks });
  const damaged = concat(...parts.slice(0, 6), ...parts.slice(9));
  const { result, blocks: saved } = await salvaged({ second: 1, blocks }, [damagedFile("dump", damaged)]);
  assertEquals(blocks.map((_, i) => result.lost.get(i) ? "lost" : "").join(" ").trim(), "lost lost lost");
  assertEquals(saved.slice(5, 8), [undefined, undefined, undefined]);
  const { intactBlocks, lostBlocks, foundBlocks, zeroBlocks } = result;
  assertEquals({ intactBlocks, lostBlocks, foundBlocks, zeroBlocks }, {
    intactBlocks: 17,
    lostBlocks: 3,
    foundBlocks: 0,
    zeroBlocks: 0,
  });
});

Deno.test("salvage() writes nothing that its digest does not prove", async () => {
  const [generation, other] = [30, 31].map((seed) => ({
    second: 1,
    blocks: drawHistory(seed, 20)[0].blocks,
  }));
  const file = () => damagedFile("other.dump", concat(...dump(other)));
  await assertRejects(() => salvaged(generation, [file()]), FormatError, "none of the");
  const one = { ...other, blocks: [generation.blocks.find((block) => block !== undefined), ...other.blocks] };
  const { result } = await salvaged(generation, [damagedFile("one.dump", concat(...dump(one)))]);
  assertEquals(result.intactBlocks + result.foundBlocks, 1);
});

Deno.test("salvage() keeps to what a damaged digest still proves", async () => {
  const blocks = Array.from({ length: 40 }, (_, i) => noise(512, i));
  const [header, ...records] = digest({ second: 1, blocks });
  const whole = concat(header, ...records);
  const at = header.length + 21 * 10;
  const cases: [string, Uint8Array, number][] = [
    ["a flag", whole.map((byte, i) => i === at ? 0x37 : byte), 1],
    ["an MD5", whole.map((byte, i) => i === at + 8 ? byte ^ 1 : byte), 1],
    ["three records", whole.slice().fill(0, at + 1, at + 50), 3],
    ["cut", whole.slice(0, at), 30],
    ["a header", whole.slice().fill(0xff, 0, 2), 0],
    ["a byte more", concat(whole.subarray(0, at), [1], whole.subarray(at)), 0],
    ["a record more", concat(whole, records[0]), 0],
  ];
  for (const [name, bytes, lostBlocks] of cases) {
    const digestFile = damagedFile("digest", bytes);
    const archive = damagedFile("dump", concat(...dump({ second: 1, blocks })));
    const { result, blocks: saved } = await salvaged({ second: 1, blocks }, [archive], { digestFile });
    assertEquals(result.lostBlocks, lostBlocks, name);
    assertEquals(
      (await surveyDigest(await Core.load(), digestFile, { expected: headerOf({ second: 1, blocks }) }))
        .isHeaderLost,
      name === "a header",
    );
    for (const [i, block] of saved.entries()) if (!result.lost.get(i)) assertEquals(block, blocks[i], name);
  }
});

Deno.test("headerFor() takes from an archive what the digest does not hold: of the generation, else of the series", () => {
  const [a, b, c] = drawHistory(40, 10).map((archive) => headerOf(archive));
  const metadata = new Map([["adapterType", "lsilogic"]]);
  const named = (path: string, header: DumpHeader) => ({ path, header: { ...header, metadata } });
  const exact = headerFor(a, [named("b", b), named("a", a)]);
  assertEquals([exact.from, exact.isOfGeneration, exact.header.metadata], ["a", true, metadata]);
  const near = headerFor(a, [named("c", c), named("b", b)]);
  assertEquals([near.from, near.isOfGeneration, near.header.time], ["c", false, a.time]);
  const foreign = headerFor(a, [named("x", { ...a, seriesId: new Uint8Array(16) })]);
  assertEquals([foreign.from, foreign.header.metadata.size, foreign.header.capacityBytes], [
    undefined,
    0,
    5120,
  ]);
});

/** Without a digest, newest first. */
async function salvagedUnproved(
  generation: Archive,
  archives: DamagedFile[],
): Promise<{ result: SalvagedUnproved; blocks: Block[] }> {
  const file = new MemoryFile("saved.dump");
  using dumpOut = await file.sink();
  const result = await salvageUnproved(await Core.load(), {
    archives,
    header: headerOf(generation),
    dumpOut,
  });
  return { result, blocks: await blocksOf(await Core.load(), file) };
}

Deno.test("salvageUnproved() restores a chain as far as it looks intact, and tells what is in doubt", async () => {
  const [oldest, middle, newest] = drawHistory(50, 60);
  const list = () => [dump(newest), rdiff(middle, newest), rdiff(oldest, middle)];
  const files = (parts: Uint8Array[][]) => parts.map((part, i) => damagedFile(`${i}`, concat(...part)));
  const whole = await salvagedUnproved(oldest, files(list()));
  assertEquals(whole.blocks, oldest.blocks);
  assertEquals([whole.result.lostBlocks, whole.result.doubtful.count(), whole.result.faultCount], [0, 0, 0]);

  const [newestParts, middleParts, oldestParts] = list();
  const broken = [newestParts, middleParts, [
    ...oldestParts.slice(0, 5),
    noise(100, 1),
    ...oldestParts.slice(6),
  ]];
  const { result, blocks } = await salvagedUnproved(oldest, files(broken));
  assertEquals(result.lostBlocks, 0);
  const wrong = oldest.blocks.flatMap((block, i) =>
    (block && nameOf(block)) === (blocks[i] && nameOf(blocks[i]!)) ? [] : [i]
  );
  assertEquals(wrong.length, 1);
  assert(result.doubtful.get(wrong[0]), "the block that is of a newer generation is in doubt");
});

Deno.test("salvage() trusts a compressed digest as far as its checksums go, and no further if a piece is gone", async () => {
  const blocks = Array.from({ length: 100 }, (_, i) => noise(512, i));
  const intact = concat(...digest({ second: 1, blocks }));
  const dumpFile = () => damagedFile("dump", concat(...dump({ second: 1, blocks })));
  for (const suffix of [".gz", ".zst"]) {
    // Four pieces of 25 records and more.
    const pieceBytes = Math.ceil(intact.length / 4);
    const stored = await inContainer({ path: "digest", bytes: intact }, suffix, pieceBytes);
    const lengthOf = async (pieces: number) =>
      (await inContainer({ path: "digest", bytes: intact.slice(0, pieces * pieceBytes) }, suffix, pieceBytes))
        .length;
    // The end is in each of them, with an index entry of zstd for each piece in front of it.
    const startOf = async (piece: number) =>
      await lengthOf(piece) - await lengthOf(0) - (suffix === ".zst" ? 8 * piece : 0);
    const [second, third] = [await startOf(1), await startOf(2)];
    const flipped = stored.slice();
    flipped[second + 40] ^= 0xff;
    flipped[second + 41] ^= 0xff;
    const gone = concat(stored.subarray(0, second), stored.subarray(third));
    const cut = stored.slice(0, third + 100);
    const lost: number[] = [];
    for (const [name, bytes] of [["flipped", flipped], ["gone", gone], ["cut", cut]] as const) {
      const digestFile = damagedFile("digest" + suffix, bytes);
      const findings = await surveyDigest(await Core.load(), digestFile);
      const knownBlocks = findings.known.reduce((sum, { start, end }) => sum + end - start, 0);
      assert(findings.faults.length > 0, name);
      if (knownBlocks === 0) {
        lost.push(100);
        continue;
      }
      const { result, blocks: saved } = await salvaged({ second: 1, blocks }, [dumpFile()], { digestFile });
      for (const [i, block] of saved.entries()) if (!result.lost.get(i)) assertEquals(block, blocks[i], name);
      lost.push(result.lostBlocks);
    }
    const [afterFlip, afterGone, afterCut] = lost;
    assert(afterFlip < 80, `${suffix}: ${afterFlip} lost`);
    assert(afterGone > 70 && afterGone < 80, `${suffix}: ${afterGone} lost`);
    assert(afterCut >= 45 && afterCut < 60, `${suffix}: ${afterCut} lost`);
  }
});
