import { assert } from "@std/assert";
import { attack } from "./elsewhere.ts";

Deno.test("250 folders from a stranger change nothing but the outputs that were asked for", async () => {
  const { done, refused } = await attack({ first: 1, cases: 250 });
  assert(done > 50 && refused > 50, `${done} done, ${refused} refused`);
});
