/** Types for pieces. A piece is a gzip member or a zstd frame, which is compressed and decompressed alone. */

import type { Decoding } from "./codecs.ts";
import type { PlainSource } from "./plain_source.ts";

/**
 * The largest content of a piece; longer writes are split. Pieces are short, because a reader has several
 * pieces of each archive of a chain in memory. Pieces of less than 1 MiB compress worse.
 */
export const PIECE_MAX_BYTES = 2 * 1024 * 1024;

/** The place and the lengths of a piece in a file. */
export interface StoredPiece {
  /** The offset of the piece, relative to the position at which reading the file began. */
  fileOffsetBytes: number;
  storedBytes: number;
  contentBytes: number;
}

/** The next piece of a file, and how it is decompressed. */
export interface WholePiece {
  storedBytes: number;
  contentBytes: number;
  /** Whether it is the last piece of its stream. The last piece is never copied into another file. */
  isLast: boolean;
  /** Fills `into` with the content of `stored`. @throws {FormatError} if the piece is damaged */
  decode(given: Decoding): Promise<void>;
  /** Returns the error for a file that ends inside the piece. */
  cut(): Error;
}

/** A piece whose `content` is valid once `decoded` resolves. */
export interface PromisedPiece {
  content: Uint8Array;
  decoded: Promise<void>;
  origin?: StoredPiece;
  isLast?: boolean;
  /**
   * Decompresses the piece again after its content was evicted. Only pieces of a source that is one of many
   * have it.
   */
  again?: () => Promise<Uint8Array>;
}

/** Decompressed bytes, or a piece whose decompression is in progress. */
export type Piece = Uint8Array | PromisedPiece;

/** The memory in which the pieces of one source are decompressed. */
export interface PieceMemory {
  /** Reads a piece from the file and starts to decompress it, possibly on another thread. */
  takePiece(file: PlainSource, piece: WholePiece): Promise<PromisedPiece>;
  /** Advances the offset in the stream by `lenBytes`, the length of the content of the last piece. */
  pass(lenBytes: number): void;
  /** Makes the memory available to other sources. No thread may use it any more. */
  release(): void;
}
