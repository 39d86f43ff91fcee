/** Who compresses and decompresses whole members and frames: this thread, or others that the caller has. */

/** A piece to make: `content` becomes a member or frame at the start of `into`, which has room for {@linkcode storedBound}. */
export interface Encoding {
  content: Uint8Array;
  into: Uint8Array;
  level: number;
  /** Whether the stream ends with this piece. */
  isLast: boolean;
}

/** A piece to read: `stored` is one whole member or frame, `into` is as long as its header promises. */
export interface Decoding {
  stored: Uint8Array;
  into: Uint8Array;
}

/**
 * Each method may run several times at once. All memory that it is given is shared (in SharedArrayBuffers), so that it can be
 * named to another thread as it is, and nobody else touches it until the promise settles. What comes out depends on the
 * arguments alone.
 */
export interface Codecs {
  /** How many pieces may be under way at a time, at least 1. */
  readonly ahead: number;
  /** Writes a gzip member, returns its length. */
  gzip(given: Encoding): Promise<number>;
  /** Fills `into` with the content of a gzip member. @throws {Error} that says what does not agree */
  gunzip(given: Decoding): Promise<void>;
  /** Writes a zstd frame, returns its length. */
  zstd(given: Encoding): Promise<number>;
  /** Fills `into` with the content of a zstd frame. @throws {Error} that says what does not agree */
  unzstd(given: Decoding): Promise<void>;
}

/**
 * Most bytes that a member or frame of `contentBytes` takes. zstd.h's ZSTD_COMPRESSBOUND is less than 1/256 and 64 bytes more
 * than the content; deflate, where it would take more, is replaced by its stored form, 5 bytes in 64 KiB; headers, trailers
 * and a gap to build them in take less than the rest.
 */
export function storedBound(contentBytes: number): number {
  return contentBytes + (contentBytes >> 8) + 256;
}

// Loaded by the first piece: a thread that has none does not pay for them.
let gzip: typeof import("./gzip_member.ts") | undefined;
let zstd: typeof import("./zstd_frame.ts") | undefined;

/** On this thread, one after the other. */
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

/** A zlib stream (RFC 1950) that takes all of `stored`, and has at least `neededBytes` of content and as many as fit into `into`. */
export interface Inflating {
  stored: Uint8Array;
  into: Uint8Array;
  neededBytes: number;
}

let engine: typeof import("./zlib_engine.ts") | undefined;

/**
 * Inflates the streams of a disk on this thread.
 * @throws {Error} for the first that does not agree; the message goes on behind its name
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
