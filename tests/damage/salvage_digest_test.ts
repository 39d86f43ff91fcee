import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { FormatError } from "../../cli/errors.ts";
import { noise, seeded } from "../disks/helpers.ts";
import { type Archive, type Block, concat, digest, digestRecord, dump, rdiff } from "../refusals/material.ts";
import { damagedFile, inContainer } from "./damaged.ts";
import { salvaged } from "./salvaged.ts";

/** Zero blocks alone, in runs, and beside each other's ends. */
function draw(seed: number, blockCount: number): Archive {
  const random = seeded(seed);
  return {
    second: 1,
    blocks: Array.from({ length: blockCount }, () => random(3) === 0 ? undefined : noise(512, random(1e6))),
  };
}

const sameBlock = (a: Block, b: Block) =>
  a === undefined || b === undefined ? a === b : a.every((byte, i) => byte === b[i]);

function rootOf({ blocks }: Archive): string {
  const root = createHash("sha256");
  for (const block of blocks) {
    root.update(block === undefined ? new Uint8Array(16) : createHash("md5").update(block).digest());
  }
  return root.digest("hex");
}

interface Told {
  /** Blocks that are said to be lost or in doubt; undefined if nothing was saved. */
  told?: number;
  isComplete: boolean;
}

/** Salvages with a damaged digest; fails if a block is wrong that is not said to be. */
async function toldOf(
  generation: Archive,
  bytes: Uint8Array,
  { message, path = "digest", sealed = false, archives = [dump(generation)] }: {
    message: string;
    path?: string;
    sealed?: boolean;
    archives?: Uint8Array[][];
  },
): Promise<Told> {
  const digestFile = damagedFile(path, bytes);
  const files = archives.map((parts, i) => damagedFile(`archive${i}`, concat(...parts)));
  try {
    const { result, blocks } = await salvaged(generation, files, {
      digestFile,
      ...sealed && { sealed: { root: rootOf(generation), isIntact: false } },
    });
    assertEquals(blocks.length, generation.blocks.length, message);
    for (const [i, block] of blocks.entries()) {
      if (result.lost.get(i)) assertEquals(block, undefined, message);
      else assert(result.doubtful.get(i) || sameBlock(block, generation.blocks[i]), `${message}: block ${i}`);
    }
    const told = result.lostBlocks + result.doubtfulBlocks;
    assertEquals(
      result.zeroBlocks + result.intactBlocks + result.foundBlocks + told,
      generation.blocks.length,
      message,
    );
    if (sealed) assertEquals(result.hasRoot, true, message);
    return { told, isComplete: told === 0 };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { isComplete: false };
  }
}

/** Offsets of the records, and of the end. */
function offsetsOf(parts: Uint8Array[]): number[] {
  let at = 0;
  return parts.map((part) => (at += part.length));
}

const DENSE: Archive = { second: 1, blocks: Array.from({ length: 16 }, (_, i) => noise(512, i + 1)) };

Deno.test("salvage() does not take a data record for a zero block whose flag was flipped", async () => {
  const parts = digest(DENSE);
  const bytes = concat(...parts);
  bytes[offsetsOf(parts)[3]] ^= 1;
  assertEquals(await toldOf(DENSE, bytes, { message: "flag of block 3" }), { told: 1, isComplete: false });
  const large: Archive = { second: 1, blocks: Array.from({ length: 20_000 }, (_, i) => noise(512, i)) };
  const largeParts = digest(large);
  const largeBytes = concat(...largeParts);
  largeBytes[offsetsOf(largeParts)[93]] ^= 1;
  assertEquals((await toldOf(large, largeBytes, { message: "flag of block 93" })).told, 1);
});

Deno.test("salvage() saves data, in doubt, where a digest that reads well has a zero record instead", async () => {
  for (const suffix of ["", ".gz", ".zst"]) {
    for (let block = 0; block < 16; block++) {
      const parts = digest(DENSE);
      parts[block + 1] = digestRecord(undefined);
      const path = "digest" + suffix;
      const bytes = await inContainer({ path: "digest", bytes: concat(...parts) }, suffix);
      const message = `${path}, block ${block}`;
      assertEquals(await toldOf(DENSE, bytes, { message, path }), { told: 1, isComplete: false });
      assertEquals((await toldOf(DENSE, bytes, { message, path, sealed: true })).told, 0);
    }
  }
});

