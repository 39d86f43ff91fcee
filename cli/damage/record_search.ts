/**
 * Where among bytes of any kind the records of a dump or rdiff begin again.
 *
 * Blocks may hold archives, so that a record alone proves nothing. What lies within one block cannot go on past its end,
 * though: the header of the next record of the outer archive is in the way there. So a place is taken for the begin of
 * records when those that follow each other from there on reach further than any block does, or to the end of all bytes:
 *
 *     outer  ──header──[ block: ... 7␀1␀8␀1␀9␀1␀ ... ]──header──[ block ...
 *                               └ zero records ┘        ends before the block: no begin
 *                          ... 7␀0␀512␀[ a block's bytes  ·header·  ]?      no record where the one of 7 ends: no begin
 *
 * All is linear: what fails is not looked at again, and of all digits in front of a record only sixteen can be its number.
 */

/** What the records must fit. */
export interface SoughtRecords {
  blockBytes: number;
  /** Blocks of the disk. */
  blockCount: number;
  /** Every block has a record. */
  full: boolean;
  /** The lowest block that the first record may have. */
  minBlock: number;
}

/** What a search comes to. */
export type SearchResult =
  /** Records begin at `at`, the first of them of `block`. */
  | { kind: "records"; at: number; block: number }
  /** What begins at `at` cannot be judged before more bytes are there. */
  | { kind: "more"; at: number }
  /** There are none before the end. */
  | { kind: "none" };

/** Content that may be a block by its header, whatever its number and its surroundings: for those who know its MD5. */
export interface StrayBlock {
  /** Where the content begins. */
  at: number;
  /** As the header says, if it says anything. */
  block?: number;
}

/** Digits of the largest block number. */
const MAX_DIGITS = 16;
/** Number, flag, length: 17 + 2 + 9 bytes. */
const MAX_HEADER_BYTES = 28;

/** So many bytes behind a place decide about it, if there are no fewer. */
export function decidingBytes(blockBytes: number): number {
  return 2 * (blockBytes + MAX_HEADER_BYTES) + MAX_HEADER_BYTES;
}

interface RecordHeader {
  block: number;
  zero: boolean;
  /** Behind the header. */
  endAt: number;
}

/** Finds records in one window of bytes. */
export class RecordSearch {
  readonly #bytes: Uint8Array;
  readonly #isEnd: boolean;
  readonly #sought: SoughtRecords;
  readonly #onStray?: (stray: StrayBlock) => void;
  readonly #length: Uint8Array;

  /** `isEnd`: nothing follows `bytes`; `onStray` hears of whole blocks in the window that are not among the records found. */
  constructor(
    bytes: Uint8Array,
    { isEnd, onStray, ...sought }: SoughtRecords & { isEnd: boolean; onStray?: (stray: StrayBlock) => void },
  ) {
    this.#bytes = bytes;
    this.#isEnd = isEnd;
    this.#sought = sought;
    this.#onStray = onStray;
    this.#length = new TextEncoder().encode(`${sought.blockBytes}\0`);
  }

  /** Whether the bytes at `at` begin as a record does. */
  isHeaderAt(at: number): boolean {
    const header = this.#headerAt(at);
    return header !== undefined && header !== "more";
  }

  /** The first place from `from` on where records begin. */
  find(from: number): SearchResult {
    const bytes = this.#bytes;
    // A number ends with a zero byte, and the flag is one digit with another one.
    for (let at = from; at + 2 < bytes.length; at++) {
      if (bytes[at] !== 0 || (bytes[at + 1] & 0xfe) !== 0x30 || bytes[at + 2] !== 0) continue;
      const judged = this.#judge(from, at);
      if (judged.kind !== "not") return judged;
      if (judged.resumeAt > at) {
        from = judged.resumeAt;
        at = from - 1;
      }
    }
    // A number may have begun.
    return this.#isEnd
      ? { kind: "none" }
      : { kind: "more", at: Math.max(from, bytes.length - MAX_HEADER_BYTES) };
  }

