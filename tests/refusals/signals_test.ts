/** Commands that are stopped: the exit code of the signal, and no file under any name. */

import { assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path/posix/join";
import { noise } from "../disks/helpers.ts";
import { denoArgs } from "../support/run_cli.ts";
import { Archives } from "./refusal.ts";

const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

/** Zeros without end for the purpose: the dump writes a record for each block and cannot be done in time. */
const HUGE_BYTES = 2 ** 40;
/** A program that does not stop within this time is killed, which no test expects. */
const TIMEOUT_MS = 10_000;

/** Deno 2.4 waits in `Deno.open` for the other end of a pipe and hears no signal meanwhile; what it waits for, it waits for. */
const OPENS_SYNCHRONOUSLY = Deno.version.deno.startsWith("2.4.");

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
    { signal, started, stdin = "null", feed = new Uint8Array() }: {
      signal: Deno.Signal;
      started: () => boolean;
      stdin?: "null" | "piped";
      /** What comes from standard input before it is silent. */
      feed?: Uint8Array<ArrayBuffer>;
    },
  ): Promise<{ code: number; stderr: string }> {
    const child = new Deno.Command(Deno.execPath(), {
      args: [...denoArgs(), ...this.args(line)],
      stdin,
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const fed = stdin === "piped" ? feedTo(child.stdin, feed) : undefined;
    const deadline = setTimeout(() => child.kill("SIGKILL"), TIMEOUT_MS);
    try {
      while (!started()) await new Promise((resolve) => setTimeout(resolve, 10));
      child.kill(signal);
      const { code, stderr } = await child.output();
      return { code, stderr: new TextDecoder().decode(stderr) };
    } finally {
      clearTimeout(deadline);
      await fed;
      if (stdin === "piped") await child.stdin.close().catch(() => {});
    }
  }

  /** Whether a temporary file holds something. */
  isWriting(): boolean {
    for (const { name } of Deno.readDirSync(this.path)) {
      if (/^\..*\.[0-9a-f]{8}\.vmdkbkp$/.test(name) && Deno.statSync(join(this.path, name)).size > 0) {
        return true;
      }
    }
    return false;
  }
}

/** A program that is stopped takes no more. */
async function feedTo(pipe: WritableStream<Uint8Array>, bytes: Uint8Array): Promise<void> {
  const writer = pipe.getWriter();
  await writer.write(bytes).catch(() => {});
  writer.releaseLock();
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

  Deno.test({
    name: `${signal} while a named pipe has no writer ends with ${exitCode}`,
    ignore: OPENS_SYNCHRONOUSLY,
    fn: async () => {
      using archives = new StoppableArchives();
      new Deno.Command("mkfifo", { args: [join(archives.path, "pipe.dump")] }).outputSync();
      const opened = performance.now();
      const { code } = await archives.stopped("check --digestin g0.digest pipe.dump", {
        signal,
        started: () => performance.now() - opened > 1000,
      });
      assertEquals(code, exitCode);
    },
  });

  Deno.test(`${signal} while print lists a long digest ends with ${exitCode}`, async () => {
    using archives = new StoppableArchives();
    const opened = performance.now();
    await archives.done(
      "dump --mode full --blocksize 65536 --local huge.raw --dumpout h.dump --digestout h.digest",
    );
    const { code } = await archives.stopped("print h.digest h.digest h.digest h.digest", {
      signal,
      started: () => performance.now() - opened > 500,
    });
    assertEquals(code, exitCode);
  });

  for (const format of ["vmfs", "monolithicSparse", "streamOptimized"]) {
    Deno.test(`${signal} during a restore to a new ${format} disk ends with ${exitCode} and leaves no file`, async () => {
      using archives = new StoppableArchives();
      archives.file("noisy.raw", noise(2 ** 25, 1));
      await archives.done("dump --mode full --local noisy.raw --dumpout n.dump --digestout n.digest");
      const before = archives.snapshot();
      const { code, stderr } = await archives.stopped(
        `restore --create --local new.vmdk --format ${format} -`,
        {
          signal,
          stdin: "piped",
          // The rest never comes, so that it is stopped on the way.
          feed: archives.read("n.dump").subarray(0, 2 ** 24),
          started: () => archives.isWriting(),
        },
      );
      assertEquals({ code, stderr }, { code: exitCode, stderr: `vmdkbkp: Interrupted by ${signal}\n` });
      assertEquals(archives.snapshot(), before);
    });
  }

  Deno.test(`${signal} during a restore in place says that the disk is half written`, async () => {
    using archives = new StoppableArchives();
    const disk = archives.file("disk.raw", new Uint8Array());
    Deno.truncateSync(disk, HUGE_BYTES);
    await archives.done(
      "dump --mode full --blocksize 65536 --local huge.raw --dumpout h.dump --digestout h.digest",
    );
    using target = Deno.openSync(disk, { read: true, write: true });
    // Its first byte tells when the writing has begun.
    target.writeSync(new Uint8Array(512).fill(0xa5));
    const first = new Uint8Array(1);
    const { code, stderr } = await archives.stopped("restore --local disk.raw h.dump", {
      signal,
      started: () => {
        target.seekSync(0, Deno.SeekMode.Start);
        target.readSync(first);
        return first[0] === 0;
      },
    });
    assertEquals(code, exitCode);
    assertMatch(stderr, /disk ".*disk\.raw" is partly written, it must be restored again/);
  });
}
