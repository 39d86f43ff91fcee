import { assertEquals } from "@std/assert";
import {
  decideRetention,
  formatDuration,
  hasRules,
  parseDuration,
  type RetentionPolicy,
} from "../../cli/repository/retention.ts";

/** A generation at each of these local times. */
function generationsAt(...times: string[]): { id: string; time: Date; note?: string }[] {
  return times.map((id) => ({ id, time: new Date(id) }));
}

function kept(times: string[], policy: RetentionPolicy): string[] {
  return decideRetention(generationsAt(...times), policy).filter(({ reasons }) => reasons.length > 0)
    .map(({ generation }) => generation.id);
}

const NIGHTS = Array.from({ length: 400 }, (_, i) => {
  const time = new Date(2026, 10, 30 - i, 2);
  const pad = (number: number) => String(number).padStart(2, "0");
  return `${time.getFullYear()}-${pad(time.getMonth() + 1)}-${pad(time.getDate())}T02:00:00`;
});

Deno.test("decideRetention() keeps the newest of each day, week, month and year that has one", () => {
  const times = [
    "2026-11-30T23:59:59",
    "2026-11-30T02:00:00",
    "2026-11-29T02:00:00",
    "2026-11-22T02:00:00",
    "2026-10-31T02:00:00",
    "2025-12-31T02:00:00",
  ];
  assertEquals(kept(times, { daily: 2 }), [times[0], times[2]]);
  // The 30th is a Monday: the 29th belongs to the week before.
  assertEquals(kept(times, { weekly: 2 }), [times[0], times[2]]);
  assertEquals(kept(times, { weekly: 3 }), [times[0], times[2], times[3]]);
  assertEquals(kept(times, { monthly: 2 }), [times[0], times[4]]);
  assertEquals(kept(times, { yearly: 9 }), [times[0], times[5]]);
  assertEquals(kept(times, { last: 2 }), times.slice(0, 2));
});

Deno.test("decideRetention() counts periods that have a generation, however far apart they are", () => {
  assertEquals(
    kept(NIGHTS, { daily: 7, weekly: 4, monthly: 12, yearly: 3 }).length,
    20,
  );
  const gaps = NIGHTS.filter((_, i) => i % 30 === 0);
  assertEquals(kept(gaps, { daily: 5 }), gaps.slice(0, 5));
});

Deno.test("decideRetention() takes a week over the turn of the year for one", () => {
  const times = ["2027-01-03T02:00:00", "2026-12-28T02:00:00", "2026-12-27T02:00:00"];
  assertEquals(kept(times, { weekly: 2 }), [times[0], times[2]]);
});

Deno.test("decideRetention() keeps what is within a duration of the newest generation, not of today", () => {
  assertEquals(kept(NIGHTS, { within: parseDuration("3d")! }), NIGHTS.slice(0, 4));
  assertEquals(kept(NIGHTS, { within: parseDuration("1m")! }).length, 31 + 1);
  // A month before 31 March is the day that a 31 February would be.
  assertEquals(
    kept(["2026-03-31T02:00:00", "2026-03-01T02:00:00"], { within: parseDuration("1m")! }).length,
    1,
  );
});

Deno.test("decideRetention() names every rule that keeps a generation, and gives the newest first", () => {
  const generations = generationsAt("2026-11-29T02:00:00", "2026-11-30T02:00:00");
  generations[0].note = "before the update";
  const decisions = decideRetention(generations, { last: 1, daily: 2, noted: true });
  assertEquals(decisions.map(({ reasons }) => reasons), [["last", "daily"], ["daily", "noted"]]);
  assertEquals(decideRetention([], { last: 1 }), []);
});

Deno.test("parseDuration() reads what formatDuration() writes and refuses everything else", () => {
  for (const text of ["1y6m10d12h", "2d", "36h", "1y2h"]) {
    assertEquals(formatDuration(parseDuration(text)!), text);
  }
  for (const text of ["", "1", "1w", "1d1m", "1y1y", "-1d", "1.5d", "99999y", "9999999h9d", "1 d"]) {
    assertEquals(parseDuration(text), undefined, text);
  }
  assertEquals(formatDuration({ years: 0, months: 0, days: 0, hours: 0 }), "0h");
});

Deno.test("hasRules() is false for a policy that would remove everything", () => {
  assertEquals([{}, { last: 0 }, { noted: false, daily: 0 }].map(hasRules), [false, false, false]);
  assertEquals([{ last: 1 }, { within: parseDuration("1d") }, { noted: true }].map(hasRules), [
    true,
    true,
    true,
  ]);
});
