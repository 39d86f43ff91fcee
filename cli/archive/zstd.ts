/**
 * The zstd container (RFC 8878): the stream as a sequence of independent frames with content size and
 * checksum, readable by every zstd tool.
 *
 * The boundaries of a frame can be found without decompressing it, from its header, the lengths of its
 * blocks, and its checksum. Therefore a cut, or other data after a frame, is detected to the byte, even where
 * a decompressor would accept it. libzstd then decompresses the frame in one call. A frame that is too long
 * for that, or has no content size, is decompressed block by block (`zstd_blocks.ts`), and its checksum is
 * verified there.
 */

import { formatError, ThreadError } from "../errors.ts";
import { type Codecs, HERE } from "./codecs.ts";
import { isSkippable, ZSTD_MAGIC, ZSTD_MAGIC_LEN } from "./magic.ts";
import { MANY_MAX_BYTES, type ManySources } from "./many_sources.ts";
import type { Piece, PieceMemory } from "./piece.ts";
import { PieceSink, type PieceSinkOptions } from "./piece_sink.ts";
import { PieceSource, showBytes } from "./piece_source.ts";
import type { PlainSource } from "./plain_source.ts";
import type { PlainSink } from "./plain_sink.ts";
import { hasNativeZstd } from "./zlib_engine.ts";
import { BlockwiseDecoder, reasonOf } from "./zstd_blocks.ts";
import { isFollowedFrameOf } from "./zstd_frame.ts";
import { checkSeekTable, ListedFrames, SEEK_TABLE_MAGIC, writeSeekTable } from "./zstd_seek_table.ts";
import {
  cutFrame,
  damagedFrame,
  type FrameHeader,
  littleEndian,
  passFrame,
  peekAll,
  readFrameHeader,
  walkFrame,
} from "./zstd_walk.ts";

/**
 * The largest frame, stored and as content, that is decompressed in one call. It is twice the length that is
 * written today, so that a later version may use larger pieces.
 */
export const MAX_WHOLE_BYTES = 4 * 1024 * 1024;

/** Writes a stream as zstd frames, one for each write of up to 2 MiB. */
export class ZstdSink extends PieceSink {
  /**
   * Writes to `file`. The default level is 1: it compresses text to 31.1 % at 330 MiB/s, and level 3 to 30.7
   * % at 220 MiB/s (gzip with level 2: 34.2 % at 141 MiB/s).
   *
   * @param options.level the level of zstd, 1 to 19. Without it, frames that were read from a zstd file are
   * copied in their stored form.
   * @throws {RangeError} if there is no such level
   */
  constructor(file: PlainSink, options: { level?: number; codecs?: Codecs } & PieceSinkOptions = {}) {
    const { level = 1, codecs = HERE } = options;
    if (!Number.isInteger(level) || level < 1 || level > 19) throw new RangeError(`No zstd level: ${level}`);
    super(file, {
      ahead: codecs.ahead,
      encode: (given) => codecs.zstd({ ...given, level }),
      ...options.level === undefined &&
        { copyableSource: (source) => source instanceof ZstdSource ? source : undefined },
      holds: isFollowedFrameOf,
      writeEnd: writeSeekTable,
    }, options);
  }
}

/** Reads any zstd file. Frames of up to 4 MiB are decompressed in one call each, others block by block. */
export class ZstdSource extends PieceSource {
  /**
   * Reads `file` from its current offset to its end, and closes it when disposed.
   *
   * @param options.many what this source shares with many others that are open at the same time
   */
  constructor(file: PlainSource, { codecs = HERE, many }: { codecs?: Codecs; many?: ManySources } = {}) {
    const decoding = { codecs, maxWholeBytes: longestWhole(file, many) };
    super(file, { pieces: (memory) => unzstd(file, { ...decoding, memory }), ahead: codecs.ahead, many });
  }
}

/**
 * Yields the content of every frame. Returns at the end of the file, and throws if the file continues with
 * anything but a frame.
 */
