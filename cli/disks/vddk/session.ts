/** A disk that is open in the disk library, and is opened again whenever that is of help. */

import type { Target } from "../../../ffi/vix/connect_params.ts";
import type { CallStats, DiskInfo } from "../../../ffi/vix/vix_disk_lib.ts";
import { VIX, VixError } from "../../../ffi/vix/vix_error.ts";
import { DiskLibraryError } from "../../errors.ts";
import type { FoundLibrary } from "./find.ts";
import { LibraryProcess } from "./process.ts";
import { scrub } from "./scrub.ts";
import { isTransient, type Remedy, remedyFor, waitBefore } from "./recovery.ts";

/** Which library, which server, which disk, and how patient. */
export interface SessionSetup {
  library: FoundLibrary;
  /** A process that was started for the library already; it is taken over. */
  process?: LibraryProcess;
  configFile?: string;
  /** Without it, a disk of this machine. */
  target?: Target;
  snapshot?: string;
  /** Transport modes, separated by colons, the preferred first; without it the library's choice. */
  modes?: string;
  /** The disk, as the library and messages call it. */
  path: string;
  readOnly: boolean;
  /** Makes the disk, under another name until it is complete. */
  create?: { path: string; capacitySectors: number; adapterType: number };
  /** How often a call is tried again. */
  retries: number;
  /** Wait before the first of them; twice as long each time. */
  firstWaitMs: number;
  timeoutSeconds: number;
  /** Hears of everything that did not go as it should and was not the end. */
  onEvent: (event: LibraryEvent) => void;
  /** Hears the library's log. */
  log: (line: string) => void;
}

/** What was tried again, or done without. */
export interface LibraryEvent {
  kind: "retry" | "downgrade" | "remark";
  /** What happened and what is done about it. */
  text: string;
}

/** For the end of a library that has failed already; VMware's takes about a second. */
const PATIENCE_SECONDS = 10;

/** Lines of the library's log that an error ends with: they say what a code does not, such as both thumbprints. */
const LOG_LINES = 3;
const LOG_DELAY_MS = 20;

/** The connection and the disk in it. */
export class LibrarySession {
  readonly #setup: SessionSetup;
  readonly #memory: { path: string; lenBytes: number };
  readonly #lastLog: string[] = [];
  #process!: LibraryProcess;
  #info!: DiskInfo;
  /** Counts the connections: a call that failed on an earlier one says nothing of the present one. */
  #epoch = 0;
  #recovering?: Promise<void>;
  #givenUp?: DiskLibraryError;
  /** Something was written since the last flush. */
  #unconfirmed = false;
  #doubtful = false;
  /** The log spoke of a lack of memory since the last such error. */
  #saidMemory = false;
  #stats: Record<string, CallStats> = {};

  private constructor(setup: SessionSetup, memory: { path: string; lenBytes: number }) {
    this.#setup = setup;
    this.#memory = memory;
  }

  /**
   * Starts the library, connects and opens the disk.
   * @param memory what {@linkcode Transfer} addresses
   * @throws {DiskLibraryError} if any of it fails
   */
  static async open(
    setup: SessionSetup,
    memory: { path: string; lenBytes: number },
  ): Promise<LibrarySession> {
    const session = new LibrarySession(setup, memory);
    const action = `Cannot ${setup.create ? "make" : "open"} disk "${setup.path}"`;
    for (let failures = 1;; failures++) {
      try {
        await session.#start();
        if (setup.create !== undefined) await session.#process.call("create", setup.create);
        session.#info = await session.#openDisk();
        return session;
      } catch (error) {
        // What the log says of it comes another way than the answer.
        await sleep(LOG_DELAY_MS);
        const failure = session.failure(action, error, failures);
        await session.leave();
        if (setup.create !== undefined || failures > setup.retries || !isTransient(error)) throw failure;
        session.#epoch++;
        session.#tell("restart", { error, action });
        await sleep(waitBefore(failures, setup.firstWaitMs));
      }
    }
  }

  /** The disk as it was when it was opened the last time. */
  get info(): DiskInfo {
    return this.#info;
  }

  /** Whether the library may have lost what it was given to write. */
  get isDoubtful(): boolean {
    return this.#doubtful;
  }

  /** Says that something was written. */
  noteWrite(): void {
    this.#unconfirmed = true;
  }

