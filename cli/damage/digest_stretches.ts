/**
 * Which blocks the records of a damaged plain digest belong to. They have no numbers: a wrong count would prove wrong blocks.
 *
 *     header [21][21][2]  ?????????  [21][2][21]  ????  [21][21]  end of the file
 *            stretch      gap        stretch      gap   stretch
 *
 * Behind a gap the count is certain if no other one is possible: of all the ways to fill the gaps with whole records of 21 or
 * 2 bytes, exactly one has as many as the disk needs. Records beside a gap may themselves be what damage has made: `1` and a
 * zero byte is what one flipped bit leaves of the begin of any record, and bytes that were put in or left out shift an MD5.
 */

const DATA_BYTES = 21;
const ZERO_BYTES = 2;
/** Bytes put in or left out that are put up with, if next to no record is missing: more could be a zero record. */
const MAX_SHIFT_BYTES = 1;
const MAX_SHIFTED_RECORDS = 3;

/** Records in a row. */
export interface RecordStretch {
  /** Where it begins in the stream, and where the next byte stands that is no record. */
  startBytes: number;
  endBytes: number;
  records: number;
  /** The first and the last record are of zero blocks. */
  beginsZero: boolean;
  endsZero: boolean;
}

/** Blocks whose digests are there, from `start` to before `end`. */
export interface KnownBlocks {
  start: number;
  end: number;
  /** Where in the stream the record of `start` begins. */
  streamBytes: number;
  /** No other count is possible. Otherwise a digest holds only for what is found in the place of the block. */
  isCertain: boolean;
}

/**
 * Numbers the records of a plain digest.
 *
 * @param stretches at least one; the first begins behind the header, even if it has no records
 * @param given `endBytes`: of the stream
 * @returns what is known, ascending and apart, none of it empty
 */
export function numberStretches(
  stretches: readonly RecordStretch[],
  { blockCount, endBytes }: { blockCount: number; endBytes: number },
): KnownBlocks[] {
  const lenient = trimmed(stretches, { endBytes, data: false });
  const exact = numbersOf(lenient, { blockCount, endBytes });
  if (exact !== undefined) return known(stretches, { cut: lenient, numbers: exact, blockCount });
  // Bytes were put in or left out: the MD5 in front of that may be shifted.
  const strict = trimmed(stretches, { endBytes, data: true });
  return known(stretches, { cut: strict, numbers: guesses(strict, { blockCount, endBytes }), blockCount });
}

/** The number of a stretch's first record. */
interface NumberedStretch {
  start: number;
  isCertain: boolean;
}

/** Takes away the records beside gaps that damage may have made: those of zero blocks, and of `data` those in front. */
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

/** Bytes of the gap behind each stretch; the last one may have none. */
function gapsOf(stretches: readonly RecordStretch[], endBytes: number): number[] {
  return stretches.map((stretch, i) => (stretches[i + 1]?.startBytes ?? endBytes) - stretch.endBytes);
}

/** How many records the gaps have in all. */
function missingOf(stretches: readonly RecordStretch[], blockCount: number): number {
  return stretches.reduce((left, { records }) => left - records, blockCount);
}

/** Numbers by counts that fit all lengths; undefined if there are none. */
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
  // More records in the same bytes: 19 zero records more and 2 of data less are as long.
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

/** The fewest whole records that take exactly `lenBytes`; undefined if none do. */
function leastRecords(lenBytes: number): number | undefined {
  let data = Math.floor(lenBytes / DATA_BYTES);
  if ((lenBytes - data * DATA_BYTES) % ZERO_BYTES !== 0) data--;
  return data < 0 ? undefined : data + (lenBytes - data * DATA_BYTES) / ZERO_BYTES;
}

/**
 * Numbers where no count fits the lengths. One place where bytes were put in or left out explains itself; else, as where
 * the end is cut, a record may be missing anywhere without a trace.
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

/** Bytes that a gap has more or less than `records` whole records. */
function shiftOf(lenBytes: number, records: number): number {
  let least = Infinity;
  for (let data = 0; data <= records; data++) {
    least = Math.min(least, Math.abs(lenBytes - data * DATA_BYTES - (records - data) * ZERO_BYTES));
  }
  return least;
}

/** What is left of the stretches is as certain as its number; what was cut away from them is not. */
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
    // Guesses may contradict each other.
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
