/** A TCP connection whose bytes go to the last reader. */

import { ConnectionError, reasonOf } from "../errors.ts";
import type { ByteLink } from "./byte_link.ts";

/** Where a server listens. */
export interface Endpoint {
  /** A name or an address; IPv6 without brackets. */
  host: string;
  port: number;
}

/** `host:port`, an IPv6 address in brackets. */
export function formatEndpoint({ host, port }: Endpoint): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Options of connecting. */
export interface ConnectOptions {
  /** 10 seconds unless told. */
  timeoutMs?: number;
  /** Ends the connection, also later. */
  signal?: AbortSignal;
}

const CONNECT_TIMEOUT_MS = 10_000;

/** Larger reads do not make the transfer faster, smaller ones make it slower. */
const READ_BYTES = 128 * 1024;

/** A TCP connection. */
export class TcpLink implements ByteLink {
  readonly peer: string;
  readonly #connection: Deno.TcpConn;
  readonly #signal?: AbortSignal;
  readonly #onAbort = () => this.close();
  /**
   * At most one read is under way: a TLS session that was abandoned may have begun it, and another one gets
   * its bytes.
   */
  #underWay?: Promise<Uint8Array<ArrayBuffer> | null>;
  /** Of all reads: a buffer for each one, mostly empty, would take tens of MiB until the collector comes. */
  readonly #buffer = new Uint8Array(READ_BYTES);
  #turn = 0;
  #writing = Promise.resolve();
  #isClosed = false;

  private constructor(connection: Deno.TcpConn, peer: string, signal?: AbortSignal) {
    this.#connection = connection;
    this.peer = peer;
    this.#signal = signal;
    signal?.addEventListener("abort", this.#onAbort);
  }

  /** @throws {ConnectionError} if the server cannot be reached in time, and the reason of `signal` */
  static async connect(endpoint: Endpoint, options: ConnectOptions = {}): Promise<TcpLink> {
    const { timeoutMs = CONNECT_TIMEOUT_MS, signal } = options;
    signal?.throwIfAborted();
    const peer = formatEndpoint(endpoint);
    const { promise: stopped, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(
      () =>
        reject(new ConnectionError(`Cannot connect to ${peer}: it does not answer in ${timeoutMs / 1000} s`)),
      timeoutMs,
    );
    const onAbort = () => reject(signal?.reason);
    signal?.addEventListener("abort", onAbort);
    const connecting = Deno.connect({ hostname: endpoint.host, port: endpoint.port });
    let isTaken = false;
    try {
      const connection = await Promise.race([connecting, stopped]);
      isTaken = true;
      connection.setNoDelay(true);
      return new TcpLink(connection, peer, signal);
    } catch (cause) {
      if (cause instanceof ConnectionError || signal?.aborted) throw cause;
      throw new ConnectionError(`Cannot connect to ${peer}: ${reasonOf(cause)}`, { cause });
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      // Connecting cannot be called off: a connection that comes too late is closed.
      connecting.then((connection) => isTaken || connection.close(), () => {});
    }
  }

  /**
   * The bytes that came; null at the end. A later call takes over what an earlier one waits for, and the
   * earlier one never ends: that is how a TLS session on this connection is abandoned.
   */
  async read(): Promise<Uint8Array<ArrayBuffer> | null> {
    const turn = ++this.#turn;
    const outcome = await (this.#underWay ??= this.#receive()).then(
      (bytes) => () => bytes,
      (error) => () => {
        throw error;
      },
    );
    if (turn !== this.#turn) return await new Promise<never>(() => {});
    this.#underWay = undefined;
    return outcome();
  }

  /** Writes go out whole and in the order of their calls. */
  async write(bytes: Uint8Array): Promise<void> {
    const writing = this.#writing.then(() => this.#send(bytes));
    // A write behind one that failed fails by itself.
    this.#writing = writing.catch(() => {});
    await writing;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#connection.close();
  }

  async #send(bytes: Uint8Array): Promise<void> {
    try {
      for (let at = 0; at < bytes.length;) at += await this.#connection.write(bytes.subarray(at));
    } catch (cause) {
      throw this.#failure("write to", cause);
    }
  }

  async #receive(): Promise<Uint8Array<ArrayBuffer> | null> {
    try {
      const count = await this.#connection.read(this.#buffer);
      return count === null ? null : this.#buffer.slice(0, count);
    } catch (cause) {
      throw this.#failure("read from", cause);
    }
  }

  #failure(action: string, cause: unknown): unknown {
    if (this.#signal?.aborted) return this.#signal.reason;
    const reason = this.#isClosed ? "the connection is closed" : reasonOf(cause);
    return new ConnectionError(`Cannot ${action} ${this.peer}: ${reason}`, { cause });
  }
}
