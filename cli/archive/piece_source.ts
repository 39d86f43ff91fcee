/**
 * The common part of the gzip and zstd sources: a file consists of pieces that are decompressed
 * independently, several at a time.
 */

import type { ByteSource, PassingHash } from "./bytes.ts";
import { ManySlots, type ManySources, type PieceHolder } from "./many_sources.ts";
import type { Piece, PieceMemory, PromisedPiece, StoredPiece, WholePiece } from "./piece.ts";
import type { PlainSource } from "./plain_source.ts";
import { SharedBuffer } from "./shared_buffer.ts";

/** Describes a few `bytes` for a message. No bytes stand for the end of the file. */
export function showBytes(bytes: Uint8Array): string {
  if (bytes.length === 0) return "the end of the file";
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"));
  return `${bytes.length === 1 ? "byte" : "byte sequence"} ${hex.join(" ")}`;
}

const EMPTY: Uint8Array = new Uint8Array(0);

/**
 * The number of recent pieces whose places are kept. The writer that copies pieces follows the reader at a
 * distance of some megabytes, which are a few pieces. An entry takes a hundred bytes.
 */
const MAX_REMEMBERED = 256;

/**
 * The memory for one piece while it is decompressed and read. It is shared, so that another thread can
 * decompress the piece.
 */
export interface DecodeSlot {
  stored: SharedBuffer;
  content: SharedBuffer;
}

/**
 * A ring of slots, used in round-robin order. Taking the next slot of a ring of N slots invalidates the piece
 * that was taken N calls earlier.
 */
class SlotRing implements PieceMemory {
  /**
   * Slots of closed sources, for new sources. The garbage collector frees shared memory late: without this
   * list, a restore that reads eight archives twice would take the memory of sixteen.
   */
  static readonly #free: DecodeSlot[] = [];

  readonly #slots: DecodeSlot[];
  #taken = 0;
  /** The offset in the stream at which the next piece begins. */
  #offsetBytes = 0;

  constructor(count: number) {
    this.#slots = Array.from(
      { length: count },
      () => SlotRing.#free.pop() ?? { stored: new SharedBuffer(), content: new SharedBuffer() },
    );
  }

  release(): void {
    SlotRing.#free.push(...this.#slots.splice(0));
  }

  async takePiece(file: PlainSource, piece: WholePiece): Promise<PromisedPiece> {
    const { storedBytes, contentBytes, isLast } = piece;
    const { offsetBytes: fileOffsetBytes } = file;
    const slot = this.#slots[this.#taken++ % this.#slots.length];
    const stored = slot.stored.ofLength(storedBytes);
    if (await file.read(stored) < storedBytes) throw piece.cut();
    // The content is aligned to words as it is in the stream, so that it can be copied word by word.
    const content = slot.content.ofLength(contentBytes, this.#offsetBytes);
    const decoded = piece.decode({ stored, into: content });
    return { content, decoded, origin: { fileOffsetBytes, storedBytes, contentBytes }, isLast };
  }

  pass(lenBytes: number): void {
    this.#offsetBytes += lenBytes;
  }
}

/** The format-specific part of a {@linkcode PieceSource}. */
export interface PieceSourceOptions {
  /**
   * Yields the pieces of a file. It throws at the first damage. It returns only after the file was verified
   * to its last byte (except for yielded promises), so that its return is reported as the end of the stream.
   * Content that is yielded as bytes is valid only until the next piece is requested; promised content is in
   * `memory`.
   */
  pieces(memory: PieceMemory): AsyncIterator<Piece, void>;
  /** The number of promised pieces that may be in progress at a time. */
  ahead: number;
  /** What this source shares with many others that are open at the same time. */
  many?: ManySources;
}

/** A source for compressed containers. */
export class PieceSource implements ByteSource, PieceHolder {
  readonly #file: PlainSource;
  readonly #memory: PieceMemory;
  readonly #many?: ManySources;
  readonly #pieces: AsyncIterator<Piece, void>;
  readonly #ahead: number;
  readonly #underWay: Piece[] = [];
  /** The places of recent pieces by their offsets in the stream, the oldest first. */
  readonly #remembered = new Map<number, StoredPiece>();
  #piece = EMPTY;
  #offsetBytes = 0;
  #exhausted = false;
  /** The number of reads and skips that are in progress. */
  #reads = 0;
  #failure?: { error: unknown };
  /** Decompresses the current piece again, if its content may be evicted. */
  #again?: () => Promise<Uint8Array>;
  /** The number of bytes that were not read yet when the current piece was evicted. */
  #missingBytes = 0;

  /** Takes ownership of `file`, which `pieces` reads, and closes it when disposed. */
  constructor(file: PlainSource, { pieces, ahead, many }: PieceSourceOptions) {
    this.#file = file;
    this.#many = many;
    this.#ahead = many === undefined ? Math.max(1, ahead) : 1;
    // `ahead` slots are enough: a piece is requested only when fewer than `ahead` pieces are in progress and
    // the current piece has been read to its end.
    this.#memory = many === undefined ? new SlotRing(this.#ahead) : new ManySlots(many, this);
    this.#pieces = pieces(this.#memory);
  }

  get path(): string {
    return this.#file.path;
  }

  get offsetBytes(): number {
    return this.#offsetBytes;
  }

  get fileOffsetBytes(): number {
    return this.#file.fileOffsetBytes;
  }

