import { assertEquals } from "@std/assert";
import type { CheckCounts } from "../../cli/pipeline/check.ts";
import { drawDigest, drawDump } from "../pipeline/drawn_archives.ts";

/** What the worker answers. */
interface Answer {
  isBare: boolean;
  counts?: CheckCounts;
  failure?: string;
}

async function checkedInBareHost(blocks: string, digested: string): Promise<Answer> {
  const worker = new Worker(import.meta.resolve("./bare_host.ts"), { type: "module" });
  try {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    worker.onmessage = ({ data }: MessageEvent<Answer>) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(message));
    worker.postMessage({ dump: drawDump(blocks).bytes, digest: drawDigest(digested).bytes });
    return await promise;
  } finally {
    worker.terminate();
  }
}

Deno.test("check() of a plain dump and its digest runs without shared memory and without Deno's functions", async () => {
  const { isBare, counts, failure } = await checkedInBareHost("ab.c.d", "ab.X.d");
  assertEquals(failure, undefined);
  assertEquals(isBare, true);
  assertEquals(counts, {
    ...{ blocks: 6, goodBlocks: 5, zeroBlocks: 2, absentBlocks: 0 },
    ...{ badBlocks: 1, badRuns: [{ start: 3, end: 4 }], badRunCount: 1 },
  });
});
