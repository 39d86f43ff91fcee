/** Rounds of random writes to a running machine, each with a snapshot and an incremental dump of it. */

import { assertEquals } from "@std/assert";
import { seeded } from "../disks/helpers.ts";
import { BLOCK, MIB, outputsOf, RemoteWorld } from "./remote_world.ts";
import type { VsphereServerOptions } from "./test_server.ts";

const SECTOR = 512;

/**
 * Backs a machine up `rounds` times, while it writes: before each snapshot, after it, and during the dump.
 * After each round the dump must be the frozen disk, and the rdiff must lead back to the disk before.
 */
export async function backUpInRounds(
  { rounds, seed, ...options }: VsphereServerOptions & { rounds: number; seed: number },
): Promise<void> {
  const bytes = 6 * MIB + 3 * SECTOR;
  await using world = await RemoteWorld.create(options, { bytes });
  const below = seeded(seed);
  const f = (name: string) => world.file(name);
  const write = async () => {
    const offset = below(bytes / SECTOR) * SECTOR;
    const length = Math.min(bytes - offset, (1 + below(300)) * SECTOR);
    // Every fifth time zeros.
    await world.fill(offset, length, below(5) === 0 ? undefined : 1 + below(2 ** 31));
  };
  // Areas in several pages.
  await world.server.control.settings({ page: 3 });
  let before = await world.snapshot("0");
  await world.json([
    ...["dump", "--mode", "full", ...world.disk, "--snapshot", "0", ...BLOCK, ...outputsOf(world, "0")],
  ]);
  for (let round = 1; round <= rounds; round++) {
    const message = `seed ${seed}, round ${round}`;
    for (let count = below(8); count > 0; count--) await write();
    const [old, now] = [`${round - 1}`, `${round}`];
    const snapshot = await world.snapshot(now);
    await write();
    const dumping = world.json([
      ...["dump", "--mode", "incr", ...world.disk, "--snapshot", now, "--changed-since", "seal"],
      ...["--dumpin", f(`${old}.dump`), "--digestin", f(`${old}.digest`), ...outputsOf(world, now)],
      ...["--rdiffout", f(`${old}.rdiff`), "--audit", "100%"],
    ]);
    const writing = Promise.all([write(), write(), write()]);
    const [{ audit, changedBlocks, mode }] = await Promise.all([dumping, writing]);
    assertEquals([mode, audit.differingBlocks], ["incr", 0], message);
    await assertDump(world, { raw: now, dump: `${now}.dump`, message });
    const changed = changedBlocksOf(Deno.readFileSync(f(`${old}.raw`)), Deno.readFileSync(f(`${now}.raw`)));
    assertEquals(changedBlocks, changed, message);
    await world.run(`check --digestin ${old}.digest ${now}.dump ${old}.rdiff`);
    await world.removeSnapshot(old, before);
    for (const name of [`${old}.dump`, `${old}.raw`]) Deno.removeSync(f(name));
    before = snapshot;
  }
  // All rdiffs lead back to the first generation, which its digest proves.
  const rdiffs = Array.from({ length: rounds }, (_, i) => `${rounds - 1 - i}.rdiff`);
  await world.run(`check --digestin 0.digest ${rounds}.dump ${rdiffs.join(" ")}`);
  await world.assertClean();
}

async function assertDump(
  world: RemoteWorld,
  { raw, dump, message }: { raw: string; dump: string; message: string },
): Promise<void> {
  try {
    await world.assertDumpOf(`${raw}.raw`, dump);
  } catch (cause) {
    throw new Error(`${message}: ${(cause as Error).message}`, { cause });
  }
}

/** The number of blocks in which two disks differ. */
function changedBlocksOf(one: Uint8Array, other: Uint8Array): number {
  const blockBytes = Number(BLOCK[1]);
  let count = 0;
  for (let at = 0; at < one.length; at += blockBytes) {
    const rest = other.subarray(at, at + blockBytes);
    if (one.subarray(at, at + blockBytes).some((byte, i) => byte !== rest[i])) count++;
  }
  return count;
}
