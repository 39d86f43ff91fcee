/** Each known defect is still there: the list of them must not excuse anything that is mended. */

import { assert } from "@std/assert";
import { testWith } from "../support/skip.ts";
import { ruleFor } from "./calls.ts";
import { runCase } from "./cases.ts";
import { MISSING } from "./disturbed.ts";
import { type FaultOnFile, KNOWN, knownDefect } from "./known.ts";
import { DUMPS, OTHERS } from "./scenarios.ts";
import type { World } from "./world.ts";
import { loadMaterial, worldsOf } from "./worlds.ts";

testWith({ missing: MISSING }, "every known defect is still there, or else it leaves known.ts", async (t) => {
  const worlds = worldsOf({ ...DUMPS, ...OTHERS }, await loadMaterial());
  for (const defect of KNOWN) {
    await t.step(defect.what, async () => {
      const { shownBy } = defect;
      const world = await worlds.get(shownBy.world)!();
      const rules = "rules" in shownBy ? shownBy.rules : ruleOf(world, shownBy);
      const result = await runCase({ world, rules, readsFirst: false });
      const found = result.broken.map((broken) => knownDefect(broken, result));
      assert(found.includes(defect), `it is mended: remove it from known.ts\n${result.context}`);
    });
  }
});

function ruleOf({ name, calls }: World, { fault, kind, path, which }: FaultOnFile): string {
  const these = calls.filter((call) => call.kind === kind && path.test(call.path));
  const call = which === "last" ? these.at(-1) : these[0];
  if (call === undefined) throw new Error(`"${name}" makes no ${kind} of ${path}`);
  return ruleFor(fault, call);
}
