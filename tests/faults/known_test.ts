/** Each known defect is still there: the list of them must not excuse anything that is mended. */

import { assert } from "@std/assert";
import { testWith } from "../support/skip.ts";
import { ruleFor } from "./calls.ts";
import { runCase } from "./cases.ts";
import { MISSING } from "./disturbed.ts";
import { KNOWN, knownDefect } from "./known.ts";
import { DUMPS, OTHERS } from "./scenarios.ts";
import { loadMaterial, worldsOf } from "./worlds.ts";

testWith({ missing: MISSING }, "every known defect is still there, or else it leaves known.ts", async (t) => {
  const worlds = worldsOf({ ...DUMPS, ...OTHERS }, await loadMaterial());
  for (const defect of KNOWN) {
    await t.step(defect.what, async () => {
      const { world: name, fault, kind, path, which } = defect.shownBy;
      const world = await worlds.get(name)!();
      const calls = world.calls.filter((call) => call.kind === kind && path.test(call.path));
      const call = which === "last" ? calls.at(-1) : calls[0];
      if (call === undefined) throw new Error(`"${name}" makes no ${kind} of ${path}`);
      const result = await runCase({ world, rules: ruleFor(fault, call), readsFirst: false });
      const found = result.broken.map((broken) => knownDefect(broken, result));
      assert(found.includes(defect), `it is mended: remove it from known.ts\n${result.context}`);
    });
  }
});
