/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

/** The thread that computes hashes of what passes by, several side by side. */

import { createSha256, type Sha256 } from "../archive/sha256.ts";
import type { FromWorker } from "./crew.ts";
import type { HashPartsTask, ToHasher } from "./hashes.ts";

const underWay = new Map<number, Promise<Sha256>>();

// What computes them is loaded while nobody waits for it.
createSha256().catch(() => {});

self.onmessage = async (
  { data: { number, task } }: MessageEvent<ToHasher>,
) => {
  try {
    await hashParts(task);
    self.postMessage({ number, value: 0 } satisfies FromWorker);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    self.postMessage({ number, failure: message } satisfies FromWorker);
  }
};

/** Tasks of a hash are done in the order in which they came: all of them wait for the same promise. */
async function hashParts({ hash, parts, into }: HashPartsTask): Promise<void> {
  let begun = underWay.get(hash);
  if (begun === undefined) underWay.set(hash, begun = createSha256());
  const sha256 = await begun;
  for (const part of parts) sha256.update(part);
  if (into === undefined) return;
  underWay.delete(hash);
  into.set(sha256.bytes());
}
