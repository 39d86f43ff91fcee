/**
 * Searches arbitrary bytes for the place where the records of a dump or rdiff continue.
 *
 * A single record proves nothing, because blocks may hold archives themselves. Records inside a block cannot
 * continue past its end, though, because the header of the next record of the outer archive follows there.
 * Therefore a place is accepted if the records that follow each other from there reach further than any
 * block, or to the end of all bytes:
 *
 *     outer  ──header──[ block: ... 7␀1␀8␀1␀9␀1␀ ... ]──header──[ block ...
 *                               └ zero records ┘        they end inside the block: not accepted
 *                          ... 7␀0␀512␀[ a block's bytes  ·header·  ]?      no record follows that of 7: not accepted
 *
 * The search takes linear time: bytes that were rejected are not examined again, and of the digits before a
 * record only the last sixteen can be its number.
 */

/** The records that are searched for. */
export interface SoughtRecords {
  blockBytes: number;
  /** The number of blocks of the disk. */
  blockCount: number;
  /** True if every block has a record. */
  full: boolean;
  /** The lowest block number that the first record may have. */
  minBlock: number;
}

/** The result of a search. */
export type SearchResult =
  /** Records begin at `at`. The first one is of `block`. */
  | { kind: "records"; at: number; block: number }
  /** More bytes are needed to decide about the bytes from `at` on. */
  | { kind: "more"; at: number }
  /** There are no records before the end. */
  | { kind: "none" };

/**
 * A place that may hold a block, because a valid header precedes it. Its number and its surroundings do not
 * fit; only its MD5 can prove it.
 */
export interface StrayBlock {
  /** The offset of the content. */
  at: number;
  /** The block number in the header, if it has one. */
  block?: number;
}

/** The number of digits of the largest block number. */
const MAX_DIGITS = 16;
/** The longest header of a record: number, flag and length take 17 + 2 + 9 bytes. */
const MAX_HEADER_BYTES = 28;

/** Returns how many bytes after a place are needed at most to decide whether records begin there. */
export function decidingBytes(blockBytes: number): number {
  return 2 * (blockBytes + MAX_HEADER_BYTES) + MAX_HEADER_BYTES;
}

interface BlockRecordHeader {
  block: number;
  zero: boolean;
  /** The offset of the first byte after the header. */
  endAt: number;
}

/** Searches one window of bytes for records. */
export class RecordSearch {
  readonly #bytes: Uint8Array;
  readonly #isEnd: boolean;
  readonly #sought: SoughtRecords;
  readonly #onStray?: (stray: StrayBlock) => void;
  readonly #length: Uint8Array;

  /**
   * @param options.isEnd true if no bytes follow `bytes`
   * @param options.onStray is called for whole blocks in the window that are not among the records found
   */
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

  /** Returns whether the header of a record begins at `at`. */
  isHeaderAt(at: number): boolean {
    const header = this.#headerAt(at);
    return header !== undefined && header !== "more";
  }

  /** Returns the first place from `from` on at which records begin. */
  find(from: number): SearchResult {
    const bytes = this.#bytes;
    // The number of a record ends with a zero byte. The flag is one digit, and a zero byte follows it.
    for (let at = from; at + 2 < bytes.length; at++) {
      if (bytes[at] !== 0 || (bytes[at + 1] & 0xfe) !== 0x30 || bytes[at + 2] !== 0) continue;
      const examined = this.#examine(from, at);
      if (examined.kind !== "not") return examined;
      if (examined.resumeAt > at) {
        from = examined.resumeAt;
        at = from - 1;
      }
    }
    // The last bytes may be the beginning of a header.
    return this.#isEnd
      ? { kind: "none" }
      : { kind: "more", at: Math.max(from, bytes.length - MAX_HEADER_BYTES) };
  }

  /** Decides about the records whose first number ends at `zeroAt` and begins at `from` or after it. */
  #examine(from: number, zeroAt: number): SearchResult | { kind: "not"; resumeAt: number } {
    const bytes = this.#bytes;
    let resumeAt = zeroAt;
    let isReported = false;
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
      if (!header.zero && !isReported) {
        if (header.endAt + this.#sought.blockBytes > bytes.length && !this.#isEnd) {
          return { kind: "more", at };
        }
        this.#reportStray(header);
        isReported = true;
      }
    }
    return { kind: "not", resumeAt };
  }

  /**
   * Follows the records from `at` on. If they do not continue, returns the offset at which the search goes
   * on.
   */
  #follow(at: number, first: BlockRecordHeader): "records" | "more" | number {
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
        if (header !== first) this.#reportStray(header);
        // The search goes on inside the content of the last record, because nothing valid follows that
        // record. Zero records before it need not be examined again.
        return header.endAt;
      }
      if (!header.zero) return "records";
      header = next;
    }
  }

  #reportStray({ block, zero, endAt }: BlockRecordHeader): void {
    if (zero || endAt + this.#sought.blockBytes > this.#bytes.length) return;
    this.#onStray?.({ at: endAt, block });
  }

  /**
   * Parses the header at `at`. Returns undefined if there is no canonical one, and "more" if it may continue
   * after the window.
   */
  #headerAt(at: number): BlockRecordHeader | "more" | undefined {
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
