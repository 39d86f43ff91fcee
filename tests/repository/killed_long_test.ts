import { assert, assertEquals } from "@std/assert";
import { Engine } from "../../cli/jobs/engine.ts";
import { canHave, type Fault, ruleFor } from "../faults/calls.ts";
import { KilledWorld, SCENARIOS } from "./killed.ts";

/** Each of how many calls has the fault. Kills are the thorough part; an error is mostly handled alike. */
const FAULTS: Partial<Record<Fault, number>> = { "kill": 1, "kill-torn": 1, "EIO": 4, "ENOSPC+": 4 };

for (const [name, scenario] of Object.entries(SCENARIOS)) {
  Deno.test(`a repository is whole after ${name} was killed or failed at any call`, async () => {
    await using engine = await Engine.start({ threads: 1 });
    using world = await KilledWorld.make(engine, scenario);
    const { code, calls, stderr } = await world.run();
    assertEquals(code, 0, stderr);
    const counts: Record<string, number> = {};
    for (const [fault, every] of Object.entries(FAULTS) as [Fault, number][]) {
      const able = calls.filter((call) => canHave(call, fault)).filter((_, i) => i % every === 0);
      for (const call of able) {
        const rule = ruleFor(fault, call);
        const run = await world.run(rule);
        assert(!run.isHung, rule);
        // What is only looked at may fail without harm.
        if (run.code === 0) continue;
        counts[fault] = (counts[fault] ?? 0) + 1;
        await world.assertSound(`${name}, ${rule}`);
      }
    }
    console.log(`${name}: ${calls.length} calls; ${JSON.stringify(counts)}`);
    assert(counts.kill > 50, JSON.stringify(counts));
  });
}
