/**
 * Estimates where the data of a disk lies. With it, progress counts the bytes that take time to read, and not
 * the holes.
 */

import type { Bitmap } from "../archive/bitmap.ts";
import type { ReadableDisk } from "../disks/disk.ts";

/** The number of equal parts into which a disk is divided. */
const PARTS = 1024;

/** The distribution of data over a disk. */
export class DataSpread {
  readonly #partBytes: number;
  /** The bytes of data before each part, and after these the total. */
  readonly #before: Float64Array;

  /**
   * @param data the bytes of data in each part
   * @param partBytes the size of a part
   */
  constructor(data: Float64Array, partBytes: number) {
    this.#partBytes = partBytes;
    this.#before = new Float64Array(data.length + 1);
    for (let i = 0; i < data.length; i++) this.#before[i + 1] = this.#before[i] + data[i];
  }

  get totalBytes(): number {
    return this.#before[this.#before.length - 1];
  }

  /** Returns the bytes of data before `offsetBytes`. The data of a part counts as evenly spread within it. */
  bytesBefore(offsetBytes: number): number {
    const at = Math.min(offsetBytes / this.#partBytes, this.#before.length - 1);
    const part = Math.floor(at);
    const before = this.#before[part];
    return at === part ? before : before + (at - part) * (this.#before[part + 1] - before);
  }
}

/** The part of a disk that will be read, and the time limit of the survey. */
export interface SurveyRange {
  /** Bytes before this offset will not be read. */
  startBytes?: number;
  /** Only these blocks will be read. Without it, all blocks are. */
  changed?: { blocks: Bitmap; blockBytes: number };
  /**
   * Returns whether there is time to ask for one more extent. The data of the rest is estimated from the
   * extents before it.
   */
  goesOn: () => boolean;
}

/** Asks a disk for its extents in ascending order. Returns the distribution of the data that will be read. */
export async function surveyData(
  disk: Pick<ReadableDisk, "capacityBytes" | "extentAt">,
  { startBytes = 0, changed, goesOn }: SurveyRange,
): Promise<DataSpread> {
  const { capacityBytes } = disk;
  const partBytes = Math.ceil(capacityBytes / PARTS);
  const data = new Float64Array(Math.ceil(capacityBytes / partBytes));
  let seenBytes = 0;
  let dataBytes = 0;
  for (const run of runsToRead(capacityBytes, { startBytes, changed })) {
    for (let at = run.startBytes; at < run.endBytes;) {
      if (!goesOn()) {
        // Without any extent, all of the disk may be data.
        const share = seenBytes === 0 ? 1 : dataBytes / seenBytes;
        spread(data, { startBytes: at, endBytes: run.endBytes, partBytes, share });
        break;
      }
      const extent = await disk.extentAt(at);
      const endBytes = Math.min(extent.endBytes, run.endBytes);
      if (!extent.zero) {
        dataBytes += endBytes - at;
        spread(data, { startBytes: at, endBytes, partBytes, share: 1 });
      }
      seenBytes += endBytes - at;
      at = endBytes;
    }
  }
  return new DataSpread(data, partBytes);
}

function* runsToRead(
  capacityBytes: number,
  { startBytes, changed }: { startBytes: number; changed?: SurveyRange["changed"] },
): Generator<{ startBytes: number; endBytes: number }> {
  if (changed === undefined) return yield { startBytes, endBytes: capacityBytes };
  const { blocks, blockBytes } = changed;
  const { bitCount } = blocks;
  for (let block = blocks.next(0, bitCount, true); block < bitCount;) {
    const end = blocks.next(block, bitCount, false);
    yield {
      startBytes: Math.max(startBytes, block * blockBytes),
      endBytes: Math.min(capacityBytes, end * blockBytes),
    };
    block = blocks.next(end, bitCount, true);
  }
}

/** Adds a share of the bytes from `startBytes` to `endBytes` to the parts in which they lie. */
function spread(
  data: Float64Array,
  { startBytes, endBytes, partBytes, share }: {
    startBytes: number;
    endBytes: number;
    partBytes: number;
    share: number;
  },
): void {
  for (let at = startBytes; at < endBytes;) {
    const part = Math.floor(at / partBytes);
    const end = Math.min(endBytes, (part + 1) * partBytes);
    data[part] += (end - at) * share;
    at = end;
  }
}
