/** A disk that is open in the disk library, and that is opened again when a call fails. */

import type { Target } from "../../../ffi/vix/connect_params.ts";
import type { CallStats } from "../../../ffi/vix/calls.ts";
import type { DiskInfo } from "../../../ffi/vix/disk_handle.ts";
import { VIX, VixError } from "../../../ffi/vix/vix_error.ts";
import { DiskLibraryError } from "../../errors.ts";
import type { FoundLibrary } from "./find.ts";
import { LogTail } from "./log_tail.ts";
import { parametersMeant } from "./parameters.ts";
import { LibraryProcess, ProcessGoneError } from "./process.ts";
import { scrub } from "./scrub.ts";
import { isTransient, type Remedy, remedyFor, waitBefore } from "./recovery.ts";

/** The library, the server, the disk, and how long to try. */
export interface SessionSetup {
  library: FoundLibrary;
  /** A process that was started for the library already; the session takes ownership of it. */
  process?: LibraryProcess;
  configFile?: string;
  /** The server; without it the disk is one of this machine. */
  target?: Target;
  snapshot?: string;
  /** The transport modes, separated by colons, the preferred first. Without them the library chooses. */
  modes?: string;
  /** The path of the disk, for the library and for messages. */
  path: string;
  readOnly: boolean;
  /** Makes the disk, which has another name until it is complete. */
  create?: { path: string; capacitySectors: number; adapterType: number };
  /** How often a failed call is repeated. */
  retries: number;
  /** The wait before the first repetition, in milliseconds; it doubles each time. */
  firstWaitMs: number;
  timeoutSeconds: number;
  /** Called for everything that went wrong and did not end the session. */
  onEvent: (event: LibraryEvent) => void;
  /** Called with each line of the library's log. */
  log: (line: string) => void;
}

/** A call that was repeated, or something that was not possible. */
export interface LibraryEvent {
  kind: "retry" | "downgrade" | "remark" | "warning";
  /** What happened and what is done about it. */
  text: string;
}

/** The time for the end of a library that has failed already; VMware's takes about a second. */
const PATIENCE_SECONDS = 10;

/** The time for telling vCenter that a backup has ended whose process crashed; a login is part of it. */
const END_ACCESS_SECONDS = 60;

/** The time in which the lines of the log for a call arrive after its answer. */
const LOG_DELAY_MS = 20;

/** The connection and the disk in it. */
export class LibrarySession {
  readonly #setup: SessionSetup;
  readonly #memory: { path: string; lenBytes: number };
  readonly #log = new LogTail();
  #process!: LibraryProcess;
  #info!: DiskInfo;
  /**
   * The number of the connection: a call that failed on an earlier one says nothing about the present one.
   */
  #epoch = 0;
  #recovering?: Promise<void>;
  #givenUp?: DiskLibraryError;
  /** Whether something was written since the last flush. */
  #unconfirmed = false;
  #doubtful = false;
  /** Whether the log told of a lack of memory since the last such error. */
  #saidMemory = false;
  #stats: Record<string, CallStats> = {};
  /** Whether vCenter was told that a backup of the machine has begun, and not yet that it has ended. */
  #isPrepared = false;

  private constructor(setup: SessionSetup, memory: { path: string; lenBytes: number }) {
    this.#setup = setup;
    this.#memory = memory;
  }

  /**
   * Starts the library, connects and opens the disk.
   * @param memory the shared memory that {@linkcode Transfer} refers to
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
        // The log comes another way than the answer, and later.
        await sleep(LOG_DELAY_MS);
        const failure = session.failure(action, error, failures);
        await session.#leaveProcess();
        if (setup.create !== undefined || failures > setup.retries || !isTransient(error)) {
          await session.#endAccess();
          throw failure;
        }
        session.#epoch++;
        session.#tell("restart", { error, action });
        await sleep(waitBefore(failures, setup.firstWaitMs));
      }
    }
  }

  /** The properties of the disk when it was opened last. */
  get info(): DiskInfo {
    return this.#info;
  }

