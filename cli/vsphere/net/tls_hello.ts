/**
 * The beginning of a TLS 1.2 handshake (RFC 5246): enough to see a server's certificate, which it sends in clear text.
 *
 * TLS 1.3 encrypts it, so only TLS 1.2 is offered. Nothing is verified or decrypted here.
 */

const RECORD_ALERT = 21;
const RECORD_HANDSHAKE = 22;
const MESSAGE_CLIENT_HELLO = 1;
const MESSAGE_SERVER_HELLO = 2;
const MESSAGE_CERTIFICATE = 11;

const RECORD_HEADER_BYTES = 5;
const MESSAGE_HEADER_BYTES = 4;
/** 6.2.3: 2^14 bytes and what encryption may add. */
const MAX_RECORD_BYTES = 2 ** 14 + 2048;
/** How much of an answer is looked at: chains of certificates have some thousand bytes. */
export const MAX_ANSWER_BYTES = 2 ** 18;

const ALERT_BYTES = 2;
const ALERT_WARNING = 1;
const ALERT_CLOSE_NOTIFY = 0;

/** Those that an answer to the hello can be (7.2.2, and RFC 6066, 3). */
const ALERTS: Record<number, string> = {
  0: "close_notify",
  40: "handshake_failure",
  47: "illegal_parameter",
  50: "decode_error",
  70: "protocol_version",
  71: "insufficient_security",
  80: "internal_error",
  112: "unrecognized_name",
};

/** All that servers of the last fifteen years choose from: what it is does not matter, as it is never used. */
const CIPHER_SUITES = [
  // ECDHE with ECDSA and RSA: AES-GCM, ChaCha20, AES-CBC.
  ...[0xc02b, 0xc02c, 0xc02f, 0xc030, 0xcca9, 0xcca8, 0xc009, 0xc00a, 0xc013, 0xc014],
  // DHE and RSA: AES-GCM, AES-CBC.
  ...[0x009e, 0x009f, 0x009c, 0x009d, 0x003c, 0x003d, 0x002f, 0x0035],
  // TLS_EMPTY_RENEGOTIATION_INFO_SCSV (RFC 5746): some servers refuse a client without it.
  0x00ff,
];

/** x25519, secp256r1, secp384r1, secp521r1. */
const GROUPS = [29, 23, 24, 25];

/** ECDSA, Ed25519, RSA-PSS and RSA with SHA-2, then both with SHA-1. */
const SIGNATURES = [
  ...[0x0403, 0x0503, 0x0603, 0x0807, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601],
  ...[0x0203, 0x0201],
];

const u16 = (n: number) => [n >> 8, n & 255];
const u24 = (n: number) => [n >> 16, ...u16(n & 0xffff)];
const vector8 = (bytes: number[]) => [bytes.length, ...bytes];
const vector16 = (bytes: number[]) => [...u16(bytes.length), ...bytes];
const extension = (type: number, bytes: number[]) => [...u16(type), ...vector16(bytes)];

/** The server speaks TLS no further than to refuse, or does not speak it at all. */
export class TlsError extends Error {
  override name = "TlsError";
}

/**
 * The first record of a client.
 *
 * @param host name or address of the server; a name tells a server with several certificates which one is meant
 * @param random 32 bytes
 */
export function clientHello(host: string, random: Uint8Array): Uint8Array {
  const extensions = [
    ...serverName(host),
    ...extension(10, vector16(GROUPS.flatMap(u16))),
    // Points of curves: uncompressed ones.
    ...extension(11, vector8([0])),
    ...extension(13, vector16(SIGNATURES.flatMap(u16))),
    // Extended master secret (RFC 7627): servers in FIPS mode want it.
    ...extension(23, []),
  ];
  const body = [
    ...[3, 3],
    ...random,
    // No session to resume.
    ...vector8([]),
    ...vector16(CIPHER_SUITES.flatMap(u16)),
    // No compression.
    ...vector8([0]),
    ...vector16(extensions),
  ];
  const message = [MESSAGE_CLIENT_HELLO, ...u24(body.length), ...body];
  // The record's version is that of TLS 1.0 (E.1), so that old servers read on to the one that is meant.
  return new Uint8Array([RECORD_HANDSHAKE, 3, 1, ...vector16(message)]);
}

