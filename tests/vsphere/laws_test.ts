/** The laws of archives (tests/integration/laws_test.ts), with disks that are read from the test server. */

import { seeded } from "../disks/helpers.ts";
import { testWith } from "../support/skip.ts";
import { BLOCK, MIB, MISSING_VSPHERE_SERVER, outputsOf, RemoteWorld } from "./remote_world.ts";

const GENERATIONS = 4;
const SECTOR = 512;

for (const [seed, vcenter] of [[1, false], [2, true]] as const) {
  testWith(
    { missing: MISSING_VSPHERE_SERVER },
    `the laws of archives hold for disks of ${vcenter ? "a vCenter" : "an ESXi host"}`,
    async () => {
      await using world = await makeHistory({ seed, vcenter });
      try {
        await checkLaws(world);
      } catch (cause) {
        throw new Error(`seed ${seed}: ${(cause as Error).message}`, { cause });
      }
      await world.assertClean();
    },
  );
}

/** Dumps a machine in several generations, each in every mode: `2_incr.dump`, `1_incr.rdiff`, `2.raw`. */
async function makeHistory({ seed, vcenter }: { seed: number; vcenter: boolean }): Promise<RemoteWorld> {
  const below = seeded(seed);
  const bytes = 4 * MIB + below(200) * SECTOR;
  const world = await RemoteWorld.create({ vcenter }, { bytes });
  const f = (name: string) => world.file(name);
  for (let n = 0; n < GENERATIONS; n++) {
    for (let count = 1 + below(6); count > 0; count--) {
      const offset = below(bytes / SECTOR) * SECTOR;
      const length = Math.min(bytes - offset, (1 + below(500)) * SECTOR);
      await world.fill(offset, length, below(4) === 0 ? undefined : 1 + below(2 ** 31));
    }
    const snapshot = await world.snapshot(`${n}`);
    const dump = ["dump", ...world.disk, "--snapshot", snapshot];
    await world.json([...dump, "--mode", "full", ...BLOCK, ...outputsOf(world, `${n}_full`)]);
    if (n > 0) {
      // Dumps of one series, from the one that was made first.
      const before = n === 1 ? "0_full" : `${n - 1}_incr`;
      const previous = ["--dumpin", f(`${before}.dump`), "--digestin", f(`${before}.digest`)];
      for (const [mode, ...more] of [["diff"], ["incr", "--changed-since", "seal"]]) {
        const outputs = [...outputsOf(world, `${n}_${mode}`), "--rdiffout", f(`${n - 1}_${mode}.rdiff`)];
        await world.json([...dump, "--mode", mode, ...more, ...previous, ...outputs]);
      }
    }
    await world.removeSnapshot(`${n}`, snapshot);
  }
  return world;
}

async function checkLaws(world: RemoteWorld): Promise<void> {
  const newest = GENERATIONS - 1;
  for (let n = 0; n < GENERATIONS; n++) {
    await world.assertDumpOf(`${n}.raw`, `${n}_full.dump`);
    // Law 1: the mode makes no difference.
    for (const mode of n === 0 ? [] : ["diff", "incr"]) {
      await world.assertCompare(`${n}_full.dump`, `${n}_${mode}.dump`);
      await world.assertCompare(`${n}_full.digest`, `${n}_${mode}.digest`);
    }
    if (n > 0) {
      await world.assertCompare(`${n - 1}_diff.rdiff`, `${n - 1}_incr.rdiff`);
      await world.run(`rdiff --rdiffout ${n - 1}_made.rdiff ${dumpOf(n - 1)} ${dumpOf(n)}`);
      await world.assertCompare(`${n - 1}_made.rdiff`, `${n - 1}_incr.rdiff`);
    }
    // Law 2: newer dump + rdiffs = older dump.
    const rdiffs = Array.from({ length: newest - n }, (_, i) => `${newest - 1 - i}_incr.rdiff`).join(" ");
    const list = `${dumpOf(newest)} ${rdiffs}`.trim();
    if (n < newest) {
      await world.run(`merge --dumpout ${n}_merged.dump ${list}`);
      await world.assertCompare(`${n}_merged.dump`, `${n}_full.dump`);
    }
    // Law 3: the digest of a dump is the one that was written with it, and proves each chain to it.
    await world.run(`digest --dumpin ${n}_full.dump --digestout ${n}_computed.digest`);
    await world.assertCompare(`${n}_computed.digest`, `${n}_full.digest`);
    await world.run(`check --digestin ${dumpOf(n).replace(/dump$/, "digest")} ${list}`);
    // Law 4: each generation comes back.
    await world.run(`restore --create --local ${n}_back.raw ${list}`);
    world.assertSameBytes(`${n}_back.raw`, `${n}.raw`);
  }
}

function dumpOf(n: number): string {
  return n === 0 ? "0_full.dump" : `${n}_incr.dump`;
}
