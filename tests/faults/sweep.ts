/** Many cases of many commands: what a test of them runs. */

import { assert } from "@std/assert";
import { seeded } from "../disks/helpers.ts";
import { type CaseResult, drawCase, runCase } from "./cases.ts";
import { disorderOf } from "./order.ts";
import type { World } from "./world.ts";

/** How many cases there were, by their ends. */
export interface Tally {
  /** A call had a fault. */
  cases: number;
  killed: number;
  failed: number;
  /** The command came to its end in spite of it. */
  done: number;
  /** None of the calls that were counted was made. */
  missed: number;
}

/** Nothing has happened yet. */
export function newTally(): Tally {
  return { cases: 0, killed: 0, failed: 0, done: 0, missed: 0 };
}

/** More of a world may miss their calls only if the calls are others every time. */
const MOST_MISSED = 100;

/**
 * Disturbs a command until `count` of its runs had a fault.
 * @throws {AssertionError} with every case that breaks a pledge
 */
export async function sweep(
  world: World,
  { count, seed, tally }: { count: number; seed: number; tally: Tally },
): Promise<void> {
  const random = seeded(seed);
  const broken = disorderOf(world);
  let [struck, missed] = [0, 0];
  while (struck < count && missed < MOST_MISSED) {
    const result = await runCase(drawCase(world, random));
    if (result.broken.length > 0) {
      broken.push(`${result.broken.map(({ message }) => message).join("\n")}\n${result.context}`);
    }
    if (result.isStruck) struck++;
    else missed++;
    addTo(tally, result);
  }
  const context = `${world.name}, seed ${seed}`;
  assert(struck === count, `${context}: the calls are never those that were counted`);
  assert(broken.length === 0, `${context}: ${broken.length} findings\n\n${broken.join("\n\n")}`);
}

function addTo(tally: Tally, { isStruck, isKilled, code }: CaseResult): void {
  tally[isStruck ? "cases" : "missed"]++;
  if (isStruck) tally[isKilled ? "killed" : code === 0 ? "done" : "failed"]++;
}
