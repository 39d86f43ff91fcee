/** Commands that are stopped: the exit code of the signal, and no file under any name. */

import { assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { denoArgs } from "../support/run_cli.ts";
import { Archives } from "./refusal.ts";

const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;

/** Zeros without end for the purpose: the dump writes a record for each block and cannot be done in time. */
const HUGE_BYTES = 2 ** 40;
/** A program that does not stop within this time is killed, which no test expects. */
const TIMEOUT_MS = 10_000;

class StoppableArchives extends Archives {
  constructor() {
    super();
    const path = this.file("huge.raw", new Uint8Array());
    Deno.truncateSync(path, HUGE_BYTES);
  }

  override snapshot(): Record<string, string> {
    const names = [...Deno.readDirSync(this.path)].map(({ name }) => name).filter((name) =>
      name !== "huge.raw"
    );
    return Object.fromEntries(
      names.sort().map((name) => [name, String(Deno.statSync(join(this.path, name)).size)]),
    );
  }

  /** Runs a command, stops it as soon as `started` says so, and returns how it ended. */
  async stopped(
    line: string,
    { signal, started, stdin = "null" }: {
      signal: Deno.Signal;
      started: () => boolean;
      stdin?: "null" | "piped";
    },
  ): Promise<{ code: number; stderr: string }> {
    const child = new Deno.Command(Deno.execPath(), {
      args: [...denoArgs(), ...this.args(line)],
      stdin,
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const deadline = setTimeout(() => child.kill("SIGKILL"), TIMEOUT_MS);
    try {
      while (!started()) await new Promise((resolve) => setTimeout(resolve, 10));
      child.kill(signal);
      const { code, stderr } = await child.output();
      return { code, stderr: new TextDecoder().decode(stderr) };
    } finally {
      clearTimeout(deadline);
      if (stdin === "piped") await child.stdin.close();
    }
  }

  /** Whether a temporary file holds something. */
  isWriting(): boolean {
    for (const { name } of Deno.readDirSync(this.path)) {
      if (/^\..*\.vmdkbkp$/.test(name) && Deno.statSync(join(this.path, name)).size > 0) return true;
    }
    return false;
  }
}

for (const [signal, exitCode] of Object.entries(SIGNALS) as [keyof typeof SIGNALS, number][]) {
  for (const suffix of ["", ".gz", ".zst"]) {
    Deno.test(`${signal} during a dump to "${suffix}" ends with ${exitCode} and leaves no file`, async () => {
      using archives = new StoppableArchives();
      const before = archives.snapshot();
      const { code, stderr } = await archives.stopped(
        "dump --mode full --blocksize 65536 --local huge.raw " +
          `--dumpout new.dump${suffix} --digestout new.digest${suffix}`,
        { signal, started: () => archives.isWriting() },
      );
      assertEquals({ code, stderr }, {
        code: exitCode,
        stderr: `vmdkbkp: Interrupted by ${signal}\n`,
      });
      assertEquals(archives.snapshot(), before);
    });
  }

  Deno.test(`${signal} with --force leaves the files that would have been replaced`, async () => {
    using archives = new StoppableArchives();
    const before = archives.snapshot();
    const { code } = await archives.stopped(
      "dump --mode full --force --blocksize 65536 --local huge.raw --dumpout g0.dump --digestout g0.digest",
      { signal, started: () => archives.isWriting() },
    );
    assertEquals(code, exitCode);
    assertEquals(archives.snapshot(), before);
  });

  Deno.test(`${signal} while standard input is silent ends with ${exitCode} and leaves no file`, async () => {
    using archives = new StoppableArchives();
    const before = archives.snapshot();
    const opened = performance.now();
    const { code, stderr } = await archives.stopped("digest --dumpin - --digestout new.digest", {
      signal,
      stdin: "piped",
      // Nothing shows that the program waits; a second is more than it needs to start.
      started: () => performance.now() - opened > 1000,
    });
    assertEquals(code, exitCode);
    assertMatch(stderr, /^(vmdkbkp: Interrupted .*\n)?$/);
    assertEquals(archives.snapshot(), before);
  });
}
