/** Who compresses and decompresses whole members and frames: this thread, or others that the caller has. */

import { gunzipMember, gzipMember } from "./gzip_member.ts";
import { unzstdFrame, zstdFrame } from "./zstd_frame.ts";

/** Each method may run several times at once; what it gives depends on its arguments alone. */
export interface Codecs {
  /** How many pieces may be under way at a time; 0: none, every member and frame is decoded in a stream of small pieces. */
  readonly ahead: number;
  /** See `gzipMember`. `chunk` may not change before the promise resolves. */
  gzip(given: { chunk: Uint8Array; level: number; isLast: boolean }): Promise<Uint8Array>;
  /** See `gunzipMember`. `stored` is given away. */
  gunzip(given: { stored: Uint8Array<ArrayBuffer>; contentBytes: number }): Promise<Uint8Array>;
  /** See `zstdFrame`; as `gzip`. */
  zstd(given: { chunk: Uint8Array; level: number; isLast: boolean }): Promise<Uint8Array>;
  /** See `unzstdFrame`; as `gunzip`. */
  unzstd(given: { stored: Uint8Array<ArrayBuffer>; contentBytes: number }): Promise<Uint8Array>;
}

/** On this thread, one after the other. */
export const HERE: Codecs = {
  ahead: 1,
  // deno-lint-ignore require-await -- a throw becomes a rejection, as from another thread
  gzip: async ({ chunk, ...options }) => gzipMember(chunk, options),
  // deno-lint-ignore require-await -- as above
  gunzip: async ({ stored, contentBytes }) => gunzipMember(stored, contentBytes),
  zstd: ({ chunk, ...options }) => zstdFrame(chunk, options),
  unzstd: ({ stored, contentBytes }) => unzstdFrame(stored, contentBytes),
};

/** For one of many files that are open together: slower, in less memory than whole pieces take. */
export const STREAMED: Codecs = { ...HERE, ahead: 0 };
