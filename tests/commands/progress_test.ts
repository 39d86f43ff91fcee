import { assert, assertEquals } from "@std/assert";
import { formatSize, ProgressLine } from "../../cli/commands/progress.ts";
import { Work, type WorkDone } from "../../cli/jobs/work.ts";
import { surveyData } from "../../cli/pipeline/data_spread.ts";
import { Folder } from "../disks/helpers.ts";
import { dumpHeader } from "../refusals/material.ts";
import { denoArgs } from "../support/run_cli.ts";
import { PseudoTerminal, testAtTerminal } from "./pseudo_terminal.ts";

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
// deno-lint-ignore no-control-regex
const ESCAPE = /[\x1b\x9b]/;

/** A line on a terminal that the test looks at, and a clock that it turns. */
class Screen {
  written = "";
  ms = 1000;
  readonly line = new ProgressLine({
    shown: true,
    write: (text) => void (this.written += text),
    now: () => this.ms,
  });

  /** What stands there after so many seconds more. */
  after(seconds: number, done: WorkDone): string {
    this.ms += seconds * 1000;
    this.line.show(done);
    return this.text;
  }

  /** The line as a terminal without escape codes shows it. */
  get text(): string {
    const cells: string[] = [];
    let column = 0;
    for (const char of this.written) {
      if (char === "\r") column = 0;
      else cells[column++] = char;
    }
    return cells.join("").trimEnd();
  }
}

Deno.test("ProgressLine tells the share, the rate, and the time left by it", () => {
  const screen = new Screen();
  const totalBytes = 100 * MIB;
  assertEquals(screen.after(2, { doneBytes: 20 * MIB, totalBytes }), "  20 %  10 MiB/s  0:08 left");
  assertEquals(screen.after(2, { doneBytes: 80 * MIB, totalBytes }), "  80 %  20 MiB/s  0:01 left");
  assertEquals(screen.after(1, { doneBytes: totalBytes, totalBytes }), " 100 %  20 MiB/s  0:00 left");
});

Deno.test("ProgressLine writes no escape codes, and leaves nothing of a longer line behind", () => {
  const screen = new Screen();
  const totalBytes = 1000 * GIB;
  assertEquals(screen.after(2, { doneBytes: GIB, totalBytes }), "   0 %  512 MiB/s  33:18 left");
  assertEquals(screen.after(2, { doneBytes: 999 * GIB, totalBytes }), "  99 %  249.8 GiB/s  0:00 left");
  assertEquals(screen.after(2, { doneBytes: 1000 * GIB, totalBytes }), " 100 %  166.7 GiB/s  0:00 left");
  assertEquals(screen.after(9, { doneBytes: 0, totalBytes }), "   0 %  0 B/s");
  screen.line.clear();
  assertEquals(screen.text, "");
  assert(screen.written.endsWith("\r"));
  assert(!ESCAPE.test(screen.written), JSON.stringify(screen.written));
});

Deno.test("ProgressLine counts the second reading of the same files by itself", () => {
  const screen = new Screen();
  const totalBytes = 100 * MIB;
  screen.after(10, { doneBytes: 90 * MIB, totalBytes });
  assertEquals(screen.after(1, { doneBytes: 20 * MIB, totalBytes }), "  20 %  20 MiB/s  0:04 left");
});

Deno.test("ProgressLine does with nothing to do, and with more than was promised", () => {
  const screen = new Screen();
  assertEquals(screen.after(1, { doneBytes: 0, totalBytes: 0 }), " 100 %  0 B/s");
  assertEquals(screen.after(1, { doneBytes: 30, totalBytes: 20 }), " 100 %  15 B/s  0:00 left");
});

