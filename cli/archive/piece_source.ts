/** What gzip and zstd share in reading: a file in pieces that are decompressed by themselves, several at a time. */

import type { ByteSource, PassingHash } from "./bytes.ts";
import { ManySlots, type ManySources, type PieceHolder } from "./many_sources.ts";
import type { Piece, PieceMemory, PromisedPiece, StoredPiece, WholePiece } from "./piece.ts";
import type { PlainSource } from "./plain.ts";
import { Room } from "./room.ts";

/** Names a few `bytes` in a message; none of them are the end of the file. */
export function showBytes(bytes: Uint8Array): string {
  if (bytes.length === 0) return "the end of the file";
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"));
  return `${bytes.length === 1 ? "byte" : "byte sequence"} ${hex.join(" ")}`;
}

const EMPTY: Uint8Array = new Uint8Array(0);

/**
 * Pieces that are remembered after they were decoded. The writer that copies them follows at a distance of some megabytes,
 * which are some pieces; each takes a hundred bytes.
 */
const MAX_REMEMBERED = 256;

/** Memory for one piece while it is decoded and read. Shared, so that another thread can decode it. */
export interface Slot {
  stored: Room;
  content: Room;
}

/** Memory for as many pieces as are under way, in turn: who takes the next slot gives up the one taken that long ago. */
class SlotRing implements PieceMemory {
  /**
   * Slots of sources that are closed. Shared memory is given back only when the collector comes: a restore that reads eight
   * archives twice would take that of sixteen.
   */
  static readonly #free: Slot[] = [];

  readonly #slots: Slot[];
  #taken = 0;
  /** Where in the stream the next piece begins. */
  #offsetBytes = 0;

  constructor(count: number) {
    this.#slots = Array.from(
      { length: count },
      () => SlotRing.#free.pop() ?? { stored: new Room(), content: new Room() },
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
    // At the byte of a word at which it is in the stream.
    const content = slot.content.ofLength(contentBytes, this.#offsetBytes);
    const decoded = piece.decode({ stored, into: content });
    return { content, decoded, origin: { fileOffsetBytes, storedBytes, contentBytes }, isLast };
  }

  pass(lenBytes: number): void {
    this.#offsetBytes += lenBytes;
  }
}

/** How a {@linkcode PieceSource} gets its bytes. */
export interface Pieces {
  /**
   * Hands on what a decoder makes of a file. It throws at the first damage and returns only when the file was verified to
   * its last byte (as far as it has no promise to give for that), so that its return may be reported as the end of the
   * stream. A piece that is no promise need only live until the next one is asked for; promised ones lie in `memory`.
   */
  pieces(memory: PieceMemory): AsyncIterator<Piece, void>;
  /** How many promised pieces may be under way. */
  ahead: number;
  /** The source is one of many that are open together. */
  many?: ManySources;
}

/** The reading end of a container. */
export class PieceSource implements ByteSource, PieceHolder {
  readonly #file: PlainSource;
  readonly #memory: PieceMemory;
  readonly #many?: ManySources;
  readonly #pieces: AsyncIterator<Piece, void>;
  readonly #ahead: number;
  readonly #underWay: Piece[] = [];
  /** By offset in the stream, the oldest first. */
  readonly #remembered = new Map<number, StoredPiece>();
  #piece = EMPTY;
  #offsetBytes = 0;
  #exhausted = false;
  #failure?: { error: unknown };
  /** How to bring back the piece at hand, if it may be taken away. */
  #again?: () => Promise<Uint8Array>;
  /** Bytes that were left of the piece when it was taken away. */
  #missingBytes = 0;

  /** Takes over `file`, which `pieces` reads from, and closes it when disposed. */
  constructor(file: PlainSource, { pieces, ahead, many }: Pieces) {
    this.#file = file;
    this.#many = many;
    this.#ahead = many === undefined ? Math.max(1, ahead) : 1;
    // A slot is taken only when a piece is asked for, and none is while there are that many or any of an earlier one is left.
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
    // Most reads are small and lie within a piece.
    if (into.length > this.#piece.length) return this.#readOver(into);
    into.set(this.#take(into.length));
    return into.length;
  }

  /** Decodes what it passes over: damage there is damage of the archive. */
  skip(lenBytes: number): number | Promise<number> {
    if (lenBytes > this.#piece.length) return this.#skipOver(lenBytes);
    this.#take(lenBytes);
    return lenBytes;
  }

  /**
   * The piece of ours that was decoded, and so verified, as exactly these bytes of the stream; `undefined` if there was none
   * lately, if it is the last one of the stream, or if the file can be read only once.
   */
  storedPiece(offsetBytes: number, lenBytes: number): StoredPiece | undefined {
    const piece = this.pieceAt(offsetBytes);
    return piece?.contentBytes === lenBytes ? piece : undefined;
  }

  /** As `storedPiece`, whatever its length. */
  pieceAt(offsetBytes: number): StoredPiece | undefined {
    return this.#remembered.get(offsetBytes);
  }

  /** Fills `into` with what the file holds from an offset on; returns how many bytes there were. */
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
    if (this.#many !== undefined || (this.#exhausted && this.#underWay.length === 0)) this.#memory.release();
  }

  giveUp(): void {
    this.#missingBytes = this.#piece.length;
    this.#piece = EMPTY;
  }

  async #readOver(into: Uint8Array): Promise<number> {
    this.#many?.touch(this);
    let filled = 0;
    while (filled < into.length && (this.#piece.length > 0 || await this.#nextPiece())) {
      const part = this.#take(into.length - filled);
      into.set(part, filled);
      filled += part.length;
    }
    return filled;
  }

  async #skipOver(lenBytes: number): Promise<number> {
    let passed = 0;
    while (passed < lenBytes && (this.#piece.length > 0 || await this.#nextPiece())) {
      passed += this.#take(lenBytes - passed).length;
    }
    return passed;
  }

  /** Up to `lenBytes` of the piece that is being read. */
  #take(lenBytes: number): Uint8Array {
    const part = this.#piece.subarray(0, lenBytes);
    this.#piece = this.#piece.subarray(part.length);
    this.#offsetBytes += part.length;
    return part;
  }

  /** False at the end of the stream. */
  async #nextPiece(): Promise<boolean> {
    // A generator that has thrown says "done" from then on, which must not pass for the end of the stream.
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
    // Of many sources none is copied from.
    if (!this.#file.isSeekable || this.#many !== undefined) return;
    this.#remembered.set(this.#offsetBytes, piece);
    if (this.#remembered.size <= MAX_REMEMBERED) return;
    for (const oldest of this.#remembered.keys()) {
      this.#remembered.delete(oldest);
      return;
    }
  }

  /** Keeps as many pieces under way as are worth it; behind one that is there already nothing is asked for. */
  async #orderAhead(): Promise<void> {
    while (!this.#exhausted && this.#underWay.length < this.#ahead) {
      if (this.#underWay[this.#underWay.length - 1] instanceof Uint8Array) return;
      const next = await this.#order();
      if (next === undefined) return;
      this.#underWay.push(next);
      if (next instanceof Uint8Array) return;
      // A failure is met when the piece's turn comes; until then it must not count as unhandled.
      next.decoded.catch(() => {});
    }
  }

  /** The next piece, or nothing at the end; damage that was found ahead waits behind the pieces before it. */
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
