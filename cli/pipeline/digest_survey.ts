/**
 * What a damaged digest still proves.
 *
 * Its records have no numbers: the digest of a block is known by counting from the begin of the file. A wrong count would
 * prove the wrong block, so beyond damage no digest is believed unless all numbers agree: in a plain file a stretch that is as
 * long as so many whole records, and as many records in the file as it must have. In a compressed one, what stands in front
 * of damage counts as far as a checksum shows that nothing is missing there.
 *
 *     header [21][21][21]??????????[21][21][21]  end of the file
 *            known       m x 21    known, if 3 + m + 3 = number of blocks
 */

import type { DamagedFile } from "../archive/damaged_file.ts";
import {
  type DigestHeader,
  digestHeaderBytes,
  MAX_HEADER_BYTES,
  type Parsed,
  parseDigestHeader,
} from "../archive/header.ts";
import { explainDigestRecord } from "../archive/record.ts";
import { likelyContainer, remainsOf, type Remnant } from "../archive/remains.ts";
import type { Core, DigestCursor } from "../core.ts";
import { FormatError, formatError } from "../errors.ts";
import { type Fault, FaultLog } from "./fault_log.ts";

const WINDOW_BYTES = 2 * MAX_HEADER_BYTES;
/** Records that must stand in a row behind damage. */
const PROOF_RECORDS = 8;
/** Longest damage that is passed over: a sector of 4096 bytes and the records that it cuts. */
const MAX_PASSED_RECORDS = 197;

/** Blocks whose digests are known, from `start` to before `end`. */
export interface KnownBlocks {
  start: number;
  end: number;
}

/** What was found out about a digest. */
export interface DigestFindings {
  header: DigestHeader;
  /** The digest's own header cannot be read: this is the one that was expected. */
  isHeaderLost: boolean;
  /** Where the records begin in the stream. */
  headerBytes: number;
  /** Ascending; one range of all blocks if nothing is wrong. */
  known: KnownBlocks[];
  faults: readonly Fault[];
}

/**
 * Reads a digest to its end, over damage.
 *
 * @param expected header of an archive of the generation: counts where the digest's own is damaged
 * @throws {FormatError} if there is no header and none is expected
 */
export async function surveyDigest(
  core: Core,
  file: DamagedFile,
  { expected }: { expected?: DigestHeader } = {},
): Promise<DigestFindings> {
  const mark = core.mark();
  const isPlain = likelyContainer(file) === "plain";
  const all = await countRecords(core, file, { expected });
  const { header, headerBytes, isHeaderLost, log } = all;
  const { blockCount } = header;
  let known: KnownBlocks[];
  if (all.count === blockCount || isPlain) {
    known = [{ start: 0, end: all.count }];
    if (all.tail !== undefined) known.push(all.tail);
  } else if (log.count === 1) {
    // Nothing but the number of records is wrong: those that are missing in a container may be missing anywhere.
    known = [];
  } else {
    const verified = await countRecords(core, file, { expected, onlyVerified: true });
    known = [{ start: 0, end: verified.count }];
  }
  known = known.filter(({ start, end }) => end > start);
  const start = known[0]?.start === 0 ? known[0].end : 0;
  log.close({ start, end: all.tail?.start ?? blockCount, toBytes: Infinity });
  core.release(mark);
  return { header, headerBytes, isHeaderLost, known, faults: log.faults };
}

