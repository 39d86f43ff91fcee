/**
 * Reads an archive that the strict reader rejects. A survey finds all records that the damage has left, in
 * ascending order of their blocks, and the faults between them.
 *
 * If a record is invalid at its place, the search for the next ones begins inside the previous record, whose
 * content may have lost bytes, and ends where `record_search.ts` is certain about the following records:
 *
 *     ──header 4──[ content ]──header 5──[ con·ent ]eader 6──[ content ]──header 7──[ ...
 *                                                   ▲ no record here
 *                                         ◄── from here ──► found: header 7 (6 lost some of its bytes; so 5 and 6 are bad)
 *
 * Records that are not in ascending order, and blocks inside damage, are strays. Their MD5 can prove them if
 * it is known. The archive is read once from the beginning to the end. The memory depends on the size of a
 * block only.
 */

import type { DamagedFile } from "../archive/damaged_file.ts";
import { type DumpHeader, parseDumpHeader } from "../archive/header.ts";
import { likelyContainer } from "../archive/remains.ts";
import { explainDumpRecord } from "../archive/record.ts";
import type { Core, RecordCursor } from "../core.ts";
import { FormatError } from "../errors.ts";
import type { Batch } from "../pipeline/batch.ts";
import { Checkpoint, type RunOptions } from "../pipeline/run.ts";
import { type ArchiveFault, FaultLog } from "./fault_log.ts";
import { decidingBytes, RecordSearch, type StrayBlock } from "./record_search.ts";
import { SurveyWindow } from "./survey_window.ts";

/** The sizes that the archive must have. They are used if its own header is damaged. */
export interface ExpectedArchive {
  blockBytes: number;
  blockCount: number;
}

/** The options of a survey. */
export interface SurveyOptions {
  expected?: ExpectedArchive;
  /**
   * Is called for blocks that are not part of the ascending sequence of records. The content is valid until
   * it returns. `block` is the number in the header, if there is a header; it proves nothing.
   */
  onStray?: (content: Uint8Array, block?: number) => void;
  /** The signal that stops the survey, and the function that reports its progress. */
  run?: RunOptions;
}

/**
 * The limit of the stray blocks that are passed on: so many bytes for each byte of the stream, and so many in
 * addition.
 */
const STRAY_FACTOR = 2;
const LEAST_STRAY_BYTES = 64 * 1024 * 1024;

/**
 * From this distance on, the offset of a record is not recorded, because it may not fit into the 32 bits of
 * {@linkcode Batch.offsets}.
 */
const FAR_BYTES = 2 ** 31;
/** The value in {@linkcode Batch.offsets} of a record without a known offset. */
const NO_OFFSET = 0xffffffff;

/** Finds the records of one damaged dump or rdiff. */
export class Survey {
  readonly path: string;
  /** The header of the archive; undefined if it cannot be read. */
  readonly header?: DumpHeader;
  readonly blockBytes: number;
  readonly blockCount: number;
  /**
   * True for a dump, in which a record is missing if a block number is left out. An archive without a header
   * is treated as an rdiff.
   */
  readonly full: boolean;
  /** The number of records of the ascending sequence so far. */
  records = 0;
  readonly #core: Core;
  readonly #cursor: RecordCursor;
  readonly #window: SurveyWindow;
  readonly #log: FaultLog;
  readonly #isCompressed: boolean;
  readonly #onStray?: SurveyOptions["onStray"];
  readonly #checkpoint: Checkpoint;
  #strayBytes = 0;
  #missedStrays = 0;
  #nextBlock = 0;
  #peekedBlock = 0;
  #ended = false;
  /** The offset in the stream from which the offsets of the current batch are counted. */
  #beginBytes = 0;

  private constructor(core: Core, window: SurveyWindow, survey: OpenedSurvey) {
    const { file, log, header, options: { expected, onStray, run = {} } } = survey;
    this.path = file.path;
    this.header = header;
    const { blockBytes, blockCount } = sizesOf(header, expected)!;
    this.blockBytes = blockBytes;
    this.blockCount = blockCount;
    this.full = header?.full === true;
    this.#core = core;
    this.#window = window;
    this.#log = log;
    this.#isCompressed = likelyContainer(file) !== "plain";
    this.#onStray = onStray;
    this.#cursor = core.recordCursor({ blockBytes, blockCount, full: this.full });
    this.#checkpoint = new Checkpoint(run);
  }

