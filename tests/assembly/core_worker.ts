/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

/** The other thread of a test: hashes a table that lies in the memory of the core it is posted. */

import { Core, type CoreShare } from "../../cli/core.ts";

/** What to hash: addresses in the shared memory. */
export interface Job {
  share: CoreShare;
  tablePtr: number;
  count: number;
  blockBytes: number;
  digestsPtr: number;
}

self.onmessage = async ({ data }: MessageEvent<Job>) => {
  const core = await Core.attach(data.share);
  core.md5Blocks(data.tablePtr, data.count, data.blockBytes, data.digestsPtr);
  self.postMessage("done");
};
