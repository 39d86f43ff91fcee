/** Outputs for which there is no room. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path/posix/join";
import { noise } from "../disks/helpers.ts";
import { callMain, denoArgs } from "../support/run_cli.ts";
import { testWith } from "../support/skip.ts";
import { SmallFileSystem } from "../support/small_file_system.ts";
import { MAKERS } from "./makers.ts";
import { Archives, assertRefusal, EXIT } from "./refusal.ts";

const FULL_DEVICE = "/dev/full";
const hasFullDevice = exists(FULL_DEVICE);

for (const [maker, line] of Object.entries(MAKERS)) {
  testWith(
    { missing: hasFullDevice ? undefined : `there is no ${FULL_DEVICE}` },
    `${maker} fails on a full device, however little it writes`,
    async () => {
      using archives = new Archives();
      const before = archives.snapshot();
      // The device has its own path, which the folder's must not stand in front of.
      const args = archives.args(line).map((arg) => arg === "OUT" ? FULL_DEVICE : arg);
      assertRefusal(line, await callMain(args), {
        code: EXIT.environment,
        says: [FULL_DEVICE, "No space left"],
      });
      assertEquals(archives.snapshot(), before);
    },
  );
}

testWith(
  { missing: hasFullDevice ? undefined : `there is no ${FULL_DEVICE}` },
  "full standard output fails",
  async () => {
    using archives = new Archives();
    for (const line of ["merge --dumpout - g1.dump g0.rdiff", "print g0.dump", "print --json g0.dump"]) {
      const { code, stderr } = await shell(`exec "$@" > ${FULL_DEVICE}`, archives.args(line));
      assertRefusal(line, { code, stderr }, { code: EXIT.environment, says: ["No space left"] });
    }
  },
);

Deno.test("an output that cannot grow leaves no output and no temporary file", async (t) => {
  using archives = new Archives({ "big.raw": noise(1 << 20, 3) });
  await archives.done(
    "dump --mode full --blocksize 512 --local big.raw --dumpout big.dump --digestout big.digest",
  );
  for (
    const line of [
      "dump --mode full --blocksize 512 --local big.raw --dumpout new.dump --digestout new.digest",
      "dump --mode full --local big.raw --dumpout new.dump.gz --digestout new.digest",
      "dump --mode full --local big.raw --dumpout new.dump.zst --digestout new.digest",
      "digest --dumpin big.dump --digestout new.digest",
      "restore --create --local new.raw big.dump",
      "restore --create --local new.vmdk big.dump",
      "restore --create --local new.vmdk --format monolithicSparse big.dump",
      "restore --create --local new.vmdk --format streamOptimized big.dump",
    ]
  ) {
    await t.step(line, async () => {
      const before = archives.snapshot();
      for (const limitBytes of [8192, 200_000]) {
        if (limitBytes > 8192 && line.startsWith("digest")) continue;
        const { code, stderr } = await limited(limitBytes, archives.args(line));
        assertRefusal(line, { code, stderr }, { code: EXIT.environment, says: ["File too large"] });
        assertEquals(archives.snapshot(), before);
      }
    });
  }
});

Deno.test("a limit of the size of files ends every command in order: its files, reports and seals", async (t) => {
  const more: Record<string, string> = {
    "print-bmp > OUT": "print-bmp all.bmp",
    "check --junit": "check --junit OUT --digestin g0.digest g0.dump",
    "salvage": "salvage --digestin g0.digest --dumpout OUT g0.dump",
    "seal": "seal g0.dump g0.digest",
  };
  for (const [maker, line] of Object.entries({ ...MAKERS, ...more })) {
    await t.step(maker, async () => {
      using archives = new Archives();
      const before = archives.snapshot();
      const args = archives.args(line.replace("OUT", "new.out"));
      const toFile = maker.includes(">");
      const { code, stderr } = await limited(0, args, toFile ? archives.file("stdout") : undefined);
      assertRefusal(line, { code, stderr }, { code: EXIT.environment, says: ["File too large"] });
      if (toFile) Deno.removeSync(archives.file("stdout"));
      assertEquals(archives.snapshot(), before);
    });
  }
});

Deno.test("a limit of the size of files ends a restore in place with a word on the disk", async () => {
  using archives = new Archives();
  const line = "restore --local d0.raw g1.dump";
  const { code, stderr } = await limited(1024, archives.args(line));
  const [warning, error] = stderr.split("\n");
  assertStringIncludes(warning, "is partly written, it must be restored again");
  assertRefusal(line, { code, stderr: `${error}\n` }, {
    code: EXIT.environment,
    says: ["d0.raw", "File too large"],
  });
});

const tmpfs = SmallFileSystem.canBeMade();

const ROOM = "a file system without room leaves no output and no temporary file";

/** No skip that continuous integration could end: to mount is a right, and the tests above and below need none. */
Deno.test({
  name: tmpfs ? ROOM : `${ROOM} (skipped: a small file system cannot be mounted here)`,
  ignore: !tmpfs,
  fn: async (t) => {
    using archives = new Archives({ "big.raw": noise(2 << 20, 3) });
    using room = new SmallFileSystem(join(archives.path, "small"));
    await archives.done(
      "dump --mode full --blocksize 512 --local big.raw --dumpout big.dump --digestout big.digest",
    );
    for (
      const line of [
        "dump --mode full --local big.raw --dumpout small/new.dump --digestout small/new.digest",
        "dump --mode full --local big.raw --dumpout small/new.dump.gz --digestout new.digest",
        "dump --mode full --local big.raw --dumpout small/new.dump.zst --digestout new.digest",
        "restore --create --local small/new.raw big.dump",
        "restore --create --local small/new.vmdk big.dump",
        "restore --create --local small/new.vmdk --format monolithicSparse big.dump",
        "restore --create --local small/new.vmdk --format streamOptimized big.dump",
      ]
    ) {
      await t.step(line, async () => {
        await archives.refused(line, { code: EXIT.environment, says: ["No space left", "small/"] });
      });
    }
    // A few bytes fail as well as many.
    room.fill();
    for (
      const line of [
        "digest --dumpin big.dump --digestout small/new.digest",
        "merge --dumpout small/new.dump g1.dump g0.rdiff",
        "rdiff2bmp g0.rdiff --bmpout small/new.bmp",
      ]
    ) {
      await t.step(`${line}, full to the last byte`, async () => {
        await archives.refused(line, { code: EXIT.environment, says: ["No space left", "small/"] });
      });
    }
  },
});

/** Runs the program, which may write files of so many bytes. */
async function limited(limitBytes: number, args: string[], stdoutPath?: string): Promise<Ended> {
  const program = denoArgs(new URL("main_with_limit.ts", import.meta.url).pathname);
  const redirected = `exec "$@" > ${stdoutPath === undefined ? "/dev/null" : `"${stdoutPath}"`}`;
  return await run("sh", ["-c", redirected, "sh", Deno.execPath(), ...program, `${limitBytes}`, ...args]);
}

/** Runs the program by a line of shell in which `"$@"` stands for it. */
async function shell(script: string, args: string[]): Promise<Ended> {
  return await run("sh", ["-c", script, "sh", Deno.execPath(), ...denoArgs(), ...args]);
}

interface Ended {
  code: number;
  stderr: string;
}

async function run(program: string, args: string[]): Promise<Ended> {
  const { code, stderr } = await new Deno.Command(program, {
    args,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  return { code, stderr: new TextDecoder().decode(stderr) };
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
