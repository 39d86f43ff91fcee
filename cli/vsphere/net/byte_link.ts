/**
 * A connection that carries bytes, in clear or through TLS, and a reader that cuts them into lines and
 * pieces.
 */

import { ConnectionError, ProtocolError } from "../errors.ts";

/** One end of a connection. */
export interface ByteLink {
  /** `host:port` of the other end, for messages. */
  readonly peer: string;
  /**
   * The bytes that came, at least one; null once the other end has sent its last.
   * @throws {ConnectionError} if the connection broke
   */
  read(): Promise<Uint8Array<ArrayBuffer> | null>;
  /**
   * Frees the memory of bytes that a read has given, and that nothing uses any more: until the collector comes,
   * a fast connection piles up tens of MiB.
   */
  release?(bytes: Uint8Array<ArrayBuffer>): void;
  /**
   * Returns when the bytes have been handed on. Through TLS, writes that wait for each other are records of
   * their own.
   * @throws {ConnectionError} if the connection broke
   */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends both directions at once; reads and writes that are under way fail. */
  close(): void;
}

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
const NOTHING = new Uint8Array(0);

/** Cuts what a link brings into lines and pieces of known length; every wait is bounded. */
export class ByteReader {
  readonly #link: ByteLink;
  readonly #patienceMs: number;
  #held: Uint8Array<ArrayBuffer> = NOTHING;

  /** @param options `patienceMs` is the longest silence of the other end while bytes are expected */
  constructor(link: ByteLink, { patienceMs }: { patienceMs: number }) {
    this.#link = link;
    this.#patienceMs = patienceMs;
  }

  /**
   * The next line without its line end, which is CRLF or LF.
   *
   * @throws {ProtocolError} if it has `maxBytes` or more before its line end
   * @throws {ConnectionError} if the connection ends before the line does
   */
  async line(maxBytes: number): Promise<string> {
    let seen = 0;
    for (;;) {
      const end = this.#held.indexOf(LINE_FEED, seen);
      if (end < 0 ? this.#held.length >= maxBytes : end >= maxBytes) {
        throw new ProtocolError(`${this.#link.peer} sends a line of ${maxBytes} bytes or more`);
      }
      if (end >= 0) {
        const line = this.#take(end + 1).subarray(0, end);
        const text = line[end - 1] === CARRIAGE_RETURN ? line.subarray(0, end - 1) : line;
        return String.fromCharCode(...text);
      }
      seen = this.#held.length;
      await this.#more("a line");
    }
  }

  /** Exactly `count` bytes. @throws {ConnectionError} if the connection ends before */
  async exactly(count: number): Promise<Uint8Array<ArrayBuffer>> {
    while (this.#held.length < count) await this.#more(`${count} bytes`);
    return this.#take(count);
  }

  /** Between one and `maxBytes` bytes; null at the end of the connection. */
  async some(maxBytes: number): Promise<Uint8Array<ArrayBuffer> | null> {
    if (this.#held.length === 0) {
      const bytes = await this.#next();
      if (bytes === null) return null;
      this.#held = bytes;
    }
    return this.#take(Math.min(maxBytes, this.#held.length));
  }

  /** The bytes that have come and that no call has taken. */
  rest(): Uint8Array<ArrayBuffer> {
    return this.#take(this.#held.length);
  }

  #take(count: number): Uint8Array<ArrayBuffer> {
    const taken = this.#held.subarray(0, count);
    this.#held = this.#held.subarray(count);
    return taken;
  }

  async #more(wanted: string): Promise<void> {
    const bytes = await this.#next();
    if (bytes === null) {
      throw new ConnectionError(
        `${this.#link.peer} ends the connection after ${this.#held.length} bytes where ${wanted} is expected`,
      );
    }
    const held = new Uint8Array(this.#held.length + bytes.length);
    held.set(this.#held);
    held.set(bytes, this.#held.length);
    this.#held = held;
  }

  async #next(): Promise<Uint8Array<ArrayBuffer> | null> {
    const { promise: expired, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      reject(
        new ConnectionError(`${this.#link.peer} does not answer within ${this.#patienceMs / 1000} s`),
      );
      this.#link.close();
    }, this.#patienceMs);
    try {
      return await Promise.race([this.#link.read(), expired]);
    } finally {
      clearTimeout(timer);
    }
  }
}
