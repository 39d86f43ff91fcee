import { assert } from "@std/assert";
import { Engine } from "../../cli/jobs/engine.ts";
import { flipEach } from "./flips.ts";

Deno.test("check finds a flipped bit in every byte of a repository", async () => {
  await using engine = await Engine.start({ threads: 1 });
  const flips = await flipEach(engine, { every: 1 });
  console.log(`${flips} flips`);
  assert(flips > 8000);
});
