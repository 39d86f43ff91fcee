/** A disk that is open on a data port, and is opened again on a new connection when one fails. */

import { scrub } from "../../disks/vddk/scrub.ts";
import { ServerError } from "../../errors.ts";
import { ConnectionError, ProtocolError, reasonOf, TrustError } from "../errors.ts";
import { connectDataPort } from "./data_port.ts";
import type { ByteLink } from "../net/byte_link.ts";
import { pause } from "../pause.ts";
import { OpenDisk } from "./open_disk.ts";
import { NfcRefusal } from "./record.ts";
import type { Ticket } from "./ticket.ts";

/** A problem that did not end the session: a request was tried again, or something was left out. */
export interface DiskEvent {
  kind: "retry" | "downgrade" | "remark";
  /** The problem and the reaction to it. */
  text: string;
}

/** The disk and the limits of the session. */
export interface DiskSessionSetup {
  /** `[datastore] folder/name.vmdk`: the file that is opened. */
  path: string;
  /** A new ticket each time; its management session logs in again by itself. */
  takeTicket: () => Promise<Ticket>;
  /** False sends the disk's bytes in clear text. */
  isEncrypted: boolean;
  /** The number of further tries of a read or a connection, in a row. */
  retries: number;
  /** The wait before the first of them; twice as long each time, at most a minute. */
  firstWaitMs: number;
  /** The longest silence of the host while an answer is due. */
  patienceMs: number;
  /** Ends everything; what is under way fails with its reason. */
  signal?: AbortSignal;
  onEvent: (event: DiskEvent) => void;
  /** Advice that is added to a refusal to open the disk. */
  hint?: string;
  /** For tests: connects without a network. */
  connect?: (ticket: Ticket, options: Parameters<typeof connectDataPort>[1]) => Promise<ByteLink>;
}

const LONGEST_WAIT_MS = 60_000;
/** For the end in order of a disk that was read already. */
const CLOSE_PATIENCE_MS = 10_000;

/** A host refuses a request that can be done without, or does not know it. */
export class UnansweredError extends ServerError {
  override name = "UnansweredError";
}

/** The connection and the disk on it. */
export class DiskSession {
  readonly #setup: DiskSessionSetup;
  #disk!: OpenDisk;
  /** Where the disk is read from. */
  #host = "";
  /** Of the present connection: a host could repeat it in a message. */
  #sessionId = "";
  /** Counts the connections: a read that failed on an earlier one does not concern the present one. */
  #epoch = 0;
  #recovering?: Promise<void>;
  #givenUp?: unknown;
  #asksForBuffers = true;
  #underWay = 0;
  #idle?: () => void;
  readonly #onAbort = () => this.#end(this.#setup.signal!.reason);

  private constructor(setup: DiskSessionSetup) {
    this.#setup = setup;
  }

