import { assert, assertEquals } from "@std/assert";
import { Engine } from "../../cli/jobs/engine.ts";
import { Random } from "../../scripts/disk_image.ts";
import { changed, randomDisk, randomSize } from "../integration/random_disk.ts";
import { BLOCK_BYTES, type Contents, RepositoryWorld } from "./world.ts";

Deno.test("every generation that a repository lists restores to its bytes, whatever happened in between", async () => {
  await using engine = await Engine.start({ threads: 1 });
  const modes = new Set<string>();
  for (let seed = 1; seed <= 12; seed++) {
    const hint = `seed ${seed}`;
    const random = new Random(seed);
    using world = new RepositoryWorld(engine);
    let disks = drawDisks(random);
    for (let step = 0; step < 9; step++) {
      const before = disks;
      const changes: Record<string, { start: number; length: number }[]> = {};
      if (random.below(10) === 0) disks = drawDisks(random);
      else {
        disks = Object.fromEntries(
          Object.entries(disks).map(([key, bytes]) => [key, changed(bytes, random) as typeof bytes]),
        );
      }
      for (const key of Object.keys(disks)) {
        if (step > 0 && random.below(2) === 0) changes[key] = extentsOf(before[key], disks[key]);
      }
      const note = random.below(3) === 0 ? "keep" : undefined;
      const result = await world.backup(disks, { changes, note, audit: 100 });
      for (const { mode } of result.disks) modes.add(mode);
      if (random.below(4) === 0) await world.forgetUnnoted();
      await world.assertWhole(`${hint}, step ${step}`);
    }
    assertEquals(await world.faults(), [], hint);
    for (const [path, mode] of world.files()) assertEquals(mode, isFolder(world, path) ? "700" : "600", path);
  }
  assertEquals([...modes].sort(), ["diff", "full", "incr"]);
});

function isFolder({ repository }: RepositoryWorld, path: string): boolean {
  return Deno.statSync(`${repository}/${path}`).isDirectory;
}

function drawDisks(random: Random): Contents {
  const keys = ["a", "b", "c"].slice(0, 1 + random.below(3));
  return Object.fromEntries(
    keys.map((key) => [key, randomDisk(random, randomSize(random, BLOCK_BYTES)) as Uint8Array<ArrayBuffer>]),
  );
}

/** The bytes that differ, as a change query gives them; the whole disk if it is another one. */
function extentsOf(before: Uint8Array | undefined, now: Uint8Array): { start: number; length: number }[] {
  if (before?.length !== now.length) return [{ start: 0, length: now.length }];
  const extents: { start: number; length: number }[] = [];
  for (let start = 0; start < now.length; start += 512) {
    const length = Math.min(512, now.length - start);
    if (now.subarray(start, start + length).some((byte, i) => byte !== before[start + i])) {
      extents.push({ start, length });
    }
  }
  return extents;
}

Deno.test("a backup of a disk that did not change stores no block", async () => {
  await using engine = await Engine.start({ threads: 1 });
  using world = new RepositoryWorld(engine);
  const a = new Uint8Array(3 * BLOCK_BYTES + 512).fill(7);
  await world.backup({ a });
  const { disks: [{ mode, written }] } = await world.backup({ a });
  assertEquals([mode, written?.disk.changedBlocks], ["diff", 0]);
  assert(written!.disk.rdiff!.bytes < 1000);
  await world.assertWhole();
});
