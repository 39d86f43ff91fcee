/** A second reader of gzip files, from RFC 1952 and the drawing in `cli/archive/gzip.ts`. */

import zlib from "node:zlib";
import { concat } from "../../refusals/material.ts";
import { demand } from "./acceptable.ts";
import { inflate } from "./inflate.ts";

/** RFC 1952, 2.3.1. */
const [HAS_CRC, HAS_EXTRA, HAS_NAME, HAS_COMMENT, RESERVED] = [2, 4, 8, 16, 0xe0];
const FIXED_HEADER = 10;
/** Lengths in an extra field of ours that are believed. */
const LONGEST_PIECE = 4 * 1024 * 1024;

/** What a gzip file holds; the lengths in the extra fields count too. @throws {NotAcceptable} */
export function gunzipped(bytes: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [];
  let isPromised = true;
  for (let at = 0; isPromised || at < bytes.length;) {
    const begin = at;
    at = headerEnd(bytes, begin);
    const { content, end } = inflate(bytes, at);
    const trailer = fieldsAt(bytes, end, 8);
    demand(trailer.getUint32(0, true) === zlib.crc32(content));
    demand(trailer.getUint32(4, true) === content.length);
    at = end + 8;
    parts.push(content);
    const ours = ownField(bytes, begin);
    demand(ours === undefined || (ours.memberBytes === at - begin && ours.contentBytes === content.length));
    isPromised = ours?.isLast === false;
  }
  return concat(...parts);
}

function headerEnd(bytes: Uint8Array, begin: number): number {
  const fixed = fieldsAt(bytes, begin, FIXED_HEADER);
  demand(fixed.getUint8(0) === 0x1f && fixed.getUint8(1) === 0x8b && fixed.getUint8(2) === 8);
  const flags = fixed.getUint8(3);
  demand((flags & RESERVED) === 0);
  let at = begin + FIXED_HEADER;
  if ((flags & HAS_EXTRA) !== 0) at += 2 + fieldsAt(bytes, at, 2).getUint16(0, true);
  for (const flag of [HAS_NAME, HAS_COMMENT]) {
    if ((flags & flag) === 0) continue;
    demand(at <= bytes.length && bytes.indexOf(0, at) >= 0);
    at = bytes.indexOf(0, at) + 1;
  }
  if ((flags & HAS_CRC) === 0) return at;
  const checksum = fieldsAt(bytes, at, 2).getUint16(0, true);
  demand(checksum === (zlib.crc32(bytes.slice(begin, at)) & 0xffff));
  return at + 2;
}

function ownField(bytes: Uint8Array, begin: number) {
  const header = bytes.subarray(begin, begin + 25);
  const [flags, rest] = [header[3], Array.from(header.subarray(10, 16))];
  if (header.length < 25 || flags !== HAS_EXTRA || `${rest}` !== "13,0,86,66,9,0" || header[24] > 1) return;
  const fields = fieldsAt(header, 16, 8);
  const [memberBytes, contentBytes] = [fields.getUint32(0, true), fields.getUint32(4, true)];
  if (memberBytes <= 25 + 8 || Math.max(memberBytes, contentBytes) > LONGEST_PIECE) return;
  return { memberBytes, contentBytes, isLast: header[24] === 1 };
}

function fieldsAt(bytes: Uint8Array, at: number, length: number): DataView {
  demand(at + length <= bytes.length);
  return new DataView(bytes.buffer, bytes.byteOffset + at, length);
}
