/**
 * Assigns block numbers to the records of a damaged plain digest. The records have no numbers, and a wrong
 * count would assign digests to the wrong blocks.
 *
 *     header [21][21][2]  ?????????  [21][2][21]  ????  [21][21]  end of the file
 *            stretch      gap        stretch      gap   stretch
 *
 * A stretch is a sequence of valid records, and a gap is damage between two of them. The number of a stretch
 * is certain if only one is possible: of all ways to fill the gaps with whole records of 21 or 2 bytes,
 * exactly one gives as many records as the disk has blocks. Records next to a gap may be a product of the
 * damage: one flipped bit turns the beginning of any record to the record of a zero block (`1` and a zero
 * byte), and inserted or deleted bytes shift an MD5.
 */

const DATA_BYTES = 21;
const ZERO_BYTES = 2;
/**
 * The most bytes that may have been inserted or deleted at a place whose numbering is still certain, and the
 * most records that may be missing there. More bytes could be the record of a zero block.
 */
const MAX_SHIFT_BYTES = 1;
const MAX_SHIFTED_RECORDS = 3;

/** A sequence of valid records. */
export interface RecordStretch {
  /** The offsets in the stream of its first byte and of the first byte after it. */
  startBytes: number;
  endBytes: number;
  records: number;
  /** True if the first record, or the last one, is of a zero block. */
  beginsZero: boolean;
  endsZero: boolean;
}

/** Blocks from `start` to before `end` whose digests are known. */
export interface KnownBlocks {
  start: number;
  end: number;
  /** The offset in the stream of the record of block `start`. */
  streamBytes: number;
  /**
   * True if no other numbering is possible. Otherwise a digest proves only a block that is found at its own
   * place in an archive.
   */
  isCertain: boolean;
}

/**
 * Assigns block numbers to the records of a plain digest.
 *
 * @param stretches at least one; the first begins after the header, even if it has no records
 * @param options.endBytes the length of the stream
 * @returns the known digests as ascending ranges that do not overlap; none is empty
 */
export function numberStretches(
  stretches: readonly RecordStretch[],
  { blockCount, endBytes }: { blockCount: number; endBytes: number },
): KnownBlocks[] {
  const lenient = trimmed(stretches, { endBytes, data: false });
  const exact = numbersOf(lenient, { blockCount, endBytes });
  if (exact !== undefined) return known(stretches, { cut: lenient, numbers: exact, blockCount });
  // Bytes were inserted or deleted, so the last MD5 before a gap may be shifted.
  const strict = trimmed(stretches, { endBytes, data: true });
  return known(stretches, { cut: strict, numbers: guesses(strict, { blockCount, endBytes }), blockCount });
}

/** The block number of the first record of a stretch. */
interface NumberedStretch {
  start: number;
  isCertain: boolean;
}

/**
 * Removes records next to gaps that may be a product of damage: records of zero blocks on both sides, and
 * with `data` also the last data record before a gap.
 */
function trimmed(
  stretches: readonly RecordStretch[],
  { endBytes, data }: { endBytes: number; data: boolean },
): RecordStretch[] {
  return stretches.map((stretch, i) => {
    const cut = { ...stretch };
    if (i > 0 && cut.beginsZero && cut.records > 0) {
      cut.startBytes += ZERO_BYTES;
      cut.records--;
    }
    const isBeforeGap = i < stretches.length - 1 || stretch.endBytes < endBytes;
    if (isBeforeGap && cut.records > 0 && (cut.endsZero || data)) {
      cut.endBytes -= cut.endsZero ? ZERO_BYTES : DATA_BYTES;
      cut.records--;
    }
    return cut;
  });
}

/**
 * Returns the number of bytes of the gap after each stretch. It is 0 if the last stretch ends with the
 * stream.
 */
function gapsOf(stretches: readonly RecordStretch[], endBytes: number): number[] {
  return stretches.map((stretch, i) => (stretches[i + 1]?.startBytes ?? endBytes) - stretch.endBytes);
}

/** Returns the number of records that all gaps together have lost. */
function missingOf(stretches: readonly RecordStretch[], blockCount: number): number {
  return stretches.reduce((left, { records }) => left - records, blockCount);
}

