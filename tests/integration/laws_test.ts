/**
 * Four laws that must hold for every disk and every history of it, tested with random histories.
 *
 * `VMDKBKP_LAW_SEEDS=N` sets the number of histories for each law. A failure names its seed.
 */

import { assertEquals } from "@std/assert";
import { Core } from "../../cli/core.ts";
import { check } from "../../cli/pipeline/check.ts";
import { rdiffBetween } from "../../cli/pipeline/compare.ts";
import { digestOf } from "../../cli/pipeline/digest.ts";
import { merge } from "../../cli/pipeline/merge.ts";
import { restore } from "../../cli/pipeline/restore.ts";
import { Random } from "../../scripts/disk_image.ts";
import { openChain, openDigest, openDump } from "../pipeline/drawn_archives.ts";
import { MemoryDisk } from "../pipeline/memory_disk.ts";
import type { MemoryFile } from "../pipeline/memory_file.ts";
import { assertEqualBytes } from "./same_bytes.ts";
import { dumpAs, type Generation, type HistoryOptions, makeHistory, newFile } from "./history.ts";

const SEEDS = Number(Deno.env.get("VMDKBKP_LAW_SEEDS") ?? 28);
/** Histories of disks that are slightly larger than a batch, so that jobs have more than one batch. */
const LARGE: HistoryOptions[] = [
  { blockBytes: 512, sizeBytes: 24 * 1024 * 1024 + 3 * 512 - 1, generations: 3 },
  { blockBytes: 65536, sizeBytes: 24 * 1024 * 1024 + 65536 + 1, generations: 3 },
];

const core = await Core.load();

/** Registers a test that checks a law for every history. */
function law(name: string, holds: (generations: Generation[], random: Random) => Promise<void>): void {
  Deno.test(name, async () => {
    const histories = [...Array(SEEDS).fill({}), ...LARGE] as HistoryOptions[];
    for (const [seed, options] of histories.entries()) {
      const random = new Random(seed);
      const generations = await makeHistory(core, random, options);
      try {
        await holds(generations, random);
      } catch (cause) {
        throw new Error(`seed ${seed}, ${describe(generations)}: ${(cause as Error).message}`, { cause });
      }
    }
  });
}

law(
  "law 1: full, diff and incr dumps of a disk have the same bytes, and so have their rdiffs",
  async (all, random) => {
    for (let n = 1; n < all.length; n++) {
      const { disk, header } = all[n];
      const previous = all[n - 1];
      for (const mode of ["full", "diff", "incr"] as const) {
        const made = await dumpAs(core, { mode, disk, header, previous, random });
        await assertSameContent(made.dump, all[n].dump, `generation ${n}, ${mode} dump`);
        await assertSameContent(made.digest, all[n].digest, `generation ${n}, ${mode} digest`);
        if (made.rdiff) await assertSameContent(made.rdiff, all[n].rdiff!, `generation ${n}, ${mode} rdiff`);
      }
      await assertSameContent(
        await rdiffOf(all[n], { previous, random }),
        all[n].rdiff!,
        `rdiff of dumps ${n}`,
      );
    }
  },
);

law("law 2: a dump and its rdiffs merge to the dump of every older generation", async (all, random) => {
  for (let n = 0; n < all.length - 1; n++) {
    for (const list of listsTo(n, all)) {
      await assertSameContent(await merged(list, random), all[n].dump, `generation ${n}`);
    }
    const list = await partlyMerged(listsTo(n, all)[0], random);
    await assertSameContent(await merged(list, random), all[n].dump, `generation ${n} by merged rdiffs`);
  }
});

