/**
 * Deflate and zstd of `node:zlib`, from one buffer into another. Both buffers may be shared memory.
 *
 * The code uses the internal handles on which Deno's public functions are built. `deflateRawSync` and similar
 * functions allocate new memory in every call, which stays until the garbage collector runs (60 to 100 MiB on
 * every thread that compresses pieces of 1 MiB), and create a new handle for each call. A handle can be used
 * again and writes directly into the output buffer. Each kind of handle is tested before it is used. If the
 * internals are not those of Deno 2.4 and 2.9, deflate uses the public functions and a copy, and {@linkcode
 * hasNativeZstd} returns false.
 */

import zlib from "node:zlib";

/** The internal handle of a stream of `node:zlib`. */
interface ZlibHandle {
  /** Begins a new stream with the same level and parameters. */
  reset(): void;
  /**
   * Processes input. Deno 2.4 returns the lengths of the unused input and of the free output, and nothing
   * after an error. Deno 2.9 never returns anything.
   */
  writeSync(
    flush: number,
    input: Uint8Array,
    inputAt: number,
    inputLen: number,
    output: Uint8Array,
    outputAt: number,
    outputLen: number,
  ): [inputLeft: number, roomLeft: number] | null | undefined;
  /** Called by `writeSync` with the reason of a failure. Some failures are thrown instead. */
  onerror: (message: string) => void;
}

/** The members of a stream of `node:zlib` that are used here. */
interface ZlibStream {
  /** Frees the memory of the handle. */
  close(): void;
  _handle?: ZlibHandle;
  /** Only on Deno 2.9: after `writeSync`, the lengths of the free output and of the unused input. */
  _writeState?: Uint32Array;
}

/** The functions of `node:zlib` that are missing in the types of Deno 2.4. */
interface ZstdPart {
  createZstdCompress?: (options: { chunkSize: number; params: Record<number, number> }) => unknown;
  createZstdDecompress?: (options: { chunkSize: number }) => unknown;
}

const { Z_FINISH } = zlib.constants;

// Values of zstd.h. On Deno 2.4, `zlib.constants` does not contain them.
const ZSTD_E_CONTINUE = 0;
const ZSTD_E_END = 2;
const ZSTD_C_COMPRESSION_LEVEL = 100;
const ZSTD_C_CHECKSUM_FLAG = 201;

/** The length of the output buffer that every stream allocates. It is not used here, so it is small. */
const CHUNK_SIZE = 1024;

const NOTHING = new Uint8Array(0);
const ONE_BYTE = new Uint8Array(1);

/** A compressor or decompressor that is used for many streams, one after the other. */
class ReusedStream {
  /** The lengths of the unused input and of the free output after the last call. */
  inputLeft = 0;
  roomLeft = 0;
  readonly #stream: ZlibStream;
  readonly #handle: ZlibHandle;
  readonly #flush: number;
  #problem?: string;

  constructor(stream: unknown, flush: number) {
    this.#stream = stream as ZlibStream;
    this.#handle = this.#stream._handle!;
    this.#flush = flush;
    this.#handle.onerror = (message) => this.#problem = message;
  }

  /**
   * Begins a stream, and processes input until `input` is used up or `output` is full. @throws {Error} with
   * the reason of zlib
   */
  run(input: Uint8Array, output: Uint8Array): void {
    this.reset();
    this.#write(input, output);
  }

  /** Begins a new stream. */
  reset(): void {
    this.#handle.reset();
  }

  /** Continues the stream with more input. @throws {Error} with the reason of zlib */
  resume(input: Uint8Array, output: Uint8Array): void {
    this.#write(input, output);
  }

  /** Frees the memory of the handle. */
  close(): void {
    this.#stream.close();
  }

  /** Returns whether the stream ends exactly after the output that `run` has filled. */
  ends(): boolean {
    // A call without input fails with "unexpected end of file", unless the stream has reached its own end.
    try {
      this.#write(NOTHING, ONE_BYTE);
    } catch {
      return false;
    }
    return this.roomLeft === 1;
  }

  #write(input: Uint8Array, output: Uint8Array): void {
    this.#problem = undefined;
    const left = this.#handle.writeSync(this.#flush, input, 0, input.length, output, 0, output.length);
    if (this.#problem !== undefined) throw new Error(this.#problem);
    const state = this.#stream._writeState;
    this.inputLeft = state ? state[1] : left![0];
    this.roomLeft = state ? state[0] : left![1];
  }
}

/** The content with which the handles are tested: the alphabet twice. */
const SAMPLE = Uint8Array.from({ length: 52 }, (_, i) => 0x61 + i % 26);