  /**
   * Connects and opens the disk. A connection that breaks is tried again, a refusal is not.
   *
   * @throws {TrustError} if the host is not proved to be the one of the ticket
   * @throws {ServerError} if nothing helps
   */
  static async open(setup: DiskSessionSetup): Promise<DiskSession> {
    const session = new DiskSession(setup);
    const action = `Cannot open disk "${setup.path}"`;
    for (let failures = 1;; failures++) {
      try {
        setup.signal?.throwIfAborted();
        session.#disk = await session.#connect();
        setup.signal?.addEventListener("abort", session.#onAbort);
        if (setup.signal?.aborted) session.#onAbort();
        return session;
      } catch (error) {
        setup.signal?.throwIfAborted();
        const isTransient = error instanceof ConnectionError || error instanceof ProtocolError ||
          (error instanceof NfcRefusal && !error.isFinal && error.code !== FAILED);
        if (!isTransient || failures > setup.retries) throw session.#failure(action, error, failures);
        session.#tellRetry(action, error);
        await session.#wait(failures);
      }
    }
  }

  get capacityBytes(): number {
    return this.#disk.capacityBytes;
  }

  /** The host that the disk is read from. */
  get host(): string {
    return this.#host;
  }

  /**
   * Does `work` on the open disk, again on a new connection if need be. Several may be at it at the same
   * time: the first that fails sees to the new connection, the others wait for it.
   *
   * @param options `action` begins the error's message. Work that is `isOptional` is a request that a host
   * may not know: a refusal, or a second connection that fails with it, ends the tries
   * @throws {UnansweredError} if the host does not answer optional work; the connection is replaced before
   * the next
   * @throws {ServerError} if nothing helps
   */
  async attempt<T>(
    work: (disk: OpenDisk) => Promise<T>,
    { action, isOptional = false }: { action: string; isOptional?: boolean },
  ): Promise<T> {
    this.#underWay++;
    try {
      for (let failures = 0;;) {
        while (this.#recovering) await this.#recovering;
        if (this.#givenUp !== undefined) throw this.#givenUp;
        const epoch = this.#epoch;
        if (this.#disk.hasFailed) {
          await this.#recover({
            error: new ConnectionError("the connection is closed"),
            failures: 1,
            action,
          });
          continue;
        }
        try {
          return await work(this.#disk);
        } catch (error) {
          failures++;
          if (this.#givenUp !== undefined) throw this.#givenUp;
          if (isOptional && isAnswer(error, failures)) throw new UnansweredError(this.#hide(reasonOf(error)));
          if (!this.#isWorthRetrying(error, failures)) throw this.#giveUp(action, error, failures);
          if (epoch === this.#epoch) await this.#recover({ error, failures, action });
        }
      }
    } finally {
      this.#underWay--;
      if (this.#underWay === 0) this.#idle?.();
    }
  }

  /**
   * Waits for what is under way, closes the disk and ends the connection. What goes wrong with that is a
   * remark.
   */
  async close(): Promise<void> {
    if (this.#underWay > 0) await new Promise<void>((resolve) => this.#idle = resolve);
    this.#setup.signal?.removeEventListener("abort", this.#onAbort);
    if (this.#givenUp === undefined && !this.#disk.hasFailed) {
      const timer = setTimeout(
        () => this.#disk.drop(new ConnectionError("the host does not close it")),
        CLOSE_PATIENCE_MS,
      );
      try {
        await this.#disk.close();
      } catch (error) {
        this.#setup.onEvent({ kind: "remark", text: `closing failed: ${this.#hide(reasonOf(error))}` });
      } finally {
        clearTimeout(timer);
      }
    }
    this.#end(new ConnectionError(`Cannot read disk "${this.#setup.path}": it is closed`));
  }

  /** Ends at once. */
  leave(): void {
    this.#setup.signal?.removeEventListener("abort", this.#onAbort);
    this.#end(new ConnectionError(`Cannot read disk "${this.#setup.path}": it is closed`));
  }

  #end(reason: unknown): void {
    this.#givenUp ??= reason;
    this.#disk.drop(reason);
  }

  async #connect(): Promise<OpenDisk> {
    const { isEncrypted, patienceMs, signal, path, connect = connectDataPort } = this.#setup;
    const ticket = await this.#setup.takeTicket();
    this.#host = ticket.endpoint.host;
    this.#sessionId = ticket.sessionId;
    const link = await connect(ticket, { isEncrypted, patienceMs, signal });
    try {
      return await OpenDisk.open(link, { path, patienceMs, asksForBuffers: this.#asksForBuffers });
    } catch (error) {
      signal?.throwIfAborted();
      // Some hosts take no wishes for buffers.
      if (!(error instanceof NfcRefusal && error.fault?.call === "NFC the session" && this.#asksForBuffers)) {
        throw error;
      }
      this.#asksForBuffers = false;
      return await this.#connect();
    }
  }

  /** One recovery at a time; while it goes on, all others wait. */
  async #recover(given: { error: unknown; failures: number; action: string }): Promise<void> {
    this.#epoch++;
    const recovery = this.#reconnect(given);
    // Others meet the failure at their own next try.
    this.#recovering = recovery.catch(() => {});
    try {
      await recovery;
    } finally {
      this.#recovering = undefined;
    }
  }

  async #reconnect(
    { error, failures, action }: { error: unknown; failures: number; action: string },
  ): Promise<void> {
    this.#disk.drop();
    for (;;) {
      this.#tellRetry(action, error);
      await this.#wait(failures);
      if (this.#givenUp !== undefined) throw this.#givenUp;
      let disk: OpenDisk;
      try {
        disk = await this.#connect();
      } catch (next) {
        if (this.#givenUp !== undefined) throw this.#givenUp;
        failures++;
        if (!this.#isWorthRetrying(next, failures)) throw this.#giveUp(action, next, failures);
        error = next;
        continue;
      }
      const [had, has] = [this.#disk.capacityBytes, disk.capacityBytes];
      this.#disk = disk;
      if (this.#givenUp !== undefined) disk.drop(this.#givenUp);
      else if (had !== has) {
        this.#giveUp(action, new ServerError(`the disk had ${had} bytes and has ${has} now`), 1);
      }
      if (this.#givenUp !== undefined) throw this.#givenUp;
      return;
    }
  }

  #isWorthRetrying(error: unknown, failures: number): boolean {
    if (failures > this.#setup.retries || !(error instanceof ServerError) || error instanceof TrustError) {
      return false;
    }
    return !(error instanceof NfcRefusal && error.isFinal);
  }

  /** The first failure that nothing helps against is that of all who are at work. */
  #giveUp(action: string, error: unknown, failures: number): unknown {
    this.#givenUp ??= this.#setup.signal?.aborted
      ? this.#setup.signal.reason
      : this.#failure(action, error, failures);
    this.#disk.drop(this.#givenUp);
    return this.#givenUp;
  }

  #failure(action: string, error: unknown, failures: number): unknown {
    if (!(error instanceof ServerError)) return error;
    const times = failures > 1 ? ` (tried ${failures} times)` : "";
    const hint = error instanceof NfcRefusal && this.#setup.hint !== undefined ? `; ${this.#setup.hint}` : "";
    const reason = this.#hide(error.message);
    const kind = error instanceof TrustError ? TrustError : ServerError;
    return new kind(`${action}: ${reason}${times}${hint}`, {
      fault: error.fault,
      ...(reason === error.message ? { cause: error } : {}),
    });
  }

  #tellRetry(action: string, error: unknown): void {
    const problem = action.replace(/^Cannot /, "could not ");
    const reason = this.#hide(reasonOf(error));
    this.#setup.onEvent({ kind: "retry", text: `${problem}: ${reason}; connecting anew` });
  }

  #hide(text: string): string {
    return scrub(text, this.#sessionId);
  }

  async #wait(failures: number): Promise<void> {
    const { firstWaitMs, signal } = this.#setup;
    await pause(Math.min(LONGEST_WAIT_MS, firstWaitMs * 2 ** (failures - 1)), signal);
  }
}

/** Whether an error means that the host does not know the request, and not that the network is bad. */
function isAnswer(error: unknown, failures: number): boolean {
  if (error instanceof NfcRefusal) return true;
  return failures > 1 && (error instanceof ConnectionError || error instanceof ProtocolError);
}

/** The code of every failure that has no own: of an open, it does not go away. */
const FAILED = 1;