law(
  "law 3: the digest computed of a dump is the one written with it, and proves every chain",
  async (all, random) => {
    for (const [n, { dump, digest }] of all.entries()) {
      const computed = newFile("computed", random);
      {
        await using scope = core.scope();
        await digestOf(scope, { dumpIn: await openDump(scope, dump), digestOut: await computed.sink() });
      }
      await assertSameContent(computed, digest, `generation ${n}`);
      for (const list of listsTo(n, all)) {
        await using scope = core.scope();
        const chain = await openChain(scope, ...list);
        const { badBlocks, absentBlocks } = await check(scope, {
          chain,
          digest: await openDigest(scope, digest),
        });
        assertEquals({ badBlocks, absentBlocks }, { badBlocks: 0, absentBlocks: 0 }, `generation ${n}`);
      }
    }
  },
);

law("law 4: every generation can be restored, bit for bit", async (all, random) => {
  const newest = all.length - 1;
  for (const [n, { disk }] of all.entries()) {
    const [list] = listsTo(n, all);
    const surplusBytes = random.below(3) === 0 ? random.below(10_000) : 0;
    const fresh = new MemoryDisk(new Uint8Array(disk.length), { fresh: true });
    const used = new MemoryDisk(new Uint8Array(disk.length + surplusBytes).fill(0xa5));
    for (const target of [fresh, used]) {
      await restoreTo(target, await partlyMerged(list, random));
      assertEqualBytes(target.bytes.subarray(0, disk.length), disk, `generation ${n}`);
    }
    assertEquals(used.bytes.subarray(disk.length), new Uint8Array(surplusBytes).fill(0xa5));

    const rdiffs = list.slice(1);
    if (rdiffs.length === 0) continue;
    const inPlace = new MemoryDisk(all[newest].disk.slice());
    await restoreTo(inPlace, await partlyMerged(rdiffs, random));
    assertEqualBytes(inPlace.bytes, disk, `generation ${n} by rdiffs over generation ${newest}`);
  }
});

/** Returns the chains that lead to generation `n`: one from each dump of this or a later generation. */
function listsTo(n: number, all: Generation[]): MemoryFile[][] {
  const lists: MemoryFile[][] = [];
  for (let from = all.length - 1; from >= n; from--) {
    const rdiffs = all.slice(n + 1, from + 1).map(({ rdiff }) => rdiff!);
    lists.push([all[from].dump, ...rdiffs.reverse()]);
  }
  return lists;
}

/** Returns the same chain, but with two or more of its archives merged to one. */
async function partlyMerged(list: MemoryFile[], random: Random): Promise<MemoryFile[]> {
  if (list.length < 2) return list;
  const start = random.below(list.length - 1);
  const end = start + 2 + random.below(list.length - start - 1);
  return [...list.slice(0, start), await merged(list.slice(start, end), random), ...list.slice(end)];
}

async function merged(list: MemoryFile[], random: Random): Promise<MemoryFile> {
  await using scope = core.scope();
  const out = newFile("merged", random);
  await merge(scope, { chain: await openChain(scope, ...list), out: await out.sink() });
  return out;
}

async function rdiffOf(
  { dump }: Generation,
  { previous, random }: { previous: Generation; random: Random },
): Promise<MemoryFile> {
  await using scope = core.scope();
  const rdiff = newFile("rdiff", random);
  const [older, newer] = [await openDump(scope, previous.dump), await openDump(scope, dump)];
  await rdiffBetween(scope, { older, newer, out: await rdiff.sink() });
  return rdiff;
}

async function restoreTo(disk: MemoryDisk, list: MemoryFile[]): Promise<void> {
  await using scope = core.scope();
  await restore(scope, { chain: await openChain(scope, ...list), disk });
}

async function assertSameContent(a: MemoryFile, b: MemoryFile, message: string): Promise<void> {
  assertEqualBytes(await a.content(), await b.content(), message);
}

function describe([first, ...others]: Generation[]): string {
  const { blockBytes, capacityBytes } = first.header;
  const modes = [first, ...others].map(({ mode }) => mode).join(", ");
  return `${capacityBytes} bytes in blocks of ${blockBytes}, ${modes}`;
}
