/**
 * A second reader of zstd files, from RFC 8878: it finds the frames by itself and has each decompressed by libzstd, through
 * the public function of Deno, or WebAssembly where that is not there.
 */

import zlib from "node:zlib";
import { concat } from "../../refusals/material.ts";
import { demand } from "./acceptable.ts";

const FRAME = 0xfd2fb528;
const INDEX = 0x184d2a5e;
/** The four low bits are free. */
const SKIPPABLE = 0x184d2a5;
const LARGEST_WINDOW = 64 * 1024 * 1024;
const LARGEST_BLOCK = 128 * 1024;

/** What a file holds. */
export interface Unzstd {
  content?: Uint8Array;
  /** Nobody can tell what the program makes of it. */
  isUnknown?: boolean;
  /** It has an index, a window that is longer than is promised, or perhaps one that is too short: it may be refused. */
  refusable: boolean;
}

/** Reads a file. @throws {NotAcceptable} */
export function unzstd(bytes: Uint8Array): Unzstd {
  const parts: Uint8Array[] = [];
  let refusable = false;
  let isPromised = true;
  for (let at = 0; isPromised || at < bytes.length;) {
    const magic = number(bytes, at, 4);
    if (Math.floor(magic / 16) === SKIPPABLE) {
      refusable ||= magic === INDEX;
      at += 8 + number(bytes, at + 4, 4);
      demand(at <= bytes.length);
      continue;
    }
    demand(magic === FRAME);
    const frame = walk(bytes, at);
    refusable ||= frame.windowBytes > LARGEST_WINDOW;
    isPromised = frame.isFollowed;
    const content = decompress(bytes.slice(at, frame.end));
    if (content === undefined) {
      demand(isLenient);
      return { refusable: true, isUnknown: true };
    }
    // libzstd does not look when the last block is empty.
    demand(frame.contentBytes === undefined || frame.contentBytes === content.length);
    // A block of more content than the window is none, but libzstd lets it pass where it has all of the frame.
    refusable ||= frame.windowBytes < Math.min(content.length, LARGEST_BLOCK);
    parts.push(content);
    at = frame.end;
  }
  return { content: concat(...parts), refusable };
}

interface Frame {
  end: number;
  windowBytes: number;
  contentBytes?: number;
  /** It says that it is not the last, as those of the program do. */
  isFollowed: boolean;
}

/** 3.1.1: the end of the frame at `begin`, by its header and the headers of its blocks. */
function walk(bytes: Uint8Array, begin: number): Frame {
  const descriptor = number(bytes, begin + 4, 1);
  const [sizeFlag, isSingle, dictionaryFlag] = [descriptor >> 6, (descriptor & 0x20) !== 0, descriptor & 3];
  const hasChecksum = (descriptor & 4) !== 0;
  demand((descriptor & 8) === 0);
  let at = begin + 5;
  let windowBytes = 0;
  if (!isSingle) {
    const window = number(bytes, at++, 1);
    windowBytes = 2 ** (10 + (window >> 3)) / 8 * (8 + (window & 7));
  }
  const dictionaryBytes = [0, 1, 2, 4][dictionaryFlag];
  demand(number(bytes, at, dictionaryBytes) === 0);
  at += dictionaryBytes;
  const sizeBytes = sizeFlag === 0 && !isSingle ? 0 : 2 ** sizeFlag;
  const contentBytes = number(bytes, at, sizeBytes) + (sizeBytes === 2 ? 256 : 0);
  at += sizeBytes;
  if (isSingle) windowBytes = contentBytes;
  for (let isLast = false; !isLast;) {
    const header = number(bytes, at, 3);
    const [type, size] = [(header >> 1) & 3, header >> 3];
    demand(type !== 3 && size <= Math.min(LARGEST_BLOCK, windowBytes));
    isLast = (header & 1) === 1;
    at += 3 + (type === 1 ? 1 : size);
  }
  if (hasChecksum) at += 4;
  demand(at <= bytes.length);
  return {
    end: at,
    windowBytes,
    contentBytes: sizeBytes === 0 ? undefined : contentBytes,
    isFollowed: sizeFlag === 2 && hasChecksum && dictionaryFlag === 1,
  };
}

function number(bytes: Uint8Array, at: number, length: number): number {
  demand(at + length <= bytes.length);
  return bytes.subarray(at, at + length).reduceRight((high, byte) => high * 256 + byte, 0);
}

/** What the types of Deno 2.4 do not know. */
const { zstdDecompressSync } = zlib as { zstdDecompressSync?: (bytes: Uint8Array) => Uint8Array };
const wasm = zstdDecompressSync === undefined ? await import("@bokuweb/zstd-wasm") : undefined;
await wasm?.init();
/**
 * There the program decodes blocks by itself, and lets corrupt ones pass where no checksum tells (`cli/archive/zstd_blocks.ts`);
 * and the WebAssembly module has room for a mebibyte, if the frame does not tell its content size.
 */
const isLenient = wasm !== undefined;

/** Undefined if it is corrupt. */
function decompress(frame: Uint8Array): Uint8Array | undefined {
  try {
    return zstdDecompressSync?.(frame) ?? wasm!.decompress(frame);
  } catch {
    return undefined;
  }
}
