/**
 * What remains of a file that is damaged: all bytes of its stream that can still be had, in their order, with what is in
 * the way. Strict reading (`gzip.ts`, `zstd.ts`) ends at the first damage; this goes on behind it.
 *
 *     file     [ piece ][ pi?ce ][ piece ][ piece ]
 *     remnants  ───────► ──►      ───────► ───────►
 *               joined   joined   not      joined      what is left of the second one may be rubbish from the damage on
 *
 * Nothing here is proved. What a checksum refuses is handed on too: one wrong byte in it costs one block, and whoever has
 * the MD5 of the others knows them again.
 */

import { FormatError, type FormatFault } from "../errors.ts";
import { type Container, containerOfBytes, containerOfName } from "./container.ts";
import type { DamagedFile } from "./damaged_file.ts";

/** Bytes of the stream without a gap. */
export interface Remnant {
  /** They hold until the next remnant is asked for. */
  bytes: Uint8Array;
  /** Where in the file they stand, or the member or frame that holds them. */
  fileOffsetBytes: number;
  /** Nothing is lost between the remnant before and this one. */
  joined: boolean;
  /** A checksum has shown that they are what was written; of a plain file none could. */
  isVerified: boolean;
}

/** Something of a container that is not as it must be; the offset is one of the file. */
export type ContainerFault = Required<Pick<FormatFault, "offsetBytes" | "expected" | "found">>;

/** How a container is passed through. */
export interface RemainsOptions {
  /** Hears of damage before what follows it is handed on. */
  onFault: (fault: ContainerFault) => void;
}

/** Bytes of a plain file that are handed on at a time. */
const PART_BYTES = 256 * 1024;

/** The container of a file whose first bytes may be damaged: what they show, or else what the name promises. */
export function likelyContainer(file: DamagedFile): Container {
  const first = new Uint8Array(4);
  const held = containerOfBytes(first.subarray(0, file.readSync(first, 0)));
  return held === "plain" ? containerOfName(file.path) : held;
}

/** All that remains of the stream in `file`. */
export async function* remainsOf(file: DamagedFile, options: RemainsOptions): AsyncGenerator<Remnant, void> {
  const toldSectors = new Set<number>();
  for await (const remnant of remainsIn(file, options)) {
    if (file.pace.isDue()) await file.pace.rest();
    for (const { offsetBytes, reason } of file.unreadable.values()) {
      if (toldSectors.has(offsetBytes)) continue;
      toldSectors.add(offsetBytes);
      options.onFault({ offsetBytes, expected: "bytes that can be read", found: `an error (${reason})` });
    }
    yield remnant;
  }
}

async function* remainsIn(file: DamagedFile, options: RemainsOptions): AsyncGenerator<Remnant, void> {
  switch (likelyContainer(file)) {
    case "gzip":
      return yield* (await import("./gzip_remains.ts")).gzipRemains(file, options);
    case "zstd":
      return yield* (await import("./zstd_remains.ts")).zstdRemains(file, options);
    case "plain":
      return yield* plainRemains(file);
  }
}

function* plainRemains(file: DamagedFile): Generator<Remnant, void> {
  const bytes = new Uint8Array(PART_BYTES);
  for (let fileOffsetBytes = 0;;) {
    const got = file.readSync(bytes, fileOffsetBytes);
    if (got === 0) return;
    yield { bytes: bytes.subarray(0, got), fileOffsetBytes, joined: true, isVerified: false };
    fileOffsetBytes += got;
  }
}

/** A part of what came of a piece. */
export type PiecePart = Pick<Remnant, "bytes" | "isVerified">;

/** How a piece ended. */
export interface PieceEnd {
  /** Where in the file the next piece stands; unknown where it must be searched. */
  nextBytes?: number;
  /** All of its content was handed on, be it right or not. */
  whole: boolean;
  /** What is wrong with it. */
  fault?: ContainerFault;
  /** Bytes that were worked on. */
  effortBytes: number;
}