/** Counts the records up to the first damage, and those behind it if that is clear. */
async function countRecords(
  core: Core,
  file: DamagedFile,
  { expected, onlyVerified = false }: { expected?: DigestHeader; onlyVerified?: boolean },
): Promise<FoundHeader & { log: FaultLog; count: number; tail?: KnownBlocks }> {
  const isPlain = likelyContainer(file) === "plain";
  const log = new FaultLog(file.path);
  const window = new DigestWindow(core, file, { log, onlyVerified });
  await window.fill(MAX_HEADER_BYTES);
  const found = headerOf(window.rest, { file, log, expected });
  window.consume(found.headerBytes);

  const { blockCount } = found.header;
  const scratchPtr = core.alloc(WINDOW_BYTES);
  const countUpTo = async (most: number) => {
    let taken = 0;
    for (let got = -1; taken < most && got !== 0; taken += got) {
      got = await window.count(scratchPtr, Math.min(WINDOW_BYTES / core.DIGEST_SIZE, most - taken));
    }
    return taken;
  };
  const isAtEnd = async () => {
    await window.fill(1);
    return window.length === 0;
  };
  const note = (block: number, found?: string) => {
    const explained = explainDigestRecord(window.rest, block);
    const offsetBytes = isPlain ? window.offsetBytes : window.pieceBytes;
    log.note({ ...explained, ...found && { found }, inContainer: false, offsetBytes }, 0);
  };

  const count = await countUpTo(blockCount);
  if (count === blockCount) {
    if (!await isAtEnd() || !window.isFileEnd) note(count);
    return { ...found, log, count };
  }
  if (await isAtEnd()) {
    note(count, `the end after ${count} of ${blockCount} records`);
    return { ...found, log, count };
  }
  note(count);
  const passed = isPlain ? await window.passDamage(scratchPtr, blockCount - count) : undefined;
  if (passed === undefined) return { ...found, log, count };
  const start = count + passed;
  const isWhole = start + await countUpTo(blockCount - start) === blockCount && await isAtEnd();
  return { ...found, log, count, ...isWhole && { tail: { start, end: blockCount } } };
}

type FoundHeader = Parsed<DigestHeader> & Pick<DigestFindings, "isHeaderLost">;

function headerOf(
  bytes: Uint8Array,
  { file, log, expected }: { file: DamagedFile; log: FaultLog; expected?: DigestHeader },
): FoundHeader {
  try {
    return { ...parseDigestHeader(bytes, file.path), isHeaderLost: false };
  } catch (error) {
    if (!(error instanceof FormatError) || expected === undefined) throw error;
    const { offsetBytes = 0, expected: wanted = "a header", found = "something else" } = error.fault;
    log.note({ offsetBytes, expected: wanted, found, inContainer: false }, 0);
    return { header: expected, headerBytes: digestHeaderBytes(expected).length, isHeaderLost: true };
  }
}

/** Reads a digest again and again: what is known of it, and 16 bytes of 255, which no block has, for the rest. */
export class KnownDigests {
  readonly header: DigestHeader;
  readonly #known: readonly KnownBlocks[];
  readonly #core: Core;
  readonly #window: DigestWindow;
  #nextBlock = 0;
  #headerBytes: number;

  /** Takes memory for a window from `core`. */
  constructor(core: Core, file: DamagedFile, { header, headerBytes, known }: DigestFindings) {
    this.header = header;
    this.#known = known;
    this.#core = core;
    this.#headerBytes = headerBytes;
    this.#window = new DigestWindow(core, file, { log: new FaultLog(file.path) });
  }

  /**
   * Takes the digests of the next `count` blocks to `digestsPtr`, 16 bytes each.
   *
   * @throws {FormatError} if the file is no longer what it was
   */
  async take(digestsPtr: number, count: number): Promise<void> {
    await this.#pass(this.#headerBytes);
    this.#headerBytes = 0;
    for (let taken = 0; taken < count;) {
      const block = this.#nextBlock;
      const range = this.#known.find(({ end }) => end > block);
      const ptr = digestsPtr + taken * 16;
      let step = Math.min(count - taken, (range?.start ?? Infinity) - block);
      if (step > 0) {
        this.#core.bytes(ptr, step * 16).fill(0xff);
        if (range !== undefined) await this.#pass(step * this.#core.DIGEST_RECORD_MAX);
      } else {
        step = await this.#window.count(ptr, Math.min(count - taken, range!.end - block));
        if (step === 0) throw this.#changed();
      }
      taken += step;
      this.#nextBlock += step;
    }
  }

  async #pass(lenBytes: number): Promise<void> {
    for (let left = lenBytes; left > 0;) {
      await this.#window.fill(1);
      const step = Math.min(left, this.#window.length);
      if (step === 0) throw this.#changed();
      this.#window.consume(step);
      left -= step;
    }
  }

  #changed(): FormatError {
    return formatError("digest", {
      path: this.#window.path,
      offsetBytes: this.#window.offsetBytes,
      expected: "what was there a moment before",
      found: "something else",
    });
  }
}

