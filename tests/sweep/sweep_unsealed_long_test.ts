/** Many more folders without seals, or with some, than in every run of the tests. */

import { UNSEALED } from "./plans.ts";
import { sweepMany } from "./sweep.ts";

Deno.test("no command is wrong in silence on 1 000 damaged folders without seals, or with some", async () => {
  await sweepMany(UNSEALED);
});
