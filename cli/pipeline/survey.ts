/**
 * A second look at an archive that strict reading refuses: all of its records that damage has left, in ascending order
 * of their blocks, and what was in the way.
 *
 * Where a record is not what must come next, the search for the next ones begins inside the last one, whose content may lack
 * bytes, and ends where `record_search.ts` is sure of them:
 *
 *     ──header 4──[ content ]──header 5──[ con·ent ]eader 6──[ content ]──header 7──[ ...
 *                                                   ▲ no record here
 *                                         ◄── from here ──► found: header 7 (6 lost some of its bytes; so 5 and 6 are bad)
 *
 * Records that do not ascend and blocks between damage are strays: whoever knows the MD5 of a block knows it there too.
 * Everything is read once from begin to end, in memory that depends on the size of a block alone.
 */

import type { DamagedFile } from "../archive/damaged_file.ts";
import { type DumpHeader, parseDumpHeader } from "../archive/header.ts";
import { likelyContainer } from "../archive/remains.ts";
import { explainDumpRecord } from "../archive/record.ts";
import type { Core, RecordCursor } from "../core.ts";
import { FormatError } from "../errors.ts";
import type { Batch } from "./batch.ts";
import { type ArchiveFault, FaultLog } from "./fault_log.ts";
import { decidingBytes, RecordSearch, type Stray } from "./record_search.ts";
import { Checkpoint, type RunOptions } from "./run.ts";
import { SurveyWindow } from "./survey_window.ts";

/** What is known of the archive from elsewhere: it counts where its own header is damaged. */
export interface ExpectedArchive {
  blockBytes: number;
  blockCount: number;
}

/** How an archive is looked at. */
export interface SurveyOptions {
  expected?: ExpectedArchive;
  /**
   * Hears of blocks that are not among the records in order. The bytes hold until it returns. `block` is what a header
   * says, if there is one; it proves nothing.
   */
  onStray?: (content: Uint8Array, block?: number) => void;
  /** Stops it and hears of its progress. */
  run?: RunOptions;
}

/** Bytes of blocks that are looked at outside of records for each byte of the stream, and so many at least. */
const STRAY_FACTOR = 2;
const LEAST_STRAY_BYTES = 64 * 1024 * 1024;

/** From here on the offset of a record no longer fits beside the others of a batch. */
const FAR_BYTES = 2 ** 31;
/** In {@linkcode Batch.offsets}: not known. */
const NO_OFFSET = 0xffffffff;

/** Looks at one dump or rdiff. */
export class Survey {
  readonly path: string;
  /** As the archive has it, if that can be read. */
  readonly header?: DumpHeader;
  readonly blockBytes: number;
  readonly blockCount: number;
  /** A record is missing where a number is left out. An archive without header is taken for an rdiff. */
  readonly full: boolean;
  /** Records in order, so far. */
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
  /** Offset in the stream that the offsets of the batch at hand count from. */
  #beginBytes = 0;

  private constructor(core: Core, window: SurveyWindow, survey: Opened) {
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
   * Begins with the header, or with what is expected in its place.
   *
   * @throws {FormatError} if there is no header and nothing is expected
   */
  static async open(core: Core, file: DamagedFile, options: SurveyOptions = {}): Promise<Survey> {
    const log = new FaultLog(file.path);
    const window = new SurveyWindow(core, file, log);
    await window.start();
    const survey: Opened = { file, log, options };
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
      window.isLost = true;
    }
    return opened;
  }

  /** In their order in the file, as many as a {@linkcode FaultLog} tells. */
  get faults(): readonly ArchiveFault[] {
    return this.#log.faults;
  }

  /** Faults in all. */
  get faultCount(): number {
    return this.#log.count;
  }

  /** No record in order that is still to come is of a block before this one. */
  get nextBlock(): number {
    return this.#ended ? this.blockCount : Math.max(this.#nextBlock, this.#peekedBlock);
  }

  /**
   * Takes the records of the batch's blocks: absent entries of the table get theirs, if it is there. `batch.offsets` are
   * for {@linkcode placeOf}.
   */
  async take(batch: Batch): Promise<void> {
    // The search for the next record may go back by a block.
    this.#beginBytes = this.#window.offsetBytes - this.#window.backBytes;
    batch.offsets.fill(NO_OFFSET);
    await this.#run(batch, batch.end);
  }

  /** Reads what is left: for the faults and strays in it. */
  async finish(): Promise<void> {
    await this.#run(undefined, Infinity);
  }

  /** Where in the file the record of a block stands, after the batch was taken, as in {@linkcode ArchiveFault}. */
  placeOf(batch: Batch, block: number): { offsetBytes: number } | undefined {
    const offset = batch.offsets[block - batch.first];
    return offset === NO_OFFSET ? undefined : this.#place(this.#beginBytes + offset);
  }

