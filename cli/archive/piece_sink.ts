/** What gzip and zstd share in writing: a stream in pieces that are compressed by themselves, several at a time. */

import type { ByteSink, Origin } from "./bytes.ts";
import { storedBound } from "./codecs.ts";
import { PIECE_MAX_BYTES, type StoredPiece } from "./piece.ts";
import type { PieceSource } from "./piece_source.ts";
import { PieceTable } from "./piece_table.ts";
import type { PlainSink } from "./plain.ts";
import { Room } from "./room.ts";
import type { OpenScratch } from "./scratch.ts";
import { settleAll } from "../settle_all.ts";

/** What stands in a file already that is gone on with: whole pieces, none of them the last of its stream. */
export interface Begun {
  storedBytes: number;
  contentBytes: number;
  /** Of a compressed file. */
  pieces?: PieceTable;
}

/** What a {@linkcode PieceSink} goes on with and works with. */
export interface PieceSinkOptions {
  begun?: Begun;
  /** For the lengths of very many pieces, which stay in memory without it. */
  scratch?: OpenScratch;
}

/** How a {@linkcode PieceSink} stores. */
export interface PieceForm {
  /** How many pieces may be under way. */
  ahead: number;
  /** As `Codecs`: writes what the file holds for `content` to the start of `into` and returns its length. */
  encode(given: { content: Uint8Array; into: Uint8Array; isLast: boolean }): Promise<number>;
  /** The same source if its pieces have the form that is written here; absent if they are not to be copied. */
  kin?(source: Origin["source"]): PieceSource | undefined;
  /** Whether `stored` is a whole piece of this form, not the last one of a stream, and holds `content`. */
  holds(stored: Uint8Array, content: Uint8Array): boolean | Promise<boolean>;
  /** Writes what stands behind the last piece. */
  writeEnd?(pieces: PieceTable, file: PlainSink): Promise<void>;
}

/** Memory for one piece while it is encoded and stored. */
interface Slot {
  stored: Room;
  /** For content that does not lie in shared memory. */
  content: Room;
}

/**
 * The writing end of a container: makes a piece of each write, and at the end an empty one that says it is the last. The same
 * writes give the same file, whoever compresses.
 */
export class PieceSink implements ByteSink {
  readonly #file: PlainSink;
  readonly #form: PieceForm;
  readonly #free: Slot[];
  /** Pieces that wait for a slot, the oldest first. */
  readonly #waiting: ((slot: Slot) => void)[] = [];
  /** The pieces that are stored, for the end of the file. */
  readonly #table?: PieceTable;
  /** Resolves when all pieces so far are stored. */
  #last: Promise<void> = Promise.resolve();
  #offsetBytes: number;
  #finishing?: Promise<void>;
  #failure?: { error: unknown };