/** RFC 6066, 3: names only, no addresses, without the dot at the end. */
function serverName(host: string): number[] {
  const name = host.replace(/\.$/, "");
  if (!/^[\w.-]+$/.test(name) || /^[\d.]+$/.test(name)) return [];
  return extension(0, vector16([0, ...vector16([...new TextEncoder().encode(name)])]));
}

/**
 * The server's own certificate (DER) from the bytes that it has sent so far; undefined if more of them are needed.
 *
 * @param answer from the first byte, at most {@linkcode MAX_ANSWER_BYTES}
 * @throws {TlsError} if the answer leads to no certificate
 */
export function certificateOf(answer: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  const messages = handshakeBytes(answer);
  for (let at = 0; at + MESSAGE_HEADER_BYTES <= messages.length;) {
    const type = messages[at];
    const start = at + MESSAGE_HEADER_BYTES;
    const end = start + read24(messages, at + 1);
    if (type !== MESSAGE_SERVER_HELLO && type !== MESSAGE_CERTIFICATE) {
      throw new TlsError(`it sends handshake message ${type} where a certificate is expected`);
    }
    if (end > MAX_ANSWER_BYTES) throw new TlsError(`it announces a message of ${end - start} bytes`);
    if (end > messages.length) return undefined;
    if (type === MESSAGE_CERTIFICATE) return firstCertificate(messages.subarray(start, end));
    at = end;
  }
  return undefined;
}

/** What the complete handshake records in `answer` carry; a message may be spread over several. */
function handshakeBytes(answer: Uint8Array): Uint8Array<ArrayBuffer> {
  const messages = new Uint8Array(answer.length);
  let length = 0;
  for (let at = 0; at < answer.length;) {
    const type = answer[at];
    // Two bytes tell TLS from anything else, also from an answer that is too short for a record.
    const isRecord = (type === RECORD_HANDSHAKE || type === RECORD_ALERT) && (answer[at + 1] ?? 3) === 3;
    if (!isRecord) {
      throw new TlsError(
        at === 0 ? `it speaks no TLS: it sends "${shown(answer)}"` : "it sends no TLS record",
      );
    }
    const start = at + RECORD_HEADER_BYTES;
    if (start > answer.length) break;
    const recordBytes = answer[at + 3] << 8 | answer[at + 4];
    if (recordBytes > MAX_RECORD_BYTES) {
      throw new TlsError(`it announces a TLS record of ${recordBytes} bytes`);
    }
    const end = start + recordBytes;
    if (end > answer.length) break;
    if (type === RECORD_ALERT) {
      refuseAlert(answer.subarray(start, end));
    } else {
      messages.set(answer.subarray(start, end), length);
      length += recordBytes;
    }
    at = end;
  }
  return messages.subarray(0, length);
}

/** A warning, such as that the name is unknown, does not end the handshake. */
function refuseAlert(alert: Uint8Array): void {
  if (alert.length !== ALERT_BYTES) throw new TlsError(`it sends an alert of ${alert.length} bytes`);
  const [level, description] = alert;
  if (level === ALERT_WARNING && description !== ALERT_CLOSE_NOTIFY) return;
  const name = Object.hasOwn(ALERTS, description) ? ` (${ALERTS[description]})` : "";
  throw new TlsError(`it refuses TLS 1.2 with alert ${description}${name}`);
}

/** 7.4.2: the server's certificate is the first of the list. */
function firstCertificate(body: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const start = 6;
  const end = start + (body.length < start ? 0 : read24(body, 3));
  if (end === start || end > body.length) throw new TlsError("its certificate message contains none");
  return body.slice(start, end);
}

function read24(bytes: Uint8Array, at: number): number {
  return bytes[at] << 16 | bytes[at + 1] << 8 | bytes[at + 2];
}

/** The beginning of a greeting, without what would move the cursor of a terminal. */
function shown(bytes: Uint8Array): string {
  const maxBytes = 40;
  const text = [...bytes.subarray(0, maxBytes)].map((byte) =>
    byte < 32 || byte > 126 ? "." : String.fromCharCode(byte)
  )
    .join("");
  return bytes.length > maxBytes ? `${text}...` : text;
}
