/**
 * The records of the disk service: a header of 16 bytes, a payload of known length, and the bytes that belong
 * to it.
 *
 * All numbers are little-endian.
 */

import { ServerError } from "../../errors.ts";
import { ProtocolError, shown } from "../errors.ts";

export const HEADER_BYTES = 16;

const MAGIC = 0xa100da7a;

/** Kinds of records. */
export const OPCODE = {
  error: 1,
  openSession: 2,
  closeSession: 3,
  openFile: 4,
  closeFile: 5,
  io: 7,
  socketOptions: 9,
  ddbGet: 11,
  allocatedBlocks: 13,
  resourcePool: 22,
} as const;

/** The header of a record. */
export interface RecordHeader {
  opcode: number;
  payloadBytes: number;
  sequence: number;
}

/** A whole record: header, payload and what follows it. */
export function encodeRecord(
  opcode: number,
  sequence: number,
  payload: Uint8Array,
  extra: Uint8Array = new Uint8Array(0),
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEADER_BYTES + payload.length + extra.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, opcode, true);
  view.setUint32(8, payload.length, true);
  view.setUint32(12, sequence, true);
  bytes.set(payload, HEADER_BYTES);
  bytes.set(extra, HEADER_BYTES + payload.length);
  return bytes;
}

/** The header in the first 16 bytes. @throws {ProtocolError} if they are none */
export function decodeHeader(view: DataView): RecordHeader {
  if (view.getUint32(0, true) !== MAGIC) {
    throw new ProtocolError("the data port sends a record without its mark");
  }
  return {
    opcode: view.getUint32(4, true),
    payloadBytes: view.getUint32(8, true),
    sequence: view.getUint32(12, true),
  };
}

/** A payload of `length` bytes, filled by `fill`. */
export function makePayload(
  length: number,
  fill: (view: DataView) => void = () => {},
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  fill(new DataView(bytes.buffer));
  return bytes;
}

/** A number of 64 bits. @throws {ProtocolError} if it is above 2^53 - 1 */
export function safeUint64(view: DataView, at: number, what: string): number {
  const value = Number(view.getBigUint64(at, true));
  if (!Number.isSafeInteger(value)) throw new ProtocolError(`the data port tells ${what} of ${value}`);
  return value;
}

/** Payload of an error record. */
export const ERROR_BYTES = 16;
/** Texts of errors are sentences; a length beyond it is not believed. */
const MAX_ERROR_TEXT_BYTES = 64 * 1024;

/** The length of the text of an error record. @throws {ProtocolError} if it is too long to be one */
export function errorTextBytes(payload: DataView): number {
  const length = payload.getUint32(12, true);
  if (length <= MAX_ERROR_TEXT_BYTES) return length;
  throw new ProtocolError(`the data port announces an error text of ${length} bytes`);
}

/** Meanings of error numbers, as far as they are known: those of VIX. */
const MEANINGS: Record<number, string> = {
  2: "out of memory",
  3: "invalid argument",
  4: "not found",
  5: "busy",
  6: "not supported",
  7: "file error",
  8: "full",
  10: "cancelled",
  11: "read only, or no permission",
  13: "no access",
};

/** Errors that the same request meets again. */
const FINAL_CODES = [3, 4, 6, 11, 13];

/** The host refuses a request with an error record. */
export class NfcRefusal extends ServerError {
  override name = "NfcRefusal";
  readonly code: number;
  /** The host's own sentence: it tells more than the code. */
  readonly hostText: string;

  constructor(request: string, code: number, hostText: string) {
    const meaning = Object.hasOwn(MEANINGS, code) ? ` (${MEANINGS[code]})` : "";
    const text = shown(hostText) || "it gives no reason";
    super(`the host refuses ${request}: ${text}; error ${code}${meaning}`, {
      fault: { call: `NFC ${request}`, code },
    });
    this.code = code;
    this.hostText = text;
  }

  /** True if another try would fail in the same way. */
  get isFinal(): boolean {
    return FINAL_CODES.includes(this.code);
  }
}

/** The error in an error record; `request` is what was refused. */
export function decodeError(payload: DataView, text: Uint8Array, request: string): NfcRefusal {
  const code = safeUint64(payload, 0, "an error");
  return new NfcRefusal(request, code, new TextDecoder().decode(text).replace(/\0+$/, ""));
}
