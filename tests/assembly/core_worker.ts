/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

/** The worker of a test. It starts a core in the memory that it receives, and hashes a table there. */

import { Core, type CoreShare } from "../../cli/core.ts";

/** A message to the worker: the share of the memory, and what to hash there. */
export interface Job {
  /** The share of the test's core. */
  share: CoreShare;
  /** Address of the table. */
  tablePtr: number;
  /** Entries of the table. */
  count: number;
  /** Bytes of a block. */
  blockBytes: number;
  /** Address that receives the digests. */
  digestsPtr: number;
}

self.onmessage = async ({ data }: MessageEvent<Job>) => {
  const core = await Core.attach(data.share);
  core.md5Blocks(data.tablePtr, data.count, data.blockBytes, data.digestsPtr);
  self.postMessage("done");
};
