/**
 * Finds out which digests of blocks a damaged digest file still has.
 *
 * The records have no numbers: the block of a record is known by counting from the beginning of the file, or
 * back from its end. If the count is not certain, a digest still proves a block that an archive has at
 * exactly the place that was counted. In a compressed digest, the records before damage are certain as far as
 * checksums show that no byte is missing.
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
import { likelyContainer } from "../archive/remains.ts";
import { formatTimeStamp } from "../archive/time_stamp.ts";
import type { Core } from "../core.ts";
import { FormatError, formatError } from "../errors.ts";
import { isSameGeneration, isSameSeries } from "./archive_headers.ts";
import { type KnownBlocks, numberStretches, type RecordStretch } from "./digest_stretches.ts";
import { DigestWindow, WINDOW_BYTES } from "./digest_window.ts";
import { type ArchiveFault, FaultLog } from "./fault_log.ts";

/**
 * The number of consecutive records after damage that are accepted as records even if all of them are of zero
 * blocks: so many are not there by chance. A record with an MD5 is accepted by itself.
 */
const PROOF_RECORDS = 8;
const PROOF_BYTES = PROOF_RECORDS * 21;
/** The largest number of stretches of records. The records after them are lost. */
const MAX_STRETCHES = 10_000;
/** The number of bytes at a damaged place that are kept for its description. */
const GAP_SHOWN_BYTES = 64;
const FLAG_ZERO = 0x31;
const FLAG_DATA = 0x30;
/** The value of {@linkcode KnownBlocks.streamBytes} for a range that follows the previous one directly. */
const FOLLOWS = -1;

/** The state of a digest. */
export interface DigestFindings {
  header: DigestHeader;
  /**
   * True if the header of the digest cannot be read or contradicts the records. `header` is the expected one
   * then.
   */
  isHeaderLost: boolean;
  /** The known digests in ascending order. An intact digest has one range of all blocks. */
  known: KnownBlocks[];
  faults: readonly ArchiveFault[];
}

/**
 * Reads a digest to its end and passes over damage.
 *
 * @param options.expected the header of an archive of the generation, which is used if that of the digest is
 *   damaged
 * @throws {FormatError} if the digest has no header and none is expected
 */
export async function surveyDigest(
  core: Core,
  file: DamagedFile,
  { expected }: { expected?: DigestHeader } = {},
): Promise<DigestFindings> {
  const isPlain = likelyContainer(file) === "plain";
  const survey = async (given: ExpectedHeader) => {
    await using scope = core.scope();
    return isPlain ? await surveyPlain(scope, file, given) : await surveyPacked(scope, file, given);
  };
  const findings = await survey({ expected, doubtsHeader: false });
  const others = expected === undefined || findings.isHeaderLost || isSameHeader(findings.header, expected)
    ? undefined
    : await survey({ expected, doubtsHeader: true });
  return others !== undefined && isBetter(others, findings) ? others : findings;
}

/**
 * Returns whether the findings with the expected header are more likely than those with the digest's own
 * header, which differs.
 */
function isBetter(others: DigestFindings, findings: DigestFindings): boolean {
  const [wanted, { header, faults }] = [others.header, findings];
  if (faults.length === 0) {
    // The records fit the digest's own header. The header is damaged nevertheless if it has the same series
    // but another block size: no archive could be used with such a digest.
    return header.blockBytes !== wanted.blockBytes && isSameSeries(header, wanted);
  }
  const certain = certainBlocks(others);
  if (header.blockCount !== wanted.blockCount) return certain > certainBlocks(findings);
  // A digest of another generation has another time for a good reason. Only if all records fit the expected
  // header is the digest's own header damaged.
  return certain === wanted.blockCount && certainBlocks(findings) < certain;
}

function isSameHeader(a: DigestHeader, b: DigestHeader): boolean {
  return a.blockCount === b.blockCount && a.blockBytes === b.blockBytes && isSameGeneration(a, b);
}

function certainBlocks({ known }: DigestFindings): number {
  return known.reduce((sum, { start, end, isCertain }) => sum + (isCertain ? end - start : 0), 0);
}

interface ExpectedHeader {
  expected?: DigestHeader;
  /** True if the expected header replaces the one of the digest even if that can be read. */
  doubtsHeader: boolean;
}

/**
 * Surveys a digest without checksums. How many records a gap has lost follows from the length of the file.
 */
