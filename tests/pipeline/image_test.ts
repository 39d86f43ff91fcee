import { assert, assertEquals, assertRejects } from "@std/assert";
import { IntactFrames } from "../../cli/archive/intact_frames.ts";
import { PlainSource } from "../../cli/archive/plain_source.ts";
import { sinkFor } from "../../cli/archive/container.ts";
import { Core } from "../../cli/core.ts";
import { MismatchError } from "../../cli/errors.ts";
import { DumpReader } from "../../cli/pipeline/archive_reader.ts";
import { Chain } from "../../cli/pipeline/chain.ts";
import { DiskAsDump } from "../../cli/pipeline/disk_as_dump.ts";
import { changeImage, fillImage } from "../../cli/pipeline/image.ts";
import { merge } from "../../cli/pipeline/merge.ts";
import { proveStep } from "../../cli/pipeline/prove_step.ts";
import { undoImage } from "../../cli/pipeline/undo_image.ts";
import { bitmapOf, blocksOf } from "./bitmaps.ts";
import {
  drawDigest,
  drawDisk,
  drawDump,
  drawRdiff,
  headerOf,
  openDigest,
  openDump,
} from "./drawn_archives.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { MemoryFile } from "./memory_file.ts";

Deno.test("fillImage() writes the data blocks of a disk to an image, and its digest", async () => {
  await using core = await Core.load();
  const image = new MemoryDisk(new Uint8Array(5 * 512));
  const digest = new MemoryFile("digest");
  const result = await fillImage(core, {
    disk: new MemoryDisk(drawDisk("ab..c")),
    header: headerOf("ab..c"),
    image,
    digestOut: await sinkFor(digest.path, digest),
  });
  assertEquals(image.bytes, drawDisk("ab..c"));
  assertEquals(image.writes, [{ start: 0, end: 1024 }, { start: 4 * 512, end: 5 * 512 }]);
  assertEquals(digest.bytes, drawDigest("ab..c").bytes);
  assertEquals([result.zeroBlocks, result.changedBlocks], [2, 3]);
});

Deno.test("changeImage() makes the image the new generation, and writes the way back and the digest", async () => {
  const { image, rdiff, digest, result, emptied } = await change("ab.de.", "aX.Y.z");
  assertEquals(image.bytes, drawDisk("aX.Y.z"));
  assertEquals(rdiff.bytes, drawRdiff("_b_de.").bytes);
  assertEquals(digest.bytes, drawDigest("aX.Y.z", { generation: 1 }).bytes);
  assertEquals(result, {
    blocks: 6,
    zeroBlocks: 2,
    blocksRead: 6,
    changedBlocks: 4,
    changedFromZeroBlocks: 1,
  });
  assertEquals(blocksOf(emptied), [4]);
});

Deno.test("changeImage() with a list of changes reads no other block of disk and image", async () => {
  const { image, rdiff, digest, disk } = await change("abcdef", "aXcdYf", { bits: [1, 2, 4] });
  const ranges = [{ start: 512, end: 3 * 512 }, { start: 4 * 512, end: 5 * 512 }];
  assertEquals(disk.reads, ranges);
  assertEquals(image.reads, ranges);
  assertEquals(image.bytes, drawDisk("aXcdYf"));
  assertEquals(rdiff.bytes, drawRdiff("_b__e_").bytes);
  assertEquals(digest.bytes, drawDigest("aXcdYf", { generation: 1 }).bytes);
});

Deno.test("changeImage() keeps the bytes of image and disk behind the capacity out of the last block", async () => {
  const capacityBytes = 2 * 512 + 5;
  const { image } = await change("ab.", "abX", { capacityBytes });
  assertEquals(image.bytes.subarray(0, capacityBytes), drawDisk("abX").subarray(0, capacityBytes));
  assertEquals(image.bytes.subarray(capacityBytes), new Uint8Array(507));
});

Deno.test("changeImage() overwrites no block before its old content is stable in the rdiff", async () => {
  await change("abcdefgh".repeat(1200), "abXdefYh".repeat(1200), { path: "a.rdiff.zst", isOrdered: true });
});

Deno.test("changeImage() stops at a block of the image that the old digest does not prove", async () => {
  for (const bits of [undefined, [2]]) {
    const bytes = drawDisk("abQd");
    const error = await assertRejects(() => change("abcd", "aXYd", { bits, held: bytes }), MismatchError);
    assertEquals(error.block, 2);
    assertEquals(bytes, drawDisk("abQd"));
  }
});

