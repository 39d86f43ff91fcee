/** The time zone that `TZ` names, where JavaScript takes another one. */

import { variableOf } from "../environment.ts";

/** Names of UTC, and those of POSIX for it (`UTC0`). */
const UTC_NAMES = /^(posix\/|right\/)?(Etc\/)?(UTC|UCT|GMT|Zulu|Universal|Greenwich)([+-]?0{1,2})?$/i;

/**
 * A zone of POSIX without summer time, whose whole hours JavaScript understands: `EST5`, hours west of UTC.
 */
const FIXED_ZONE = /^[A-Za-z]{3,}([+-]?\d{1,2})$/;

/** What JavaScript makes of `TZ`. */
export interface AppliedZone {
  /** `resolvedOptions().timeZone` of Intl: undefined, `Etc/Unknown` or `UTC` for what it does not know. */
  name: string | undefined;
  /** Minutes west of UTC, in winter and in summer. */
  offsets: number[];
}

/**
 * Whether a value of `TZ` means the zone that is applied. The C library understands rules
 * (`CET-1CEST,M3.5.0,M10.5.0/3`) and paths of files as well (tzset(3)), of which JavaScript makes UTC, or a
 * zone without its summer time.
 */
export function isZoneApplied(tz: string, { name, offsets }: AppliedZone): boolean {
  const meant = tz.replace(/^:/, "");
  // Empty is UTC.
  if (meant === "" || UTC_NAMES.test(meant)) return offsets.every((offset) => offset === 0);
  const [, hours] = FIXED_ZONE.exec(meant) ?? [];
  if (hours !== undefined) return offsets.every((offset) => offset === 60 * Number(hours));
  return name !== undefined && name !== "Etc/Unknown" && name !== "UTC";
}

/** Says that times are not those that `TZ` asks for; undefined if they are, or if Deno may not read `TZ`. */
export function warningOfTimeZone(now: Date): string | undefined {
  const tz = variableOf("TZ");
  if (tz === undefined) return undefined;
  const offsets = [0, 6].map((month) => new Date(now.getFullYear(), month, 1).getTimezoneOffset());
  // Asked for last: it takes 19 ms to load.
  const name = tz === "" ? undefined : new Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (isZoneApplied(tz, { name, offsets })) return undefined;
  return `TZ is ${JSON.stringify(tz)}, which is not known here: the time of the dump is that of ` +
    `${zoneText(now.getTimezoneOffset())} (names such as Europe/Berlin are known)`;
}

/** `UTC+5:30` for -330 minutes west of UTC. */
function zoneText(offset: number): string {
  if (offset === 0) return "UTC";
  const minutes = Math.abs(offset) % 60;
  const hours = Math.floor(Math.abs(offset) / 60);
  return `UTC${offset < 0 ? "+" : "-"}${hours}${minutes === 0 ? "" : `:${String(minutes).padStart(2, "0")}`}`;
}