async function surveyPlain(core: Core, file: DamagedFile, given: ExpectedHeader): Promise<DigestFindings> {
  const log = new FaultLog(file.path);
  const window = new DigestWindow(core, file, { log });
  const { header, headerBytes, isHeaderLost } = await headerOf(window, { file, log, ...given });
  const { blockCount } = header;
  window.consume(Math.min(headerBytes, window.length));
  const scratchPtr = core.alloc(WINDOW_BYTES);
  const stretches: RecordStretch[] = [];
  const gaps: Uint8Array[] = [];
  do {
    const stretch = await readStretch(core, window, scratchPtr);
    stretches.push(stretch);
    await window.fill(GAP_SHOWN_BYTES);
    gaps.push(window.rest.slice(0, GAP_SHOWN_BYTES));
  } while (stretches.length < MAX_STRETCHES && await findStretch(window, scratchPtr));

  const endBytes = Math.max(file.sizeBytes, stretches.at(-1)!.endBytes);
  const known = numberStretches(stretches, { blockCount, endBytes });
  let records = 0;
  /** The index of the first known range after the current gap. */
  let behind = 0;
  for (const [i, { endBytes: offsetBytes, records: more }] of stretches.entries()) {
    const next = stretches[i + 1];
    records += more;
    const isComplete = next === undefined && records === blockCount && offsetBytes === endBytes;
    if (isComplete) continue;
    if (next === undefined && offsetBytes === endBytes && stretches.length > 1) continue;
    // The fault affects the blocks between the known ranges before and after the gap.
    while (behind < known.length && known[behind].streamBytes < offsetBytes) behind++;
    const start = known[behind - 1]?.end ?? 0;
    const end = known[behind]?.start ?? blockCount;
    const isEnd = offsetBytes === endBytes;
    const explained = isEnd
      ? { expected: `${blockCount} records`, found: `the end after ${records} of ${blockCount} records` }
      : explainDigestRecord(gaps[i], start);
    log.note({ ...explained, inContainer: false, offsetBytes }, 0);
    log.assignBlocks({ start, end, toBytes: Infinity });
  }
  return { header, isHeaderLost, known, faults: log.faults };
}

/** Reads records up to the first byte that is not part of one. */
async function readStretch(core: Core, window: DigestWindow, scratchPtr: number): Promise<RecordStretch> {
  const scratch = core.bytes(scratchPtr, WINDOW_BYTES);
  const stretch: RecordStretch = {
    startBytes: window.offsetBytes,
    endBytes: window.offsetBytes,
    records: 0,
    beginsZero: false,
    endsZero: false,
  };
  for (;;) {
    const count = await window.count(scratchPtr, WINDOW_BYTES / core.DIGEST_SIZE);
    if (count === 0) break;
    if (stretch.records === 0) stretch.beginsZero = isZeroDigest(scratch, 0);
    stretch.endsZero = isZeroDigest(scratch, (count - 1) * core.DIGEST_SIZE);
    stretch.records += count;
  }
  stretch.endBytes = window.offsetBytes;
  return stretch;
}

/** Searches the next records that are not there by chance. Returns false if there are none. */
async function findStretch(window: DigestWindow, scratchPtr: number): Promise<boolean> {
  for (;;) {
    await window.fill(PROOF_BYTES);
    const { rest } = window;
    if (rest.length === 0) return false;
    const isEnd = rest.length < PROOF_BYTES;
    const candidates = isEnd ? rest.length : rest.length - PROOF_BYTES + 1;
    for (let at = 0; at < candidates; at++) {
      if (rest[at + 1] !== 0 || (rest[at] !== FLAG_DATA && rest[at] !== FLAG_ZERO)) continue;
      const { records, lenBytes } = window.peek(scratchPtr, at, PROOF_RECORDS);
      const hasData = lenBytes > 2 * records;
      const isLast = records > 0 && isEnd && at + lenBytes === rest.length;
      if (records < PROOF_RECORDS && !hasData && !isLast) continue;
      window.consume(at);
      return true;
    }
    window.consume(candidates);
  }
}

/**
 * Surveys a compressed digest. It consists of pieces with checksums, and damage may remove or add whole
 * records, so its length says nothing about lost records.
 */
async function surveyPacked(core: Core, file: DamagedFile, given: ExpectedHeader): Promise<DigestFindings> {
  const all = await countRecords(core, file, { ...given, onlyVerified: false });
  const { header, headerBytes, isHeaderLost, log, count, isWhole } = all;
  const { blockCount } = header;
  let certain = count;
  if (log.count > (isHeaderLost ? 1 : 0)) {
    // If only the number of records is wrong, and no checksum, the missing records may be missing anywhere.
    const isDamaged = all.isContainerDamaged;
    certain = isDamaged ? (await countRecords(core, file, { ...given, onlyVerified: true })).count : 0;
  } else if (!isWhole) certain = 0;
  certain = Math.min(certain, count);
  const range = (start: number, end: number, isCertain: boolean): KnownBlocks => (
    { start, end, streamBytes: start === 0 ? headerBytes : FOLLOWS, isCertain }
  );
  const known = [range(0, certain, true), range(certain, count, false)].filter(({ start, end }) =>
    end > start
  );
  log.assignBlocks({ start: certain, end: blockCount, toBytes: Infinity });
  return { header, isHeaderLost, known, faults: log.faults };
}

interface CountedRecords extends FoundHeader {
  log: FaultLog;
  /** The number of records before the first invalid one, at most one for each block. */
  count: number;
  isWhole: boolean;
  isContainerDamaged: boolean;
}