/** Returns whether `compress` makes the sample shorter, and `decompress` restores it. */
function isUsable(compress: () => ReusedStream, decompress: () => ReusedStream): boolean {
  try {
    const stored = new Uint8Array(100);
    const compressor = compress();
    compressor.run(SAMPLE, stored);
    const storedLen = stored.length - compressor.roomLeft;
    const content = new Uint8Array(SAMPLE.length);
    const decompressor = decompress();
    decompressor.run(stored.subarray(0, storedLen), content);
    return storedLen < SAMPLE.length && decompressor.inputLeft === 0 && decompressor.roomLeft === 0 &&
      content.every((byte, at) => byte === SAMPLE[at]);
  } catch {
    return false;
  }
}

const deflaters: ReusedStream[] = [];
const zlibDeflaters: ReusedStream[] = [];
const zstds: ReusedStream[] = [];

function deflater(level: number): ReusedStream {
  return deflaters[level] ??= new ReusedStream(
    zlib.createDeflateRaw({ level, chunkSize: CHUNK_SIZE }),
    Z_FINISH,
  );
}

/** Returns a compressor for zlib streams, which have a header and a checksum. */
function zlibDeflater(level: number): ReusedStream {
  return zlibDeflaters[level] ??= new ReusedStream(
    zlib.createDeflate({ level, chunkSize: CHUNK_SIZE }),
    Z_FINISH,
  );
}

let inflaterHere: ReusedStream | undefined;

function inflater(): ReusedStream {
  return inflaterHere ??= new ReusedStream(zlib.createInflateRaw({ chunkSize: CHUNK_SIZE }), Z_FINISH);
}

let zlibInflaterHere: ReusedStream | undefined;

function zlibInflater(): ReusedStream {
  return zlibInflaterHere ??= new ReusedStream(zlib.createInflate({ chunkSize: CHUNK_SIZE }), Z_FINISH);
}

function zstdCompressor(level: number): ReusedStream {
  const params = { [ZSTD_C_COMPRESSION_LEVEL]: level, [ZSTD_C_CHECKSUM_FLAG]: 1 };
  return zstds[level] ??= new ReusedStream(
    (zlib as ZstdPart).createZstdCompress!({ chunkSize: CHUNK_SIZE, params }),
    ZSTD_E_END,
  );
}

let zstdDecompressorHere: ReusedStream | undefined;

function zstdDecompressor(): ReusedStream {
  return zstdDecompressorHere ??= new ReusedStream(
    (zlib as ZstdPart).createZstdDecompress!({ chunkSize: CHUNK_SIZE }),
    ZSTD_E_END,
  );
}

let canDeflateInPlace: boolean | undefined;
let canZstdInPlace: boolean | undefined;

function deflatesInPlace(): boolean {
  return canDeflateInPlace ??= isUsable(() => deflater(1), inflater);
}

/** Returns whether `node:zlib` of this Deno has zstd. */
export function hasNativeZstd(): boolean {
  return canZstdInPlace ??= "createZstdCompress" in zlib &&
    isUsable(() => zstdCompressor(1), zstdDecompressor);
}

/**
 * Writes the deflate stream of `content` to the start of `into`. The bytes are those of `deflateRawSync` with
 * a single chunk. `level` is that of zlib, 1 to 9. Returns the length of the stream, or `undefined` if `into`
 * is not longer than it.
 */
export function deflateInto(
  content: Uint8Array,
  { into, level }: { into: Uint8Array; level: number },
): number | undefined {
  return deflatesInPlace()
    ? runInto(deflater(level), content, into)
    : copyInto(zlib.deflateRawSync(content, { level, chunkSize: into.length + 64 }), into);
}

/**
 * Writes a zlib stream (RFC 1950), with header and checksum, as {@linkcode deflateInto} does. Level 0 stores
 * the content, which adds a few bytes.
 */
export function zlibInto(
  content: Uint8Array,
  { into, level }: { into: Uint8Array; level: number },
): number | undefined {
  return deflatesInPlace()
    ? runInto(zlibDeflater(level), content, into)
    : copyInto(zlib.deflateSync(content, { level, chunkSize: into.length + 64 }), into);
}

function runInto(stream: ReusedStream, content: Uint8Array, into: Uint8Array): number | undefined {
  stream.run(content, into);
  // If `into` is full, the stream may be incomplete.
  return stream.roomLeft > 0 ? into.length - stream.roomLeft : undefined;
}

function copyInto(stored: Uint8Array, into: Uint8Array): number | undefined {
  if (stored.length >= into.length) return undefined;
  into.set(stored);
  return stored.length;
}

/**
 * Fills `into` with the content of a deflate stream. The stream must take all of `deflated`, and its content
 * all of `into`.
 *
 * @throws {Error} whose message names the mismatch
 */
export function inflateInto(deflated: Uint8Array, into: Uint8Array): void {
  if (!deflatesInPlace()) return inflateCopy(deflated, into);
  const stream = inflater();
  stream.run(deflated, into);
  const { inputLeft, roomLeft } = stream;
  if (roomLeft > 0) throw shortOf(into.length, roomLeft);
  if (stream.ends()) {
    if (inputLeft > 0) throw new Error(`${inputLeft} bytes behind the stream`);
  } else {
    throw new Error(stream.roomLeft === 0 ? `more than ${into.length} bytes of content` : "no end");
  }
}

