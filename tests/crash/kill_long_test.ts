/** 500 commands that are killed. */

import { assert } from "@std/assert";
import { seeded } from "../disks/helpers.ts";
import { KillWorld } from "./kill_world.ts";

const KILLS = 500;

Deno.test(`${KILLS} commands that are killed leave what was there, and the next run succeeds`, async () => {
  const seed = Date.now() % 2 ** 31;
  console.log(`seed ${seed}`);
  using world = await KillWorld.make(seeded(seed));
  await world.kill(KILLS);
  console.log(world.tally);
  assert(world.tally.whileWriting > KILLS / 10, "the kills come at no good time");
});
