/**
 * Runs cases by hand: one that a test has told, many that are drawn, or each fault at each call.
 *
 *     deno run -A --no-check tests/faults/run.ts "WORLD" "RULES" [read]
 *     deno run -A --no-check tests/faults/run.ts "WORLD" COUNT SEED
 *     deno run -A --no-check tests/faults/run.ts "WORLD" every FAULT...
 *
 * WORLD is the name of a scenario, perhaps with ` over files that exist`; in the second form a part of it is enough.
 */

import { seeded } from "../disks/helpers.ts";
import { canHave, FAULTS, ruleFor } from "./calls.ts";
import { type Case, drawCase, runCase } from "./cases.ts";
import { DUMPS, OTHERS } from "./scenarios.ts";
import type { World } from "./world.ts";
import { loadMaterial, worldsOf } from "./worlds.ts";

const [wanted, what, ...options] = Deno.args;
const isCount = /^[0-9]+$/.test(what ?? "");
const worlds = worldsOf({ ...DUMPS, ...OTHERS }, await loadMaterial());
const names = [...worlds.keys()].filter((name) => isCount ? name.includes(wanted) : name === wanted);
if (what === undefined || names.length === 0) {
  console.error(
    `Usage: run.ts WORLD RULES [read] | COUNT SEED | every FAULT...\n\n${[...worlds.keys()].join("\n")}`,
  );
  Deno.exit(2);
}

const tally = { cases: 0, missed: 0, broken: 0 };
for (const [i, name] of names.entries()) {
  const world = await worlds.get(name)!();
  for (const one of casesOf(world, i)) {
    const result = await runCase(one);
    tally[result.isStruck ? "cases" : "missed"]++;
    if (result.broken.length > 0) tally.broken++;
    const isTold = result.broken.length > 0 || !(isCount || what === "every");
    if (isTold) console.log(`${result.broken.map(({ message }) => message).join("\n")}\n${result.context}\n`);
  }
}
console.log(tally);

function casesOf(world: World, number: number): Case[] {
  if (isCount) {
    const random = seeded(Number(options[0] ?? 0) + number);
    return Array.from({ length: Number(what) }, () => drawCase(world, random));
  }
  if (what !== "every") return [{ world, rules: what, readsFirst: options[0] === "read" }];
  return FAULTS.filter((fault) => options.includes(fault)).flatMap((fault) =>
    world.calls.filter((call) => canHave(call, fault))
      .map((call, i) => ({ world, rules: ruleFor(fault, call), readsFirst: i % 2 === 0 }))
  );
}
