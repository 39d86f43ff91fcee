/** What the tests of disturbed commands have in common. */

import { assert } from "@std/assert";
import { seeded } from "../disks/helpers.ts";
import { testWith } from "../support/skip.ts";
import { MISSING } from "./disturbed.ts";
import type { Scenario } from "./scenarios.ts";
import { newTally, sweep } from "./sweep.ts";
import { loadMaterial, worldsOf } from "./worlds.ts";

type Scenarios = Record<string, Scenario>;

/** Each scenario once, over files that exist or where there are none. */
export function testSome(
  what: string,
  scenarios: Scenarios,
  { casesEach, seed }: { casesEach: number; seed: number },
): void {
  testWith({ missing: MISSING }, `${what} keep their pledges whatever happens to some calls`, async (t) => {
    const material = await loadMaterial();
    const random = seeded(seed);
    const tally = newTally();
    for (const [name, scenario] of Object.entries(scenarios)) {
      const worlds = [...worldsOf({ [name]: scenario }, material)];
      const [title, make] = worlds[random(worlds.length)];
      await t.step(title, async () => {
        await sweep(await make(), { count: casesEach, seed: random(2 ** 30), tally });
      });
    }
    console.log(tally);
  });
}

/** All worlds of the scenarios, `cases` in all; the seed is another one every time. */
export function testAll(what: string, scenarios: Scenarios, { cases }: { cases: number }): void {
  testWith({ missing: MISSING }, `${what} keep their pledges in ${cases} cases`, async (t) => {
    const seed = Number(Deno.env.get("VMDKBKP_FAULT_SEED") ?? Date.now() % 2 ** 30);
    console.log(`seed ${seed} (VMDKBKP_FAULT_SEED)`);
    const worlds = [...worldsOf(scenarios, await loadMaterial())];
    const tally = newTally();
    for (const [i, [title, make]] of worlds.entries()) {
      await t.step(title, async () => {
        await sweep(await make(), { count: Math.ceil(cases / worlds.length), seed: seed + i, tally });
      });
    }
    console.log(tally);
    assert(tally.cases >= cases && tally.killed > cases / 10 && tally.failed > cases / 10);
  });
}
