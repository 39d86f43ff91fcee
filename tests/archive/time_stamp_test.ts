import { assertEquals } from "@std/assert";
import {
  comparableSeconds,
  formatTimeStamp,
  laterStamp,
  type TimeStamp,
  timeStampOf,
} from "../../cli/archive/time_stamp.ts";

function stamp(text: string, summerTime = 0): TimeStamp {
  const date = new Date(`${text.replace(" ", "T")}Z`);
  return {
    second: date.getUTCSeconds(),
    minute: date.getUTCMinutes(),
    hour: date.getUTCHours(),
    dayOfMonth: date.getUTCDate(),
    month: date.getUTCMonth(),
    year: date.getUTCFullYear() - 1900,
    dayOfWeek: date.getUTCDay(),
    dayOfYear: Math.floor((date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / 86400e3),
    summerTime,
  };
}

Deno.test("comparableSeconds() puts 01:30 of summer time before 01:10 of standard time", () => {
  const before = comparableSeconds(stamp("2012-10-28 01:30:00", 1));
  const after = comparableSeconds(stamp("2012-10-28 01:10:00", 0));
  assertEquals(after - before, 40 * 60);
});

Deno.test("comparableSeconds() is the same for a stamp that was moved between zones", () => {
  assertEquals(
    comparableSeconds(stamp("2013-06-30 22:00:00", 1)),
    comparableSeconds(stamp("2013-06-30 21:00:00", 0)),
  );
});

Deno.test("laterStamp() is strictly later than the previous one", () => {
  const previous = stamp("2012-12-31 23:59:59");
  assertEquals(laterStamp(stamp("2013-01-02 00:00:00"), previous), stamp("2013-01-02 00:00:00"));
  assertEquals(laterStamp(previous, previous), stamp("2013-01-01 00:00:00"));
  assertEquals(laterStamp(stamp("1999-01-01 00:00:00"), previous), stamp("2013-01-01 00:00:00"));
  const summer = stamp("2012-07-15 12:00:00", 1);
  assertEquals(laterStamp(summer, summer), stamp("2012-07-15 12:00:01", 1));
});

Deno.test("formatTimeStamp() names summer time", () => {
  assertEquals(formatTimeStamp(stamp("2012-07-05 02:03:04", 1)), "2012-07-05 02:03:04 summer time");
  assertEquals(formatTimeStamp(stamp("2012-01-05 02:03:04")), "2012-01-05 02:03:04");
});

Deno.test("timeStampOf() returns the civil time of this time zone", () => {
  const date = new Date(2024, 1, 29, 23, 58, 57);
  const { second, minute, hour, dayOfMonth, month, year, dayOfWeek, dayOfYear } = timeStampOf(date);
  assertEquals([second, minute, hour, dayOfMonth, month, year], [57, 58, 23, 29, 1, 124]);
  assertEquals([dayOfWeek, dayOfYear], [4, 59]);
});

Deno.test("timeStampOf() recognizes summer time in zones of both hemispheres", async () => {
  const program = `
    import { timeStampOf } from "${import.meta.resolve("../../cli/archive/time_stamp.ts")}";
    const flags = [0, 6].map((month) => timeStampOf(new Date(2012, month, 15, 12)).summerTime);
    const hours = [0, 6].map((month) => timeStampOf(new Date(Date.UTC(2012, month, 15, 12))).hour);
    console.log(JSON.stringify([...flags, ...hours]));`;
  const inZone = async (TZ: string) => {
    const command = new Deno.Command(Deno.execPath(), {
      args: ["eval", "--no-lock", "--ext=ts", program],
      env: { TZ },
      stdout: "piped",
      stderr: "inherit",
    });
    return JSON.parse(new TextDecoder().decode((await command.output()).stdout));
  };
  assertEquals(await inZone("Asia/Tokyo"), [0, 0, 21, 21]);
  assertEquals(await inZone("America/New_York"), [0, 1, 7, 8]);
  assertEquals(await inZone("Australia/Lord_Howe"), [1, 0, 23, 22]);
  assertEquals(await inZone("UTC"), [0, 0, 12, 12]);
});
