/** Warns if JavaScript does not understand the time zone in `TZ` and uses another one. */

import { variableOf } from "../environment.ts";

/** The names of UTC, with those of POSIX such as `UTC0`. */
const UTC_NAMES = /^(posix\/|right\/)?(Etc\/)?(UTC|UCT|GMT|Zulu|Universal|Greenwich)([+-]?0{1,2})?$/i;

/**
 * A zone of POSIX without summer time, whose whole hours JavaScript understands: `EST5`, hours west of UTC.
 */
const FIXED_ZONE = /^[A-Za-z]{3,}([+-]?\d{1,2})$/;

/** The time zone that JavaScript uses. */
export interface AppliedZone {
  /** `resolvedOptions().timeZone` of Intl. For an unknown zone it is undefined, `Etc/Unknown` or `UTC`. */
  name: string | undefined;
  /** Minutes west of UTC, in winter and in summer. */
  offsets: number[];
}

/**
 * Returns whether JavaScript uses the zone that a value of `TZ` means. The C library also understands rules
 * (`CET-1CEST,M3.5.0,M10.5.0/3`) and paths of files (tzset(3)). JavaScript takes these for UTC, or for a zone
 * without summer time.
 */
export function isZoneApplied(tz: string, { name, offsets }: AppliedZone): boolean {
  const meant = tz.replace(/^:/, "");
  // An empty TZ means UTC.
  if (meant === "" || UTC_NAMES.test(meant)) return offsets.every((offset) => offset === 0);
  const [, hours] = FIXED_ZONE.exec(meant) ?? [];
  if (hours !== undefined) return offsets.every((offset) => offset === 60 * Number(hours));
  return name !== undefined && name !== "Etc/Unknown" && name !== "UTC";
}

/**
 * Returns a warning if JavaScript does not use the zone in `TZ`; undefined if it does, or `TZ` may not be
 * read.
 */
export function warningOfTimeZone(now: Date): string | undefined {
  const tz = variableOf("TZ");
  if (tz === undefined) return undefined;
  const offsets = [0, 6].map((month) => new Date(now.getFullYear(), month, 1).getTimezoneOffset());
  // Intl takes 19 ms to load, so the name is determined last.
  const name = tz === "" ? undefined : new Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (isZoneApplied(tz, { name, offsets })) return undefined;
  return `TZ is ${JSON.stringify(tz)}, which is not known here: the time of the dump is that of ` +
    `${zoneText(now.getTimezoneOffset())} (names such as Europe/Berlin are known)`;
}

/** Returns the name of an offset in minutes west of UTC: `UTC+5:30` for -330. */
function zoneText(offset: number): string {
  if (offset === 0) return "UTC";
  const minutes = Math.abs(offset) % 60;
  const hours = Math.floor(Math.abs(offset) / 60);
  return `UTC${offset < 0 ? "+" : "-"}${hours}${minutes === 0 ? "" : `:${String(minutes).padStart(2, "0")}`}`;
}
