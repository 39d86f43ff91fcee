/**
 * Deflate and zstd of `node:zlib`, from one piece of memory into another, both of which may be shared.
 *
 * This goes below the public functions, to the handles of Deno that those are made of: `deflateRawSync` and its like give
 * back new memory with every call, which lies dead until the collector comes - 60 to 100 MiB on every thread that works
 * through pieces of 1 MiB - and take a new handle for each. A handle is used again and writes where it is told to. Each is
 * tried before it is used: where the internals are not what they are known to be (Deno 2.4 and 2.9), deflate takes the
 * public functions and a copy, and {@linkcode hasNativeZstd} says no.
 */

import zlib from "node:zlib";

/** What a stream of `node:zlib` works with. */
interface Handle {
  /** Forgets the stream, not the level and the parameters. */
  reset(): void;
  /** Deno 2.4 returns how much input and room are left, and nothing after an error; Deno 2.9 never returns anything. */
  writeSync(
    flush: number,
    input: Uint8Array,
    inputAt: number,
    inputLen: number,
    output: Uint8Array,
    outputAt: number,
    outputLen: number,
  ): [inputLeft: number, roomLeft: number] | null | undefined;
  /** Called by `writeSync` with the reason of a failure; some are thrown instead. */
  onerror: (message: string) => void;
}

/** A stream of `node:zlib`, as far as it concerns us. */
interface ZlibStream {
  /** Gives back what the handle holds. */
  close(): void;
  _handle?: Handle;
  /** On Deno 2.9, what `writeSync` left: room, then input. */
  _writeState?: Uint32Array;
}

/** The part of `node:zlib` that the types of Deno 2.4 do not know. */
interface ZstdPart {
  createZstdCompress?: (options: { chunkSize: number; params: Record<number, number> }) => unknown;
  createZstdDecompress?: (options: { chunkSize: number }) => unknown;
}

const { Z_FINISH } = zlib.constants;

// zstd.h; `zlib.constants` has no zstd on Deno 2.4.
const ZSTD_E_CONTINUE = 0;
const ZSTD_E_END = 2;
const ZSTD_C_COMPRESSION_LEVEL = 100;
const ZSTD_C_CHECKSUM_FLAG = 201;

/** Length of the output buffer that every stream has and none uses here. */
const CHUNK_SIZE = 1024;

const NOTHING = new Uint8Array(0);
const ONE_BYTE = new Uint8Array(1);

/** A stream that is used again and again. */
class InPlace {
  /** What the last call to {@linkcode run} left. */
  inputLeft = 0;
  roomLeft = 0;
  readonly #stream: ZlibStream;
  readonly #handle: Handle;
  readonly #flush: number;
  #problem?: string;

  constructor(stream: unknown, flush: number) {
    this.#stream = stream as ZlibStream;
    this.#handle = this.#stream._handle!;
    this.#flush = flush;
    this.#handle.onerror = (message) => this.#problem = message;
  }

  /** Begins a stream: takes as much of `input` and fills as much of `output` as will go. @throws {Error} with the reason */
  run(input: Uint8Array, output: Uint8Array): void {
    this.reset();
    this.#write(input, output);
  }

  /** Forgets the stream. */
  reset(): void {
    this.#handle.reset();
  }

  /** Takes more of the stream that `run` began. @throws {Error} with the reason */
  goOn(input: Uint8Array, output: Uint8Array): void {
    this.#write(input, output);
  }

  /** Gives back its memory. */
  close(): void {
    this.#stream.close();
  }

