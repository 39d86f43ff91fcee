/**
 * Which generations of a machine stay: the rules and the words of `restic forget`.
 *
 * Each rule looks at the generations from the newest to the oldest. `last` keeps so many of them; `daily` and its like keep
 * the newest of each day that has one, for so many days; `within` keeps all that are not older than a time before the newest.
 * A generation stays if any rule keeps it.
 */

/** How many generations to keep, by rule. At least one rule is needed. */
export interface RetentionPolicy {
  /** The newest so many. */
  last?: number;
  /** The newest of each of so many days. */
  daily?: number;
  /** The newest of each of so many weeks. */
  weekly?: number;
  /** The newest of each of so many months. */
  monthly?: number;
  /** The newest of each of so many years. */
  yearly?: number;
  /** All generations that are not older than this before the newest one. */
  within?: Duration;
  /** All generations that have a note. */
  noted?: boolean;
}

/** A span of the calendar. */
export interface Duration {
  /** Years of the calendar. */
  years: number;
  /** Months of the calendar. */
  months: number;
  /** Days of the calendar. */
  days: number;
  /** Hours of 3600 seconds. */
  hours: number;
}

/** What the rules look at. */
export interface KeepableGeneration {
  id: string;
  time: Date;
  note?: string;
}

/** A generation and the rules that keep it; none if it goes. */
export interface Decision<Generation extends KeepableGeneration> {
  generation: Generation;
  reasons: string[];
}

/** A rule that keeps the newest generation of each period. */
interface PeriodRule {
  name: "daily" | "weekly" | "monthly" | "yearly";
  /** The same text for all times of one period, by the calendar of this machine. */
  periodOf: (time: Date) => string;
}

const PERIOD_RULES: readonly PeriodRule[] = [
  { name: "daily", periodOf: (time) => [time.getFullYear(), time.getMonth(), time.getDate()].join() },
  { name: "weekly", periodOf: isoWeekOf },
  { name: "monthly", periodOf: (time) => [time.getFullYear(), time.getMonth()].join() },
  { name: "yearly", periodOf: (time) => String(time.getFullYear()) },
];

/**
 * Decides for each generation whether it stays.
 *
 * @param generations in any order
 * @returns the decisions, the newest generation first
 *
 * @example
 * ```ts
 * import { decideRetention } from "./retention.ts";
 *
 * const days = ["2026-11-28", "2026-11-29", "2026-11-30"].map((id) => ({ id, time: new Date(`${id}T02:00:00`) }));
 * const stay = decideRetention(days, { last: 1, daily: 2 }).filter(({ reasons }) => reasons.length > 0);
 * stay.map(({ generation }) => generation.id); // ["2026-11-30", "2026-11-29"]
 * ```
 */
export function decideRetention<Generation extends KeepableGeneration>(
  generations: readonly Generation[],
  policy: RetentionPolicy,
): Decision<Generation>[] {
  const newestFirst = [...generations].sort((a, b) =>
    b.time.getTime() - a.time.getTime() || (a.id < b.id ? 1 : -1)
  );
  const decisions = newestFirst.map((generation): Decision<Generation> => ({ generation, reasons: [] }));
  for (const { reasons } of decisions.slice(0, policy.last ?? 0)) reasons.push("last");
  for (const rule of PERIOD_RULES) keepNewestOfEach(decisions, rule, policy[rule.name] ?? 0);
  const { within } = policy;
  if (within !== undefined && newestFirst.length > 0) {
    const limit = before(newestFirst[0].time, within);
    for (const { generation, reasons } of decisions) {
      if (generation.time.getTime() >= limit) reasons.push(`within ${formatDuration(within)}`);
    }
  }
  for (const { generation, reasons } of decisions) {
    if (policy.noted && generation.note !== undefined) reasons.push("noted");
  }
  return decisions;
}

function keepNewestOfEach<Generation extends KeepableGeneration>(
  decisions: readonly Decision<Generation>[],
  { name, periodOf }: PeriodRule,
  count: number,
): void {
  let last: string | undefined;
  let kept = 0;
  for (const { generation, reasons } of decisions) {
    const period = periodOf(generation.time);
    if (period === last) continue;
    last = period;
    if (kept++ >= count) return;
    reasons.push(name);
  }
}

/** Whether a policy has a rule that can keep something. */
export function hasRules(policy: RetentionPolicy): boolean {
  return PERIOD_RULES.some(({ name }) => (policy[name] ?? 0) > 0) || (policy.last ?? 0) > 0 ||
    policy.within !== undefined || policy.noted === true;
}

/**
 * Reads a duration such as `1y6m10d12h`: years, months, days and hours in this order, each at most once.
 *
 * @returns undefined if the text is none, or longer than 1000 years
 */
export function parseDuration(text: string): Duration | undefined {
  const parts = /^(?:(\d{1,4})y)?(?:(\d{1,5})m)?(?:(\d{1,6})d)?(?:(\d{1,7})h)?$/.exec(text);
  if (text === "" || parts === null) return undefined;
  const [years, months, days, hours] = parts.slice(1).map((part) => Number(part ?? 0));
  if (years + months / 12 + days / 365 + hours / 8760 > 1000) return undefined;
  return { years, months, days, hours };
}

/** The shortest text that {@linkcode parseDuration} reads as the duration. */
export function formatDuration({ years, months, days, hours }: Duration): string {
  const parts = [[years, "y"], [months, "m"], [days, "d"], [hours, "h"]].filter(([count]) => count !== 0);
  return parts.length === 0 ? "0h" : parts.map(([count, unit]) => `${count}${unit}`).join("");
}

/** Milliseconds since 1970 of the time that is `duration` before `time`, by the calendar of this machine. */
function before(time: Date, { years, months, days, hours }: Duration): number {
  const limit = new Date(time);
  limit.setFullYear(limit.getFullYear() - years, limit.getMonth() - months, limit.getDate() - days);
  return limit.getTime() - hours * 3_600_000;
}

/** The week of ISO 8601: it begins on Monday and belongs to the year that has its Thursday. */
function isoWeekOf(time: Date): string {
  const thursday = new Date(time.getFullYear(), time.getMonth(), time.getDate());
  thursday.setDate(thursday.getDate() + 3 - (thursday.getDay() + 6) % 7);
  return [thursday.getFullYear(), thursday.getMonth(), thursday.getDate()].join();
}
