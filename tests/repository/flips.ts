/** Flips bytes in the files of a small repository. */

import { assert, assertEquals } from "@std/assert";
import type { Engine } from "../../cli/jobs/engine.ts";
import { noise } from "../disks/helpers.ts";
import { RepositoryWorld } from "./world.ts";

/**
 * Flips one bit of every `every`-th byte of each file, and checks that `check` finds it. Returns the number of
 * flips.
 */
export async function flipEach(
  engine: Engine,
  { every, from = 0 }: { every: number; from?: number },
): Promise<number> {
  using world = new RepositoryWorld(engine, { blockBytes: 512 });
  const a = noise(3 * 512 + 100, 1);
  const b = new Uint8Array(2 * 512);
  await world.backup({ a, b }, { note: "first" });
  a.fill(0, 512, 1024);
  await world.backup({ a, b });
  b.fill(1, 600);
  await world.backup({ a, b });
  // Another size: the older generations of this disk keep an image of their own.
  await world.backup({ a: a.slice(0, 512), b });
  assertEquals(await world.faults(), []);
  let flips = 0;
  const kinds = new Set<string>();
  for (const path of world.files().keys()) {
    const file = `${world.repository}/${path}`;
    if (!Deno.statSync(file).isFile) continue;
    const bytes = Deno.readFileSync(file);
    if (bytes.length > 0) kinds.add(path.replace(/^.*\//, ""));
    for (let at = (from + flips) % every; at < bytes.length; at += every, flips++) {
      bytes[at] ^= 1 << flips % 8;
      Deno.writeFileSync(file, bytes);
      assert(await isFound(world), `a flip at byte ${at} of ${path} is not found`);
      bytes[at] ^= 1 << flips % 8;
    }
    Deno.writeFileSync(file, bytes);
  }
  assertEquals(await world.faults(), []);
  const disks = ["a", "b"].flatMap((
    key,
  ) => [`${key}.vmdk`, `${key}-flat.vmdk`, `${key}.digest.zst`, `${key}.rdiff.zst`]);
  assertEquals([...kinds].sort(), [...disks, "generation.json", "machine.json", "repository.json"].sort());
  return flips;
}

async function isFound(world: RepositoryWorld): Promise<boolean> {
  try {
    return (await world.faults()).length > 0;
  } catch (error) {
    // A repository that does not open is no right one either.
    return (error as Error).message.includes("repository.json");
  }
}
