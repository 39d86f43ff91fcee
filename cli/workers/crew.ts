/**
 * The threads that compute: the calling thread and a pool of workers. They hash batches of blocks, and
 * compress and decompress the pieces of archives.
 *
 * A worker takes 15 MiB of memory and, on machines where memory is slow to get, 0.2 s to start. So the first
 * worker is started only when the calling thread has computed for a while, and another one only when the
 * workers that exist have enough to do. Batches go to workers, because a batch takes long and the calling
 * thread has to keep the files busy. Pieces keep all threads busy for most of the time and need little
 * reading and writing: when every worker has enough pieces, the calling thread computes the next one itself.
 * Results do not depend on which thread computes them.
 *
 * The hash of a whole file must be computed by one thread from the first byte to the last. Where much is read
 * or written without being compressed, a further thread computes hashes and nothing else: if hashes had to
 * wait for other tasks, reading and writing would wait for the hashes.
 */

import type { Codecs, Inflating } from "../archive/codecs.ts";
import type { Core, CoreShare } from "../core.ts";
import { ThreadError } from "../errors.ts";
import { type HashPartsTask, type PassingSha256, sha256OnThisThread, sha256OnWorker } from "./hashes.ts";
import { perform, type Task } from "./tasks.ts";

/** A message to a worker: first the share of the core's memory, then tasks. */
export type ToWorker = { share: CoreShare } | { number: number; task: Task };

/** A message from a worker: it is ready for tasks, or the task with this number has succeeded or failed. */
export type FromWorker = { ready: true } | { number: number; value: number } | {
  number: number;
  failure: string;
};

/**
 * Pieces that are queued at a worker: the one that it works on, and enough others to last while the calling
 * thread computes a piece of its own.
 */
const PIECES_PER_WORKER = 4;
/**
 * Batches that are queued at a worker as long as further workers can be started. Meanwhile the calling thread
 * hashes the batches that come on top; once all workers exist, all batches are queued.
 */
const BATCHES_PER_WORKER = 2;

/**
 * Limit of the pieces under way at a time, for all files and any number of threads: each takes up to 4 MiB.
 */
const AHEAD_MAX = 9;

/**
 * Milliseconds of computing on the calling thread after which a worker is started. With batches the calling
 * thread keeps up with the files for a while: half a second of reading and writing needs 0.2 s of hashing.
 * Where one piece is compressed, many more will follow.
 */
const START_AFTER_MS = { batches: 400, pieces: 10 };

/** Bytes of memory that a worker's core has to itself; the MD5 kernel uses 3 KiB of them. */
const SHARE_BYTES = 16 * 1024;

const WORKER_MODULE = import.meta.resolve("./worker.ts");
const HASH_WORKER_MODULE = import.meta.resolve("./hash_worker.ts");

/**
 * Returns whether workers can be started. Deno loads them from the program's own files, which needs
 * permission to read these, unless they are part of an executable.
 */
export function canHaveWorkers(): boolean {
  if (Deno.build.standalone || !WORKER_MODULE.startsWith("file:")) return true;
  return Deno.permissions.querySync({ name: "read", path: new URL(WORKER_MODULE) }).state === "granted";
}

interface PendingTask {
  resolve(value: number): void;
  reject(error: unknown): void;
}

/** A worker thread and the tasks that were posted to it. */
class CrewWorker {
  readonly worker: Worker;
  /** Tasks without a result yet, by number. */
  readonly pending: Map<number, PendingTask> = new Map();
  /** Resolves when the worker is ready for tasks, or has failed. */
  readonly started: Promise<void>;
  isReady = false;
  /** Why the worker has ended; it is undefined while the worker lives. */
  #failure?: ThreadError;
  #onStarted = () => {};

  constructor(module: string, share?: CoreShare) {
    this.started = new Promise((resolve) => this.#onStarted = resolve);
    this.worker = new Worker(module, { type: "module" });
    this.worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#onMessage(data);
    this.worker.onerror = (event) => {
      event.preventDefault();
      this.#onStarted();
      this.#fail(new ThreadError(`Cannot go on: a worker thread failed: ${event.message}`));
    };
    if (share !== undefined) this.worker.postMessage({ share } satisfies ToWorker);
  }

  run(number: number, task: Task | HashPartsTask): Promise<number> {
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.pending.set(number, { resolve, reject });
      this.worker.postMessage({ number, task });
    });
  }

  /** Ends the worker and rejects all its tasks, now and later. */
  #fail(error: ThreadError): void {
    this.#failure = error;
    this.isReady = false;
    this.worker.terminate();
    for (const { reject } of this.pending.values()) reject(error);
    this.pending.clear();
  }

  #onMessage(message: FromWorker): void {
    if ("ready" in message) {
      this.isReady = true;
      return this.#onStarted();
    }
    const { resolve, reject } = this.pending.get(message.number)!;
    this.pending.delete(message.number);
    if ("value" in message) resolve(message.value);
    else reject(new Error(message.failure));
  }
}

