/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

/** The worker that computes hashes of files while they are read or written, several hashes side by side. */

import { createSha256, type Sha256 } from "../archive/sha256.ts";
import type { FromWorker } from "./crew.ts";
import type { HashPartsTask, ToHashWorker } from "./hashes.ts";

const underWay = new Map<number, Promise<Sha256>>();

// Loads the implementation of SHA-256 now, while no task waits for it. The first task reports a failure.
createSha256().catch(() => {});

self.onmessage = async ({ data: { number, task } }: MessageEvent<ToHashWorker>) => {
  try {
    await hashParts(task);
    self.postMessage({ number, value: 0 } satisfies FromWorker);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    self.postMessage({ number, failure: message } satisfies FromWorker);
  }
};

/**
 * Performs a task. The tasks of one hash run in the order of their messages, because all of them wait for the
 * same promise and do not wait again.
 */
async function hashParts({ hash, parts, into }: HashPartsTask): Promise<void> {
  let begun = underWay.get(hash);
  if (begun === undefined) underWay.set(hash, begun = createSha256());
  const sha256 = await begun;
  for (const part of parts) sha256.update(part);
  if (into === undefined) return;
  underWay.delete(hash);
  into.set(sha256.bytes());
}
