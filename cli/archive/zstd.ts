/**
 * The zstd container (RFC 8878): the stream as a row of independent frames with content size and checksum, readable by
 * every zstd tool.
 *
 * A frame can be walked without being decoded (header, blocks that tell their lengths, checksum), so where a file is cut or
 * goes on with something else is known to the byte, whatever a decoder would let pass. What was walked, libzstd decodes in
 * one call. A frame that is too long for that, or does not tell its content size, is decoded block by block
 * (`zstd_blocks.ts`), and its checksum verified here.
 */

import { type FormatError, formatError, ThreadError } from "../errors.ts";
import { type Codecs, HERE, storedBound } from "./codecs.ts";
import { isSkippable, ZSTD_MAGIC, ZSTD_MAGIC_LEN } from "./magic.ts";
import { type Begun, PIECE_MAX_BYTES, type PieceLengths, PieceSink } from "./piece_sink.ts";
import { type Piece, PieceSource, showBytes, type SlotRing } from "./piece_source.ts";
import type { PlainSink, PlainSource } from "./plain.ts";
import { Room } from "./room.ts";
import { hasNativeZstd } from "./zlib_engine.ts";
import { createBlockDecoder } from "./zstd_blocks.ts";
import {
  CHECKSUM_LEN,
  checksumOf,
  createHash,
  DESCRIPTOR_AT,
  HAS_CHECKSUM,
  isFollowedFrameOf,
  saysAnotherFollows,
  windowLen,
  type XxHash64,
} from "./zstd_frame.ts";

/**
 * Longest frame, stored and as content, that is decoded in one call. Twice what is written, so that a later version may cut
 * more coarsely.
 */
export const MAX_WHOLE_BYTES = 4 * 1024 * 1024;

/**
 * The same for one of many files that are open together: what is written today. Each has the content of a frame in memory
 * then; block by block it would be a window and 128 KiB, but fzstd leaves several times that to the collector.
 */
const MAX_WHOLE_STREAMED_BYTES = PIECE_MAX_BYTES + storedBound(0);

/**
 * Largest window that is taken into memory: `zstd --ultra -21` and `--long=26` need it, RFC 8878 asks for 8 MiB. fzstd reads
 * distances beyond it wrongly (it takes 25 bits at a time; seen with `--long=27`).
 */
const MAX_WINDOW_BYTES = 64 * 1024 * 1024;

/** zstd's contrib/seekable_format/zstd_seekable_compression_format.md. */
const SEEK_TABLE_MAGIC = 0x184d2a5e;
const SEEKABLE_MAGIC = 0x8f92eab1;
const SEEK_TABLE_HEAD = 8;
const SEEK_ENTRY = 8;
const SEEK_TABLE_FOOT = 9;
const BLOCK_HEADER_LEN = 3;
const MAX_BLOCK_BYTES = 128 * 1024;
const RLE_BLOCK = 1;
const COMPRESSED_BLOCK = 2;
const RESERVED_BLOCK = 3;

/** Writes a stream as zstd frames, one for each write. */
export class ZstdSink extends PieceSink {
  /**
   * Writes to `file`. `level` is zstd's, 1 to 19; without it, frames that were read from a zstd file are copied as they are.
   * The default is 1: on text it makes 31.1 % at 330 MiB/s, level 3 makes 30.7 % at 220 (gzip level 2: 34.2 % at 141).
   * @throws {RangeError} if there is no such level
   */
  constructor(file: PlainSink, options: { level?: number; codecs?: Codecs; begun?: Begun } = {}) {
    const { level = 1, codecs = HERE } = options;
    if (!Number.isInteger(level) || level < 1 || level > 19) throw new RangeError(`No zstd level: ${level}`);
    super(file, {
      ahead: codecs.ahead,
      encode: (given) => codecs.zstd({ ...given, level }),
      ...options.level === undefined &&
        { kin: (source) => source instanceof ZstdSource ? source : undefined },
      holds: isFollowedFrameOf,
      end: seekTable,
    }, options.begun);
  }
}

/**
 * The index of the zstd seekable format, a skippable frame that names the lengths of all frames: readers that know it find
 * any byte without decoding what comes before, the others pass over it.
 *
 *     5e 2a 4d 18 | u32 length of what follows | for each frame: u32 stored, u32 content | u32 frames | 00 | b1 ea 92 8f
 */