  /** Has everything written that was given to the library so far. */
  async flush(action: string): Promise<void> {
    const flush = async (process: LibraryProcess) => {
      // A second flush that succeeds says nothing of what the first one lost.
      await process.call("flush", {}).catch((error) => {
        this.#doubt();
        throw error;
      });
      this.#unconfirmed = false;
    };
    await this.attempt(flush, { action });
  }

  /**
   * Does `work`, again and again if need be.
   *
   * Several may be at it at the same time. The first that fails sees to the recovery; the others wait for it and try
   * again, too.
   *
   * @param options `action` begins the error's message; `accepts` tells failures that are an answer, and are thrown as
   * they are
   * @throws {DiskLibraryError} if nothing helps
   */
  async attempt<T>(
    work: (process: LibraryProcess) => Promise<T>,
    options: { readonly action: string; accepts?: (error: unknown) => boolean },
  ): Promise<T> {
    for (let failures = 0;;) {
      // Another one may have begun while this one waited for its turn.
      while (this.#recovering) await this.#recovering;
      if (this.#givenUp) throw this.#givenUp;
      const epoch = this.#epoch;
      try {
        return await work(this.#process);
      } catch (error) {
        if (options.accepts?.(error)) throw error;
        const { action } = options;
        failures++;
        const remedy = this.#remedyFor(error, failures);
        if (remedy === "giveUp") throw this.#giveUp(action, error, failures);
        if (epoch === this.#epoch) await this.#recover(remedy, { error, failures, action });
      }
    }
  }

  /**
   * Closes the disk and ends the library.
   * @throws {DiskLibraryError} if the disk was written and does not close: its last bytes may be lost
   */
  async close(): Promise<void> {
    try {
      const { remarks } = await this.#process.call("close", {});
      for (const text of remarks) this.#setup.onEvent({ kind: "remark", text });
    } catch (error) {
      if (!this.#setup.readOnly) {
        await this.leave();
        throw this.failure(`Cannot close disk "${this.#setup.path}"`, error);
      }
      this.#setup.onEvent({ kind: "remark", text: `closing failed: ${(error as Error).message}` });
    }
    await this.#keepStats();
    for (const text of await this.#process.end()) this.#setup.onEvent({ kind: "remark", text });
  }

  /**
   * Closes a new disk and gives it its name; one that has it is called `aside` until then.
   * @throws {DiskLibraryError} if it does not get it
   */
  async name(options: { aside?: string }): Promise<void> {
    const { path: to } = this.#setup;
    try {
      await this.#process.call("rename", { to, ...options });
    } catch (error) {
      throw this.failure(`Cannot make disk "${to}"`, error);
    }
  }

  /** Has the process close what is open and end; when this resolves, it does not write to the shared memory any more. */
  async leave(): Promise<void> {
    await this.#process.end({ withinSeconds: PATIENCE_SECONDS });
  }

  /** Whether the host has no memory for a transfer; the code alone does not always say so, but the log before it does. */
  isOutOfMemory(error: VixError): boolean {
    const said = this.#saidMemory;
    this.#saidMemory = false;
    return said || error.code === VIX.outOfMemory;
  }

  /** Calls of the library, of all its processes that came to an orderly end. */
  get stats(): Readonly<Record<string, CallStats>> {
    return this.#stats;
  }

  /** The error that ends the command. */
  failure(action: string, error: unknown, failures = 1): DiskLibraryError {
    const { message } = error as Error;
    const times = failures > 1 ? ` (tried ${failures} times)` : "";
    const log = this.#lastLog.length > 0 ? `; its log ends: ${this.#lastLog.join(" | ")}` : "";
    const fault = error instanceof VixError ? { call: error.call, code: error.code } : undefined;
    return new DiskLibraryError(`${action}: ${message}${times}${log}`, { cause: error, fault });
  }

  async #start(): Promise<void> {
    const { library, configFile, timeoutSeconds } = this.#setup;
    const { bundleDir } = library;
    // The first time only: later ones are replaced because they are of no use any more.
    this.#process = this.#epoch === 0 && this.#setup.process ||
      new LibraryProcess({ bundleDir, timeoutSeconds });
    this.#process.log = (line) => this.#hearLog(line);
    const { path: libraryPath, libDir } = library;
    await this.#process.call("start", {
      libraryPath,
      libDir,
      configFile,
      memory: this.#memory,
      timeoutSeconds,
    });
    // What it says of its start is of no use later.
    this.#lastLog.length = 0;
    await this.#connect();
  }

  async #connect(): Promise<void> {
    const { target, readOnly, snapshot, modes, onEvent } = this.#setup;
    const { remarks } = await this.#process.call("connect", { target, readOnly, snapshot, modes });
    for (const text of remarks) onEvent({ kind: "remark", text });
  }

  async #openDisk(): Promise<DiskInfo> {
    const { path, readOnly, create } = this.#setup;
    return await this.#process.call("open", {
      path: create?.path ?? path,
      readOnly,
      isNew: create !== undefined,
    });
  }

  /** One recovery at a time; while it goes on, everybody waits. */
  async #recover(
    remedy: Remedy,
    given: { error: unknown; failures: number; action: string },
  ): Promise<void> {
    this.#epoch++;
    const recovery = this.#cure(remedy, given);
    // Those who wait meet the failure at their own next try.
    this.#recovering = recovery.catch(() => {});
    try {
      await recovery;
    } finally {
      this.#recovering = undefined;
    }
  }

  async #cure(
    remedy: Remedy,
    { error, failures, action }: { error: unknown; failures: number; action: string },
  ): Promise<void> {
    for (;;) {
      this.#tell(remedy, { error, action });
      await sleep(waitBefore(failures, this.#setup.firstWaitMs));
      try {
        return await this.#apply(remedy);
      } catch (next) {
        failures++;
        remedy = this.#remedyFor(next, failures);
        if (remedy === "giveUp") throw this.#giveUp(action, next, failures);
        error = next;
      }
    }
  }

  #remedyFor(error: unknown, failures: number): Remedy {
    return failures > this.#setup.retries ? "giveUp" : remedyFor(error, failures);
  }

  /** The first failure that nothing helps against is that of all who are at work: none of them tries on its own. */
  #giveUp(action: string, error: unknown, failures: number): DiskLibraryError {
    return this.#givenUp ??= this.failure(action, error, failures);
  }

  async #apply(remedy: Remedy): Promise<void> {
    if (remedy !== "reconnect" && remedy !== "restart") return;
    // A session that is over, or a library that is beside itself, may not close: what counts is the next one.
    await this.#process.call("close", {}).catch(() => this.#doubt());
    if (remedy === "restart") {
      await this.#keepStats();
      await this.#process.call("handOver", {}).catch(() => {});
      await this.leave();
      await this.#start();
    } else {
      await this.#connect();
    }
    const info = await this.#openDisk();
    if (info.capacitySectors !== this.#info.capacitySectors) {
      throw new Error(
        `the disk had ${this.#info.capacitySectors} sectors and has ${info.capacitySectors} now`,
      );
    }
    if (info.transportMode !== this.#info.transportMode) {
      const text = `transport mode ${info.transportMode} is used instead of ${this.#info.transportMode}`;
      this.#setup.onEvent({ kind: "downgrade", text });
    }
    this.#info = info;
  }

  /** What the library took and did not confirm may be lost with the session. */
  #doubt(): void {
    if (!this.#unconfirmed || this.#doubtful) return;
    this.#doubtful = true;
    const text = "the library may have lost what it was given to write: the disk is to be read back";
    this.#setup.onEvent({ kind: "downgrade", text });
  }

  #tell(remedy: Remedy, { error, action }: { error: unknown; action: string }): void {
    const then = {
      again: "trying again",
      reconnect: "connecting anew",
      restart: "starting the library afresh",
      giveUp: "",
    }[remedy];
    const problem = action.replace(/^Cannot /, "could not ");
    this.#setup.onEvent({ kind: "retry", text: `${problem}: ${(error as Error).message}; ${then}` });
  }

  #hearLog(line: string): void {
    const { log, target } = this.#setup;
    // The library's log is not ours to trust with a password.
    const text = target === undefined ? line : scrub(line, target.password);
    log(text);
    // What the host says when it has no memory for a transfer, whatever the code is.
    if (/NFC error 5\b/i.test(text)) this.#saidMemory = true;
    this.#lastLog.push(text);
    if (this.#lastLog.length > LOG_LINES) this.#lastLog.shift();
  }

  async #keepStats(): Promise<void> {
    addStats(this.#stats, await this.#process.stats());
  }
}

/** Adds calls to those that were counted before, by function. */
export function addStats(to: Record<string, CallStats>, more: Readonly<Record<string, CallStats>>): void {
  for (const [name, { calls, bytes, milliseconds }] of Object.entries(more)) {
    const sum = to[name] ??= { calls: 0, bytes: 0, milliseconds: 0 };
    sum.calls += calls;
    sum.bytes += bytes;
    sum.milliseconds += milliseconds;
  }
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
