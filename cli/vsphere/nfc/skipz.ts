/** Decodes `skipz`: the runs of a fragment that are not zero, with their places. */

import { ProtocolError } from "../errors.ts";

const HEADER_BYTES = 8;
const SEGMENT_HEADER_BYTES = 8;

/**
 * Writes the content of `stream` into `into`, all of it; what no segment covers becomes zero.
 *
 * The stream is the length of the fragment, a zero, then segments until it ends: offset, length, bytes,
 * ascending.
 *
 * @throws {ProtocolError} if a length, a place or the order is not right; `into` may have been written to
 * then
 */
export function decodeSkipz(stream: Uint8Array, into: Uint8Array): void {
  const view = new DataView(stream.buffer, stream.byteOffset, stream.byteLength);
  if (stream.length < HEADER_BYTES) throw damaged(`has ${stream.length} bytes`);
  const length = view.getUint32(0, true);
  if (length !== into.length) throw damaged(`says that it makes ${length} bytes of ${into.length}`);
  if (view.getUint32(4, true) !== 0) throw damaged("has an unknown mark");
  let doneBytes = 0;
  for (let at = HEADER_BYTES; at < stream.length;) {
    if (stream.length - at < SEGMENT_HEADER_BYTES) throw damaged("ends in the header of a segment");
    const start = view.getUint32(at, true);
    const count = view.getUint32(at + 4, true);
    at += SEGMENT_HEADER_BYTES;
    if (count === 0 || count > stream.length - at) throw damaged(`has a segment of ${count} bytes`);
    if (start < doneBytes || start > into.length || count > into.length - start) {
      throw damaged(`has a segment at ${start}`);
    }
    into.fill(0, doneBytes, start);
    into.set(stream.subarray(at, at + count), start);
    doneBytes = start + count;
    at += count;
  }
  into.fill(0, doneBytes);
}

function damaged(what: string): ProtocolError {
  return new ProtocolError(`the data port sends a fragment in skipz that ${what}`);
}