function seekTable(pieces: readonly PieceLengths[]): Uint8Array {
  const table = new DataView(new ArrayBuffer(SEEK_TABLE_HEAD + pieces.length * SEEK_ENTRY + SEEK_TABLE_FOOT));
  table.setUint32(0, SEEK_TABLE_MAGIC, true);
  table.setUint32(4, table.byteLength - SEEK_TABLE_HEAD, true);
  pieces.forEach(({ storedBytes, contentBytes }, i) => {
    const at = SEEK_TABLE_HEAD + i * SEEK_ENTRY;
    table.setUint32(at, storedBytes, true);
    table.setUint32(at + 4, contentBytes, true);
  });
  table.setUint32(table.byteLength - 9, pieces.length, true);
  table.setUint32(table.byteLength - 4, SEEKABLE_MAGIC, true);
  return new Uint8Array(table.buffer);
}

/** Reads what any zstd file holds; frames of up to 4 MiB in one call each, others block by block. */
export class ZstdSource extends PieceSource {
  /** Reads `file` from its current offset to its end, and closes it when disposed. */
  constructor(file: PlainSource, { codecs = HERE }: { codecs?: Codecs } = {}) {
    super(file, { pieces: (slots) => unzstd(file, { codecs, slots }), ahead: codecs.ahead });
  }
}

/** Yields the content of every frame; returns at the end of the file, where nothing else may stand. */
function unzstd(
  file: PlainSource,
  { codecs, slots }: { codecs: Codecs; slots: SlotRing },
): AsyncGenerator<Piece, void> {
  let hash: XxHash64 | undefined;
  return eachFrame(file, async function* (header) {
    const wholeLen = await walkFrame(file, header, longestWhole(file, codecs));
    if (wholeLen === undefined) yield* decodeBlocks(file, header, hash ??= await createHash());
    else yield await decodeWhole(file, { header, wholeLen, codecs, slots });
  });
}

/**
 * Goes from frame to frame by the lengths of their blocks, without decoding them.
 *
 * @throws {FormatError} if the file is cut, or goes on with something else
 */
export async function walkZstd(file: PlainSource): Promise<void> {
  // deno-lint-ignore require-yield
  const frames = eachFrame(file, async function* (header) {
    const frameLen = (await frameLenOf(file, header, Number.MAX_SAFE_INTEGER))!;
    if (await file.skip(frameLen) < frameLen) throw cutFrame(file, header.startBytes);
  });
  await frames.next();
}

