/** Many more folders with seals than in every run of the tests; those without are in a file of their own, for a second core. */

import { SEALED } from "./plans.ts";
import { sweepMany } from "./sweep.ts";

Deno.test("no command is wrong in silence on 1 000 damaged folders with seals", async () => {
  await sweepMany(SEALED);
});