Deno.test("A disk that is mostly holes is done when its data is: share, rate and time left", async () => {
  const extents = [{ endBytes: 16 * GIB, zero: false }, { endBytes: 128 * GIB, zero: true }];
  const disk = {
    capacityBytes: 128 * GIB,
    extentAt: (at: number) => extents.find(({ endBytes }) => at < endBytes)!,
  };
  const work = new Work();
  work.disk = await surveyData(disk, { goesOn: () => true });
  const screen = new Screen();
  const at = (gib: number) => work.at({ doneBlocks: gib * 1024, totalBlocks: 128 * 1024, blockBytes: MIB });
  assertEquals(screen.after(8, at(8)), "  50 %  1 GiB/s  0:08 left");
  assertEquals(screen.after(8, at(16)), " 100 %  1 GiB/s  0:00 left");
  // The holes are passed in no time, and look like no time.
  assertEquals(screen.after(1, at(128)).slice(0, 6), " 100 %");
});

Deno.test("Work counts the bytes of archives in their files, and blocks where nothing else tells", () => {
  const work = new Work();
  const progress = { doneBlocks: 90, totalBlocks: 100, blockBytes: 1000 };
  assertEquals(work.at(progress), { doneBytes: 90000, totalBytes: 100000 });
  const dump = { fileOffsetBytes: 300 };
  const digest = { fileOffsetBytes: 10 };
  work.addFile(dump, 1000);
  work.addFile(digest, 20);
  assertEquals(work.at(progress), { doneBytes: 310, totalBytes: 1020 });
  dump.fileOffsetBytes = 2000;
  assertEquals(work.at(progress), { doneBytes: 1010, totalBytes: 1020 });
  const stream = { fileOffsetBytes: 5 };
  work.addFile(stream, undefined);
  assertEquals(work.at(progress), { doneBytes: 90000, totalBytes: 100000 });
  work.remove(stream);
  assertEquals(work.at(progress), { doneBytes: 1010, totalBytes: 1020 });
  const damaged = {};
  work.addOther(damaged);
  assertEquals(work.at(progress), { doneBytes: 90000, totalBytes: 100000 });
});

Deno.test("formatSize() goes up to the largest unit", () => {
  assertEquals([0, 1, 1023, 1024, 1536, GIB, 2 ** 60].map(formatSize), [
    ...["0 B", "1 B", "1023 B", "1 KiB", "1.5 KiB", "1 GiB", "1024 PiB"],
  ]);
});

/** Blocks of a batch of the pipeline. */
const BATCH_BLOCKS = 4096;

/** The records of as many zero blocks. */
function zeroRecords(first: number): Uint8Array {
  return new TextEncoder().encode(
    Array.from({ length: BATCH_BLOCKS }, (_, i) => `${first + i}\x001\x00`).join(""),
  );
}

for (const terminal of ["dumb", "xterm"]) {
  testAtTerminal(
    `Progress and the error behind it, at a terminal of kind ${terminal}, have no escape codes`,
    async () => {
      using folder = new Folder();
      const pipe = folder.file("pipe.dump");
      new Deno.Command("mkfifo", { args: [pipe] }).outputSync();
      const line = ["digest", "--dumpin", pipe, "--digestout", folder.file("a.digest")];
      const command = [Deno.execPath(), ...denoArgs(), ...line].join(" ");
      await using shell = new PseudoTerminal(command, { TERM: terminal });
      {
        using file = await Deno.open(pipe, { write: true });
        const batches = 2000;
        const archive = { second: 1, blocks: new Array(batches * BATCH_BLOCKS) };
        const write = async (bytes: Uint8Array) => {
          for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
        };
        await write(dumpHeader(archive, { full: true }));
        // As many batches as it takes until the program shows how far it is.
        for (let batch = 0; batch < batches && !shell.screen.includes(" %"); batch++) {
          const first = batch * BATCH_BLOCKS;
          await write(zeroRecords(first));
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
      }
      await shell.shows("vmdkbkp: Cannot read dump");
      assert(/\r +\d+ % {2}[\d.]+ [KM]?i?B\/s/.test(shell.screen), JSON.stringify(shell.screen));
      assert(/\r +\rvmdkbkp: /.test(shell.screen), JSON.stringify(shell.screen));
      assert(!ESCAPE.test(shell.screen), JSON.stringify(shell.screen));
    },
  );
}
