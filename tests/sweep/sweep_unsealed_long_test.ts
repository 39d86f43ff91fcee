/** Many more folders without seals, or with some, than in every run of the tests. */

import { sweepMany } from "./sweep.ts";

Deno.test("no command is wrong in silence on 1 100 damaged folders without seals, or with some", async () => {
  await sweepMany({ first: 2_000_000, cases: 1100, sealings: ["unsealed", "mixed"] });
});
