/**
 * The time of a generation: nine fields of local civil time without a time zone (FORMAT.md, "Time stamp").
 * They are compared without knowing the zone, and copied unchanged.
 */

import type { FieldReader, FieldWriter } from "./fields.ts";

/** The fields of C's `struct tm`, in the order in which they are stored. */
export interface TimeStamp {
  /** 0 to 60. */
  second: number;
  /** 0 to 59. */
  minute: number;
  /** 0 to 23. */
  hour: number;
  /** 1 to 31. */
  dayOfMonth: number;
  /** 0 = January. */
  month: number;
  /** Years since 1900. */
  year: number;
  /** 0 = Sunday. */
  dayOfWeek: number;
  /** 0 = 1 January. */
  dayOfYear: number;
  /** 1 summer time, 0 not, -1 unknown. */
  summerTime: number;
}

const FIELDS: readonly [name: keyof TimeStamp, min: number, max: number][] = [
  ["second", 0, 60],
  ["minute", 0, 59],
  ["hour", 0, 23],
  ["dayOfMonth", 1, 31],
  ["month", 0, 11],
  ["year", 0, 8099],
  ["dayOfWeek", 0, 6],
  ["dayOfYear", 0, 365],
  ["summerTime", -1, 1],
];

const HOUR_S = 3600;

/** Reads a time stamp. @throws {FormatError} if a field is out of its range */
export function readTimeStamp(fields: FieldReader): TimeStamp {
  const stamp = {} as TimeStamp;
  for (const [name, min, max] of FIELDS) stamp[name] = fields.integer({ name: `time (${name})`, min, max });
  return stamp;
}

/** Writes a time stamp. */
export function writeTimeStamp(fields: FieldWriter, stamp: TimeStamp): void {
  for (const [name] of FIELDS) fields.integer(stamp[name]);
}

/** Returns the civil time of `date` in the time zone of this process. */
export function timeStampOf(date: Date): TimeStamp {
  const year = date.getFullYear();
  // Standard time has the larger one of the two offsets that getTimezoneOffset() returns in a year (minutes
  // west of UTC).
  const standardOffset = Math.max(
    new Date(year, 0, 1).getTimezoneOffset(),
    new Date(year, 6, 1).getTimezoneOffset(),
  );
  return civil(date.getTime() / 1000 - date.getTimezoneOffset() * 60, {
    summerTime: date.getTimezoneOffset() < standardOffset ? 1 : 0,
  });
}

/**
 * Returns seconds by which the stamps of one series can be compared: the six fields taken as UTC, minus an
 * hour in summer time. A stamp that the original program moved from summer time of one zone to standard time
 * of another one has the same value as before.
 */
export function comparableSeconds(stamp: TimeStamp): number {
  return fieldSeconds(stamp) - (stamp.summerTime > 0 ? HOUR_S : 0);
}

/**
 * Returns `now`, or one second after `previous` if `now` is not later: a generation must be strictly newer
 * than its parent.
 */
export function laterStamp(now: TimeStamp, previous: TimeStamp): TimeStamp {
  if (comparableSeconds(now) > comparableSeconds(previous)) return now;
  return civil(fieldSeconds(previous) + 1, { summerTime: previous.summerTime });
}

/** Returns a text such as `2012-07-15 12:00:00`, followed by ` summer time` in summer time. */
export function formatTimeStamp(stamp: TimeStamp): string {
  const two = (n: number) => String(n).padStart(2, "0");
  const day = `${1900 + stamp.year}-${two(stamp.month + 1)}-${two(stamp.dayOfMonth)}`;
  const time = `${two(stamp.hour)}:${two(stamp.minute)}:${two(stamp.second)}`;
  return `${day} ${time}${stamp.summerTime > 0 ? " summer time" : ""}`;
}

/**
 * Returns the stamp of a text that {@linkcode formatTimeStamp} made. @throws {RangeError} if `text` is not
 * such a text
 */
export function parseTimeStamp(text: string): TimeStamp {
  const match = /^(\d{4,})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)( summer time)?$/.exec(text);
  if (match === null) throw new RangeError(`No time stamp: "${text}"`);
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number);
  return civil(Date.UTC(year, month - 1, day, hour, minute, second) / 1000, { summerTime: match[7] ? 1 : 0 });
}

function fieldSeconds(stamp: TimeStamp): number {
  const { year, month, dayOfMonth, hour, minute, second } = stamp;
  return Date.UTC(1900 + year, month, dayOfMonth, hour, minute, second) / 1000;
}

function civil(seconds: number, { summerTime }: { summerTime: number }): TimeStamp {
  const utc = new Date(Math.floor(seconds) * 1000);
  const newYear = Date.UTC(utc.getUTCFullYear(), 0, 1);
  return {
    second: utc.getUTCSeconds(),
    minute: utc.getUTCMinutes(),
    hour: utc.getUTCHours(),
    dayOfMonth: utc.getUTCDate(),
    month: utc.getUTCMonth(),
    year: utc.getUTCFullYear() - 1900,
    dayOfWeek: utc.getUTCDay(),
    dayOfYear: Math.floor((utc.getTime() - newYear) / (24 * HOUR_S * 1000)),
    summerTime,
  };
}
