/**
 * The interface by which whole members and frames are compressed and decompressed, on this thread or on
 * others.
 */

/**
 * A piece to compress. The member or frame is written to the start of `into`, whose length is at least
 * {@linkcode storedBound} of the length of `content`.
 */
export interface Encoding {
  content: Uint8Array;
  into: Uint8Array;
  level: number;
  /** Whether this piece is the last one of its stream. */
  isLast: boolean;
}

/**
 * A piece to decompress. `stored` is one whole member or frame, and `into` is exactly as long as the header
 * of the piece says.
 */
export interface Decoding {
  stored: Uint8Array;
  into: Uint8Array;
}

/**
 * Compresses and decompresses pieces. Each method may run several times at once. All memory in the arguments
 * is in SharedArrayBuffers, so that it can be passed to another thread without a copy; the caller must not
 * touch it until the promise settles. The result depends on the arguments alone.
 */
export interface Codecs {
  /** The number of pieces that may be in progress at a time, at least 1. */
  readonly ahead: number;
  /** Writes a gzip member and returns its length. */
  gzip(given: Encoding): Promise<number>;
  /** Fills `into` with the content of a gzip member. @throws {Error} whose message names the mismatch */
  gunzip(given: Decoding): Promise<void>;
  /** Writes a zstd frame and returns its length. */
  zstd(given: Encoding): Promise<number>;
  /** Fills `into` with the content of a zstd frame. @throws {Error} whose message names the mismatch */
  unzstd(given: Decoding): Promise<void>;
}

/**
 * Returns the largest length of a member or frame with `contentBytes` of content. ZSTD_COMPRESSBOUND of
 * zstd.h exceeds the content by less than 1/256 plus 64 bytes. Where deflate would exceed it by more, its
 * stored form is used, which adds 5 bytes per 64 KiB. Headers, trailers and the gap that `zstdFrame` needs
 * take less than the rest of the 256 bytes.
 */
export function storedBound(contentBytes: number): number {
  return contentBytes + (contentBytes >> 8) + 256;
}

// The modules are loaded for the first piece, so that a thread that handles no pieces does not load them.
let gzip: typeof import("./gzip_member.ts") | undefined;
let zstd: typeof import("./zstd_frame.ts") | undefined;

/** Compresses and decompresses on this thread, one piece after the other. */
export const HERE: Codecs = {
  ahead: 1,
  gzip: async ({ content, ...options }) =>
    (gzip ??= await import("./gzip_member.ts")).gzipMember(content, options),
  gunzip: async ({ stored, into }) => (gzip ??= await import("./gzip_member.ts")).gunzipMember(stored, into),
  zstd: async ({ content, ...options }) =>
    await (zstd ??= await import("./zstd_frame.ts")).zstdFrame(content, options),
  unzstd: async ({ stored, into }) =>
    await (zstd ??= await import("./zstd_frame.ts")).unzstdFrame(stored, into),
};

/**
 * A zlib stream (RFC 1950) to decompress. `stored` is the stream without any other bytes. Its content has
 * from `neededBytes` to `into.length` bytes.
 */
export interface Inflating {
  stored: Uint8Array;
  into: Uint8Array;
  neededBytes: number;
}

let engine: typeof import("./zlib_engine.ts") | undefined;

/**
 * Decompresses the zlib streams of a disk on this thread.
 *
 * @throws {Error} for the first stream that is not as described. Its message is the predicate of a sentence
 * whose subject the caller adds, such as `inflates to 3 of 512 bytes`
 */
export async function inflateAll(streams: readonly Inflating[]): Promise<void> {
  engine ??= await import("./zlib_engine.ts");
  for (const { stored, into, neededBytes } of streams) {
    let length: number | undefined;
    try {
      length = engine.inflateZlibInto(stored, into);
    } catch (cause) {
      throw new Error(`does not inflate: ${(cause as Error).message}`, { cause });
    }
    if (length === undefined) throw new Error(`inflates to more than ${into.length} bytes`);
    if (length < neededBytes) throw new Error(`inflates to ${length} of ${neededBytes} bytes`);
  }
}