Deno.test("undoImage() returns an image to the older generation, however much of the rdiff there is", async () => {
  const older = "ab.de.fg".repeat(2500);
  const newer = "aX.Y.zfg".repeat(2500);
  await using core = await Core.load();
  const { rdiff } = await change(older, newer, { path: "a.rdiff.zst" });
  const whole = rdiff.bytes;
  const changed = [...older].flatMap((mark, block) => mark === newer[block] ? [] : [block]);
  const lengths = [whole.length, whole.length - 1, whole.length - 200, whole.length / 2 | 0];
  const undone = new Set<number>();
  for (const length of lengths) {
    const part = whole.slice(0, length);
    const image = new MemoryDisk(drawDisk(newer));
    await using scope = core.scope();
    using source = new IntactFrames(
      new PlainSource("a.rdiff.zst", new MemoryFile("a.rdiff.zst", [part]).open()),
    );
    const reader = await DumpReader.open(scope, source);
    const digestIn = await openDigest(scope, drawDigest(older));
    const blocks = await undoImage(scope, { image, rdiff: reader, digestIn });
    const end = changed[blocks - 1] + 1;
    assertEquals(image.bytes, drawDisk(older.slice(0, end) + newer.slice(end)), `${length} bytes`);
    undone.add(blocks);
  }
  assert(undone.has(changed.length) && undone.size > 1, `${[...undone]}`);
});

Deno.test("a chain that begins with a disk leads to the generations before", async () => {
  await using core = await Core.load();
  const dump = new MemoryFile("dump");
  const disk = new DiskAsDump(new MemoryDisk(drawDisk("aX.Y")), headerOf("aX.Y", { generation: 1 }));
  const chain = new Chain([disk, await openDump(core, drawRdiff("_b.d"))]);
  await merge(core, { chain, out: await sinkFor(dump.path, dump) });
  assertEquals(dump.bytes, drawDump("ab.d").bytes);
});

Deno.test("proveStep() finds the blocks that neither the rdiff nor the newer digest explains", async () => {
  await using core = await Core.load();
  for (
    const [rdiff, older, bad, first] of [["_b__", "ab.d", 0], ["_b_.", "ab..", 0], [
      "_b__",
      "abXd",
      1,
      2,
    ]] as const
  ) {
    const result = await proveStep(core, {
      newer: await openDigest(core, drawDigest("aY.d", { generation: 1 })),
      rdiff: await openDump(core, drawRdiff(rdiff)),
      older: await openDigest(core, drawDigest(older)),
      root: { update: () => Promise.resolve() },
    });
    assertEquals([result.badBlocks, result.firstBadBlock], [bad, first]);
  }
});

/** Changes an image from the generation `older` to `newer`. `isOrdered`: checks the order of writes and syncs. */
async function change(
  older: string,
  newer: string,
  { bits, capacityBytes = older.length * 512, held, path = "rdiff", isOrdered = false }: {
    bits?: readonly number[];
    capacityBytes?: number;
    held?: Uint8Array<ArrayBuffer>;
    path?: string;
    isOrdered?: boolean;
  } = {},
) {
  await using core = await Core.load();
  const disk = new MemoryDisk(drawDisk(newer).slice(0, capacityBytes));
  const image = new MemoryDisk(held ?? drawDisk(older));
  const digest = new MemoryFile("digest");
  const rdiff = new MemoryFile(path);
  const emptied = bitmapOf(older.length, () => false);
  let stableBytes = 0;
  if (isOrdered) {
    const write = image.write.bind(image);
    image.write = (from, offsetBytes) => {
      assert(stableBytes > 0 && stableBytes === rdiff.bytes.length, `image written at ${stableBytes}`);
      write(from, offsetBytes);
    };
  }
  const result = await changeImage(core, {
    disk,
    header: headerOf(newer, { generation: 1, capacityBytes }),
    previous: headerOf(older, { capacityBytes }),
    digestIn: await openDigest(core, drawDigest(older)),
    image,
    changedBlocks: bits && bitmapOf(older.length, (block) => bits.includes(block)),
    digestOut: await sinkFor(digest.path, digest),
    rdiffOut: await sinkFor(rdiff.path, rdiff),
    syncRdiff: () => stableBytes = rdiff.bytes.length,
    emptied,
  });
  return { disk, image, digest, rdiff, emptied, result };
}
