/** `--resume` where there is nothing to go on with, or not for this disk. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Buffer } from "node:buffer";
import { Random } from "../../scripts/disk_image.ts";
import { Folder } from "../disks/helpers.ts";
import { hiddenIn, Interrupted } from "../integration/interrupted.ts";
import { callMain, type CliResult, denoArgs } from "../support/run_cli.ts";
import { Archives, assertRefusal, EXIT } from "./refusal.ts";

const BLOCK_BYTES = 4096;
const BLOCKS = 200;

/** A plain dump that was stopped behind its hundredth block or so. */
async function half(): Promise<Interrupted> {
  const sizes = { blockBytes: BLOCK_BYTES, sizeBytes: BLOCKS * BLOCK_BYTES };
  const work = await Interrupted.of(new Random(4), { ...sizes, z: "" });
  Deno.writeFileSync(work.leftPath, work.dump.subarray(0, work.dump.length / 2));
  return work;
}

function resume(work: Interrupted, ...more: string[]): Promise<CliResult> {
  return callMain([
    ...["dump", "--mode", "full", "--resume", "--local", work.file("disk.raw")],
    ...["--dumpout", work.file("new.dump"), "--digestout", work.file("new.digest")],
    ...(more.includes("--blocksize") ? more : ["--blocksize", `${BLOCK_BYTES}`, ...more]),
  ]);
}

/** What is left stays, and without --resume a dump is made. */
async function assertRefused(work: Interrupted, says: string[], ...more: string[]): Promise<void> {
  const [dump, journal] = [work.leftPath, work.journalPath].map((path) => Deno.readFileSync(path));
  const result = await resume(work, ...more);
  assertRefusal("resume", result, {
    code: EXIT.corrupt,
    says: [...says, "without --resume it is begun anew"],
  });
  assertEquals(Deno.readFileSync(work.leftPath), dump);
  assertEquals(Deno.readFileSync(work.journalPath), journal);
  const anew = await callMain([
    ...["dump", "--mode", "full", "--local", work.file("disk.raw")],
    ...["--dumpout", work.file("new.dump"), "--digestout", work.file("new.digest")],
  ]);
  assertEquals(anew.code, EXIT.done, anew.stderr);
  assertEquals(hiddenIn(work.path), []);
}

Deno.test("--resume says how many blocks were there", async () => {
  using work = await half();
  const { code, stdout, stderr } = await resume(work);
  assertEquals(code, EXIT.done, stderr);
  const [, resumed] = /resumed: (\d+) blocks were there and are intact/.exec(stdout) ?? [];
  assert(Number(resumed) > BLOCKS / 4 && Number(resumed) < BLOCKS, stdout);
  assertEquals(Deno.readFileSync(work.file("new.dump")), work.dump);
});

Deno.test("--resume with nothing left begins anew and says so", async () => {
  using work = await half();
  for (const path of [work.leftPath, work.journalPath]) Deno.removeSync(path);
  const { code, stdout } = await resume(work);
  assertEquals(code, EXIT.done);
  assertStringIncludes(stdout, "resumed: nothing of use was left, the dump was begun anew");
  const again = await resume(work, "--force", "--json");
  assertEquals(JSON.parse(again.stdout).resumedBlocks, 0);
});

Deno.test("--resume refuses what is left of a dump with other blocks", async () => {
  using work = await half();
  await assertRefused(work, ['new.dump"', "block size is 4096", "and 8192"], "--blocksize", "8192");
});

Deno.test("--resume refuses what is left of a larger disk", async () => {
  using work = await half();
  Deno.truncateSync(work.file("disk.raw"), BLOCKS * BLOCK_BYTES - 512);
  await assertRefused(work, ["capacity is 819200", "and 818688", 'disk.raw"']);
});

Deno.test("--resume refuses a disk that was written since", async () => {
  using work = await half();
  Deno.utimeSync(work.file("disk.raw"), new Date(), new Date(Date.now() + 5000));
  await assertRefused(work, ['disk.raw" is another one than it was made of, or was written since']);
});