/** What differs between gzip and zstd. */
export interface PieceForm {
  /** Whether a piece may begin with these bytes, the first {@linkcode beginLen} of it or those up to the end of the file. */
  mayBegin(bytes: Uint8Array): boolean;
  beginLen: number;
  /** The first byte of every piece that is searched. */
  firstByte: number;
  /** What a message calls it. */
  name: string;
  /** Hands on the content of the piece at an offset, as far as it can be had. */
  decode(atBytes: number): AsyncGenerator<PiecePart, PieceEnd>;
}

/**
 * Files may be made so that every few bytes something begins that looks like a piece and takes long to turn out as none: so
 * much is spent on them for each byte of the file, and so much at least.
 */
const EFFORT_FACTOR = 8;
const LEAST_EFFORT_BYTES = 64 * 1024 * 1024;
/** What one attempt costs at least. */
const ATTEMPT_BYTES = 64 * 1024;

/** Goes from piece to piece, over the damage between them. */
export async function* piecesRemains(
  file: DamagedFile,
  form: PieceForm,
  { onFault }: RemainsOptions,
): AsyncGenerator<Remnant, void> {
  let effortBytes = EFFORT_FACTOR * file.sizeBytes + LEAST_EFFORT_BYTES;
  let joined = true;
  let isSearched = false;
  for (let atBytes: number | undefined = 0; atBytes !== undefined && atBytes < file.sizeBytes;) {
    if (file.pace.isDue()) await file.pace.rest();
    if (!form.mayBegin(beginOf(file, form, atBytes))) {
      onFault({ offsetBytes: atBytes, expected: form.name, found: "something else" });
      joined = false;
      isSearched = true;
      atBytes = await findPiece(file, form, atBytes + 1);
      continue;
    }
    const parts = form.decode(atBytes);
    let part = await parts.next();
    for (; !part.done; part = await parts.next()) {
      if (part.value.bytes.length === 0) continue;
      yield { ...part.value, fileOffsetBytes: atBytes, joined };
      joined = true;
    }
    const { nextBytes, whole, fault, effortBytes: spent } = part.value;
    // What was only taken for a piece is no fault of its own: that is told already.
    if (fault !== undefined && !isSearched) onFault(fault);
    if (!whole) joined = false;
    if (fault === undefined) isSearched = false;
    else effortBytes -= ATTEMPT_BYTES + spent;
    if (effortBytes < 0) {
      return onFault({
        offsetBytes: atBytes,
        expected: form.name,
        found: "so much that looks like one and is none that the search is given up",
      });
    }
    if (nextBytes === undefined) isSearched = true;
    atBytes = nextBytes ?? await findPiece(file, form, atBytes + 1);
  }
}

function beginOf(file: DamagedFile, { beginLen }: PieceForm, atBytes: number): Uint8Array {
  const bytes = new Uint8Array(beginLen);
  return bytes.subarray(0, file.readSync(bytes, atBytes));
}

/** Where from `fromBytes` on something stands that may be a piece. */
async function findPiece(
  file: DamagedFile,
  form: PieceForm,
  fromBytes: number,
): Promise<number | undefined> {
  const bytes = new Uint8Array(PART_BYTES);
  for (let atBytes = fromBytes;;) {
    if (file.pace.isDueNow()) await file.pace.rest();
    const part = bytes.subarray(0, file.readSync(bytes, atBytes));
    const isLast = part.length < bytes.length;
    // The last bytes of a part are looked at again, with those that follow.
    const endAt = isLast ? part.length : part.length - form.beginLen;
    for (let at = part.indexOf(form.firstByte); at >= 0 && at < endAt;) {
      if (form.mayBegin(part.subarray(at, at + form.beginLen))) return atBytes + at;
      at = part.indexOf(form.firstByte, at + 1);
    }
    if (isLast) return undefined;
    atBytes += endAt;
  }
}

/** What is wrong, with its place in the file instead of the one in the source that began at `atBytes`. */
export function faultOf(error: unknown, atBytes: number): NonNullable<PieceEnd["fault"]> {
  if (!(error instanceof FormatError)) throw error;
  const { offsetBytes = 0, expected = "an intact piece", found = "damage" } = error.fault;
  return { offsetBytes: atBytes + offsetBytes, expected, found };
}
