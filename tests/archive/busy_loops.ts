/** Long files that are read without waiting for anything. */

import { assertRejects } from "@std/assert";
import { Pace, type PaceOptions } from "../../cli/pace.ts";

/** The reason with which a loop is aborted. */
export class Enough extends Error {}

/**
 * Asserts that a loop lets the rest of the program run: `work` must end because a timer aborts it, and a
 * timer never runs during a loop of settled promises. The clock advances by a second in every call, so that
 * the speed of the machine does not matter.
 */
export async function assertGivesWay(
  work: (given: { pace: Pace; options: Required<PaceOptions> }) => Promise<unknown>,
): Promise<void> {
  const controller = new AbortController();
  const { signal } = controller;
  let ms = 0;
  const options = { signal, now: () => ms += 1000 };
  const pace = new Pace(options);
  const timer = setTimeout(() => controller.abort(new Enough("the timer has run")), 0);
  try {
    await assertRejects(() => work({ pace, options }), Enough);
  } finally {
    clearTimeout(timer);
  }
}

/** Returns copies of `unit`, followed by `end`. */
export function repeated(unit: Uint8Array, count: number, end: Uint8Array): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(unit.length * count + end.length);
  for (let i = 0; i < count; i++) all.set(unit, i * unit.length);
  all.set(end, unit.length * count);
  return all;
}
