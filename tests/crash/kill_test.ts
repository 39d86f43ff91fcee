/** Commands that are killed, 16 times; `kill_long_test.ts` does it 500 times. */

import { assert } from "@std/assert";
import { seeded } from "../disks/helpers.ts";
import { KillWorld } from "./kill_world.ts";

Deno.test("16 commands that are killed leave what was there, and the next runs succeed", async () => {
  using world = await KillWorld.make(seeded(20160203));
  await world.kill(16);
  console.log(world.tally);
  assert(world.tally.whileWriting > 5, `the kills come at no good time: ${JSON.stringify(world.tally)}`);
});
