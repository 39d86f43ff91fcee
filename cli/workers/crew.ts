/**
 * The threads that do the work on batches and pieces, the calling one among them.
 *
 * A worker costs 15 MiB and, where memory is slow to come by, 0.2 s, so one is started only when the calling thread has
 * worked for a while, and the next when those that are there have enough to do. Batches go to workers: the calling thread has
 * to keep the files busy, and a batch takes it long. Pieces take all threads for most of the time, with little to read and to
 * write: those that find every worker supplied are done by the calling thread. What is done does not depend on who does it.
 *
 * A hash of a whole file has to be computed from its first byte to its last by one thread. Where much is read or written that
 * nobody compresses, that is one more thread, which does nothing else: behind other tasks the hashes would hold up the files.
 */

import type { Codecs, Inflating } from "../archive/codecs.ts";
import type { Core, CoreShare } from "../core.ts";
import { ThreadError } from "../errors.ts";
import { type HashPartsTask, type PassingSha256, sha256Here, sha256There } from "./hashes.ts";
import { perform, type Task } from "./tasks.ts";

/** What a worker is sent: first the memory, then tasks. */
export type ToWorker = { share: CoreShare } | { number: number; task: Task };

/** What it answers. */
export type FromWorker = { ready: true } | { number: number; value: number } | {
  number: number;
  failure: string;
};

/** Pieces that a worker is supplied with: one at hand, and enough to last while the calling thread is at one of its own. */
const PIECES_EACH = 4;
/** Batches that are enough for a worker, as long as there is another one to start. */
const BATCHES_EACH = 2;

/** Pieces that are under way at a time, of all files and however many threads there are: each takes up to four mebibytes. */
const AHEAD_MAX = 9;

/**
 * Work on the calling thread after which a worker is started. Where batches are hashed, that thread keeps up with files for
 * a while (half a second of reading and writing is 0.2 s of hashing); pieces that are compressed will be many.
 */
const ALONE_MS = { batches: 400, pieces: 10 };

/** Memory that a worker's core has to itself; the MD5 kernel takes 3 KiB of it. */
const SHARE_BYTES = 16 * 1024;

const WORKER = import.meta.resolve("./worker.ts");
const HASH_WORKER = import.meta.resolve("./hash_worker.ts");

/** Whether Deno may load the worker, which lies among the program's own files: reading is allowed there, or all is compiled in. */
export function canHaveWorkers(): boolean {
  if (Deno.build.standalone || !WORKER.startsWith("file:")) return true;
  return Deno.permissions.querySync({ name: "read", path: new URL(WORKER) }).state === "granted";
}

interface Waiting {
  resolve(value: number): void;
  reject(error: unknown): void;
}

/** One worker and what it has to do. */
class Member {
  readonly worker: Worker;
  readonly waiting: Map<number, Waiting> = new Map();
  /** Resolves when it can work, or never will. */
  readonly started: Promise<void>;
  isReady = false;
  /** Why it never works again. */
  #failure?: ThreadError;
  #onStarted = () => {};

  constructor(module: string, share?: CoreShare) {
    this.started = new Promise((resolve) => this.#onStarted = resolve);
    this.worker = new Worker(module, { type: "module" });
    this.worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#hear(data);
    this.worker.onerror = (event) => {
      event.preventDefault();
      this.#onStarted();
      this.#drop(new ThreadError(`Cannot go on: a worker thread failed: ${event.message}`));
    };
    if (share !== undefined) this.worker.postMessage({ share } satisfies ToWorker);
  }

  run(number: number, task: Task | HashPartsTask): Promise<number> {
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.waiting.set(number, { resolve, reject });
      this.worker.postMessage({ number, task });
    });
  }

  /** Ends it; nobody waits for it any more. */
  #drop(error: ThreadError): void {
    this.#failure = error;
    this.isReady = false;
    this.worker.terminate();
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
  }

  #hear(answer: FromWorker): void {
    if ("ready" in answer) {
      this.isReady = true;
      return this.#onStarted();
    }
    const { resolve, reject } = this.waiting.get(answer.number)!;
    this.waiting.delete(answer.number);
    if ("value" in answer) resolve(answer.value);
    else reject(new Error(answer.failure));
  }
}