/** Numbers the stretches so that the lengths of all gaps fit. Returns undefined if no numbering fits. */
function numbersOf(
  stretches: readonly RecordStretch[],
  { blockCount, endBytes }: { blockCount: number; endBytes: number },
): NumberedStretch[] | undefined {
  const gaps = gapsOf(stretches, endBytes);
  const missing = missingOf(stretches, blockCount);
  const least = gaps.map(leastRecords);
  let spare = missing;
  for (const records of least) {
    if (records === undefined) return undefined;
    spare -= records;
  }
  // The same bytes can hold more records: 21 zero records take as many bytes as 2 data records, which is 19
  // records more.
  const others = DATA_BYTES - ZERO_BYTES;
  const room = gaps.map((lenBytes, i) => Math.floor((lenBytes / ZERO_BYTES - least[i]!) / others));
  const roomInAll = room.reduce((sum, steps) => sum + steps, 0);
  if (spare < 0 || spare % others !== 0 || spare / others > roomInAll) return undefined;
  const isUnique = spare === 0 || room.filter((steps) => steps > 0).length === 1;
  let start = 0;
  return stretches.map(({ records }, i) => {
    const isAtEnd = i === stretches.length - 1 && gaps[i] === 0;
    const numbered = isAtEnd && i > 0
      ? { start: blockCount - records, isCertain: true }
      : { start, isCertain: i === 0 || isUnique };
    const extra = isUnique && room[i] > 0 ? spare : 0;
    start += records + least[i]! + extra;
    return numbered;
  });
}

/** Returns the fewest whole records that take exactly `lenBytes`; undefined if there are none. */
function leastRecords(lenBytes: number): number | undefined {
  let data = Math.floor(lenBytes / DATA_BYTES);
  if ((lenBytes - data * DATA_BYTES) % ZERO_BYTES !== 0) data--;
  return data < 0 ? undefined : data + (lenBytes - data * DATA_BYTES) / ZERO_BYTES;
}

/**
 * Guesses the numbers if none fits the lengths. A single place where bytes were inserted or deleted leaves no
 * doubt. In other cases, for example if the end is cut off, records may be missing anywhere.
 */
function guesses(
  stretches: readonly RecordStretch[],
  { blockCount, endBytes }: { blockCount: number; endBytes: number },
): NumberedStretch[] {
  const gaps = gapsOf(stretches, endBytes);
  const missing = missingOf(stretches, blockCount);
  const last = stretches.length - 1;
  const isOneShift = last === 1 && gaps[1] === 0 && missing >= 0 && missing <= MAX_SHIFTED_RECORDS &&
    shiftOf(gaps[0], missing) <= MAX_SHIFT_BYTES;
  let start = 0;
  return stretches.map(({ records }, i) => {
    const numbered = i === last && last > 0 && gaps[last] === 0
      ? { start: blockCount - records, isCertain: isOneShift }
      : { start, isCertain: i === 0 && isOneShift };
    start += records + Math.round(gaps[i] / DATA_BYTES);
    return numbered;
  });
}

/** Returns by how many bytes the length of a gap differs from `records` whole records. */
function shiftOf(lenBytes: number, records: number): number {
  let least = Infinity;
  for (let data = 0; data <= records; data++) {
    least = Math.min(least, Math.abs(lenBytes - data * DATA_BYTES - (records - data) * ZERO_BYTES));
  }
  return least;
}

/**
 * Returns the ranges of known digests. The rest of a stretch is as certain as its number; the records that
 * were removed from it are not certain.
 */
function known(
  stretches: readonly RecordStretch[],
  { cut, numbers, blockCount }: {
    cut: readonly RecordStretch[];
    numbers: readonly NumberedStretch[];
    blockCount: number;
  },
): KnownBlocks[] {
  const ranges: KnownBlocks[] = [];
  const add = (range: KnownBlocks, records: number) => {
    const { start } = range;
    range.end = Math.min(blockCount, start + records);
    // Guessed ranges may overlap. The earlier one counts.
    if (start >= (ranges.at(-1)?.end ?? 0) && range.end > start) ranges.push(range);
  };
  for (const [i, whole] of stretches.entries()) {
    const { startBytes, endBytes, records } = cut[i];
    const { start, isCertain } = numbers[i];
    const before = startBytes > whole.startBytes ? 1 : 0;
    add({ start: start - before, end: 0, streamBytes: whole.startBytes, isCertain: false }, before);
    add({ start, end: 0, streamBytes: startBytes, isCertain }, records);
    const behind = whole.records - records - before;
    add({ start: start + records, end: 0, streamBytes: endBytes, isCertain: false }, behind);
  }
  return ranges;
}