/**
 * Writes the content of a zlib stream (RFC 1950) to the start of `into`, and verifies the checksum. The
 * stream must take all of `stored`. Returns the length of the content, or `undefined` if it is longer than
 * `into`.
 *
 * @throws {Error} whose message names the mismatch
 */
export function inflateZlibInto(stored: Uint8Array, into: Uint8Array): number | undefined {
  if (!deflatesInPlace()) return inflateZlibCopy(stored, into);
  const stream = zlibInflater();
  stream.run(stored, into);
  const { inputLeft, roomLeft } = stream;
  if (roomLeft === 0 && !stream.ends()) {
    // The content is longer, or the end of the stream is damaged. With output space for one more byte, zlib
    // throws the reason in the second case.
    stream.run(stored, new Uint8Array(into.length + 1));
    return undefined;
  }
  if (inputLeft > 0) throw new Error(`${inputLeft} bytes behind the stream`);
  return into.length - roomLeft;
}

/** Does the same with the public functions, which ignore data after the stream. */
function inflateZlibCopy(stored: Uint8Array, into: Uint8Array): number | undefined {
  const maxOutputLength = Math.max(into.length, 1);
  try {
    const content = zlib.inflateSync(stored.slice(), { chunkSize: into.length + 64, maxOutputLength });
    if (content.length > into.length) return undefined;
    into.set(content);
    return content.length;
  } catch (error) {
    if ((error as { code?: string }).code === "ERR_BUFFER_TOO_LARGE") return undefined;
    throw error;
  }
}

function inflateCopy(deflated: Uint8Array, into: Uint8Array): void {
  const content = zlib.inflateRawSync(deflated, {
    // The chunk is a little longer than the content, so that the end of the stream is found in the first
    // round. This is up to two and a half times as fast.
    chunkSize: into.length + 64,
    maxOutputLength: Math.max(into.length, 1),
  });
  if (content.length !== into.length) throw shortOf(into.length, into.length - content.length);
  into.set(content);
}

/**
 * Writes a zstd frame with a checksum and without a content size to the start of `into`, and returns its
 * length. `level` is that of zstd, 1 to 19. {@linkcode hasNativeZstd} must be true.
 *
 * @throws {Error} if `into` is not longer than the frame
 */
export function zstdInto(
  content: Uint8Array,
  { into, level }: { into: Uint8Array; level: number },
): number {
  const stream = zstdCompressor(level);
  stream.run(content, into);
  if (stream.roomLeft === 0) {
    throw new Error(`A frame of ${content.length} bytes takes ${into.length} or more`);
  }
  return into.length - stream.roomLeft;
}

/**
 * Fills `into` with the content of a zstd frame, which must take all of `frame`, and verifies the checksum.
 * libzstd accepts frames that are cut, so the caller must have checked that the frame is complete. {@linkcode
 * hasNativeZstd} must be true.
 *
 * @throws {Error} whose message names the mismatch
 */
export function unzstdInto(frame: Uint8Array, into: Uint8Array): void {
  const stream = zstdDecompressor();
  stream.run(frame, into);
  if (stream.roomLeft > 0) throw shortOf(into.length, stream.roomLeft);
  if (stream.inputLeft > 0) throw new Error(`${stream.inputLeft} bytes behind ${into.length} of content`);
}

/** The length of the output buffer of a {@linkcode ZstdStream}. */
const STREAM_BYTES = 128 * 1024;

/**
 * Decompresses zstd frames part by part, and verifies their checksums. {@linkcode hasNativeZstd} must be
 * true.
 */
export class ZstdStream implements Disposable {
  readonly #stream = new ReusedStream(
    (zlib as ZstdPart).createZstdDecompress!({ chunkSize: CHUNK_SIZE }),
    ZSTD_E_CONTINUE,
  );
  readonly #room = new Uint8Array(STREAM_BYTES);

  /** Begins a frame. */
  begin(): void {
    this.#stream.reset();
  }

  /**
   * Processes the next part of the frame, and yields the content in parts that are valid until the next one
   * is requested.
   *
   * @throws {Error} with the reason of libzstd
   */
  *push(part: Uint8Array): Generator<Uint8Array, void> {
    const room = this.#room;
    let input = part;
    do {
      this.#stream.resume(input, room);
      const { inputLeft, roomLeft } = this.#stream;
      input = input.subarray(input.length - inputLeft);
      if (roomLeft < room.length) yield room.subarray(0, room.length - roomLeft);
      // If the output buffer is full, more output may follow.
    } while (input.length > 0 || this.#stream.roomLeft === 0);
  }

  [Symbol.dispose](): void {
    this.#stream.close();
  }
}

function shortOf(wantedBytes: number, missingBytes: number): Error {
  return new Error(`${wantedBytes - missingBytes} bytes of content, not ${wantedBytes}`);
}