  async #run(batch: Batch | undefined, toBlock: number): Promise<void> {
    const window = this.#window;
    while (!this.#ended && this.nextBlock < toBlock) {
      await this.#pass();
      await window.fill(this.blockBytes + this.#core.RECORD_HEADER_MAX);
      if (window.isLost) {
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
      const run = batch ?? this.#nowhere;
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
      // The core looks at its number alone, which may be a chance.
      if (status === "reached" && this.#search().isHeaderAt(0)) this.#peekedBlock = peekedBlock;
      else if (status === "reached") this.#noteBadRecord();
      else if (status === "content") await this.#takeContent(batch, peekedBlock);
      else if (status === "bad" || consumed === 0) this.#noteBadRecord();
    }
  }

  /** A run of blocks that are not wanted. */
  get #nowhere() {
    const { blockBytes, blockCount } = this;
    return { first: 0, count: blockCount, tablePtr: 0, slotsPtr: 0, blockBytes };
  }

  /** The header of a record was taken, the content lies ahead. */
  async #takeContent(batch: Batch | undefined, block: number): Promise<void> {
    const window = this.#window;
    await window.fill(this.blockBytes);
    if (window.length < this.blockBytes) {
      this.#nextBlock = block;
      this.#note(window.offsetBytes, {
        expected: `${this.blockBytes} bytes of block ${block}`,
        found: `${window.length} in front of what is missing`,
      });
      window.isLost = true;
      return;
    }
    if (batch !== undefined && batch.table[block - batch.first] === this.#core.ABSENT) {
      batch.slots(block, block + 1).set(window.rest.subarray(0, this.blockBytes));
      batch.table[block - batch.first] = batch.slotPtr(block);
    }
    window.consume(this.blockBytes);
    this.records++;
  }

  /** All bytes without a gap are used up. */
  #endStretch(): void {
    if (this.#window.nextStretch()) {
      // What is lost in between ended and began where pieces do, so records may well begin here.
      this.#window.isLost = true;
      return;
    }
    const { full, blockCount } = this;
    if (full && this.#nextBlock < blockCount && !this.#log.hasOpen) {
      this.#note(this.#window.offsetBytes, {
        expected: `the record of block ${this.#nextBlock} of ${blockCount}`,
        found: "the end of the file",
      });
    }
    this.#log.close({ start: this.#nextBlock, end: blockCount, toBytes: Infinity });
    this.#ended = true;
  }

  #noteBadRecord(): void {
    const { full, blockCount, blockBytes } = this;
    const window = this.#window;
    const wanted = { full, blockCount, blockBytes, nextBlock: this.#nextBlock };
    const explained = explainDumpRecord(window.rest, wanted);
    this.#note(window.offsetBytes, explained);
    window.isLost = true;
  }

  /** Searches the next records, from `backBytes` before the place at hand. */
  async #resume(backBytes: number): Promise<void> {
    const window = this.#window;
    const lostAtBytes = window.offsetBytes;
    window.back(backBytes);
    window.isLost = false;
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
      this.#offerInFront(block, window.offsetBytes - lostAtBytes);
      this.#log.close({ start: this.#nextBlock, end: block, toBytes: window.offsetBytes });
      this.#nextBlock = block;
      return;
    }
  }

  /** Looks at what is at hand. */
  #search(): RecordSearch {
    const { blockBytes, blockCount, full } = this;
    return new RecordSearch(this.#window.rest, {
      isEnd: this.#window.isStretchEnd,
      blockBytes,
      blockCount,
      full,
      minBlock: this.#nextBlock,
      onStray: (stray) => this.#offer(stray),
    });
  }

  #offer({ at, block }: Stray): void {
    if (this.#onStray === undefined) return;
    const { blockBytes } = this;
    if (this.#strayBytes > STRAY_FACTOR * this.#window.offsetBytes + LEAST_STRAY_BYTES) {
      if (this.#missedStrays++ === 0) {
        this.#note(this.#window.offsetBytes + at, {
          expected: "a record",
          found: "so much that looks like one that not all of it is looked at",
        });
      }
      return;
    }
    this.#strayBytes += blockBytes;
    this.#onStray(this.#window.rest.subarray(at, at + blockBytes), block);
  }

  /** If only the header of a record is damaged, its block lies right in front of the records of `block` that were found. */
  #offerInFront(block: number, passedBytes: number): void {
    const content = this.#window.before(this.blockBytes);
    if (passedBytes < this.blockBytes || content === undefined || block === this.#nextBlock) return;
    this.#onStray?.(content);
  }

  #note(streamBytes: number, { expected, found }: { expected: string; found: string }): void {
    // Whatever is found next shows what this one costs, even if it begins inside the record before.
    this.#log.note({ ...this.#place(streamBytes), inContainer: false, expected, found }, 0);
  }

  #pass(): Promise<void> {
    const { nextBlock, blockCount, blockBytes } = this;
    return this.#checkpoint.pass({ doneBlocks: nextBlock, totalBlocks: blockCount, blockBytes });
  }

  /** The place in the file of an offset in the stream. */
  #place(streamBytes: number): { offsetBytes: number } {
    return { offsetBytes: this.#isCompressed ? this.#window.pieceAt(streamBytes) : streamBytes };
  }
}

interface Opened {
  file: DamagedFile;
  log: FaultLog;
  options: SurveyOptions;
  header?: DumpHeader;
}

/** A disk has as many blocks as the larger one of two numbers says: one of them may be damaged. */
function sizesOf(header?: DumpHeader, expected?: ExpectedArchive): ExpectedArchive | undefined {
  if (header === undefined || expected === undefined) return header ?? expected;
  return {
    blockBytes: expected.blockBytes,
    blockCount: Math.max(header.blockCount, expected.blockCount),
  };
}