  /** Writes to `file`, which is disposed with this; behind what is `begun`, if something is. */
  constructor(file: PlainSink, form: PieceForm, { begun, scratch }: PieceSinkOptions = {}) {
    this.#file = file;
    this.#form = form;
    if (form.writeEnd !== undefined) this.#table = begun?.pieces ?? new PieceTable({ scratch });
    this.#offsetBytes = begun?.contentBytes ?? 0;
    this.#free = Array.from(
      { length: Math.max(1, form.ahead) },
      () => ({ stored: new Room(), content: new Room() }),
    );
  }

  get path(): string {
    return this.#file.path;
  }

  get offsetBytes(): number {
    return this.#offsetBytes;
  }

  get storedBytes(): number {
    return this.#file.storedBytes;
  }

  async write(from: Uint8Array, origin?: Origin): Promise<void> {
    if (this.#failure) throw this.#failure.error;
    if (this.#finishing) throw new TypeError(`Cannot write "${this.path}": it is finished`);
    this.#offsetBytes += from.length;
    const copy = this.#copyOf(from, origin);
    if (copy) return await this.#add(from, { copy });
    const added: Promise<void>[] = [];
    for (let at = 0; at < from.length; at += PIECE_MAX_BYTES) {
      added.push(this.#add(from.subarray(at, at + PIECE_MAX_BYTES)));
    }
    await settleAll(added);
  }

  async finish(): Promise<void> {
    if (this.#failure) throw this.#failure.error;
    await (this.#finishing ??= this.#finish());
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }

  async #finish(): Promise<void> {
    await this.#add(new Uint8Array(0), { isLast: true });
    await this.#last;
    if (this.#table !== undefined) await this.#form.writeEnd!(this.#table, this.#file);
    await this.#file.finish();
  }

  /** The piece of another file that can be copied instead of compressing `from`. */
  #copyOf(from: Uint8Array, origin?: Origin): Copy | undefined {
    const source = origin && this.#form.kin?.(origin.source);
    const piece = source?.storedPiece(origin!.offsetBytes, from.length);
    return piece && { source: source!, piece };
  }

  /** Encodes one piece and has it stored behind those before it; resolves when it is encoded. */
  #add(content: Uint8Array, { copy, isLast = false }: { copy?: Copy; isLast?: boolean } = {}): Promise<void> {
    const before = this.#last;
    const slot = this.#slot();
    const encoded = slot.then((slot) => this.#encode(content, { slot, copy, isLast }));
    this.#last = this.#store(before, { slot, encoded, contentBytes: content.length });
    // Whoever writes or finishes next is told; until then this must not count as unhandled.
    this.#last.catch(() => {});
    return encoded.then(() => {});
  }

  /** Returns what the file is to hold, in the memory of the slot. */
  async #encode(
    content: Uint8Array,
    { slot, copy, isLast }: { slot: Slot; copy?: Copy; isLast: boolean },
  ): Promise<Uint8Array> {
    try {
      if (this.#failure) throw this.#failure.error;
      const copied = copy && await this.#copy(content, { slot, copy });
      if (copied) return copied;
      const into = slot.stored.ofLength(storedBound(content.length));
      const storedLen = await this.#form.encode({ content: shared(content, slot.content), into, isLast });
      return into.subarray(0, storedLen);
    } catch (error) {
      throw this.#fail(error);
    }
  }

  /** `undefined` if the file does not hold there what it did: it is another one's, and may be changed or cut any time. */
  async #copy(
    content: Uint8Array,
    { slot, copy: { source, piece } }: { slot: Slot; copy: Copy },
  ): Promise<Uint8Array | undefined> {
    const stored = slot.stored.ofLength(piece.storedBytes);
    const got = await source.readStored(stored, piece.fileOffsetBytes);
    return got === stored.length && await this.#form.holds(stored, content) ? stored : undefined;
  }

  async #store(
    before: Promise<void>,
    given: { slot: Promise<Slot>; encoded: Promise<Uint8Array>; contentBytes: number },
  ): Promise<void> {
    const { slot, encoded, contentBytes } = given;
    try {
      // In this order: the slots go to the oldest pieces, so those before this one come to an end.
      await before;
      const stored = await encoded;
      await this.#file.write(stored);
      this.#table?.add({ storedBytes: stored.length, contentBytes });
    } catch (error) {
      // Another thread may still be writing to the slot.
      await encoded.catch(() => {});
      throw this.#fail(error);
    } finally {
      this.#release(await slot);
    }
  }

  /** A piece is missing from now on: the stream must never be called complete. Returns the first error. */
  #fail(error: unknown): unknown {
    this.#failure ??= { error };
    return this.#failure.error;
  }

  #slot(): Promise<Slot> {
    const slot = this.#free.pop();
    return slot ? Promise.resolve(slot) : new Promise((resolve) => this.#waiting.push(resolve));
  }

  #release(slot: Slot): void {
    const next = this.#waiting.shift();
    if (next) next(slot);
    else this.#free.push(slot);
  }
}

/** A piece of a file and the source that read it. */
interface Copy {
  source: PieceSource;
  piece: StoredPiece;
}

/** `content` where other threads see it: where it is, or in `room`. */
function shared(content: Uint8Array, room: Room): Uint8Array {
  if (content.buffer instanceof SharedArrayBuffer) return content;
  const copy = room.ofLength(content.length);
  copy.set(content);
  return copy;
}
