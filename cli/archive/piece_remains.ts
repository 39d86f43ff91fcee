/**
 * Recovery of the pieces of damaged gzip and zstd files, one after the other: the part that both formats have
 * in common. `remains.ts` chooses the format.
 */

import { FormatError, type FormatFault } from "../errors.ts";
import type { DamagedFile } from "./damaged_file.ts";

/** A run of recovered bytes of the stream, without a gap. */
export interface Remnant {
  /** They are valid until the next remnant is requested. */
  bytes: Uint8Array;
  /** The offset in the file of the bytes, or of the member or frame that contains them. */
  fileOffsetBytes: number;
  /** Whether no byte of the stream is lost between the previous remnant and this one. */
  joined: boolean;
  /** Whether a checksum has verified the bytes. It is false in a plain file, which has no checksums. */
  isVerified: boolean;
}

/** A fault of a container. Its offset is one of the file. */
export type ContainerFault = Required<Pick<FormatFault, "offsetBytes" | "expected" | "found">>;

/** Options of the recovery of a file. */
export interface RemainsOptions {
  /** Called for each fault, before the bytes after it are yielded. */
  onFault: (fault: ContainerFault) => void;
}

/** The length of the parts in which a file is searched. */
const PART_BYTES = 256 * 1024;

/** A part of the content of a piece. */
export type PiecePart = Pick<Remnant, "bytes" | "isVerified">;

/** The result of decoding a piece. */
export interface PieceEnd {
  /** The offset in the file of the next piece; undefined if it must be searched. */
  nextBytes?: number;
  /** Whether all of the content was yielded, intact or not. */
  whole: boolean;
  /** The fault of the piece, if it has one. */
  fault?: ContainerFault;
  /**
   * The number of bytes that were read and decompressed. It counts towards the limit of the search if the
   * piece has a fault.
   */
  effortBytes: number;
}

/** The format-specific part of the recovery. */
export interface PieceRecoveryFormat {
  /**
   * Returns whether a piece may begin with these bytes: the first {@linkcode beginLen} ones, or fewer at the
   * end of the file.
   */
  mayBegin(bytes: Uint8Array): boolean;
  beginLen: number;
  /** The first byte of the pieces that a search finds. */
  firstByte: number;
  /** The name of a piece in messages. */
  name: string;
  /** Yields the content of the piece at an offset, as far as it can be recovered. */
  decode(atBytes: number): AsyncGenerator<PiecePart, PieceEnd>;
}

/**
 * The limits of the effort that is spent on data that looks like a piece and is not one: a factor of the
 * length of the file, and a least amount. Without a limit, a malicious file could contain the beginning of
 * such data every few bytes, each of which takes long to reject.
 */
const EFFORT_FACTOR = 8;
const LEAST_EFFORT_BYTES = 64 * 1024 * 1024;
/** The least effort of one attempt. */
const ATTEMPT_BYTES = 64 * 1024;

/** Yields the content of all pieces of a file, and skips the damage between them. */
export async function* piecesRemains(
  file: DamagedFile,
  format: PieceRecoveryFormat,
  { onFault }: RemainsOptions,
): AsyncGenerator<Remnant, void> {
  let effortBytes = EFFORT_FACTOR * file.sizeBytes + LEAST_EFFORT_BYTES;
  let joined = true;
  let isSearched = false;
  for (let atBytes: number | undefined = 0; atBytes !== undefined && atBytes < file.sizeBytes;) {
    if (file.pace.isDue()) await file.pace.rest();
    if (!format.mayBegin(beginOf(file, format, atBytes))) {
      onFault({ offsetBytes: atBytes, expected: format.name, found: "something else" });
      joined = false;
      isSearched = true;
      atBytes = await findPiece(file, format, atBytes + 1);
      continue;
    }
    const parts = format.decode(atBytes);
    let part = await parts.next();
    for (; !part.done; part = await parts.next()) {
      if (part.value.bytes.length === 0) continue;
      yield { ...part.value, fileOffsetBytes: atBytes, joined };
      joined = true;
    }
    const { nextBytes, whole, fault, effortBytes: spent } = part.value;
    // After damage, data that only looked like a piece is not reported again as a fault.
    if (fault !== undefined && !isSearched) onFault(fault);
    if (!whole) joined = false;
    if (fault === undefined) isSearched = false;
    else effortBytes -= ATTEMPT_BYTES + spent;
    if (effortBytes < 0) {
      return onFault({
        offsetBytes: atBytes,
        expected: format.name,
        found: "so many false candidates that the search was stopped",
      });
    }
    if (nextBytes === undefined) isSearched = true;
    atBytes = nextBytes ?? await findPiece(file, format, atBytes + 1);
  }
}

function beginOf(file: DamagedFile, { beginLen }: PieceRecoveryFormat, atBytes: number): Uint8Array {
  const bytes = new Uint8Array(beginLen);
  return bytes.subarray(0, file.readSync(bytes, atBytes));
}

/** Returns the offset of the first possible piece from `fromBytes` on, or undefined if there is none. */
async function findPiece(
  file: DamagedFile,
  format: PieceRecoveryFormat,
  fromBytes: number,
): Promise<number | undefined> {
  const bytes = new Uint8Array(PART_BYTES);
  for (let atBytes = fromBytes;;) {
    if (file.pace.isDueNow()) await file.pace.rest();
    const part = bytes.subarray(0, file.readSync(bytes, atBytes));
    const isLast = part.length < bytes.length;
    // The last bytes of a part are searched again, together with the next part.
    const endAt = isLast ? part.length : part.length - format.beginLen;
    for (let at = part.indexOf(format.firstByte); at >= 0 && at < endAt;) {
      if (format.mayBegin(part.subarray(at, at + format.beginLen))) return atBytes + at;
      at = part.indexOf(format.firstByte, at + 1);
    }
    if (isLast) return undefined;
    atBytes += endAt;
  }
}

/**
 * Returns the fault of an error whose offset is relative to `atBytes`, with an offset in the file.
 *
 * @throws `error` itself if it is not a {@linkcode FormatError}
 */
export function faultOf(error: unknown, atBytes: number): NonNullable<PieceEnd["fault"]> {
  if (!(error instanceof FormatError)) throw error;
  const { offsetBytes = 0, expected = "an intact piece", found = "damage" } = error.fault;
  return { offsetBytes: atBytes + offsetBytes, expected, found };
}
