/**
 * Finds out how much of an interrupted dump its journal proves, and from which place the dump can be resumed.
 */

import type { Journal } from "../archive/journal.ts";
import type { Begun } from "../archive/piece_sink.ts";
import { PieceTable } from "../archive/piece_table.ts";
import type { OpenScratch } from "../archive/scratch.ts";
import { PieceSource } from "../archive/piece_source.ts";
import type { Core } from "../core.ts";
import { FormatError } from "../errors.ts";
import type { DumpReader } from "./archive_reader.ts";
import { Batch, HALF_BATCH_BYTES } from "./batch.ts";
import { convey } from "./conveyor.ts";
import { Checkpoint, crewOf, ringOf, type RunOptions } from "./run.ts";

/** An unfinished dump. */
export interface PartialDump {
  /**
   * The dump, opened with a small window: a read that reaches damage fails as a whole, so the intact records
   * that it would have returned are lost, at most as many as fit into the window.
   */
  dumpIn: DumpReader;
  journal: Journal;
  /** Opens a temporary file for the lengths of very many pieces. */
  scratch?: OpenScratch;
}

/** The part of an unfinished dump that can be kept. */
export interface ProvedPart {
  /** The number of intact blocks at the beginning of the dump. The blocks after them are not kept. */
  blocks: number;
  /** The end of these blocks: it lies before a record, and in a compressed file at the end of a piece. */
  begun: Begun;
}

/** A place from which the dump can be resumed. */
interface ResumePoint {
  blocks: number;
  storedBytes: number;
  contentBytes: number;
  /** The number of pieces before the place. */
  pieces: number;
}

/**
 * Reads a dump up to the first block that is missing, damaged or not in the journal.
 *
 * A compressed dump is cut at the end of a piece. An uninterrupted run begins a piece there as well, so the
 * finished file has the same bytes.
 *
 * @returns the blocks that can be kept
 */
export async function provePartial(
  owner: Core,
  { dumpIn, journal, scratch }: PartialDump,
  options: RunOptions = {},
): Promise<ProvedPart> {
  await using core = owner.scope();
  const { blockCount, blockBytes } = dumpIn.header;
  const recordedBlocks = Math.min(journal.blocks, blockCount);
  const crew = crewOf(core, options);
  const checkpoint = new Checkpoint(options);
  const ring = ringOf(
    crew,
    Batch.bytesFor(blockBytes, HALF_BATCH_BYTES),
    () => new PartialBatch(core, blockBytes),
  );
  const pieces = new PieceEnds(dumpIn, new PieceTable({ scratch }));
  let first = 0;
  let ended = false;
  let cut: ResumePoint = { blocks: 0, storedBytes: 0, contentBytes: 0, pieces: 0 };
  const take = async (item: PartialBatch) => {
    const { batch, recordedPtr } = item;
    if (ended || !batch.start(first, recordedBlocks)) return false;
    first = batch.end;
    item.beginBytes = dumpIn.offsetBytes;
    try {
      await dumpIn.take(batch);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      ended = true;
      item.dropAbsent();
      if (batch.count === 0) return false;
    }
    journal.read(core.bytes(recordedPtr, batch.count * core.DIGEST_SIZE), batch.first);
    item.cuts = pieces.cutsIn(item);
    return true;
  };
  const compare = async (item: PartialBatch) => {
    const { batch, recordedPtr, badPtr } = item;
    await batch.hash(crew);
    const bad = core.diffDigests(batch.digestsPtr, recordedPtr, batch.count, badPtr);
    item.goodBlocks = bad === 0 ? batch.count : item.bad.indexOf(1);
  };
  let damaged = false;
  const note = (item: PartialBatch) => {
    if (damaged) return;
    cut = item.lastCut() ?? cut;
    damaged = item.goodBlocks < item.batch.count;
    ended ||= damaged;
  };
  await convey(ring, take, [
    { together: true, each: compare },
    { each: note },
    { each: ({ batch }) => checkpoint.passBatch(batch, dumpIn.header) },
  ]);
  const { blocks, storedBytes, contentBytes } = cut;
  pieces.table.cut(cut.pieces);
  return { blocks, begun: { storedBytes, contentBytes, pieces: pieces.table } };
}