Deno.test("salvage() hears the contradiction of an rdiff of the generation as well", async () => {
  const newer: Archive = {
    second: 2,
    blocks: DENSE.blocks.map((block, i) => i === 5 ? noise(512, 99) : block),
  };
  const parts = digest(DENSE);
  parts[6] = digestRecord(undefined);
  const archives = [dump(newer), rdiff(DENSE, newer)];
  const message = "rdiff";
  assertEquals((await toldOf(DENSE, concat(...parts), { message, archives })).told, 1);
  assertEquals((await toldOf(DENSE, concat(...parts), { message, archives, sealed: true })).told, 0);
});

Deno.test("salvage() believes the digest with the root where the archive's data record is wrong", async () => {
  const generation = draw(5, 20);
  const wrong = { ...generation, blocks: generation.blocks.map((block) => block ?? noise(512, 777)) };
  const told = await toldOf(generation, concat(...digest(generation)), {
    message: "zeros",
    archives: [dump(wrong)],
    sealed: true,
  });
  assertEquals(told.told, 0);
});

Deno.test("salvage() loses nothing between two places where a digest is damaged", async () => {
  const parts = digest(DENSE);
  const bytes = concat(...parts);
  const offsets = offsetsOf(parts);
  for (const block of [3, 11]) bytes[offsets[block] + 3] ^= 1;
  assertEquals(await toldOf(DENSE, bytes, { message: "blocks 3 and 11" }), { told: 2, isComplete: false });
});

/** Every way to damage `bytes` at one place by one byte, and cuts. */
function* damages(
  bytes: Uint8Array,
  random: (end: number) => number,
): Generator<[string, Uint8Array, boolean]> {
  for (let at = 0; at < bytes.length; at++) {
    for (const bit of [0, 1, 3, random(8)]) {
      yield [`bit ${bit} of byte ${at}`, bytes.map((byte, i) => i === at ? byte ^ (1 << bit) : byte), true];
    }
    yield [`without byte ${at}`, concat(bytes.subarray(0, at), bytes.subarray(at + 1)), true];
    for (const more of [0, 0x30, 0x31, random(256)]) {
      yield [`${more} before byte ${at}`, concat(bytes.subarray(0, at), [more], bytes.subarray(at)), true];
    }
    const length = 2 + random(40);
    yield [
      `without ${length} from byte ${at}`,
      concat(bytes.subarray(0, at), bytes.subarray(at + length)),
      false,
    ];
    yield [`cut at byte ${at}`, bytes.slice(0, at), false];
  }
}

for (const [seed, blockCount] of [[1, 16], [2, 24]]) {
  Deno.test(`salvage() never takes a wrong block for a right one, whatever byte of a digest of ${blockCount} blocks is hit`, async () => {
    const generation = draw(seed, blockCount);
    const bytes = concat(...digest(generation));
    for (const [name, damaged, isOneRecord] of damages(bytes, seeded(seed))) {
      const message = `seed ${seed}, ${name}`;
      const { told } = await toldOf(generation, damaged, { message });
      if (isOneRecord) assert(told !== undefined && told <= 2, `${message}: ${told} blocks`);
    }
  });
}

Deno.test("salvage() proves all blocks with the root, whatever byte of the digest is hit", async () => {
  const generation = draw(3, 16);
  const bytes = concat(...digest(generation));
  for (const [name, damaged] of damages(bytes, seeded(3))) {
    // Where nothing is left of the digest, salvage refuses.
    const { told } = await toldOf(generation, damaged, { message: name, sealed: true });
    assert(told === 0 || told === undefined, name);
  }
});

Deno.test("salvage() never takes a wrong block for a right one where a digest is hit twice and the dump lacks blocks", async () => {
  for (let seed = 1; seed <= 2000; seed++) {
    const random = seeded(seed);
    const generation = draw(seed, 20);
    let bytes: Uint8Array = concat(...digest(generation));
    for (let hits = 0; hits < 2; hits++) {
      const at = 50 + random(bytes.length - 50);
      const kind = random(5);
      const length = kind === 1 ? 1 + random(45) : kind === 4 ? random(30) : 1;
      const more = kind === 2
        ? [random(4) + 0x2f]
        : kind === 4
        ? noise(length, seed)
        : kind === 3
        ? [bytes[at] ^ 1]
        : [];
      const cut = kind === 2 ? 0 : length;
      bytes = concat(bytes.subarray(0, at), more, bytes.subarray(at + cut));
    }
    const older = { second: 2, blocks: generation.blocks.toReversed() };
    const parts = dump(generation);
    const hole = 1 + random(15);
    const archives = [[...parts.slice(0, hole), ...parts.slice(hole + 1 + random(4))], dump(older)];
    await toldOf(generation, bytes, { message: `seed ${seed}`, archives });
  }
});
