/** Many more cases than in every run of the tests, from other numbers on. */

import { assert } from "@std/assert";
import { attack } from "./elsewhere.ts";

Deno.test("10 000 folders from a stranger change nothing but the outputs that were asked for", async () => {
  const { done, refused } = await attack({ first: 1_000_000, cases: 10_000 });
  console.log(`${done} commands done, ${refused} refused`);
  assert(done > 2000 && refused > 2000);
});