  /** Whether the library may have lost bytes that it was given to write. */
  get isDoubtful(): boolean {
    return this.#doubtful;
  }

  /** Records that something was written. */
  noteWrite(): void {
    this.#unconfirmed = true;
  }

  /** Flushes everything that was given to the library so far. */
  async flush(action: string): Promise<void> {
    const flush = async (process: LibraryProcess) => {
      // A second flush that succeeds does not tell what the first one lost.
      await process.call("flush", {}).catch((error) => {
        this.#doubt();
        throw error;
      });
      this.#unconfirmed = false;
    };
    await this.attempt(flush, { action });
  }

  /**
   * Does `work`, and repeats it if necessary.
   *
   * Several calls may be under way at the same time. The first one that fails starts the recovery; the others
   * wait for it and are repeated, too.
   *
   * @param options `action` begins the error's message; `accepts` recognises failures that are an answer, and
   * are thrown unchanged
   * @throws {DiskLibraryError} if no remedy helps
   */
  async attempt<T>(
    work: (process: LibraryProcess) => Promise<T>,
    options: { readonly action: string; accepts?: (error: unknown) => boolean },
  ): Promise<T> {
    for (let failures = 0;;) {
      // Another recovery may have begun while this call waited for the first.
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
   * @throws {DiskLibraryError} if the disk was written and cannot be closed: its last bytes may be lost
   */
  async close(): Promise<void> {
    try {
      const { remarks } = await this.#process.call("close", {});
      this.#isPrepared = false;
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
    await this.#endAccess();
  }

  /**
   * Closes a new disk and gives it its name. A disk that has the name already is called `aside` in the
   * meantime.
   * @throws {DiskLibraryError} if the disk does not get its name
   */
  async name(options: { aside?: string }): Promise<void> {
    const { path: to } = this.#setup;
    try {
      await this.#process.call("rename", { to, ...options });
    } catch (error) {
      throw this.failure(`Cannot make disk "${to}"`, error);
    }
  }

  /**
   * Lets the process close everything and end. When this resolves, it no longer writes to the shared memory.
   */
  async leave(): Promise<void> {
    await this.#leaveProcess();
    await this.#endAccess();
  }

  async #leaveProcess(): Promise<void> {
    // The answer to this tells whether the access was ended; the end of the process does not.
    const closed = this.#closeAll();
    await this.#process.end({ withinSeconds: PATIENCE_SECONDS });
    await closed;
  }

  /** Lets the process close everything. It ends the access even if something else cannot be closed. */
  async #closeAll(): Promise<boolean> {
    try {
      await this.#process.call("close", {});
    } catch (error) {
      if (!(error instanceof ProcessGoneError)) this.#isPrepared = false;
      return false;
    }
    this.#isPrepared = false;
    return true;
  }

  /**
   * Tells vCenter that the backup has ended, in a process of its own, if the process that told it of the beginning
   * has crashed or hung. Until then vCenter does not move the machine.
   */
  async #endAccess(): Promise<void> {
    const { library, target, configFile, timeoutSeconds: givenSeconds, onEvent } = this.#setup;
    if (!this.#isPrepared || target === undefined) return;
    this.#isPrepared = false;
    const timeoutSeconds = Math.min(givenSeconds, END_ACCESS_SECONDS);
    const { bundleDir, path: libraryPath, libDir } = library;
    const process = new LibraryProcess({ bundleDir, timeoutSeconds });
    process.log = (line) => this.#hearLog(line);
    const failures: string[] = [];
    try {
      await process.call("start", { libraryPath, libDir, configFile, timeoutSeconds });
      failures.push(...(await process.call("endAccess", { target })).remarks);
    } catch (error) {
      failures.push((error as Error).message);
    }
    await process.end({ withinSeconds: PATIENCE_SECONDS });
    for (const message of failures) {
      const text = `vCenter may not know that the backup of ${target.vm} has ended: ${message}`;
      onEvent({ kind: "warning", text });
    }
  }

  /**
   * Whether the host has no memory for a transfer. Not every code tells so, but the lines of the log before
   * it do.
   */
  isOutOfMemory(error: VixError): boolean {
    const said = this.#saidMemory;
    this.#saidMemory = false;
    return said || error.code === VIX.outOfMemory;
  }

  /** The calls of the library, in all its processes that ended in order. */
  get stats(): Readonly<Record<string, CallStats>> {
    return this.#stats;
  }

  /** Returns the error that ends the command. */
  failure(action: string, error: unknown, failures = 1): DiskLibraryError {
    const { message } = error as Error;
    const times = failures > 1 ? ` (tried ${failures} times)` : "";
    const given = parametersMeant(error, { ...this.#setup, libDir: this.#setup.library.libDir });
    const meant = given === undefined ? "" : `; ${given}`;
    const { shown } = this.#log;
    const log = shown.length > 0 ? `; its log says: ${shown.join(" | ")}` : "";
    const fault = error instanceof VixError ? { call: error.call, code: error.code } : undefined;
    return new DiskLibraryError(`${action}: ${message}${meant}${times}${log}`, { cause: error, fault });
  }

  async #start(): Promise<void> {
    const { library, configFile, timeoutSeconds } = this.#setup;
    const { bundleDir } = library;
    // The given process is used for the first start only. Later starts replace a process that cannot be used
    // any more.
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
    // The lines of the start do not explain later errors.
    this.#log.clear();
    await this.#connect();
  }

  async #connect(): Promise<void> {
    const { target, readOnly, snapshot, modes } = this.#setup;
    if (target !== undefined) await this.#prepare(target);
    await this.#process.call("connect", { target, readOnly, snapshot, modes });
  }

  async #prepare(target: Target): Promise<void> {
    // A process that crashed has left the machine prepared.
    if (this.#isPrepared) await this.#process.call("endAccess", { target });
    this.#isPrepared = true;
    const { isPrepared, remarks } = await this.#process.call("prepare", { target });
    this.#isPrepared = isPrepared;
    for (const text of remarks) this.#setup.onEvent({ kind: "remark", text });
  }

  async #openDisk(): Promise<DiskInfo> {
    const { path, readOnly, create } = this.#setup;
    return await this.#process.call("open", {
      path: create?.path ?? path,
      readOnly,
      isNew: create !== undefined,
    });
  }

  /** Recovers once; all other calls wait for it. */
  async #recover(
    remedy: Remedy,
    given: { error: unknown; failures: number; action: string },
  ): Promise<void> {
    this.#epoch++;
    const recovery = this.#cure(remedy, given);
    // Calls that wait get the error from their own next try.
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

  /** Returns the first error without a remedy, which ends all calls: none of them is repeated on its own. */
  #giveUp(action: string, error: unknown, failures: number): DiskLibraryError {
    return this.#givenUp ??= this.failure(action, error, failures);
  }

  async #apply(remedy: Remedy): Promise<void> {
    if (remedy !== "reconnect" && remedy !== "restart") return;
    // A session that has ended, or a library in a bad state, may not close. Only the next session matters.
    if (!await this.#closeAll()) this.#doubt();
    if (remedy === "restart") {
      await this.#keepStats();
      await this.#process.call("handOver", {}).catch(() => {});
      await this.#leaveProcess();
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

  /** Records that bytes may be lost: the library took them and the session ended before it confirmed them. */
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
    // The library's log may contain the password.
    const text = target === undefined ? line : scrub(line, target.password);
    log(text);
    // Hosts log this when they have no memory for a transfer, whatever the code is.
    if (/NFC error 5\b/i.test(text)) this.#saidMemory = true;
    this.#log.add(text);
  }

  async #keepStats(): Promise<void> {
    addStats(this.#stats, await this.#process.stats());
  }
}

/** Adds the calls of each function to those that were counted before. */
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
