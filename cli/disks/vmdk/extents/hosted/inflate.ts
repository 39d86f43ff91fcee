/** Inflates compressed grains, in a bounded amount of memory. */

/** A grain to inflate. */
export interface DeflatedGrain {
  /** A zlib stream (RFC 1950) with nothing behind it. */
  stored: Uint8Array;
  /** The memory for the content, as long as a grain. */
  into: Uint8Array;
  /**
   * The bytes that the stream must contain. The last grain of a disk may have fewer than a grain, because
   * some writers cut it at the end of the disk.
   */
  neededBytes: number;
}

/**
 * The threads that inflate. All memory that they get is shared, and does not change until the promise
 * settles.
 */
export interface Inflater {
  /** The number of calls that may be under way at a time. */
  readonly ahead: number;
  /**
   * Inflates grains.
   * @throws {Error} if a stream is damaged; the message continues a sentence that begins with "grain 9"
   */
  inflate(grains: readonly DeflatedGrain[]): Promise<void>;
}

/** Inflates on this thread, for callers without others. It copies, which takes longer. */
const HERE: Inflater = {
  ahead: 1,
  async inflate(grains) {
    for (const grain of grains) await inflateGrain(grain);
  },
};

let zlib: typeof import("node:zlib") | undefined;

async function inflateGrain({ stored, into, neededBytes }: DeflatedGrain): Promise<void> {
  zlib ??= (await import("node:zlib")).default;
  let content: Uint8Array | undefined;
  try {
    content = zlib.inflateSync(stored.slice(), { chunkSize: into.length + 64, maxOutputLength: into.length });
  } catch (cause) {
    if ((cause as { code?: string }).code !== "ERR_BUFFER_TOO_LARGE") {
      throw new Error(`does not inflate: ${(cause as Error).message}`, { cause });
    }
  }
  // Deno 2.4 ignores the limit. A grain has at most twice its size in the file, from which 128 MiB may be
  // inflated.
  if (content === undefined || content.length > into.length) {
    throw new Error(`inflates to more than ${into.length} bytes`);
  }
  if (content.length < neededBytes) throw new Error(`inflates to ${content.length} of ${neededBytes} bytes`);
  // The function above ignores bytes behind a stream. A stream ends with this checksum.
  const end = new DataView(stored.buffer, stored.byteOffset).getUint32(stored.length - 4);
  if (end !== adler32(content)) throw new Error("does not inflate: bytes behind the stream");
  into.set(content);
}

/** The Adler-32 checksum of RFC 1950, section 8.2. */
function adler32(bytes: Uint8Array): number {
  let a = 1;
  let b = 0;
  for (let at = 0; at < bytes.length;) {
    // The largest number of additions for which the sums fit into 32 bits.
    const end = Math.min(at + 5552, bytes.length);
    for (; at < end; at++) b += a += bytes[at];
    a %= 65521;
    b %= 65521;
  }
  return (b << 16 | a) >>> 0;
}

/** The memory for compressed grains that are being read, for all streams of a disk. */
export class InflateRoom {
  readonly inflater: Inflater;
  /** The grain that was inflated last for a read of a part of it. */
  part?: { owner: object; grain: number; bytes: Promise<Uint8Array> };
  #taken = 0;
  readonly #free: SharedArrayBuffer[] = [];
  readonly #waiting: (() => void)[] = [];

  constructor(inflater: Inflater = HERE) {
    this.inflater = inflater;
  }

  /** Whether the inflater can use `memory`. */
  reaches(memory: Uint8Array): boolean {
    return this.inflater === HERE || memory.buffer instanceof SharedArrayBuffer;
  }

  /** Waits for memory of at least `lengthBytes`, and passes it to `use`. */
  async borrow<T>(lengthBytes: number, use: (buffer: Uint8Array) => Promise<T>): Promise<T> {
    while (this.#taken >= this.inflater.ahead) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#taken++;
    let buffer = this.#free.pop();
    if (buffer === undefined || buffer.byteLength < lengthBytes) buffer = new SharedArrayBuffer(lengthBytes);
    try {
      return await use(new Uint8Array(buffer));
    } finally {
      this.#taken--;
      this.#free.push(buffer);
      this.#waiting.shift()?.();
    }
  }
}
