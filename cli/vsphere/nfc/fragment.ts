/**
 * The fragments that answer a read: each is checked for its place, its length and its coding before it
 * counts.
 */

import { inflateZlibInto } from "../../archive/zlib_engine.ts";
import { ProtocolError, reasonOf } from "../errors.ts";
import { makePayload, safeUint64 } from "./record.ts";
import { decodeSkipz } from "./skipz.ts";

/** The codes of compression, as they are on the wire. */
export const COMPRESSION = { none: 0, zlib: 1, skipz: 3 } as const;

/** A name of {@linkcode COMPRESSION}. */
export type CompressionName = keyof typeof COMPRESSION;

/** Payload of a request to read, and of each fragment. */
export const IO_BYTES = 44;

/** The most that a read asks for. */
export const MAX_READ_BYTES = 1024 * 1024;

/**
 * The most that a fragment carries: what is asked for when the session is opened, and what hosts take without
 * being asked.
 */
export const FRAGMENT_BYTES = 64 * 1024;

const DIRECTION_READ = 1;

/** A request to read. */
export interface ReadRequest {
  /** As the host gave it. */
  handle: bigint;
  offsetBytes: number;
  lengthBytes: number;
  compression: CompressionName;
}

/** The payload of a request to read. */
export function encodeRead(
  { handle, offsetBytes, lengthBytes, compression }: ReadRequest,
): Uint8Array<ArrayBuffer> {
  return makePayload(IO_BYTES, (view) => {
    view.setBigUint64(0, handle, true);
    view.setUint32(8, DIRECTION_READ, true);
    view.setUint32(12, COMPRESSION[compression], true);
    view.setBigUint64(16, BigInt(offsetBytes), true);
    view.setBigUint64(24, BigInt(lengthBytes), true);
    view.setUint32(32, lengthBytes, true);
    view.setUint32(36, lengthBytes, true);
  });
}

/** Where a fragment belongs and how it is coded. */
export interface Fragment {
  /** Within the request. */
  startBytes: number;
  lengthBytes: number;
  compression: CompressionName;
  /** Bytes that follow the payload. */
  codedBytes: number;
}

/** The fragment that a payload announces. @throws {ProtocolError} if it is none that `request` can have */
export function decodeFragment(payload: DataView, request: Omit<ReadRequest, "handle">): Fragment {
  const status = payload.getBigUint64(0, true);
  if (status !== 0n) throw new ProtocolError(`the data port answers a read with status ${status}`);
  const offsetBytes = safeUint64(payload, 16, "an offset");
  const requestBytes = payload.getUint32(24, true);
  if (offsetBytes !== request.offsetBytes || requestBytes !== request.lengthBytes) {
    throw new ProtocolError(
      `the data port answers a read of ${request.lengthBytes} bytes at ${request.offsetBytes} with one of ` +
        `${requestBytes} at ${offsetBytes}`,
    );
  }
  const code = payload.getUint32(12, true);
  const compression = code === COMPRESSION.none ? "none" : request.compression;
  if (COMPRESSION[compression] !== code) {
    throw new ProtocolError(
      `the data port answers in compression ${code}, ${request.compression} was asked for`,
    );
  }
  const startBytes = payload.getUint32(28, true);
  const lengthBytes = payload.getUint32(32, true);
  const codedBytes = payload.getUint32(36, true);
  const isInside = startBytes <= requestBytes && lengthBytes <= requestBytes - startBytes;
  if (!isInside || lengthBytes === 0 || lengthBytes > FRAGMENT_BYTES) {
    throw new ProtocolError(
      `the data port sends ${lengthBytes} bytes for byte ${startBytes} of ${requestBytes}`,
    );
  }
  // A fragment that does not become shorter is sent as it is.
  const fits = compression === "none"
    ? codedBytes === lengthBytes
    : codedBytes > 0 && codedBytes <= lengthBytes;
  if (!fits) throw new ProtocolError(`the data port codes ${lengthBytes} bytes in ${codedBytes}`);
  return { startBytes, lengthBytes, compression, codedBytes };
}

/**
 * Whether a fragment may be stored although it is marked as compressed: an implementation was seen to accept
 * that, and stored bytes may look like a stream. Only another read without compression gives certainty.
 */
export function isAmbiguous({ compression, codedBytes, lengthBytes }: Fragment): boolean {
  return compression !== "none" && codedBytes === lengthBytes;
}

/**
 * Decodes a compressed fragment into its place.
 *
 * @throws {ProtocolError} if it is damaged or makes another length
 */
export function decodeInto(coded: Uint8Array, into: Uint8Array, compression: CompressionName): void {
  if (compression === "skipz") return decodeSkipz(coded, into);
  if (compression === "none") return into.set(coded);
  let made: number | undefined;
  try {
    made = inflateZlibInto(coded, into);
  } catch (cause) {
    throw new ProtocolError(`the data port sends a fragment that does not inflate: ${reasonOf(cause)}`, {
      cause,
    });
  }
  if (made === into.length) return;
  throw new ProtocolError(
    `the data port sends a fragment that inflates to ${made ?? "more"} bytes of ${into.length}`,
  );
}

/** A host that sends so many apart is not sending a disk. */
const MAX_RUNS = 4096;

/** The parts of a request that have come. */
export class Coverage {
  /** In order, none touching the next. */
  readonly #runs: [startBytes: number, endBytes: number][] = [];

  /** Notes a part. @throws {ProtocolError} if some of it has come before */
  add(startBytes: number, lengthBytes: number): void {
    const endBytes = startBytes + lengthBytes;
    let at = 0;
    while (at < this.#runs.length && this.#runs[at][1] < startBytes) at++;
    const [left, right] = [this.#runs[at], this.#runs[at + 1]];
    // `left` is the first run that ends at the part's start or behind it.
    const touchesLeft = left !== undefined && left[1] === startBytes;
    const next = touchesLeft ? right : left;
    if (next !== undefined && next[0] < endBytes) {
      throw new ProtocolError(`the data port sends byte ${Math.max(startBytes, next[0])} of a read twice`);
    }
    const touchesNext = next !== undefined && next[0] === endBytes;
    if (touchesLeft && touchesNext) {
      this.#runs.splice(at, 2, [left[0], next[1]]);
    } else if (touchesLeft) {
      left[1] = endBytes;
    } else if (touchesNext) {
      next[0] = startBytes;
    } else {
      if (this.#runs.length === MAX_RUNS) {
        throw new ProtocolError("the data port sends too many single fragments");
      }
      this.#runs.splice(at, 0, [startBytes, endBytes]);
    }
  }

  /** Whether `lengthBytes` from 0 on have come. */
  isWhole(lengthBytes: number): boolean {
    return this.#runs.length === 1 && this.#runs[0][0] === 0 && this.#runs[0][1] === lengthBytes;
  }
}
