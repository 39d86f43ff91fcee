import { assert, assertEquals } from "@std/assert";
import { Engine } from "../../cli/jobs/engine.ts";
import { ruleFor } from "../faults/calls.ts";
import { KilledWorld, SCENARIOS } from "./killed.ts";

/** Calls at which each command is killed; the long test kills it at each. */
const KILLS = 7;

for (const [name, scenario] of Object.entries(SCENARIOS)) {
  Deno.test(`a repository is whole after ${name} was killed`, async () => {
    await using engine = await Engine.start({ threads: 1 });
    using world = await KilledWorld.make(engine, scenario);
    const { code, calls, stderr } = await world.run();
    assertEquals(code, 0, stderr);
    assert(calls.length > 20, `${calls.length} calls were counted`);
    const faults = ["kill", "kill-after"];
    for (let i = 0; i < KILLS; i++) {
      const rule = `${faults[i % 2]}@any:${1 + Math.floor((i + 0.5) * calls.length / KILLS)}`;
      const { isKilled } = await world.run(rule);
      assert(isKilled, rule);
      await world.assertSound(`${name}, ${rule}`);
    }
  });
}

Deno.test("a repository is whole after forget was killed while it removed a folder", async () => {
  await using engine = await Engine.start({ threads: 1 });
  using world = await KilledWorld.make(engine, SCENARIOS.forget);
  const { calls } = await world.run();
  const removals = calls.filter(({ kind, path }) => kind === "unlink" && path.includes(".removed"));
  assert(removals.length >= 3, `${removals.length} removals`);
  for (const call of removals) {
    const rule = ruleFor("kill", call);
    assert((await world.run(rule)).isKilled, rule);
    await world.assertSound(`forget, ${rule}`);
  }
});
