/** A piece: a gzip member or a zstd frame, which is compressed and decompressed by itself. */

import type { Decoding } from "./codecs.ts";
import type { PlainSource } from "./plain.ts";

/**
 * Writes above are cut into pieces of this length. A reader holds some pieces of each archive of a chain, so they are short;
 * less than 1 MiB costs compression.
 */
export const PIECE_MAX_BYTES = 2 * 1024 * 1024;

/** A piece as the file holds it. */
export interface StoredPiece {
  /** Where it begins, counted from where reading the file began. */
  fileOffsetBytes: number;
  storedBytes: number;
  contentBytes: number;
}

/** A piece that lies ahead in a file, and how it is decoded. */
export interface WholePiece {
  storedBytes: number;
  contentBytes: number;
  /** The last piece of its stream, which is copied into no other file. */
  isLast: boolean;
  /** Fills `into` with the content of `stored`. @throws {FormatError} if the piece is damaged */
  decode(given: Decoding): Promise<void>;
  /** What is wrong with a file that ends inside the piece. */
  cut(): Error;
}

/** Content that is there once `decoded` resolves. */
export interface PromisedPiece {
  content: Uint8Array;
  decoded: Promise<void>;
  origin?: StoredPiece;
  isLast?: boolean;
  /** Of one of many sources: brings the content back when it was given up. */
  again?: () => Promise<Uint8Array>;
}

/** Decoded bytes, or those that another thread is at. */
export type Piece = Uint8Array | PromisedPiece;

/** Where the pieces of one source are decoded. */
export interface PieceMemory {
  /** Takes a piece off the file and has it decoded, perhaps by another thread. */
  takePiece(file: PlainSource, piece: WholePiece): Promise<PromisedPiece>;
  /** Goes on to the piece behind one of `lenBytes`. */
  pass(lenBytes: number): void;
  /** Gives the memory to other sources; nobody may be at work on it. */
  release(): void;
}
