/** One HTTP/1.1 request and its answer (RFC 9112) on a connection of its own, with every length bounded. */

import { ConnectionError, ProtocolError, shown } from "../errors.ts";
import { type ByteLink, ByteReader } from "./byte_link.ts";

/** A request. */
export interface HttpRequest {
  method: "GET" | "POST";
  /** Path and query, encoded. */
  target: string;
  /** Without `Host`, `Connection` and `Content-Length`. */
  headers: Readonly<Record<string, string>>;
  body?: Uint8Array;
}

/** The answer; its body has to be read before anything else happens on the connection. */
export interface HttpAnswer {
  status: number;
  /** By lower-case name; of headers that came several times, all values. */
  headers: ReadonlyMap<string, readonly string[]>;
  /** Whether the end of the body shows by itself: without it, a body that was cut looks like a whole one. */
  isDelimited: boolean;
  /** Pieces of the body, at most 64 KiB each. */
  body: AsyncGenerator<Uint8Array<ArrayBuffer>>;
}

/** Bounds of an answer. */
export interface HttpOptions {
  /** The value of the header `Host`. */
  host: string;
  /** The longest silence of the server. */
  patienceMs: number;
  maxBodyBytes: number;
}

const MAX_LINE_BYTES = 8192;
const MAX_HEADERS = 64;
const MAX_PROVISIONAL_ANSWERS = 8;
const PIECE_BYTES = 64 * 1024;

/**
 * Sends `request` and reads the answer as far as its headers.
 *
 * @throws {ProtocolError} if the answer is not HTTP/1.1 or exceeds a bound
 * @throws {ConnectionError} if the connection breaks
 */
export async function exchange(
  link: ByteLink,
  request: HttpRequest,
  options: HttpOptions,
): Promise<HttpAnswer> {
  await link.write(encodeRequest(request, options.host));
  const reader = new ByteReader(link, options);
  for (let provisional = 0; provisional < MAX_PROVISIONAL_ANSWERS; provisional++) {
    const status = await readStatus(reader, link.peer);
    const headers = await readHeaders(reader, link.peer);
    // 1xx: an answer follows.
    if (status < 200) continue;
    const length = bodyLength(headers, status, link.peer);
    const body = readBody(reader, { length, peer: link.peer, maxBytes: options.maxBodyBytes });
    return { status, headers, isDelimited: length !== "untilEnd", body };
  }
  throw new ProtocolError(`${link.peer} sends no more than provisional answers`);
}

/** Head and body in one piece, so that they share a TLS record where they fit. */
function encodeRequest({ method, target, headers, body }: HttpRequest, host: string): Uint8Array {
  const lines = [
    `${method} ${target} HTTP/1.1`,
    `Host: ${host}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ...(body === undefined ? [] : [`Content-Length: ${body.length}`]),
    "Connection: close",
  ];
  if (lines.some((line) => /[\r\n\0]/.test(line))) {
    throw new TypeError("A header with a line end cannot be sent");
  }
  const head = new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n`);
  const bytes = new Uint8Array(head.length + (body?.length ?? 0));
  bytes.set(head);
  if (body !== undefined) bytes.set(body, head.length);
  return bytes;
}

async function readStatus(reader: ByteReader, peer: string): Promise<number> {
  const line = await reader.line(MAX_LINE_BYTES);
  const [, digits] = /^HTTP\/1\.[01] ([1-5]\d\d)(?: |$)/.exec(line) ?? [];
  if (digits === undefined) throw new ProtocolError(`${peer} does not answer in HTTP/1.1: "${shown(line)}"`);
  return Number(digits);
}

async function readHeaders(reader: ByteReader, peer: string): Promise<Map<string, string[]>> {
  const headers = new Map<string, string[]>();
  for (let count = 0; count <= MAX_HEADERS; count++) {
    const line = await reader.line(MAX_LINE_BYTES);
    if (line === "") return headers;
    const [, name, value] = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
    if (name === undefined) throw new ProtocolError(`${peer} sends a header line that is none`);
    const key = name.toLowerCase();
    const values = headers.get(key);
    if (values === undefined) headers.set(key, [value]);
    else values.push(value);
  }
  throw new ProtocolError(`${peer} sends more than ${MAX_HEADERS} headers`);
}

type BodyLength = number | "chunked" | "untilEnd";

function bodyLength(
  headers: ReadonlyMap<string, readonly string[]>,
  status: number,
  peer: string,
): BodyLength {
  const encoding = headers.get("transfer-encoding");
  const lengths = headers.get("content-length");
  if (encoding !== undefined) {
    // RFC 9112, 6.3: both together are an attack.
    if (lengths !== undefined || encoding.length !== 1 || encoding[0].toLowerCase() !== "chunked") {
      throw new ProtocolError(`${peer} sends a body of unknown encoding`);
    }
    return "chunked";
  }
  if (status === 204 || status === 304) return 0;
  if (lengths === undefined) return "untilEnd";
  if (lengths.length !== 1 || !/^\d{1,15}$/.test(lengths[0])) {
    throw new ProtocolError(`${peer} sends a body of unknown length`);
  }
  return Number(lengths[0]);
}

async function* readBody(
  reader: ByteReader,
  { length, peer, maxBytes }: { length: BodyLength; peer: string; maxBytes: number },
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let leftBytes = maxBytes;
  const admit = (count: number) => {
    leftBytes -= count;
    if (leftBytes < 0) throw new ProtocolError(`${peer} sends an answer of more than ${maxBytes} bytes`);
  };
  if (typeof length === "number") {
    admit(length);
    yield* readCounted(reader, length, peer);
  } else if (length === "untilEnd") {
    for (let piece; (piece = await reader.some(PIECE_BYTES)) !== null;) {
      admit(piece.length);
      yield piece;
    }
  } else {
    for (;;) {
      const [, digits] = /^([\dA-Fa-f]{1,8})[ \t]*(?:;.*)?$/.exec(await reader.line(MAX_LINE_BYTES)) ?? [];
      if (digits === undefined) throw new ProtocolError(`${peer} sends a chunk without a length`);
      const count = parseInt(digits, 16);
      if (count === 0) break;
      admit(count);
      yield* readCounted(reader, count, peer);
      if (await reader.line(3) !== "") throw new ProtocolError(`${peer} sends a chunk longer than announced`);
    }
    await readHeaders(reader, peer);
  }
}

async function* readCounted(
  reader: ByteReader,
  count: number,
  peer: string,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for (let left = count; left > 0;) {
    const piece = await reader.some(Math.min(left, PIECE_BYTES));
    if (piece === null) {
      throw new ConnectionError(`${peer} ends the connection ${left} bytes before the end of its answer`);
    }
    left -= piece.length;
    yield piece;
  }
}