  /**
   * Opens an archive. If the header is damaged, the expected sizes are used.
   *
   * @throws {FormatError} if there is no valid header and nothing is expected
   */
  static async open(core: Core, file: DamagedFile, options: SurveyOptions = {}): Promise<Survey> {
    const log = new FaultLog(file.path);
    const window = new SurveyWindow(core, file, log);
    await window.start();
    const survey: OpenedSurvey = { file, log, options };
    let unreadable: FormatError | undefined;
    let headerBytes = 0;
    try {
      ({ header: survey.header, headerBytes } = parseDumpHeader(window.head, file.path));
    } catch (error) {
      if (!(error instanceof FormatError) || options.expected === undefined) throw error;
      unreadable = error;
    }
    const { expected } = options;
    const ownSize = survey.header?.blockBytes;
    if (survey.header !== undefined && expected !== undefined && ownSize !== expected.blockBytes) {
      unreadable = new FormatError("", {
        path: file.path,
        offsetBytes: 0,
        expected: `a header with blocks of ${expected.blockBytes} bytes`,
        found: `one with blocks of ${ownSize}`,
      });
      survey.header = undefined;
    }
    window.widen(sizesOf(survey.header, expected)!.blockBytes);
    const opened = new Survey(core, window, survey);
    if (unreadable === undefined) window.consume(headerBytes);
    else {
      const { offsetBytes = 0, expected = "a header", found = "something else" } = unreadable.fault;
      opened.#note(offsetBytes, { expected, found });
      window.isOutOfSync = true;
    }
    return opened;
  }

  /** The first faults in the order of the file, as many as a {@linkcode FaultLog} lists. */
  get faults(): readonly ArchiveFault[] {
    return this.#log.faults;
  }

  /** The number of all faults. */
  get faultCount(): number {
    return this.#log.count;
  }

  /** The lowest block number that a following record of the sequence can have. */
  get nextBlock(): number {
    return this.#ended ? this.blockCount : Math.max(this.#nextBlock, this.#peekedBlock);
  }

  /**
   * Reads the records of the blocks of a batch. Absent entries of the table get the block if its record
   * exists. `batch.offsets` can be read with {@linkcode placeOf} only.
   */
  async take(batch: Batch): Promise<void> {
    // The search for the next record may go back by one block.
    this.#beginBytes = this.#window.offsetBytes - this.#window.backBytes;
    batch.offsets.fill(NO_OFFSET);
    await this.#run(batch, batch.end);
  }

  /** Reads the rest of the archive for its faults and strays. */
  async finish(): Promise<void> {
    await this.#run(undefined, Infinity);
  }

  /**
   * Returns the place in the file of the record of a block, with the meaning of {@linkcode
   * ArchiveFault.offsetBytes}. The batch must be the one that was read last.
   */
  placeOf(batch: Batch, block: number): { offsetBytes: number } | undefined {
    const offset = batch.offsets[block - batch.first];
    return offset === NO_OFFSET ? undefined : this.#place(this.#beginBytes + offset);
  }

