/**
 * Runs cases by hand: one that a test has named, or many of a world.
 *
 *     deno run -A --no-check tests/faults/run.ts "WORLD" "RULES" [read]
 *     deno run -A --no-check tests/faults/run.ts "WORLD" COUNT SEED
 *
 * WORLD is the name of a scenario, perhaps with ` over files that exist`, or a part of it.
 */

import { seeded } from "../disks/helpers.ts";
import { type Case, drawCase, runCase } from "./cases.ts";
import { DUMPS, OTHERS } from "./scenarios.ts";
import { loadMaterial, worldsOf } from "./worlds.ts";

if (import.meta.main) {
  const [wanted, what, option] = Deno.args;
  const worlds = worldsOf({ ...DUMPS, ...OTHERS }, await loadMaterial());
  const isCount = /^[0-9]+$/.test(what);
  const names = isCount ? [...worlds.keys()].filter((name) => name.includes(wanted)) : [wanted];
  let [count, missed, broken] = [0, 0, 0];
  for (const [i, name] of names.entries()) {
    const world = await worlds.get(name)!();
    const random = seeded(Number(option) + i);
    const cases: Case[] = isCount
      ? Array.from({ length: Number(what) }, () => drawCase(world, random))
      : [{ world, rules: what, readsFirst: option === "read" }];
    for (const one of cases) {
      const result = await runCase(one);
      count++;
      if (!result.isStruck) missed++;
      if (result.broken.length > 0) broken++;
      if (result.broken.length > 0 || !isCount) {
        const found = result.broken.map(({ message }) => message).join("\n") || "no pledge is broken";
        console.log(`${found}\n${result.context}\n`);
      }
    }
  }
  console.log(`${count} cases, ${missed} without a fault, ${broken} with broken pledges`);
}
