/** Inflating compressed grains: who does it, and the bounded memory that it takes. */

/** A grain to inflate. */
export interface DeflatedGrain {
  /** A zlib stream (RFC 1950), all of it and nothing else. */
  stored: Uint8Array;
  /** As long as a grain. */
  into: Uint8Array;
  /** Bytes that must come; fewer than a grain for the last one of a disk, which some writers cut at its end. */
  neededBytes: number;
}

/** Threads that inflate; all memory that they are given is shared, and stays as it is until the promise settles. */
export interface Inflater {
  /** How many calls may be under way at a time. */
  readonly ahead: number;
  /** @throws {Error} if a stream is not as it should be; the message goes on behind "grain 9" */
  inflate(grains: readonly DeflatedGrain[]): Promise<void>;
}

/** This thread, for callers without others: it copies, which takes longer. */
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
  // Deno 2.4 does not keep to the limit; a grain has at most twice its size in the file, so that 128 MiB may come of it.
  if (content === undefined || content.length > into.length) {
    throw new Error(`inflates to more than ${into.length} bytes`);
  }
  if (content.length < neededBytes) throw new Error(`inflates to ${content.length} of ${neededBytes} bytes`);
  // What is behind a stream is passed over by the function above; a stream ends with this sum.
  const end = new DataView(stored.buffer, stored.byteOffset).getUint32(stored.length - 4);
  if (end !== adler32(content)) throw new Error("does not inflate: bytes behind the stream");
  into.set(content);
}

/** RFC 1950, section 8.2. */
function adler32(bytes: Uint8Array): number {
  let a = 1;
  let b = 0;
  for (let at = 0; at < bytes.length;) {
    // The most additions before the sums leave 32 bits.
    const end = Math.min(at + 5552, bytes.length);
    for (; at < end; at++) b += a += bytes[at];
    a %= 65521;
    b %= 65521;
  }
  return (b << 16 | a) >>> 0;
}

/** Memory for compressed grains on their way, for all streams of a disk. */
export class InflateRoom {
  readonly inflater: Inflater;
  /** The grain that was last inflated for a part of it. */
  part?: { owner: object; grain: number; bytes: Promise<Uint8Array> };
  #taken = 0;
  readonly #free: SharedArrayBuffer[] = [];
  readonly #waiting: (() => void)[] = [];

  constructor(inflater: Inflater = HERE) {
    this.inflater = inflater;
  }

  /** Whether `memory` can be named to the inflater. */
  reaches(memory: Uint8Array): boolean {
    return this.inflater === HERE || memory.buffer instanceof SharedArrayBuffer;
  }

  /** Waits for memory of at least `lengthBytes`, and gives it to `use`. */
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