  async #run(batch: Batch | undefined, toBlock: number): Promise<void> {
    const window = this.#window;
    while (!this.#ended && this.nextBlock < toBlock) {
      await this.#pass();
      await window.fill(this.blockBytes + this.#core.RECORD_HEADER_MAX);
      if (window.isOutOfSync) {
        await this.#resume(window.backBytes);
        continue;
      }
      if (window.length === 0) {
        this.#endStretch();
        continue;
      }
      if (this.#nextBlock >= this.blockCount) {
        this.#noteBadRecord();
        continue;
      }
      const run = batch ?? this.#emptyRun;
      const relative = window.offsetBytes - this.#beginBytes;
      const status = this.#cursor.take(run, {
        ptr: window.ptr,
        length: window.length,
        nextBlock: this.#nextBlock,
        offsetsPtr: batch !== undefined && relative < FAR_BYTES ? batch.offsetsPtr : 0,
        offsetBytes: relative < FAR_BYTES ? relative : 0,
      });
      const { consumed, records, nextBlock, peekedBlock } = this.#cursor;
      window.consume(consumed);
      this.records += records;
      this.#nextBlock = nextBlock;
      // The core parses only the number of the record, which may be there by chance.
      if (status === "reached" && this.#search().isHeaderAt(0)) this.#peekedBlock = peekedBlock;
      else if (status === "reached") this.#noteBadRecord();
      else if (status === "content") await this.#takeContent(batch, peekedBlock);
      else if (status === "bad" || consumed === 0) this.#noteBadRecord();
    }
  }

  /** An empty table for all blocks: no block is read. */
  get #emptyRun() {
    const { blockBytes, blockCount } = this;
    return { first: 0, count: blockCount, tablePtr: 0, slotsPtr: 0, blockBytes };
  }

  /** Reads the content after the header of a record. */
  async #takeContent(batch: Batch | undefined, block: number): Promise<void> {
    const window = this.#window;
    await window.fill(this.blockBytes);
    if (window.length < this.blockBytes) {
      this.#nextBlock = block;
      this.#note(window.offsetBytes, {
        expected: `${this.blockBytes} bytes of block ${block}`,
        found: `${window.length} bytes before a gap`,
      });
      window.isOutOfSync = true;
      return;
    }
    if (batch !== undefined && batch.table[block - batch.first] === this.#core.ABSENT) {
      batch.slots(block, block + 1).set(window.rest.subarray(0, this.blockBytes));
      batch.table[block - batch.first] = batch.slotPtr(block);
    }
    window.consume(this.blockBytes);
    this.records++;
  }

  /** Ends a part of the stream that has no gap and continues after the gap. */
  #endStretch(): void {
    if (this.#window.nextStretch()) {
      // Pieces of the file end and begin at records, and whole pieces are lost, so records may begin directly
      // after the gap.
      this.#window.isOutOfSync = true;
      return;
    }
    const { full, blockCount } = this;
    if (full && this.#nextBlock < blockCount && !this.#log.hasPending) {
      this.#note(this.#window.offsetBytes, {
        expected: `the record of block ${this.#nextBlock} of ${blockCount}`,
        found: "the end of the file",
      });
    }
    this.#log.assignBlocks({ start: this.#nextBlock, end: blockCount, toBytes: Infinity });
    this.#ended = true;
  }

  #noteBadRecord(): void {
    const { full, blockCount, blockBytes } = this;
    const window = this.#window;
    const wanted = { full, blockCount, blockBytes, nextBlock: this.#nextBlock };
    const explained = explainDumpRecord(window.rest, wanted);
    this.#note(window.offsetBytes, explained);
    window.isOutOfSync = true;
  }

  /** Searches the next records from `backBytes` before the current position on. */
  async #resume(backBytes: number): Promise<void> {
    const window = this.#window;
    const lostAtBytes = window.offsetBytes;
    window.back(backBytes);
    window.isOutOfSync = false;
    for (;;) {
      await this.#pass();
      await window.fill(decidingBytes(this.blockBytes));
      const found = this.#search().find(0);
      if (found.kind === "none") {
        window.consume(window.length);
        return;
      }
      window.consume(found.at);
      if (found.kind === "more") continue;
      const { block } = found;
      this.#reportBlockBefore(block, window.offsetBytes - lostAtBytes);
      this.#log.assignBlocks({ start: this.#nextBlock, end: block, toBytes: window.offsetBytes });
      this.#nextBlock = block;
      return;
    }
  }

  /** Returns a search of the bytes in the window. */
  #search(): RecordSearch {
    const { blockBytes, blockCount, full } = this;
    return new RecordSearch(this.#window.rest, {
      isEnd: this.#window.isStretchEnd,
      blockBytes,
      blockCount,
      full,
      minBlock: this.#nextBlock,
      onStray: (stray) => this.#reportStray(stray),
    });
  }

  #reportStray({ at, block }: StrayBlock): void {
    if (this.#onStray === undefined) return;
    const { blockBytes } = this;
    if (this.#strayBytes > STRAY_FACTOR * this.#window.offsetBytes + LEAST_STRAY_BYTES) {
      if (this.#missedStrays++ === 0) {
        this.#note(this.#window.offsetBytes + at, {
          expected: "a record",
          found: "more possible records than are examined",
        });
      }
      return;
    }
    this.#strayBytes += blockBytes;
    this.#onStray(this.#window.rest.subarray(at, at + blockBytes), block);
  }

  /**
   * Passes on the block before the records of `block` that were found: if only the header of its record is
   * damaged, the content is intact.
   */
  #reportBlockBefore(block: number, passedBytes: number): void {
    const content = this.#window.before(this.blockBytes);
    if (passedBytes < this.blockBytes || content === undefined || block === this.#nextBlock) return;
    this.#onStray?.(content);
  }

  #note(streamBytes: number, { expected, found }: { expected: string; found: string }): void {
    // The blocks of the fault are assigned when the next record is found, even if that record begins before
    // the fault. Therefore the offset in the stream is 0.
    this.#log.note({ ...this.#place(streamBytes), inContainer: false, expected, found }, 0);
  }

  #pass(): Promise<void> {
    const { nextBlock, blockCount, blockBytes } = this;
    return this.#checkpoint.pass({ doneBlocks: nextBlock, totalBlocks: blockCount, blockBytes });
  }

  /** Returns the place in the file of an offset in the stream. */
  #place(streamBytes: number): { offsetBytes: number } {
    return { offsetBytes: this.#isCompressed ? this.#window.pieceAt(streamBytes) : streamBytes };
  }
}

interface OpenedSurvey {
  file: DamagedFile;
  log: FaultLog;
  options: SurveyOptions;
  header?: DumpHeader;
}

/**
 * Returns the sizes for a survey. The block count of the header or the expected one may be damaged, so the
 * larger one is used.
 */
function sizesOf(header?: DumpHeader, expected?: ExpectedArchive): ExpectedArchive | undefined {
  if (header === undefined || expected === undefined) return header ?? expected;
  return {
    blockBytes: expected.blockBytes,
    blockCount: Math.max(header.blockCount, expected.blockCount),
  };
}