Deno.test("--resume refuses a disk with other content, whatever its time says", async () => {
  using work = await half();
  const { mtime } = Deno.statSync(work.file("disk.raw"));
  work.bytes[17 * BLOCK_BYTES] ^= 1;
  Deno.writeFileSync(work.file("disk.raw"), work.bytes);
  Deno.utimeSync(work.file("disk.raw"), mtime!, mtime!);
  await assertRefused(work, ["block 17 of disk", "1 of ", "sampled blocks differ"]);
});

Deno.test("--resume refuses what no full dump left", async () => {
  for (const journal of ["", "vmdkbkp journal\n", "x".repeat(1000)]) {
    using work = await half();
    Deno.writeTextFileSync(work.journalPath, journal);
    await assertRefused(work, ["it was not left by a full dump, or its journal is lost"]);
  }
});

Deno.test("--resume begins anew where not even a header is left", async () => {
  for (const left of ["", "2", "garbage that is no dump"]) {
    using work = await half();
    Deno.writeTextFileSync(work.leftPath, left);
    const { code, stdout, stderr } = await resume(work);
    assertEquals(code, EXIT.done, stderr);
    assertStringIncludes(stdout, "nothing of use was left");
    assertEquals(hiddenIn(work.path), []);
  }
});

Deno.test("a run with --resume that is stopped keeps what it has, says how to go on, and goes on", async () => {
  using folder = new Folder();
  const disk = folder.file("huge.raw", new Uint8Array());
  // Zeros without end, for the purpose.
  Deno.truncateSync(disk, 2 ** 40);
  const line = [
    ...["dump", "--mode", "full", "--resume", "--local", disk, "--blocksize", "512"],
    ...["--dumpout", folder.file("new.dump"), "--digestout", folder.file("new.digest")],
  ];
  const dumpLeft = () => {
    const name = hiddenIn(folder.path).find((name) => /^\.new\.dump\.[0-9a-f]{8}\.vmdkbkp$/.test(name));
    return name === undefined ? undefined : folder.file(name);
  };
  const sizeLeft = () => {
    try {
      return Deno.statSync(dumpLeft() ?? disk).size % 2 ** 40;
    } catch (error) {
      // A run may have removed it since it was seen.
      if (error instanceof Deno.errors.NotFound) return 0;
      throw error;
    }
  };
  let before = new Uint8Array();
  for (let run = 0; run < 3; run++) {
    const wantedBytes = before.length + 100_000;
    const child = new Deno.Command(Deno.execPath(), {
      args: [...denoArgs(), ...line],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    while (sizeLeft() < wantedBytes) await new Promise((resolve) => setTimeout(resolve, 5));
    child.kill("SIGINT");
    const { code, stderr } = await child.output();
    assertEquals(code, 130);
    assertStringIncludes(
      new TextDecoder().decode(stderr),
      "Warning: what was dumped so far is kept: run the same command again to go on",
    );
    const now = Deno.readFileSync(dumpLeft()!);
    // The same generation: header and records are the ones that were there, but for what was cut off at the end.
    const kept = Math.max(0, before.length - 100);
    assertEquals(Buffer.compare(now.subarray(0, kept), before.subarray(0, kept)), 0, `run ${run}`);
    before = now;
  }
  // Without --resume nothing of it is kept.
  const child = new Deno.Command(Deno.execPath(), {
    args: [...denoArgs(), ...line.filter((word) => word !== "--resume")],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  while (sizeLeft() >= before.length || sizeLeft() === 0) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  child.kill("SIGINT");
  assertEquals((await child.output()).code, 130);
  assertEquals(hiddenIn(folder.path), []);
});

Deno.test("--resume belongs to full dumps into files", async () => {
  using archives = new Archives();
  await archives.refused(
    "dump --mode diff --resume --local d1.raw --dumpin g0.dump --digestin g0.digest " +
      "--dumpout new.dump --digestout new.digest --rdiffout new.rdiff",
    { code: EXIT.usage, says: ["--mode diff", "--resume has no use there"] },
  );
  await archives.refused("dump --mode full --resume --local d1.raw --dumpout - --digestout new.digest", {
    code: EXIT.usage,
    says: ['--dumpout "-"'],
  });
});
