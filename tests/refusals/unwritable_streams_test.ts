/** Standard output and standard error that take nothing: a log on a full disk, a pipe that nobody reads. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { denoArgs } from "../support/run_cli.ts";
import { testWith } from "../support/skip.ts";
import { MAKERS } from "./makers.ts";
import { Archives, assertRefusal, EXIT } from "./refusal.ts";

const FULL = "/dev/full";
const missing = isThere(FULL) ? undefined : `there is no ${FULL}`;

/** Redirections of a stream, as shell: `>` is standard output, `2>` standard error. FIFO stands for a named pipe. */
const UNWRITABLE: Record<string, { redirect: (stream: ">" | "2>") => string; reason: string }> = {
  "a full device": { redirect: (stream) => `${stream} ${FULL}`, reason: "No space left on device" },
  "a pipe that nobody reads": { redirect: (stream) => `${stream}&5`, reason: "Broken pipe" },
};

/** A dump whose time zone is not known gives a warning. */
const DUMP = "dump --mode full --blocksize 512 --local d0.raw --dumpout new.dump --digestout new.digest";
const WARNED = { TZ: "CET-1CEST" };

for (const [what, { redirect, reason }] of Object.entries(UNWRITABLE)) {
  testWith({ missing }, `a report to ${what} leaves the outputs, says so, and ends with 1`, async (t) => {
    for (const [maker, line] of Object.entries(MAKERS)) {
      await t.step(maker, async () => {
        using archives = new Archives();
        const { code, stderr } = await shell(archives, line.replace("OUT", "new.out"), redirect(">"));
        assertRefusal(line, { code, stderr }, {
          code: EXIT.environment,
          says: ["report", "standard output", reason, "the command is done", "new.out"],
        });
        await assertComplete(archives, maker);
      });
    }
  });

  testWith({ missing }, `--json to ${what} leaves the outputs, says so, and ends with 1`, async () => {
    using archives = new Archives();
    const { code, stderr } = await shell(archives, `${DUMP} --json`, redirect(">"));
    assertRefusal(DUMP, { code, stderr }, { code: EXIT.environment, says: ["standard output", "new.dump"] });
    await archives.done("check --digestin new.digest new.dump");
  });

  testWith({ missing }, `a restore in place whose report goes to ${what} is done and says so`, async () => {
    using archives = new Archives();
    const line = "restore --local d0.raw g1.dump";
    const { code, stderr } = await shell(archives, line, redirect(">"));
    assertRefusal(line, { code, stderr }, { code: EXIT.environment, says: ["standard output", "d0.raw"] });
    assertEquals(archives.read("d0.raw"), archives.read("d1.raw"));
  });

  testWith({ missing }, `warnings to ${what} fail no command`, async () => {
    using archives = new Archives();
    for (const line of [DUMP, "restore --omitzeroblock --local d0.raw g1.dump"]) {
      const { code, stdout } = await shell(archives, line, redirect("2>"), WARNED);
      assertEquals([line, code], [line, EXIT.done]);
      assert(stdout.length > 0, line);
    }
    await archives.done("check --digestin new.digest new.dump");
  });

  testWith({ missing }, `both streams to ${what}: the outputs stay and the exit code is 1`, async () => {
    using archives = new Archives();
    const { code } = await shell(archives, DUMP, `${redirect(">")} ${redirect("2>")}`, WARNED);
    assertEquals(code, EXIT.environment);
    await archives.done("check --digestin new.digest new.dump");
  });

  testWith({ missing }, `an archive on standard output and the report to ${what}`, async () => {
    using archives = new Archives();
    const line = "merge --dumpout - g1.dump g0.rdiff";
    const { code, stdoutBytes } = await shell(archives, line, redirect("2>"));
    assertEquals(code, EXIT.environment);
    assertEquals(stdoutBytes, archives.read("g0.dump"));
  });

  testWith(
    { missing },
    `a command that fails keeps its exit code when its error goes to ${what}`,
    async () => {
      using archives = new Archives();
      archives.file("cut.dump", archives.read("g0.dump").slice(0, -100));
      for (
        const [line, expected] of [
          ["check --digestin g0.digest cut.dump", EXIT.corrupt],
          ["print absent.dump", EXIT.environment],
          ["dump --mode full", EXIT.usage],
          ["no-such-command", EXIT.usage],
        ] as const
      ) {
        const { code } = await shell(archives, line, redirect("2>"));
        assertEquals([line, code], [line, expected]);
      }
    },
  );

  testWith({ missing }, `a bad result keeps its exit code when its report goes to ${what}`, async () => {
    using archives = new Archives();
    archives.file("cut.dump", archives.read("g0.dump").slice(0, -100));
    for (
      const [line, expected] of [
        ["compare g0.dump g1.dump", EXIT.different],
        ["check --digestin g1.digest g0.dump", EXIT.corrupt],
        ["check --digestin g0.digest cut.dump", EXIT.corrupt],
        ["check --json --digestin g0.digest cut.dump", EXIT.corrupt],
      ] as const
    ) {
      const { code, stderr } = await shell(archives, line, redirect(">"));
      assertEquals([line, code], [line, expected]);
      assertStringIncludes(stderr, "standard output");
    }
  });

  testWith({ missing }, `help, listings and verdicts to ${what} end with 1 and say why`, async () => {
    using archives = new Archives();
    for (
      const line of [
        "help",
        "--version",
        "help dump",
        "doctor",
        "map d0.raw",
        "print g0.dump",
        "print-bmp all.bmp",
        "check --digestin g0.digest g0.dump",
        "compare g0.dump g0.dump",
      ]
    ) {
      const { code, stderr } = await shell(archives, line, redirect(">"));
      assertRefusal(line, { code, stderr }, { code: EXIT.environment, says: ["standard output", reason] });
    }
  });
}

/** The output of a maker is what it would have been, which another command proves. */
async function assertComplete(archives: Archives, maker: string): Promise<void> {
  const proofs: Record<string, string> = {
    "dump --dumpout": "check --digestin new.digest new.out",
    "dump --digestout": "check --digestin new.out new.dump",
    "dump --rdiffout": "check --digestin g0.digest new.dump new.out",
    "merge --dumpout": "check --digestin g0.digest new.out",
    "merge --rdiffout": "check --digestin g0.digest g2.dump new.out",
    digest: "compare new.out g0.digest",
    rdiff: "check --digestin g0.digest g1.dump new.out",
    rdiff2bmp: "print-bmp new.out",
  };
  await archives.done(proofs[maker]);
  const hidden = Object.keys(archives.snapshot()).filter((name) => name.startsWith("."));
  assertEquals(hidden, []);
}

interface Ended {
  code: number;
  stdout: string;
  stdoutBytes: Uint8Array;
  stderr: string;
}

/** Runs the program with its streams redirected; descriptor 5 is a pipe without a reader. */
async function shell(
  archives: Archives,
  line: string,
  redirections: string,
  env: Record<string, string> = {},
): Promise<Ended> {
  const fifo = `${archives.path}/fifo`;
  const script =
    `mkfifo "$0" && exec 4<> "$0" && exec 5> "$0" && exec 4>&- && rm "$0" && exec "$@" ${redirections}`;
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", script, fifo, Deno.execPath(), ...denoArgs(), ...archives.args(line)],
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const text = new TextDecoder();
  return { code, stdout: text.decode(stdout), stdoutBytes: stdout, stderr: text.decode(stderr) };
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
