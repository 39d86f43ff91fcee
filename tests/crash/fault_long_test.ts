/** Every operation on files of every command fails, in every way. */

import { failEverywhere } from "./fault_world.ts";
import { SCENARIOS } from "./scenarios.ts";

Deno.test("every operation of every command fails in every way", async (t) => {
  let count = 0;
  for (const [name, line] of Object.entries(SCENARIOS)) {
    for (const fault of ["die", "EIO", "ENOSPC"] as const) {
      for (const force of [false, true]) {
        await t.step(`${name}${force ? " over files that exist" : ""}: ${fault}`, async () => {
          count += await failEverywhere(line, { fault, force });
        });
      }
    }
  }
  console.log(`${count} faults in ${Object.keys(SCENARIOS).length} commands`);
});