/** Yields what `take` makes of every frame, which takes it off the file. */
async function* eachFrame(
  file: PlainSource,
  take: (header: FrameHeader) => AsyncGenerator<Piece, void>,
): AsyncGenerator<Piece, void> {
  /** The frames that an index would list. */
  const frames: ListedFrame[] = [];
  let hasFrame = false;
  let isPromised = true;
  while (isPromised || (await file.peek(1)).length > 0) {
    const startBytes = file.offsetBytes;
    const first = await file.peek(ZSTD_MAGIC_LEN);
    const magic = littleEndian(first);
    if (magic === SEEK_TABLE_MAGIC) {
      await checkSeekTable(file, frames);
    } else if (isSkippable(magic)) {
      await skipFrame(file);
    } else if (magic === ZSTD_MAGIC) {
      const header = await readFrameHeader(file);
      hasFrame = true;
      isPromised = header.hasSuccessor;
      yield* take(header);
      frames.push({ storedBytes: file.offsetBytes - startBytes, contentBytes: header.contentLen });
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

/** Longest frame of `file` that is decoded in one call. */
function longestWhole(file: PlainSource, codecs: Codecs): number {
  if (codecs.ahead > 0) return MAX_WHOLE_BYTES;
  // The WebAssembly module of Deno 2.4 takes more memory than the blocks do.
  return file.isSeekable && hasNativeZstd() ? MAX_WHOLE_STREAMED_BYTES : 0;
}

async function skipFrame(file: PlainSource): Promise<void> {
  const startBytes = file.offsetBytes;
  const head = await peekAll(file, 8, startBytes);
  const len = 8 + new DataView(head.buffer, head.byteOffset).getUint32(4, true);
  if (await file.skip(len) < len) throw cutFrame(file, startBytes);
}

/**
 * Takes an index off the file. Nothing is sought here, so it is of no use but to show damage: one without checksums in it
 * lists the frames in front of it and nothing else. `frames` begins anew, for files in a row.
 */
async function checkSeekTable(file: PlainSource, frames: ListedFrame[]): Promise<void> {
  const startBytes = file.offsetBytes;
  const listed = frames.splice(0);
  const tableLen = SEEK_TABLE_HEAD +
    littleEndian((await peekAll(file, SEEK_TABLE_HEAD, startBytes)).subarray(4));
  if (tableLen > MAX_WHOLE_BYTES) return await skipFrame(file);
  const table = await peekAll(file, tableLen, startBytes);
  const field = (at: number) => littleEndian(table.subarray(at, at + 4));
  const isPlain = (flags: number, magic: number) => flags === 0 && magic === SEEKABLE_MAGIC;
  const hasForm = tableLen === SEEK_TABLE_HEAD + listed.length * SEEK_ENTRY + SEEK_TABLE_FOOT;
  if (hasForm || isPlain(table[tableLen - 5], field(tableLen - 4))) {
    const agrees = hasForm && isPlain(table[tableLen - 5], field(tableLen - 4)) &&
      field(tableLen - SEEK_TABLE_FOOT) === listed.length &&
      listed.every(({ storedBytes, contentBytes }, i) => {
        const at = SEEK_TABLE_HEAD + i * SEEK_ENTRY;
        return field(at) === storedBytes && (contentBytes === undefined || field(at + 4) === contentBytes);
      });
    if (!agrees) throw damagedFrame(file, "an index of other frames than those in front of it");
  }
  await file.skip(tableLen);
}

/** A frame as an index lists it; the content size as far as the frame tells it. */
interface ListedFrame {
  storedBytes: number;
  contentBytes?: number;
}

/** Where in a file something is. */
type Place = Pick<PlainSource, "path" | "offsetBytes">;

/** What the header of a frame tells. */
export interface FrameHeader {
  /** Offset of the frame in the file. */
  startBytes: number;
  headerLen: number;
  /** `undefined` if the frame does not tell it. */
  contentLen?: number;
  windowLen: number;
  hasChecksum: boolean;
  /** The frame says, as those of `zstdFrame` do, that it is not the last. */
  hasSuccessor: boolean;
}

/** Reads the header that begins at the file's offset, magic included, and takes nothing. RFC 8878, 3.1.1.1. */
export async function readFrameHeader(file: PlainSource): Promise<FrameHeader> {
  const startBytes = file.offsetBytes;
  const descriptor = (await peekAll(file, DESCRIPTOR_AT + 1, startBytes))[DESCRIPTOR_AT];
  const isSingleSegment = (descriptor & 0b100000) !== 0;
  const windowAt = DESCRIPTOR_AT + 1;
  const dictionaryAt = windowAt + (isSingleSegment ? 0 : 1);
  const contentLenAt = dictionaryAt + [0, 1, 2, 4][descriptor & 0b11];
  const headerLen = contentLenAt + [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6];
  const header = await peekAll(file, headerLen, startBytes);

  if ((descriptor & 0b1000) !== 0) throw unusable(file, "a frame header without its reserved bit", "the bit");
  const dictionary = littleEndian(header.subarray(dictionaryAt, contentLenAt));
  if (dictionary !== 0) {
    throw unusable(file, "a frame without dictionary", `one for dictionary ${dictionary}`);
  }

  // Two bytes of content size begin to count at 256: shorter contents have the one-byte form.
  const bias = headerLen - contentLenAt === 2 ? 256 : 0;
  const contentLen = headerLen === contentLenAt
    ? undefined
    : littleEndian(header.subarray(contentLenAt, headerLen)) + bias;
  if (contentLen !== undefined && !Number.isSafeInteger(contentLen)) {
    throw unusable(file, "a content size below 2^53", `${contentLen}`);
  }
  return {
    startBytes,
    headerLen,
    contentLen,
    windowLen: isSingleSegment ? contentLen! : windowLen(header[windowAt]),
    hasChecksum: (descriptor & HAS_CHECKSUM) !== 0,
    hasSuccessor: saysAnotherFollows(descriptor),
  };
}

interface BlockHeader {
  isLast: boolean;
  type: number;
  /** Bytes that follow the block header. */
  storedLen: number;
}

/** Reads the block header `aheadLen` bytes from the file's offset. RFC 8878, 3.1.1.2. */
async function readBlockHeader(
  file: PlainSource,
  aheadLen: number,
  frame: FrameHeader,
): Promise<BlockHeader> {
  const bytes = await file.peekAt(aheadLen, BLOCK_HEADER_LEN);
  if (bytes.length < BLOCK_HEADER_LEN) await peekAll(file, aheadLen + BLOCK_HEADER_LEN, frame.startBytes);
  const fields = littleEndian(bytes);
  const type = (fields >> 1) & 0b11;
  const len = fields >> 3;
  if (type === RESERVED_BLOCK) throw unusable(file, "a block of a known type", "the reserved type", aheadLen);
  if (len > Math.min(MAX_BLOCK_BYTES, frame.windowLen)) {
    throw unusable(file, "a block within the window and 128 KiB", `one of ${len} bytes`, aheadLen);
  }
  return { isLast: (fields & 1) === 1, type, storedLen: type === RLE_BLOCK ? 1 : len };
}

/** Length of the frame in the file, checksum included; `undefined` if it or its content is longer than `maxBytes`. */
export async function walkFrame(
  file: PlainSource,
  frame: FrameHeader,
  maxBytes: number,
): Promise<number | undefined> {
  if (frame.contentLen === undefined || frame.contentLen > maxBytes) return undefined;
  return await frameLenOf(file, frame, maxBytes);
}

/** The same, whatever its content. */
async function frameLenOf(
  file: PlainSource,
  frame: FrameHeader,
  maxBytes: number,
): Promise<number | undefined> {
  let frameLen = frame.headerLen;
  for (let isLast = false; !isLast;) {
    const block = await readBlockHeader(file, frameLen, frame);
    frameLen += BLOCK_HEADER_LEN + block.storedLen;
    if (frameLen > maxBytes) return undefined;
    isLast = block.isLast;
  }
  return frameLen + (frame.hasChecksum ? CHECKSUM_LEN : 0);
}

/** For stored frames of many files that are open together: few of them are decoded at the same moment. */
const FREE_ROOMS: Room[] = [];

/** Takes one frame off the file and has it decompressed, perhaps by another thread. */
async function decodeWhole(
  file: PlainSource,
  { header, wholeLen, codecs, slots }: {
    header: FrameHeader;
    wholeLen: number;
    codecs: Codecs;
    slots: SlotRing;
  },
): Promise<Piece> {
  const { path, offsetBytes } = file;
  const slot = slots.next();
  const isOneOfMany = codecs.ahead === 0;
  // Where nobody reads ahead, a frame is done with when it is decoded.
  const room = isOneOfMany ? FREE_ROOMS.pop() ?? new Room() : slot.stored;
  const stored = room.ofLength(wholeLen);
  if (await file.read(stored) < wholeLen) throw cutFrame(file, offsetBytes);
  const contentLen = header.contentLen!;
  const content = slots.contentOf(slot, contentLen);
  const decoded = codecs.unzstd({ stored, into: content }).catch((cause) => {
    if (cause instanceof ThreadError) throw cause;
    throw damagedFrame({ path, offsetBytes }, reasonOf(cause), { cause });
  });
  if (isOneOfMany) {
    await decoded;
    FREE_ROOMS.push(room);
  }
  if (!header.hasSuccessor) return { content, decoded };
  return {
    content,
    decoded,
    origin: { fileOffsetBytes: offsetBytes, storedBytes: wholeLen, contentBytes: contentLen },
  };
}

/**
 * Yields the content of the frame at the file's offset, block by block, and takes it off the file. Zeros look like empty blocks
 * without end: whoever reads damaged files takes so many for damage.
 */
export async function* decodeBlocks(
  file: PlainSource,
  frame: FrameHeader,
  hash: XxHash64,
  { mostEmptyBlocks = Infinity } = {},
): AsyncGenerator<Uint8Array, void> {
  if (frame.windowLen > MAX_WINDOW_BYTES) {
    throw unusable(file, `a window of at most ${MAX_WINDOW_BYTES} bytes`, `one of ${frame.windowLen}`);
  }
  using decoder = await createBlockDecoder();
  /** Gives the next bytes of the file to the decoder, in a copy since it may keep what it cannot use yet. */
  const feed = async (lenBytes: number, part: { isCompressed: boolean; isFinal: boolean }) => {
    const bytes = (await peekAll(file, lenBytes, frame.startBytes)).slice();
    // The checksum is verified here.
    if (file.offsetBytes === frame.startBytes) bytes[DESCRIPTOR_AT] &= ~HAS_CHECKSUM;
    const pieces = attempt(file, () => decoder.push(bytes, part));
    await file.skip(lenBytes);
    return pieces;
  };

  hash.init();
  let contentLen = 0;
  let emptyBlocks = 0;
  let block: BlockHeader | undefined = await readBlockHeader(file, frame.headerLen, frame);
  await feed(frame.headerLen + BLOCK_HEADER_LEN, { isCompressed: false, isFinal: false });
  while (block) {
    // With each block goes the header of the next one: fzstd 0.1.1 never frees a push that ends exactly with a block.
    const next: BlockHeader | undefined = block.isLast
      ? undefined
      : await readBlockHeader(file, block.storedLen, frame);
    if (block.storedLen === 0 && ++emptyBlocks > mostEmptyBlocks) {
      throw damagedFrame(file, `more than ${mostEmptyBlocks} empty blocks`);
    }
    const pieces = await feed(block.storedLen + (next ? BLOCK_HEADER_LEN : 0), {
      isCompressed: block.type === COMPRESSED_BLOCK,
      isFinal: block.isLast,
    });
    for (const piece of pieces) {
      hash.update(piece);
      contentLen += piece.length;
      yield piece;
    }
    block = next;
  }

  if (frame.contentLen !== undefined && contentLen !== frame.contentLen) {
    throw damagedFrame(file, `${contentLen} bytes of content, not ${frame.contentLen}`);
  }
  if (frame.hasChecksum) {
    const checksum = littleEndian(await peekAll(file, CHECKSUM_LEN, frame.startBytes));
    if (checksum !== checksumOf(hash)) throw damagedFrame(file, "content of another checksum");
    await file.skip(CHECKSUM_LEN);
  }
}

/** Up to eight bytes as a number; exact below 2^53, and no smaller than that above. */
function littleEndian(bytes: Uint8Array): number {
  return bytes.reduceRight((high, byte) => high * 256 + byte, 0);
}

/** The next `lenBytes` bytes of a frame that began at `startBytes`. */
async function peekAll(file: PlainSource, lenBytes: number, startBytes: number): Promise<Uint8Array> {
  const bytes = await file.peek(lenBytes);
  if (bytes.length < lenBytes) throw cutFrame(file, startBytes, bytes.length);
  return bytes;
}

function attempt<T>(file: PlainSource, decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    throw damagedFrame(file, reasonOf(cause), { cause });
  }
}

/** Deno repeats what was tried; the WebAssembly module calls every fault a failed compression with a number of zstd_errors.h. */
function reasonOf(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : `${cause}`;
  return message.replace("Zstd decompress error: ", "").replace(
    "Failed to compress with code -",
    "libzstd error ",
  );
}

/** `aheadLen` bytes of the frame are left of the file. */
function cutFrame(file: PlainSource, startBytes: number, aheadLen = 0): FormatError {
  return formatError("zstd file", {
    path: file.path,
    offsetBytes: file.offsetBytes + aheadLen,
    expected: `the rest of the frame that begins at byte ${startBytes}`,
    found: "the end of the file",
  });
}

/** `what` names the damage that was noticed at the file's offset or in the frame that begins there. */
function damagedFrame(file: Place, what: string, options?: ErrorOptions): FormatError {
  return formatError("zstd file", {
    path: file.path,
    offsetBytes: file.offsetBytes,
    expected: "an intact zstd frame",
    found: `damage (${what})`,
  }, options);
}

function unusable(file: PlainSource, expected: string, found: string, aheadLen = 0): FormatError {
  return formatError("zstd file", {
    path: file.path,
    offsetBytes: file.offsetBytes + aheadLen,
    expected,
    found,
  });
}
