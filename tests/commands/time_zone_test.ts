import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { isZoneApplied } from "../../cli/jobs/time_zone.ts";
import { Archives } from "../refusals/refusal.ts";
import { readDump } from "../fuzz/oracle/archives.ts";
import { denoArgs, runCli } from "../support/run_cli.ts";

/** Blocks of another size than those of the other files of the folder: none of them has the length of a file that is replaced. */
const DUMP = "dump --mode full --blocksize 1024 --local d0.raw --dumpout new.dump --digestout new.digest";

/** What a dump says on standard error, in a process with this `TZ`. */
async function warned(archives: Archives, TZ: string): Promise<string> {
  const { code, stderr } = await runCli(archives.args(`${DUMP} --force`), { env: { TZ } });
  assertEquals(code, 0, stderr);
  return stderr;
}

Deno.test("dump warns of a TZ that JavaScript does not know, and names the zone that it takes", async () => {
  using archives = new Archives();
  const unknown = [
    "CET-1CEST",
    "CET-1CEST,M3.5.0,M10.5.0/3",
    "<+03>-3",
    "IST-5:30",
    "Foo/Bar",
    "europe/berlin ",
    "/usr/share/zoneinfo/Europe/Berlin",
    "a\nb",
  ];
  for (const TZ of unknown) {
    const stderr = await warned(archives, TZ);
    assertStringIncludes(stderr, `Warning: TZ is ${JSON.stringify(TZ)}, which is not known here: `);
    assertMatch(
      stderr,
      /the time of the dump is that of UTC([+-]\d+)? \(names such as Europe\/Berlin are known\)\n$/,
    );
  }
});

Deno.test("dump says nothing of a TZ that is known, and takes it", async () => {
  using archives = new Archives();
  const known: Record<string, number> = {
    "": 0,
    "UTC": 0,
    ":UTC": 0,
    "UTC0": 0,
    "Etc/GMT": 0,
    "Asia/Kolkata": 330,
    ":Asia/Kolkata": 330,
    "Etc/GMT+3": -180,
    "EST5": -300,
    "MEZ-1": 60,
    "Pacific/Kiritimati": 840,
  };
  for (const [TZ, minutesEast] of Object.entries(known)) {
    const before = Math.floor(Date.now() / 1000);
    assertEquals(await warned(archives, TZ), "", TZ);
    const after = Date.now() / 1000;
    const { header } = readDump(archives.read("new.dump"));
    const [second, minute, hour, day, month, year] = header.time;
    const stamp = Date.UTC(year + 1900, month, day, hour, minute, second) / 1000 - minutesEast * 60;
    assert(stamp >= before && stamp <= after, `${TZ}: ${header.time}`);
  }
});

Deno.test("isZoneApplied() holds a zone against what JavaScript makes of it", () => {
  const berlin = { name: "Europe/Berlin", offsets: [-60, -120] };
  const utc = { name: "UTC", offsets: [0, 0] };
  const none = { name: undefined, offsets: [-60, -60] };
  for (const tz of ["Europe/Berlin", ":Europe/Berlin", "posix/Europe/Berlin", "CET"]) {
    assertEquals(isZoneApplied(tz, berlin), true, tz);
    assertEquals(isZoneApplied(tz, utc), false, tz);
    assertEquals(isZoneApplied(tz, none), false, tz);
  }
  for (const tz of ["UTC", "Zulu", "gmt", "GMT-0", "UTC+00", "Etc/UCT", "right/UTC", ""]) {
    assertEquals(isZoneApplied(tz, utc), true, tz);
    assertEquals(isZoneApplied(tz, none), false, tz);
  }
  assertEquals(isZoneApplied("MEZ-1", none), true);
  assertEquals(isZoneApplied("MEZ-2", none), false);
  assertEquals(isZoneApplied("EST5EDT4", { name: "UTC", offsets: [0, 0] }), false);
  assertEquals(isZoneApplied("x", { name: "Etc/Unknown", offsets: [0, 0] }), false);
});

Deno.test("dump does not ask for TZ where Deno may not read it", async () => {
  using archives = new Archives();
  const args = denoArgs().flatMap((arg) =>
    arg === "-A" ? ["--no-prompt", "--allow-read", "--allow-write"] : [arg]
  );
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args, ...archives.args(DUMP)],
    env: { TZ: "Foo/Bar" },
    stdin: "null",
  }).output();
  assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
});
