/** Waits for what the server does in the background. */

import { ServerError } from "../errors.ts";
import { ConnectionError, shown } from "./errors.ts";
import { pause } from "./pause.ts";
import { readProperties } from "./properties.ts";
import type { VsphereSession } from "./session.ts";
import { type ObjectRef, refIn } from "./soap/envelope.ts";
import { VsphereFault } from "./soap/fault.ts";
import { childOf, integerAt, type XmlElement } from "./soap/xml.ts";

/** Options of waiting for a task. */
export interface TaskOptions {
  /**
   * Asks the server to cancel the task. Its end is waited for all the same, some time, and if it succeeds
   * nevertheless, so does the wait: the caller has to undo what was done.
   */
  signal?: AbortSignal;
  /** Gets the percentage from 0 to 100, whenever it has changed. */
  onProgress?: (percent: number) => void;
  /** The longest time for the task, in milliseconds; without it there is no limit. */
  timeoutMs?: number;
}

const FIRST_POLL_MS = 50;
const LONGEST_POLL_MS = 2000;
/** For a task to end that was cancelled. */
const CANCEL_PATIENCE_MS = 120_000;

const PATHS = ["info.state", "info.progress", "info.error", "info.result"];

/**
 * Starts `method`, whose answer is a task, and waits for its end.
 *
 * @returns the property `info.result`, if there is one
 * @throws {VsphereFault} if the call is refused or the task fails
 * @throws the reason of `signal` if the task was cancelled and did not succeed
 */
export async function runTask(
  session: VsphereSession,
  { method, target, args, isRepeatable }: {
    method: string;
    target: ObjectRef;
    args: string;
    isRepeatable?: boolean;
  },
  options: TaskOptions = {},
): Promise<XmlElement | undefined> {
  options.signal?.throwIfAborted();
  // Not bound to the signal: the caller must learn which task it has started.
  const answer = await session.call(method, target, args, { isRepeatable });
  return await waitForTask(session, refIn(childOf(answer, "returnval"), "a task"), { method, ...options });
}

/** Waits for the end of `task`; as {@linkcode runTask}. `method` is what started it, for messages. */
export async function waitForTask(
  session: VsphereSession,
  task: ObjectRef,
  { method, signal, onProgress, timeoutMs = Infinity }: TaskOptions & { method: string },
): Promise<XmlElement | undefined> {
  let deadline = performance.now() + timeoutMs;
  let isCancelled = false;
  let percent: number | undefined;
  for (let pollMs = FIRST_POLL_MS;; pollMs = Math.min(LONGEST_POLL_MS, pollMs * 1.5)) {
    if (signal?.aborted && !isCancelled) {
      isCancelled = true;
      deadline = Math.min(deadline, performance.now() + CANCEL_PATIENCE_MS);
      // A task that cannot be cancelled, or has ended, goes on as if nothing was said.
      await session.call("CancelTask", task).catch(() => {});
    }
    const { values } = await readProperties(session, task, { paths: PATHS });
    const state = values.get("info.state")?.text;
    if (state === "success") return values.get("info.result");
    if (state === "error") {
      if (isCancelled) throw signal!.reason;
      const error = values.get("info.error");
      if (error === undefined) throw new ServerError(`The server's task ${method} fails without a reason`);
      throw VsphereFault.ofTask(error, method);
    }
    if (state !== "running" && state !== "queued") {
      throw new ServerError(`The server's task ${method} has the state "${shown(state ?? "")}"`);
    }
    const now = integerAt(values.get("info.progress"));
    if (now !== undefined && now !== percent) onProgress?.(percent = now);
    if (performance.now() > deadline) {
      if (isCancelled) throw signal!.reason;
      throw new ConnectionError(`The server's task ${method} does not end`);
    }
    await pause(pollMs, isCancelled ? undefined : signal);
  }
}
