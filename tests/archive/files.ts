/** Files in memory that are as strict as real files that are not regular ones, and content for them. */

import { Buffer } from "node:buffer";
import type { ByteSource } from "../../cli/archive/bytes.ts";
import type { InputFile } from "../../cli/archive/plain_source.ts";
import type { OutputFile } from "../../cli/archive/plain_sink.ts";
import { Random } from "../../scripts/disk_image.ts";

/** Lengths of reads and writes. */
export const ODD_SIZES = [1, 2, 3, 7, 15, 511, 513, 4095, 65537, 1_000_003];

/** Returns a stream whose reads return at most `atOnce` bytes, with the values in rotation. */
export function streamOf(stored: Uint8Array, { atOnce = [Infinity], onClose = () => {} } = {}): InputFile {
  let at = 0;
  let turn = 0;
  return {
    readSync: () => refuse("is not read at once"),
    // deno-lint-ignore require-await -- refuses as a rejection
    async read(into) {
      if (!(into.buffer instanceof ArrayBuffer)) refuse("does not read into shared memory");
      const part = stored.subarray(at, at + Math.min(into.length, atOnce[turn++ % atOnce.length]));
      into.set(part);
      at += part.length;
      return part.length || null;
    },
    close: onClose,
  };
}

/** A stream that stores the bytes that are written to it. */
export class StoredStream implements OutputFile {
  readonly #parts: Uint8Array[] = [];
  readonly #atOnce: number;

  /** Each write accepts at most `atOnce` bytes. */
  constructor({ atOnce = Infinity } = {}) {
    this.#atOnce = atOnce;
  }

  get bytes(): Uint8Array<ArrayBuffer> {
    return concat(...this.#parts);
  }

  get writes(): number {
    return this.#parts.length;
  }

  writeSync(): number {
    return refuse("is not written at once");
  }

  // deno-lint-ignore require-await -- refuses as a rejection
  async write(from: Uint8Array): Promise<number> {
    if (!(from.buffer instanceof ArrayBuffer)) refuse("does not write shared memory");
    const part = from.slice(0, this.#atOnce);
    this.#parts.push(part);
    return part.length;
  }
}

/** Reads to the end in portions of `sizes`, used in rotation. */
export async function readAll(source: ByteSource, sizes = [100_000]): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  for (let turn = 0;; turn++) {
    const into = new Uint8Array(sizes[turn % sizes.length]);
    const got = await source.read(into);
    parts.push(into.subarray(0, got));
    if (got < into.length) return concat(...parts);
  }
}

/** Returns the concatenation of the parts in new memory. */
export function concat(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.concat(parts));
}

/** Returns runs of random bytes, of zeros and of a few letters, as on a disk. */
export function contentOf(len: number, seed: number): Uint8Array<ArrayBuffer> {
  const random = new Random(seed);
  const content = new Uint8Array(len);
  for (let at = 0; at < len;) {
    const end = Math.min(len, at + 1 + random.below(Math.min(50_000, len / 8 + 1)));
    const kind = random.below(3);
    if (kind === 1) random.fill(content.subarray(at, end));
    if (kind === 2) { for (let i = at; i < end; i++) content[i] = 0x61 + random.below(4); }
    at = end;
  }
  return content;
}

function refuse(what: string): never {
  throw new TypeError(`A stream ${what}`);
}

/** Returns a copy in shared memory. */
export function sharedCopy(bytes: Uint8Array): Uint8Array<SharedArrayBuffer> {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}
