/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

/**
 * A worker of the crew. It starts a core of its own in the memory of the main thread's core, then performs
 * the tasks that it receives.
 */

import { Core } from "../core.ts";
import type { FromWorker, ToWorker } from "./crew.ts";
import { perform } from "./tasks.ts";

let core: Promise<Core> | undefined;

self.onmessage = async ({ data }: MessageEvent<ToWorker>) => {
  if ("share" in data) {
    core = Core.attach(data.share);
    await core;
    return self.postMessage({ ready: true } satisfies FromWorker);
  }
  const { number, task } = data;
  try {
    self.postMessage({ number, value: await perform(await core!, task) } satisfies FromWorker);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    self.postMessage({ number, failure: message } satisfies FromWorker);
  }
};