/** A batch of the dump and the MD5s that the journal has for it. */
class PartialBatch {
  readonly batch: Batch;
  readonly recordedPtr: number;
  /** The address of one byte for each block: 1 if its MD5 is not the one of the journal. */
  readonly badPtr: number;
  readonly bad: Uint8Array;
  /** The number of blocks before the first bad one. */
  goodBlocks = 0;
  /** The offset in the stream of the record of the first block. */
  beginBytes = 0;
  /**
   * The ends of pieces that lie between two records of the batch, ascending; undefined for a plain file,
   * which can be cut before any record.
   */
  cuts?: ResumePoint[];

  constructor(core: Core, blockBytes: number) {
    this.batch = new Batch(core, blockBytes, HALF_BATCH_BYTES);
    this.recordedPtr = core.alloc(this.batch.capacity * core.DIGEST_SIZE);
    this.badPtr = core.alloc(this.batch.capacity);
    this.bad = core.bytes(this.badPtr, this.batch.capacity);
  }

  /**
   * Drops the blocks that a failed `take` did not read. The last block that was read is dropped as well,
   * because the end of its record is not known.
   */
  dropAbsent(): void {
    const { batch } = this;
    const absent = batch.table.subarray(0, batch.count).indexOf(batch.core.ABSENT);
    batch.count = Math.max(0, absent - 1);
  }

  /** Returns the last place that has only good blocks before it; undefined if the batch has none. */
  lastCut(): ResumePoint | undefined {
    const { batch, cuts, goodBlocks, beginBytes } = this;
    const blocks = batch.first + goodBlocks;
    if (cuts !== undefined) return cuts.findLast((cut) => cut.blocks <= blocks);
    if (goodBlocks === 0) return undefined;
    const offsetBytes = beginBytes + batch.offsets[goodBlocks];
    return { blocks, storedBytes: offsetBytes, contentBytes: offsetBytes, pieces: 0 };
  }
}

/** The pieces of a compressed dump that were read. */
class PieceEnds {
  readonly table: PieceTable;
  readonly #source?: PieceSource;
  #contentBytes = 0;

  constructor({ source }: DumpReader, table: PieceTable) {
    this.table = table;
    if (source instanceof PieceSource) this.#source = source;
  }

  /**
   * Adds the pieces that end in the batch to the table. Returns those that end between two records; a block
   * above 2 MiB takes several pieces, so some end inside a record.
   */
  cutsIn({ batch, beginBytes }: PartialBatch): ResumePoint[] | undefined {
    if (this.#source === undefined) return undefined;
    const cuts: ResumePoint[] = [];
    const endBytes = beginBytes + batch.offsets[batch.count];
    for (let at = 0;;) {
      const piece = this.#source.pieceAt(this.#contentBytes);
      if (piece === undefined || this.#contentBytes + piece.contentBytes > endBytes) return cuts;
      this.table.add(piece);
      this.#contentBytes += piece.contentBytes;
      while (beginBytes + batch.offsets[at] < this.#contentBytes) at++;
      if (beginBytes + batch.offsets[at] > this.#contentBytes) continue;
      cuts.push({
        blocks: batch.first + at,
        storedBytes: piece.fileOffsetBytes + piece.storedBytes,
        contentBytes: this.#contentBytes,
        pieces: this.table.count,
      });
    }
  }
}

/** Reads the MD5s of the first blocks of a journal with the interface of a `DigestReader`. */
export class JournalDigests {
  readonly header: { blockCount: number; blockBytes: number };
  readonly #core: Core;
  readonly #journal: Journal;
  #nextBlock = 0;

  constructor(core: Core, journal: Journal, header: { blockCount: number; blockBytes: number }) {
    this.#core = core;
    this.#journal = journal;
    this.header = header;
  }

  /** Reads MD5s in the same way as `DigestReader.take`. */
  take(digestsPtr: number, count: number): void {
    this.#journal.read(this.#core.bytes(digestsPtr, count * this.#core.DIGEST_SIZE), this.#nextBlock);
    this.#nextBlock += count;
  }

  /** Does nothing: a journal has no end that could be damaged. */
  finish(): void {}
}
