/** Reads the text of an option's value as the type that the option declares. */

import { type Option, type OptionValue, STANDARD_STREAM, type ValueOption } from "./option.ts";

const DAY_OR_TIME =
  /^\d{4}-\d\d-\d\d(?:[Tt](?:[01]\d|2[0-3]):\d\d:\d\d(?:\.\d{1,3})?(?:[Zz]|[+-]\d\d:\d\d))?$/;

/** The value that a text means, or undefined if it is none of the option's. A flag has no text. */
export function readValue(option: ValueOption, text: string): OptionValue | undefined {
  switch (option.type) {
    case "choice":
      return option.choices.includes(text) ? text : undefined;
    case "bytes":
    case "count":
      return numberIn(option, /^[0-9]{1,20}$/.test(text) ? Number(text) : NaN);
    case "seconds":
      return numberIn(
        option,
        (option.whole ? /^\d{1,9}$/ : /^\d{1,9}(\.\d{1,3})?$/).test(text) ? Number(text) : NaN,
      );
    case "percent":
      return percentIn(text);
    case "time":
      return timeIn(text);
    default:
      return text;
  }
}

/** What a value must be, in words that follow "only". */
export function expectation(option: ValueOption): string {
  switch (option.type) {
    case "choice":
      return option.choices.join(", ");
    case "bytes":
      return `a number of bytes${rangeOf(option)}`;
    case "count":
      return `a number${rangeOf(option)}`;
    case "seconds":
      return `${option.whole ? "whole seconds" : "seconds"}${rangeOf(option)}`;
    case "percent":
      return "a share like 5% or 0.5%, up to 100%, or 0";
    case "time":
      return "a time like 2026-11-30T02:00:05Z or a day like 2026-11-30";
    default:
      return "a text";
  }
}

/** Whether an option sends data to standard output if it has this value. */
export function isStandardOutput(option: Option, value: OptionValue | undefined): boolean {
  return option.type === "output" && value === STANDARD_STREAM;
}

interface Range {
  min?: number;
  max?: number;
  multipleOf?: number;
}

function numberIn({ min = 0, max = Number.MAX_SAFE_INTEGER, multipleOf }: Range, value: number) {
  if (!(value >= min && value <= max)) return undefined;
  return multipleOf === undefined || value % multipleOf === 0 ? value : undefined;
}

/** ` from 512 to 1024 that is a multiple of 512`. */
function rangeOf({ min = 0, max, multipleOf }: Range): string {
  const range = max === undefined ? (min === 0 ? "" : ` of at least ${min}`) : ` from ${min} to ${max}`;
  return multipleOf === undefined ? range : `${range} that is a multiple of ${multipleOf}`;
}

function percentIn(text: string): number | undefined {
  if (text === "0") return 0;
  const percent = /^[0-9]{1,3}(\.[0-9]{1,6})?%$/.test(text) ? Number(text.slice(0, -1)) : NaN;
  return percent <= 100 ? percent : undefined;
}

/** A date that the calendar does not have is none: `Date` makes the second of March of the 30th of February. */
function timeIn(text: string): Date | undefined {
  if (!DAY_OR_TIME.test(text)) return undefined;
  const date = new Date(text.toUpperCase());
  const day = new Date(`${text.slice(0, 10)}T00:00:00Z`);
  const isOfCalendar = !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text.slice(0, 10));
  return isOfCalendar && !Number.isNaN(date.getTime()) ? date : undefined;
}
