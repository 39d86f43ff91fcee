/** Any number of jobs run on one core, one after the other or side by side, and none of them keeps memory. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { Core } from "../../cli/core.ts";
import { FormatError } from "../../cli/errors.ts";
import { check } from "../../cli/pipeline/check.ts";
import { restore } from "../../cli/pipeline/restore.ts";
import type { RunOptions } from "../../cli/pipeline/run.ts";
import { Crew } from "../../cli/workers/crew.ts";
import { Random } from "../../scripts/disk_image.ts";
import { openChain, openDigest } from "../pipeline/drawn_archives.ts";
import { MemoryDisk } from "../pipeline/memory_disk.ts";
import { MemoryFile } from "../pipeline/memory_file.ts";
import { type Generation, type HistoryOptions, makeHistory } from "./history.ts";
import { assertEqualBytes } from "./same_bytes.ts";

const MIB = 1024 * 1024;

/** Dumps, checks and restores. `passed` is called after each job with its name. */
async function runJobs(
  core: Core,
  { seed, history, options, passed = () => {} }: {
    seed: number;
    history?: HistoryOptions;
    options?: RunOptions;
    passed?: (job: string) => void;
  },
): Promise<Generation[]> {
  const generations = await makeHistory(core, new Random(seed), history);
  passed("dumps");
  for (const [n, { disk, dump, digest }] of generations.entries()) {
    {
      await using scope = core.scope();
      const chain = await openChain(scope, dump);
      const { badBlocks } = await check(core, { chain, digest: await openDigest(scope, digest) }, options);
      assertEquals(badBlocks, 0, `seed ${seed}, generation ${n}`);
    }
    passed("check");
    {
      await using scope = core.scope();
      const target = new MemoryDisk(new Uint8Array(disk.length).fill(0xa5));
      await restore(core, { chain: await openChain(scope, dump), disk: target }, options);
      assertEqualBytes(target.bytes, disk, `seed ${seed}, generation ${n}`);
    }
    passed("restore");
    {
      await using scope = core.scope();
      const chain = await openChain(scope, await withoutLastByte(dump));
      await assertRejects(() => check(core, { chain }, options), FormatError);
    }
    passed("check of a damaged archive");
  }
  return generations;
}

async function withoutLastByte(file: MemoryFile): Promise<MemoryFile> {
  return new MemoryFile("cut", [(await file.content()).subarray(0, -1)]);
}

Deno.test("100 jobs one after the other on one core leave its memory as it was", async () => {
  const core = await Core.load();
  const { usedBytes } = core;
  let jobs = 0;
  for (let seed = 0; jobs < 100; seed++) {
    const passed = (job: string) => {
      jobs++;
      assertEquals(core.usedBytes, usedBytes, `bytes in use after job ${jobs}, ${job}, seed ${seed}`);
    };
    await runJobs(core, { seed, passed });
  }
});

for (const threads of [1, 2]) {
  Deno.test(`two jobs side by side on one core with ${threads} threads give the results of each alone`, async () => {
    const history = { blockBytes: 65536, sizeBytes: 3 * MIB + 1, generations: 2 };
    const alone: Generation[][] = [];
    for (const seed of [1, 2]) alone.push(await runJobs(await Core.load(), { seed, history }));

    const core = await Core.load();
    using crew = new Crew(core, { threads });
    await crew.start();
    const { usedBytes } = core;
    /** The seeds of the jobs in the order in which they ended. */
    const ended: number[] = [];
    const together = await Promise.all(
      [1, 2].map((seed) =>
        runJobs(core, { seed, history, options: { crew }, passed: () => void ended.push(seed) })
      ),
    );
    assert(
      ended.indexOf(2) < ended.lastIndexOf(1) && ended.indexOf(1) < ended.lastIndexOf(2),
      `the jobs of one seed ran after those of the other: ${ended}`,
    );
    assertEquals(core.usedBytes, usedBytes);
    for (const [i, generations] of together.entries()) {
      for (const [n, generation] of generations.entries()) {
        for (const kind of ["dump", "digest", "rdiff"] as const) {
          const [file, expected] = [generation[kind], alone[i][n][kind]];
          assertEquals(file?.path, expected?.path);
          if (file === undefined || expected === undefined) continue;
          assertEqualBytes(file.bytes, expected.bytes, `${kind} of generation ${n}, seed ${i + 1}`);
        }
      }
    }
  });
}
