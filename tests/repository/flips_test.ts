import { assert } from "@std/assert";
import { Engine } from "../../cli/jobs/engine.ts";
import { flipEach } from "./flips.ts";

Deno.test("check finds flipped bits in each file of a repository", async () => {
  await using engine = await Engine.start({ threads: 1 });
  assert(await flipEach(engine, { every: 61 }) > 150);
});