/** The calling thread and the workers that it starts as they are needed. */
export class Crew implements Disposable {
  /** How many threads compute at most: the calling one and the workers, but not the one for hashes. */
  readonly threads: number;
  readonly #core: Core;
  /** Memory for all workers, allocated first: marks that are released later are after it. */
  readonly #shares: readonly CoreShare[];
  readonly #workers: CrewWorker[] = [];
  /** Computing on the calling thread since the last worker was started; at 1 the next one is due. */
  #ownWork = 0;
  /** Numbers for tasks and hashes. */
  #nextNumber = 0;
  #disposed = false;
  #hashWorker?: CrewWorker;

  /** @param options `threads`: 1 or more; with 1 no worker is started */
  constructor(core: Core, { threads }: { threads: number }) {
    this.#core = core;
    this.#shares = Array.from({ length: threads - 1 }, () => core.share(SHARE_BYTES));
    this.threads = threads;
  }

  /** Returns how many pieces of one file may be under way at a time if `files` files are open together. */
  ahead(files = 1): number {
    const ahead = Math.min(PIECES_PER_WORKER * (this.threads - 1) + 2, Math.floor(AHEAD_MAX / files));
    return this.threads === 1 ? 1 : Math.max(1, ahead);
  }

  /** Returns codecs for one of `files` files that are open together. They compute on all threads. */
  codecs(files = 1): Codecs {
    return {
      ahead: this.ahead(files),
      gzip: (given) => this.run({ kind: "gzip", given }),
      gunzip: async (given) => void await this.run({ kind: "gunzip", given }),
      zstd: (given) => this.run({ kind: "zstd", given }),
      unzstd: async (given) => void await this.run({ kind: "unzstd", given }),
    };
  }

  /** Inflates the grains of compressed disks on all threads. */
  get inflater(): { ahead: number; inflate(streams: readonly Inflating[]): Promise<void> } {
    return {
      ahead: Math.min(PIECES_PER_WORKER * (this.threads - 1) + 2, AHEAD_MAX),
      inflate: async (streams) => void await this.run({ kind: "inflate", streams }),
    };
  }

  /**
   * Performs a task on a worker or on the calling thread, and returns its result. Until the promise settles,
   * the memory of the task may be neither read nor changed.
   *
   * @throws {ThreadError} if the worker fails
   * @throws {Error} if the task fails
   */
  async run(task: Task): Promise<number> {
    const worker = this.#leastBusy();
    const isBatch = task.kind === "hash" || task.kind === "compare";
    const allStarted = this.#workers.length === this.#shares.length;
    const enough = isBatch ? BATCHES_PER_WORKER : PIECES_PER_WORKER;
    if (worker !== undefined && (worker.pending.size < enough || (isBatch && allStarted))) {
      return await worker.run(this.#nextNumber++, task);
    }
    const start = performance.now();
    try {
      return await perform(this.#core, task);
    } finally {
      const startAfterMs = isBatch ? START_AFTER_MS.batches : START_AFTER_MS.pieces;
      this.#ownWork += (performance.now() - start) / startAfterMs;
      if (this.#ownWork > 1 && this.#workers.every(({ isReady }) => isReady)) this.#startWorker();
    }
  }

  /** Starts the thread that computes hashes, because the caller expects many bytes to hash. */
  expectHashes(): void {
    if (this.threads > 1 && !this.#disposed) this.#hashWorker ??= new CrewWorker(HASH_WORKER_MODULE);
  }

  /** Begins a SHA-256, which the thread for hashes computes if {@linkcode expectHashes} has started it. */
  sha256(): PassingSha256 {
    const worker = this.#hashWorker;
    return worker === undefined
      ? sha256OnThisThread()
      : sha256OnWorker(this.#nextNumber++, (task) => worker.run(this.#nextNumber++, task));
  }

  /** Starts a worker now, because the caller expects much work: the worker is ready when the work begins. */
  expectWork(): void {
    if (this.#workers.length === 0) this.#startWorker();
  }

  /** Starts all threads, and waits until the workers are ready. */
  async start(): Promise<void> {
    this.expectHashes();
    while (this.#workers.length < this.#shares.length) this.#startWorker();
    for (const { started } of this.#workers) await started;
  }

  /** Ends all workers at once. The promises of tasks under way never settle. */
  [Symbol.dispose](): void {
    this.#disposed = true;
    for (const { worker } of this.#workers.splice(0)) worker.terminate();
    this.#hashWorker?.worker.terminate();
  }

  #leastBusy(): CrewWorker | undefined {
    let best: CrewWorker | undefined;
    for (const worker of this.#workers) {
      if (worker.isReady && !(best && best.pending.size <= worker.pending.size)) best = worker;
    }
    return best;
  }

  #startWorker(): void {
    const share = this.#shares[this.#workers.length];
    if (share === undefined || this.#disposed) return;
    this.#workers.push(new CrewWorker(WORKER_MODULE, share));
    this.#ownWork = 0;
  }
}
