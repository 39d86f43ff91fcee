/**
 * What very many compressed files that are open together share. Each of them has a piece at hand, of a mebibyte or two; all
 * of these would take more memory than a program may have. So only as many are held as there are rooms: a file whose piece
 * was taken away for another one reads and decodes it again when it goes on, which costs little for files that go on seldom.
 */

import { storedBound } from "./codecs.ts";
import { PIECE_MAX_BYTES, type PieceMemory, type PromisedPiece, type WholePiece } from "./piece.ts";
import type { PlainSource } from "./plain.ts";
import { Room, WORD_BYTES } from "./room.ts";

/** Longest piece of one of many sources that is decoded as a whole, stored and as content: what is written today. */
export const MANY_MAX_BYTES = PIECE_MAX_BYTES + storedBound(0);

/** Rooms for pieces: few of them are as long as they may be. */
const ROOMS = 8;

/** A source that may have to give up its piece. */
export interface PieceHolder {
  /** The room of its piece is another one's from now on. */
  giveUp(): void;
}

type PieceRoom = Uint8Array<SharedArrayBuffer>;

/** The rooms of many sources. */
export class ManySources {
  /** For the stored form of a piece while it is decoded. */
  readonly stored: Room = new Room();
  readonly #free: PieceRoom[] = [];
  /** The source that was read longest ago first. */
  readonly #held = new Map<PieceHolder, PieceRoom>();
  #count = 0;
  /** Resolves when the piece that is decoded at the moment is there. */
  #decoded: Promise<unknown> = Promise.resolve();

  /** Has `decode` run alone: what it works with is shared. */
  oneByOne<Result>(decode: () => Promise<Result>): Promise<Result> {
    const done = this.#decoded.then(decode);
    this.#decoded = done.catch(() => {});
    return done;
  }

  /** Memory for the content of a piece, up to {@linkcode MANY_MAX_BYTES}, until `holder` must give it up for another one. */
  roomFor(holder: PieceHolder): PieceRoom {
    const room = this.#held.get(holder) ?? this.#free.pop() ?? this.#newRoom() ?? this.#oldest();
    this.#held.delete(holder);
    this.#held.set(holder, room);
    return room;
  }

  /** `holder` goes on reading. */
  touch(holder: PieceHolder): void {
    if (this.#held.has(holder)) this.roomFor(holder);
  }

  /** `holder` needs its room no longer. */
  release(holder: PieceHolder): void {
    const room = this.#held.get(holder);
    if (room === undefined) return;
    this.#held.delete(holder);
    this.#free.push(room);
  }

  #newRoom(): PieceRoom | undefined {
    if (this.#count === ROOMS) return undefined;
    this.#count++;
    return new Uint8Array(new SharedArrayBuffer(MANY_MAX_BYTES + WORD_BYTES));
  }

  #oldest(): PieceRoom {
    const [[holder, room]] = this.#held;
    this.#held.delete(holder);
    holder.giveUp();
    return room;
  }
}

/** Decodes the pieces of one of many sources, each when it is needed, on this thread. */
export class ManySlots implements PieceMemory {
  readonly #many: ManySources;
  readonly #holder: PieceHolder;
  #offsetBytes = 0;

  constructor(many: ManySources, holder: PieceHolder) {
    this.#many = many;
    this.#holder = holder;
  }

  async takePiece(file: PlainSource, piece: WholePiece): Promise<PromisedPiece> {
    const { storedBytes, contentBytes, isLast } = piece;
    const { path, offsetBytes: fileOffsetBytes } = file;
    const at = this.#offsetBytes % WORD_BYTES;
    const decode = (read: (stored: Uint8Array) => number | Promise<number>, cut: () => Error) =>
      this.#many.oneByOne(async () => {
        const stored = this.#many.stored.ofLength(storedBytes);
        if (await read(stored) < storedBytes) throw cut();
        const content = this.#many.roomFor(this.#holder).subarray(at, at + contentBytes);
        await piece.decode({ stored, into: content });
        return content;
      });
    const content = await decode((stored) => file.read(stored), piece.cut);
    const again = () =>
      decode(
        (stored) => file.readAt(stored, fileOffsetBytes),
        () => new Error(`Cannot read "${path}": it was cut while it was read`),
      );
    const origin = { fileOffsetBytes, storedBytes, contentBytes };
    return { content, decoded: Promise.resolve(), origin, isLast, again };
  }

  pass(lenBytes: number): void {
    this.#offsetBytes += lenBytes;
  }

  release(): void {
    // Behind the piece that is decoded at the moment, which may be its own.
    this.#many.oneByOne(() => Promise.resolve(this.#many.release(this.#holder)));
  }
}