/** The part of a digest that lies in the core's memory. */
class DigestWindow {
  readonly path: string;
  /** Nothing follows without a gap; at the end of the file nothing at all. */
  isEnd = false;
  isFileEnd = false;
  /** Where in the file the piece stands that was read last. */
  pieceBytes = 0;
  readonly #cursor: DigestCursor;
  readonly #recordBytes: number;
  readonly #remnants: AsyncGenerator<Remnant, void>;
  readonly #log: FaultLog;
  readonly #onlyVerified: boolean;
  readonly #ptr: number;
  readonly #bytes: Uint8Array;
  #at = 0;
  #end = 0;
  #windowBytes = 0;
  #rest: Uint8Array = new Uint8Array(0);

  /** `onlyVerified`: what no checksum vouches for is taken for lost. */
  constructor(
    core: Core,
    file: DamagedFile,
    { log, onlyVerified = false }: { log: FaultLog; onlyVerified?: boolean },
  ) {
    this.path = file.path;
    this.#log = log;
    this.#onlyVerified = onlyVerified;
    this.#cursor = core.digestCursor();
    this.#recordBytes = core.DIGEST_RECORD_MAX;
    this.#remnants = remainsOf(file, {
      onFault: (fault) => log.note({ ...fault, inContainer: true }, this.offsetBytes),
    });
    this.#ptr = core.alloc(WINDOW_BYTES);
    this.#bytes = core.bytes(this.#ptr, WINDOW_BYTES);
  }

  get length(): number {
    return this.#end - this.#at;
  }

  get rest(): Uint8Array {
    return this.#bytes.subarray(this.#at, this.#end);
  }

  get offsetBytes(): number {
    return this.#windowBytes + this.#at;
  }

  consume(lenBytes: number): void {
    this.#at += lenBytes;
  }

  /** Reads on if there are less than `neededBytes`. */
  async fill(neededBytes: number): Promise<void> {
    if (this.isEnd || this.length >= neededBytes) return;
    this.#bytes.copyWithin(0, this.#at, this.#end);
    this.#windowBytes += this.#at;
    this.#end -= this.#at;
    this.#at = 0;
    while (this.#end < WINDOW_BYTES) {
      if (this.#rest.length === 0 && !await this.#nextRemnant()) return;
      const part = this.#rest.subarray(0, WINDOW_BYTES - this.#end);
      this.#bytes.set(part, this.#end);
      this.#end += part.length;
      this.#rest = this.#rest.subarray(part.length);
    }
  }

  /** Takes up to `count` records to `digestsPtr`; returns how many stood in a row, as far as the window goes. */
  async count(digestsPtr: number, count: number): Promise<number> {
    await this.fill(WINDOW_BYTES / 2);
    this.#cursor.take(digestsPtr, { ptr: this.#ptr + this.#at, length: this.length, count });
    this.#at += this.#cursor.consumed;
    return this.#cursor.records;
  }

  /** Goes on behind as many whole records as are damaged; returns their number, unless that is not clear. */
  async passDamage(scratchPtr: number, recordsLeft: number): Promise<number | undefined> {
    await this.fill(WINDOW_BYTES / 2);
    for (let passed = 1; passed <= Math.min(MAX_PASSED_RECORDS, recordsLeft); passed++) {
      const at = this.#at + passed * this.#recordBytes;
      const count = Math.min(PROOF_RECORDS, recordsLeft - passed);
      if (at > this.#end) return undefined;
      this.#cursor.take(scratchPtr, { ptr: this.#ptr + at, length: this.#end - at, count });
      if (this.#cursor.records < count) continue;
      this.#at = at;
      return passed;
    }
    return undefined;
  }

  async #nextRemnant(): Promise<boolean> {
    const { value, done } = await this.#remnants.next();
    this.isEnd = done === true || !value!.joined || (this.#onlyVerified && !value!.isVerified);
    this.isFileEnd = done === true;
    this.#log.goOn({ joined: !this.isEnd });
    if (this.isEnd) return false;
    this.#rest = value!.bytes;
    this.pieceBytes = value!.fileOffsetBytes;
    return true;
  }
}