async function* unzstd(
  file: PlainSource,
  { codecs, maxWholeBytes, memory }: { codecs: Codecs; maxWholeBytes: number; memory: PieceMemory },
): AsyncGenerator<Piece, void> {
  using blocks = new BlockwiseDecoder();
  yield* eachFrame(file, async function* (header) {
    const storedBytes = await walkFrame(file, header, maxWholeBytes);
    if (storedBytes === undefined) return yield* blocks.decode(file, header);
    const { path, offsetBytes } = file;
    yield await memory.takePiece(file, {
      storedBytes,
      contentBytes: header.contentLen!,
      isLast: !header.hasSuccessor,
      cut: () => cutFrame(file, offsetBytes),
      decode: (given) =>
        codecs.unzstd(given).catch((cause) => {
          if (cause instanceof ThreadError) throw cause;
          throw damagedFrame({ path, offsetBytes }, reasonOf(cause), { cause });
        }),
    });
    return header.contentLen;
  });
}

/**
 * Walks from frame to frame by the lengths of their blocks, without decompressing them.
 *
 * @throws {FormatError} if the file is cut, or continues with other data
 */
export async function walkZstd(file: PlainSource): Promise<void> {
  // deno-lint-ignore require-yield
  const frames = eachFrame(file, async function* (header) {
    await passFrame(file, header);
    return header.contentLen;
  });
  await frames.next();
}

/**
 * Calls `take` for every frame and yields what it yields. `take` reads the frame from the file, and returns
 * the length of its content if it is known.
 */
async function* eachFrame(
  file: PlainSource,
  take: (header: FrameHeader) => AsyncGenerator<Piece, number | undefined>,
): AsyncGenerator<Piece, void> {
  /** The frames that an index must list. It is reset after an index, because files may be concatenated. */
  let frames = new ListedFrames();
  let hasFrame = false;
  let isPromised = true;
  while (isPromised || (await file.peek(1)).length > 0) {
    const startBytes = file.offsetBytes;
    const first = await file.peek(ZSTD_MAGIC_LEN);
    const magic = littleEndian(first);
    if (magic === SEEK_TABLE_MAGIC) {
      await checkSeekTable(file, frames);
      frames = new ListedFrames();
    } else if (isSkippable(magic)) {
      await skipFrame(file);
    } else if (magic === ZSTD_MAGIC) {
      const header = await readFrameHeader(file);
      hasFrame = true;
      isPromised = header.hasSuccessor;
      const contentBytes = yield* take(header);
      frames.add({ storedBytes: file.offsetBytes - startBytes, contentBytes });
    } else {
      throw formatError("zstd file", {
        path: file.path,
        offsetBytes: file.offsetBytes,
        expected: nextFrame(hasFrame, isPromised),
        found: showBytes(first),
      });
    }
  }
}

function nextFrame(hasFrame: boolean, isPromised: boolean): string {
  if (!hasFrame) return "a zstd frame";
  return isPromised ? "another zstd frame" : "another zstd frame or the end of the file";
}

/**
 * Returns the length of the longest frame of `file` that is decompressed in one call. A source that is one of
 * many may have to decompress a piece twice, and its buffers have room for the pieces that are written today.
 */
function longestWhole(file: PlainSource, many?: ManySources): number {
  if (many === undefined) return MAX_WHOLE_BYTES;
  // The WebAssembly module that is used on Deno 2.4 takes more memory than decompressing block by block.
  return file.isSeekable && hasNativeZstd() ? MANY_MAX_BYTES : 0;
}

async function skipFrame(file: PlainSource): Promise<void> {
  const startBytes = file.offsetBytes;
  const head = await peekAll(file, 8, startBytes);
  const len = 8 + new DataView(head.buffer, head.byteOffset).getUint32(4, true);
  if (await file.skip(len) < len) throw cutFrame(file, startBytes);
}