  read(into: Uint8Array): number | Promise<number> {
    // Most reads are small and within one piece. This path has no promise.
    if (into.length > this.#piece.length) return this.#readOver(into);
    into.set(this.#take(into.length));
    return into.length;
  }

  /** Skips bytes, but decompresses them, because damage in them is damage of the archive. */
  skip(lenBytes: number): number | Promise<number> {
    if (lenBytes > this.#piece.length) return this.#skipOver(lenBytes);
    this.#take(lenBytes);
    return lenBytes;
  }

  /**
   * Returns the place of the piece whose content is exactly these bytes of the stream. The piece was
   * decompressed and so verified, and this program wrote it. Returns `undefined` if no recent piece matches,
   * if it is the last one of the stream, or if the file can be read only once.
   */
  storedPiece(offsetBytes: number, lenBytes: number): StoredPiece | undefined {
    const piece = this.pieceAt(offsetBytes);
    return piece?.contentBytes === lenBytes ? piece : undefined;
  }

  /** Returns the place of the piece at an offset, as `storedPiece` does, for any length. */
  pieceAt(offsetBytes: number): StoredPiece | undefined {
    return this.#remembered.get(offsetBytes);
  }

  /** Fills `into` with stored bytes of the file from an offset on, and returns the number of bytes. */
  async readStored(into: Uint8Array, fileOffsetBytes: number): Promise<number> {
    return await this.#file.readAt(into, fileOffsetBytes);
  }

  tell(hash: PassingHash): void {
    this.#file.tell(hash);
  }

  finishFile(): Promise<number> {
    return this.#file.finishFile();
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
    if (this.#many !== undefined) this.#memory.release();
    else if (this.#reads === 0) void this.#releaseAfterUse();
  }

  /**
   * Releases the memory when all pieces that other threads decompress into it are done. A source that is disposed of during a
   * read keeps its memory, which the collector frees.
   */
  async #releaseAfterUse(): Promise<void> {
    await Promise.allSettled(
      this.#underWay.map((piece) => piece instanceof Uint8Array ? undefined : piece.decoded),
    );
    this.#memory.release();
  }

  dropPiece(): void {
    this.#missingBytes = this.#piece.length;
    this.#piece = EMPTY;
  }

  async #readOver(into: Uint8Array): Promise<number> {
    this.#many?.touch(this);
    let filled = 0;
    this.#reads++;
    try {
      while (filled < into.length && (this.#piece.length > 0 || await this.#nextPiece())) {
        const part = this.#take(into.length - filled);
        into.set(part, filled);
        filled += part.length;
      }
    } finally {
      this.#reads--;
    }
    return filled;
  }

  async #skipOver(lenBytes: number): Promise<number> {
    let passed = 0;
    this.#reads++;
    try {
      while (passed < lenBytes && (this.#piece.length > 0 || await this.#nextPiece())) {
        passed += this.#take(lenBytes - passed).length;
      }
    } finally {
      this.#reads--;
    }
    return passed;
  }

  /** Takes up to `lenBytes` bytes from the current piece. */
  #take(lenBytes: number): Uint8Array {
    const part = this.#piece.subarray(0, lenBytes);
    this.#piece = this.#piece.subarray(part.length);
    this.#offsetBytes += part.length;
    return part;
  }

  /** Makes the next piece with content the current one. Returns false at the end of the stream. */
  async #nextPiece(): Promise<boolean> {
    // A generator that has thrown reports "done" in every later call, which must not be taken for the end of
    // the stream.
    if (this.#failure) throw this.#failure.error;
    try {
      if (this.#missingBytes > 0) return await this.#bringBack();
      this.#again = undefined;
      do {
        await this.#orderAhead();
        const next = this.#underWay.shift();
        if (next === undefined) return false;
        if (next instanceof Uint8Array) {
          this.#piece = next;
        } else {
          await next.decoded;
          this.#piece = next.content;
          this.#again = next.again;
          if (next.origin !== undefined && !next.isLast) this.#remember(next.origin);
        }
      } while (this.#piece.length === 0);
      return true;
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }

  async #bringBack(): Promise<boolean> {
    const content = await this.#again!();
    this.#piece = content.subarray(content.length - this.#missingBytes);
    this.#missingBytes = 0;
    return true;
  }

  #remember(piece: StoredPiece): void {
    // PieceSourceOptions of a source that is one of many are never copied.
    if (!this.#file.isSeekable || this.#many !== undefined) return;
    this.#remembered.set(this.#offsetBytes, piece);
    if (this.#remembered.size <= MAX_REMEMBERED) return;
    for (const oldest of this.#remembered.keys()) {
      this.#remembered.delete(oldest);
      return;
    }
  }

  /**
   * Requests pieces until as many as allowed are in progress. No piece is requested after one whose content
   * is available already, because the request would invalidate that content.
   */
  async #orderAhead(): Promise<void> {
    while (!this.#exhausted && this.#underWay.length < this.#ahead) {
      if (this.#underWay[this.#underWay.length - 1] instanceof Uint8Array) return;
      const next = await this.#order();
      if (next === undefined) return;
      this.#underWay.push(next);
      if (next instanceof Uint8Array) return;
      // The failure is thrown when the piece is read. Until then the rejection must not count as unhandled.
      next.decoded.catch(() => {});
    }
  }

  /**
   * Returns the next piece, or undefined at the end. Damage is returned as a piece that rejects, so that it
   * is reported after the pieces before it.
   */
  async #order(): Promise<Piece | undefined> {
    try {
      const next = await this.#pieces.next();
      this.#exhausted = next.done === true;
      const piece = next.value ?? undefined;
      if (piece) this.#memory.pass((piece instanceof Uint8Array ? piece : piece.content).length);
      return piece;
    } catch (error) {
      this.#exhausted = true;
      return { content: EMPTY, decoded: Promise.reject(error) };
    }
  }
}