  /** Whether the stream that `run` began, and filled its output with, ends there. */
  ends(): boolean {
    // The answer to "input ended" is the reason "unexpected end of file", unless the stream has come to its own end.
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

/** Something to try the handles with: the alphabet and again the alphabet. */
const SAMPLE = Uint8Array.from({ length: 52 }, (_, i) => 0x61 + i % 26);

/** Whether what `compress` makes of the sample is smaller, and `decompress` makes the sample of it. */
function isUsable(compress: () => InPlace, decompress: () => InPlace): boolean {
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

const deflaters: InPlace[] = [];
const zlibDeflaters: InPlace[] = [];
const zstds: InPlace[] = [];

function deflater(level: number): InPlace {
  return deflaters[level] ??= new InPlace(zlib.createDeflateRaw({ level, chunkSize: CHUNK_SIZE }), Z_FINISH);
}

/** With zlib's header and checksum. */
function zlibDeflater(level: number): InPlace {
  return zlibDeflaters[level] ??= new InPlace(zlib.createDeflate({ level, chunkSize: CHUNK_SIZE }), Z_FINISH);
}

let inflaterHere: InPlace | undefined;

function inflater(): InPlace {
  return inflaterHere ??= new InPlace(zlib.createInflateRaw({ chunkSize: CHUNK_SIZE }), Z_FINISH);
}

let zlibInflaterHere: InPlace | undefined;

function zlibInflater(): InPlace {
  return zlibInflaterHere ??= new InPlace(zlib.createInflate({ chunkSize: CHUNK_SIZE }), Z_FINISH);
}

function zstdCompressor(level: number): InPlace {
  const params = { [ZSTD_C_COMPRESSION_LEVEL]: level, [ZSTD_C_CHECKSUM_FLAG]: 1 };
  return zstds[level] ??= new InPlace(
    (zlib as ZstdPart).createZstdCompress!({ chunkSize: CHUNK_SIZE, params }),
    ZSTD_E_END,
  );
}

let zstdDecompressorHere: InPlace | undefined;

function zstdDecompressor(): InPlace {
  return zstdDecompressorHere ??= new InPlace(
    (zlib as ZstdPart).createZstdDecompress!({ chunkSize: CHUNK_SIZE }),
    ZSTD_E_END,
  );
}

let canDeflateInPlace: boolean | undefined;
let canZstdInPlace: boolean | undefined;

function deflatesInPlace(): boolean {
  return canDeflateInPlace ??= isUsable(() => deflater(1), inflater);
}

/** Whether this Deno brings zstd. */
export function hasNativeZstd(): boolean {
  return canZstdInPlace ??= "createZstdCompress" in zlib &&
    isUsable(() => zstdCompressor(1), zstdDecompressor);
}

/**
 * Writes the deflate stream of `content` to the start of `into`: the bytes that `deflateRawSync` gives in one chunk. `level` is zlib's, 1
 * to 9. Returns its length, or `undefined` if `into` is not longer than it.
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
 * The same as a zlib stream (RFC 1950), with header and checksum; level 0 stores the content as it is, in a few bytes more.
 */
export function zlibInto(
  content: Uint8Array,
  { into, level }: { into: Uint8Array; level: number },
): number | undefined {
  return deflatesInPlace()
    ? runInto(zlibDeflater(level), content, into)
    : copyInto(zlib.deflateSync(content, { level, chunkSize: into.length + 64 }), into);
}

function runInto(stream: InPlace, content: Uint8Array, into: Uint8Array): number | undefined {
  stream.run(content, into);
  // Without room left, there may be more to come.
  return stream.roomLeft > 0 ? into.length - stream.roomLeft : undefined;
}

function copyInto(stored: Uint8Array, into: Uint8Array): number | undefined {
  if (stored.length >= into.length) return undefined;
  into.set(stored);
  return stored.length;
}

/**
 * Fills `into` with the content of a deflate stream, which takes all of `deflated`.
 *
 * @throws {Error} that says what does not agree
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
 * Writes the content of a zlib stream (RFC 1950), which takes all of `stored`, to the start of `into`. The checksum is
 * verified. Returns the length of the content, or `undefined` if `into` is too short for it.
 *
 * @throws {Error} that says what does not agree
 */
export function inflateZlibInto(stored: Uint8Array, into: Uint8Array): number | undefined {
  if (!deflatesInPlace()) return inflateZlibCopy(stored, into);
  const stream = zlibInflater();
  stream.run(stored, into);
  const { inputLeft, roomLeft } = stream;
  if (roomLeft === 0 && !stream.ends()) {
    // There is more, or no good end: with room for a byte more, zlib throws what is wrong with the end.
    stream.run(stored, new Uint8Array(into.length + 1));
    return undefined;
  }
  if (inputLeft > 0) throw new Error(`${inputLeft} bytes behind the stream`);
  return into.length - roomLeft;
}

/** What follows the stream is passed over here. */
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
    // A little more than promised, so that the end shows in the first round; up to two and a half times as fast.
    chunkSize: into.length + 64,
    maxOutputLength: Math.max(into.length, 1),
  });
  if (content.length !== into.length) throw shortOf(into.length, into.length - content.length);
  into.set(content);
}

/**
 * Writes a zstd frame with a checksum and without content size to the start of `into`. `level` is zstd's, 1 to 19. Returns
 * its length. Needs {@linkcode hasNativeZstd}.
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
 * Fills `into` with the content of a zstd frame, which takes all of `frame`: libzstd lets cut frames pass, so its caller has
 * walked it. The checksum is verified. Needs {@linkcode hasNativeZstd}.
 *
 * @throws {Error} that says what does not agree
 */
export function unzstdInto(frame: Uint8Array, into: Uint8Array): void {
  const stream = zstdDecompressor();
  stream.run(frame, into);
  if (stream.roomLeft > 0) throw shortOf(into.length, stream.roomLeft);
  if (stream.inputLeft > 0) throw new Error(`${stream.inputLeft} bytes behind ${into.length} of content`);
}

/** Output of one call. */
const STREAM_BYTES = 128 * 1024;

/** Decompresses zstd frames part by part; checksums are verified. Needs {@linkcode hasNativeZstd}. */
export class ZstdStream implements Disposable {
  readonly #stream = new InPlace(
    (zlib as ZstdPart).createZstdDecompress!({ chunkSize: CHUNK_SIZE }),
    ZSTD_E_CONTINUE,
  );
  readonly #room = new Uint8Array(STREAM_BYTES);

  /** Begins a frame. */
  begin(): void {
    this.#stream.reset();
  }

  /**
   * Takes the next part, and gives what it makes of it, in pieces that hold until the next one is asked for.
   * @throws {Error} with the reason
   */
  *push(part: Uint8Array): Generator<Uint8Array, void> {
    const room = this.#room;
    let input = part;
    do {
      this.#stream.goOn(input, room);
      const { inputLeft, roomLeft } = this.#stream;
      input = input.subarray(input.length - inputLeft);
      if (roomLeft < room.length) yield room.subarray(0, room.length - roomLeft);
      // A full room may have left something behind.
    } while (input.length > 0 || this.#stream.roomLeft === 0);
  }

  [Symbol.dispose](): void {
    this.#stream.close();
  }
}

function shortOf(wantedBytes: number, missingBytes: number): Error {
  return new Error(`${wantedBytes - missingBytes} bytes of content, not ${wantedBytes}`);
}