async function countRecords(
  owner: Core,
  file: DamagedFile,
  { onlyVerified, ...given }: ExpectedHeader & { onlyVerified: boolean },
): Promise<CountedRecords> {
  await using core = owner.scope();
  const log = new FaultLog(file.path);
  const window = new DigestWindow(core, file, { log, onlyVerified });
  const found = await headerOf(window, { file, log, ...given });
  window.consume(Math.min(found.headerBytes, window.length));
  const { blockCount } = found.header;
  const scratchPtr = core.alloc(WINDOW_BYTES);
  let count = 0;
  for (let got = -1; count < blockCount && got !== 0; count += got) {
    got = await window.count(scratchPtr, Math.min(WINDOW_BYTES / core.DIGEST_SIZE, blockCount - count));
  }
  await window.fill(1);
  const isContainerDamaged = log.faults.some(({ inContainer }) => inContainer);
  const isWhole = count === blockCount && window.length === 0 && window.isFileEnd;
  if (!isWhole) {
    const explained = explainDigestRecord(window.rest, count);
    const end = `the end after ${count} of ${blockCount} records`;
    const isEnd = window.length === 0 && count < blockCount;
    log.note({
      ...explained,
      ...isEnd && { found: end },
      inContainer: false,
      offsetBytes: window.pieceBytes,
    }, 0);
  }
  return { ...found, log, count, isWhole, isContainerDamaged };
}

type FoundHeader = Parsed<DigestHeader> & Pick<DigestFindings, "isHeaderLost">;

async function headerOf(
  window: DigestWindow,
  { file, log, expected, doubtsHeader }: ExpectedHeader & { file: DamagedFile; log: FaultLog },
): Promise<FoundHeader> {
  await window.fill(MAX_HEADER_BYTES);
  try {
    const parsed = parseDigestHeader(window.rest, file.path);
    if (!doubtsHeader || expected === undefined) return { ...parsed, isHeaderLost: false };
    const hasSameEnd = isSameGeneration(parsed.header, expected);
    log.note({
      offsetBytes: 0,
      expected: headerName(expected),
      found: headerName(parsed.header),
      inContainer: false,
    }, 0);
    const headerBytes = hasSameEnd ? parsed.headerBytes : digestHeaderBytes(expected).length;
    return { header: expected, headerBytes, isHeaderLost: true };
  } catch (error) {
    if (!(error instanceof FormatError) || expected === undefined) throw error;
    const { offsetBytes = 0, expected: wanted = "a header", found = "something else" } = error.fault;
    log.note({ offsetBytes, expected: wanted, found, inContainer: false }, 0);
    return { header: expected, headerBytes: digestHeaderBytes(expected).length, isHeaderLost: true };
  }
}

function headerName({ blockCount, blockBytes, time }: DigestHeader): string {
  return `a header of ${formatTimeStamp(time)} with ${blockCount} blocks of ${blockBytes} bytes`;
}

/**
 * Reads a digest another time. Blocks whose digest is not known get 16 bytes of 255, which is not the digest
 * of any block.
 */
export class KnownDigests {
  readonly header: DigestHeader;
  readonly #known: readonly KnownBlocks[];
  readonly #core: Core;
  readonly #window: DigestWindow;
  #nextBlock = 0;
  /** The index of the first range that ends after the next block. */
  #at = 0;

  /** Allocates memory for a window from `core`. */
  constructor(core: Core, file: DamagedFile, { header, known }: DigestFindings) {
    this.header = header;
    this.#known = known;
    this.#core = core;
    this.#window = new DigestWindow(core, file, { log: new FaultLog(file.path) });
  }

  /**
   * Reads the digests of the next `count` blocks to the address `digestsPtr`, 16 bytes each.
   *
   * @throws {FormatError} if the file has changed since the survey
   */
  async take(digestsPtr: number, count: number): Promise<void> {
    for (let taken = 0; taken < count;) {
      const block = this.#nextBlock;
      while (this.#at < this.#known.length && this.#known[this.#at].end <= block) this.#at++;
      const range: KnownBlocks | undefined = this.#known[this.#at];
      const ptr = digestsPtr + taken * 16;
      let step = Math.min(count - taken, (range?.start ?? Infinity) - block);
      if (step > 0) {
        this.#core.bytes(ptr, step * 16).fill(0xff);
      } else {
        if (block === range!.start && range!.streamBytes !== FOLLOWS) {
          await this.#pass(range!.streamBytes - this.#window.offsetBytes);
        }
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
      expected: "the bytes that the survey read",
      found: "other bytes",
    });
  }
}

/** Returns whether a digest is that of a zero block: 16 zero bytes. */
export function isZeroDigest(digests: Uint8Array, at: number): boolean {
  for (let i = at; i < at + 16; i++) if (digests[i] !== 0) return false;
  return true;
}

/** Returns whether a digest is not known: 16 bytes of 255, as {@linkcode KnownDigests} sets them. */
export function isUnknown(digests: Uint8Array, at: number): boolean {
  for (let i = at; i < at + 16; i++) if (digests[i] !== 0xff) return false;
  return true;
}
