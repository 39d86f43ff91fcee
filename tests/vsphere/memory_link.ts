/** Two ends of a connection in memory. */

import { ConnectionError } from "../../cli/vsphere/errors.ts";
import type { ByteLink } from "../../cli/vsphere/net/byte_link.ts";

/** What one end has written and the other has not read. */
class Pipe {
  readonly #pieces: Uint8Array<ArrayBuffer>[] = [];
  #isEnded = false;
  #isBroken = false;
  #wake?: () => void;

  put(bytes: Uint8Array): void {
    // A connection that is closed takes no more; nobody would read it.
    if (!this.#isEnded && !this.#isBroken && bytes.length > 0) this.#pieces.push(bytes.slice());
    this.#wake?.();
  }

  end(): void {
    this.#isEnded = true;
    this.#wake?.();
  }

  break(): void {
    this.#isBroken = true;
    this.#wake?.();
  }

  async take(): Promise<Uint8Array<ArrayBuffer> | null> {
    for (;;) {
      if (this.#isBroken) throw new ConnectionError("Cannot read from memory: the connection is closed");
      const piece = this.#pieces.shift();
      if (piece !== undefined) return piece;
      if (this.#isEnded) return null;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }
}

const MAX_KEPT_BYTES = 4096;

/** One end. */
export class MemoryLink implements ByteLink {
  readonly peer = "memory:1";
  /** What was written, one entry a write; long ones, which carry a disk, are left out. */
  readonly written: Uint8Array[] = [];
  readonly #input: Pipe;
  readonly #output: Pipe;
  isClosed = false;

  constructor(input: Pipe, output: Pipe) {
    this.#input = input;
    this.#output = output;
  }

  /** Both ends of a new connection. */
  static pair(): [MemoryLink, MemoryLink] {
    const [there, back] = [new Pipe(), new Pipe()];
    return [new MemoryLink(back, there), new MemoryLink(there, back)];
  }

  async read(): Promise<Uint8Array<ArrayBuffer> | null> {
    return await this.#input.take();
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.isClosed) throw new ConnectionError("Cannot write to memory: the connection is closed");
    if (bytes.length <= MAX_KEPT_BYTES) this.written.push(bytes.slice());
    await Promise.resolve();
    this.#output.put(bytes);
  }

  close(): void {
    this.isClosed = true;
    this.#input.break();
    this.#output.end();
  }
}

/** A link whose other end sends `bytes` in pieces of `pieceBytes` and then ends. */
export function linkThatSends(bytes: Uint8Array, pieceBytes = bytes.length): MemoryLink {
  const [near, far] = MemoryLink.pair();
  void (async () => {
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      await far.write(bytes.subarray(at, at + pieceBytes));
    }
    far.close();
  })().catch(() => {});
  return near;
}