/** The threads of one run of a command. */
export class Crew implements Disposable {
  /** How many threads work, this one included. */
  readonly threads: number;
  readonly #core: Core;
  /** Taken when the crew is made, before all that its commands take and give back. */
  readonly #shares: readonly CoreShare[];
  readonly #members: Member[] = [];
  /** How much of the time before the start of a worker has passed. */
  #alone = 0;
  #count = 0;
  #disposed = false;
  #hasher?: Member;

  /** @param options `threads`: 1 or more; 1 starts no worker */
  constructor(core: Core, { threads }: { threads: number }) {
    this.#core = core;
    this.#shares = Array.from({ length: threads - 1 }, () => core.share(SHARE_BYTES));
    this.threads = threads;
  }

  /** How many pieces may be under way at a time for one of `files` that are open together. */
  ahead(files = 1): number {
    const ahead = Math.min(PIECES_EACH * (this.threads - 1) + 2, Math.floor(AHEAD_MAX / files));
    return this.threads === 1 ? 1 : Math.max(1, ahead);
  }

  /** Compression on all threads, for one of `files` that are open together. */
  codecs(files = 1): Codecs {
    return {
      ahead: this.ahead(files),
      gzip: (given) => this.run({ kind: "gzip", given }),
      gunzip: async (given) => void await this.run({ kind: "gunzip", given }),
      zstd: (given) => this.run({ kind: "zstd", given }),
      unzstd: async (given) => void await this.run({ kind: "unzstd", given }),
    };
  }

  /** Inflating on all threads, for a disk with compressed grains. */
  get inflater(): { ahead: number; inflate(streams: readonly Inflating[]): Promise<void> } {
    return {
      ahead: Math.min(PIECES_EACH * (this.threads - 1) + 2, AHEAD_MAX),
      inflate: async (streams) => void await this.run({ kind: "inflate", streams }),
    };
  }

  /** Has a task done; what it works on may not be touched before the promise settles. */
  async run(task: Task): Promise<number> {
    const member = this.#leastBusy();
    const isBatch = task.kind === "hash" || task.kind === "compare";
    const isComplete = this.#members.length === this.#shares.length;
    const enough = isBatch ? BATCHES_EACH : PIECES_EACH;
    if (member !== undefined && (member.waiting.size < enough || (isBatch && isComplete))) {
      return await member.run(this.#count++, task);
    }
    const start = performance.now();
    try {
      return await perform(this.#core, task);
    } finally {
      this.#alone += (performance.now() - start) / (isBatch ? ALONE_MS.batches : ALONE_MS.pieces);
      if (this.#alone > 1 && this.#members.every((member) => member.isReady)) this.#startWorker();
    }
  }

  /** Starts the thread that hashes, since there will be much to do. */
  expectHashes(): void {
    if (this.threads > 1 && !this.#disposed) this.#hasher ??= new Member(HASH_WORKER);
  }

  /** Begins a hash, of the thread that hashes if there is one, or else of this one. */
  sha256(): PassingSha256 {
    const hasher = this.#hasher;
    return hasher === undefined
      ? sha256Here()
      : sha256There(this.#count++, (task) => hasher.run(this.#count++, task));
  }

  /** Starts a worker now, since there will be much to do: it is ready when that begins. */
  expectWork(): void {
    if (this.#members.length === 0) this.#startWorker();
  }

  /** Starts all threads, and waits for the workers. */
  async start(): Promise<void> {
    this.expectHashes();
    while (this.#members.length < this.#shares.length) this.#startWorker();
    for (const { started } of this.#members) await started;
  }

  /** Ends the workers, whatever they are at. */
  [Symbol.dispose](): void {
    this.#disposed = true;
    for (const { worker } of this.#members.splice(0)) worker.terminate();
    this.#hasher?.worker.terminate();
  }

  #leastBusy(): Member | undefined {
    let best: Member | undefined;
    for (const member of this.#members) {
      if (member.isReady && !(best && best.waiting.size <= member.waiting.size)) best = member;
    }
    return best;
  }

  #startWorker(): void {
    const share = this.#shares[this.#members.length];
    if (share === undefined || this.#disposed) return;
    this.#members.push(new Member(WORKER, share));
    this.#alone = 0;
  }
}