  /** Judges the records whose first number ends at `zeroAt`, with its digits from `from` on. */
  #judge(from: number, zeroAt: number): SearchResult | { kind: "not"; resumeAt: number } {
    const bytes = this.#bytes;
    let resumeAt = zeroAt;
    let isTold = false;
    let firstAt = zeroAt;
    while (firstAt > from && zeroAt - firstAt < MAX_DIGITS && isDigit(bytes[firstAt - 1])) firstAt--;
    for (let at = firstAt; at < zeroAt; at++) {
      const header = this.#headerAt(at);
      if (header === "more") return { kind: "more", at };
      if (header === undefined || header.block >= this.#sought.blockCount) continue;
      if (header.block >= this.#sought.minBlock) {
        const end = this.#follow(at, header);
        if (end === "records") return { kind: "records", at, block: header.block };
        if (end === "more") return { kind: "more", at };
        resumeAt = Math.max(resumeAt, end);
      }
      if (!header.zero && !isTold) {
        if (header.endAt + this.#sought.blockBytes > bytes.length && !this.#isEnd) {
          return { kind: "more", at };
        }
        this.#tellStray(header);
        isTold = true;
      }
    }
    return { kind: "not", resumeAt };
  }

  /** Follows the records from `at` on; if they are none, where the search goes on. */
  #follow(at: number, first: RecordHeader): "records" | "more" | number {
    const { blockBytes, blockCount, full } = this.#sought;
    const lenBytes = this.#bytes.length;
    const farAt = at + blockBytes + MAX_HEADER_BYTES;
    let header = first;
    for (;;) {
      const recordEnd = header.zero ? header.endAt : header.endAt + blockBytes;
      if (recordEnd > lenBytes) return this.#isEnd ? header.endAt : "more";
      if (recordEnd === lenBytes && this.#isEnd) return "records";
      if (header.zero && recordEnd >= farAt) return "records";
      const next = this.#headerAt(recordEnd);
      if (next === "more") return "more";
      const isDue = next !== undefined && next.block < blockCount &&
        (full ? next.block === header.block + 1 : next.block > header.block);
      if (!isDue) {
        if (header !== first) this.#tellStray(header);
        // Into the content of a record that nothing follows, behind zero records that do not go on.
        return header.endAt;
      }
      if (!header.zero) return "records";
      header = next;
    }
  }

  #tellStray({ block, zero, endAt }: RecordHeader): void {
    if (zero || endAt + this.#sought.blockBytes > this.#bytes.length) return;
    this.#onStray?.({ at: endAt, block });
  }

  /** The canonical header at `at`; none there, or not enough bytes to tell. */
  #headerAt(at: number): RecordHeader | "more" | undefined {
    const bytes = this.#bytes;
    const cut = this.#isEnd ? undefined : "more";
    let block = 0;
    let zeroAt = at;
    for (;; zeroAt++) {
      if (zeroAt >= bytes.length) return cut;
      if (bytes[zeroAt] === 0) break;
      if (!isDigit(bytes[zeroAt]) || zeroAt - at >= MAX_DIGITS) return undefined;
      block = block * 10 + bytes[zeroAt] - 0x30;
    }
    if (zeroAt === at || (bytes[at] === 0x30 && zeroAt > at + 1)) return undefined;
    if (zeroAt + 2 >= bytes.length) return cut;
    const flag = bytes[zeroAt + 1];
    if ((flag & 0xfe) !== 0x30 || bytes[zeroAt + 2] !== 0) return undefined;
    const lengthAt = zeroAt + 3;
    if (flag === 0x31) return { block, zero: true, endAt: lengthAt };
    for (let i = 0; i < this.#length.length; i++) {
      if (lengthAt + i >= bytes.length) return cut;
      if (bytes[lengthAt + i] !== this.#length[i]) return undefined;
    }
    return { block, zero: false, endAt: lengthAt + this.#length.length };
  }
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}
