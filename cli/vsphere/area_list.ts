/** Areas of a disk in a list of bounded length. */

/** A stretch of a disk. */
export interface Area {
  startBytes: number;
  endBytes: number;
}

const INITIAL_AREAS = 1024;
/** 16 MiB of memory. */
const MAX_AREAS = 1024 * 1024;

/**
 * Areas in any order, overlapping or not, become a list without overlaps in order. If there are too many, the
 * nearest neighbours become one area with what lies between them: the list may say more than was added, never
 * less.
 */
export class AreaList {
  readonly #maxAreas: number;
  /** Start and end of each area in turn. */
  #bounds = new Float64Array(2 * INITIAL_AREAS);
  #count = 0;
  #isSorted = true;
  /** Neighbours with no more between them become one. */
  #gapBytes = 0;

  /** @param options `maxAreas` is for tests */
  constructor({ maxAreas = MAX_AREAS }: { maxAreas?: number } = {}) {
    this.#maxAreas = maxAreas;
  }

  /** Adds an area; an empty one is nothing. */
  add({ startBytes, endBytes }: Area): void {
    if (endBytes <= startBytes || this.#extendLast(startBytes, endBytes)) return;
    if (this.#count === this.#maxAreas) {
      this.#condense();
      if (this.#extendLast(startBytes, endBytes)) return;
    }
    if (2 * this.#count === this.#bounds.length) this.#grow();
    if (this.#count > 0 && startBytes < this.#at(this.#count - 1).startBytes) this.#isSorted = false;
    this.#bounds[2 * this.#count] = startBytes;
    this.#bounds[2 * this.#count + 1] = endBytes;
    this.#count++;
  }

  /** Servers tell areas in order: most touch the last one or lie behind it. */
  #extendLast(startBytes: number, endBytes: number): boolean {
    if (this.#count === 0) return false;
    const last = this.#at(this.#count - 1);
    if (startBytes < last.startBytes || startBytes > last.endBytes + this.#gapBytes) return false;
    this.#bounds[2 * this.#count - 1] = Math.max(last.endBytes, endBytes);
    return true;
  }

  /** The areas in order; none touches the next. */
  *[Symbol.iterator](): Generator<Area> {
    this.#settle();
    for (let i = 0; i < this.#count; i++) yield this.#at(i);
  }

  /** The number of areas. */
  get count(): number {
    this.#settle();
    return this.#count;
  }

  /** Bytes in all areas together. */
  get totalBytes(): number {
    let total = 0;
    for (const { startBytes, endBytes } of this) total += endBytes - startBytes;
    return total;
  }

  /** The first area that ends behind `offsetBytes`. */
  areaFrom(offsetBytes: number): Area | undefined {
    this.#settle();
    let [low, high] = [0, this.#count];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#bounds[2 * middle + 1] <= offsetBytes) low = middle + 1;
      else high = middle;
    }
    return low < this.#count ? this.#at(low) : undefined;
  }

  #at(i: number): Area {
    return { startBytes: this.#bounds[2 * i], endBytes: this.#bounds[2 * i + 1] };
  }

  #grow(): void {
    const grown = new Float64Array(2 * this.#bounds.length);
    grown.set(this.#bounds);
    this.#bounds = grown;
  }

  /** Makes room: at least half of the areas go. */
  #condense(): void {
    this.#settle();
    while (2 * this.#count > this.#maxAreas) {
      this.#gapBytes = Math.max(512, 2 * this.#gapBytes);
      this.#merge();
    }
  }

  #settle(): void {
    if (this.#isSorted) return;
    const sorted = Array.from({ length: this.#count }, (_, i) => this.#at(i))
      .sort((a, b) => a.startBytes - b.startBytes);
    sorted.forEach(({ startBytes, endBytes }, i) => {
      this.#bounds[2 * i] = startBytes;
      this.#bounds[2 * i + 1] = endBytes;
    });
    this.#isSorted = true;
    this.#merge();
  }

  #merge(): void {
    const bounds = this.#bounds;
    let kept = 0;
    for (let i = 0; i < this.#count; i++) {
      const { startBytes, endBytes } = this.#at(i);
      const last = 2 * (kept - 1);
      if (kept > 0 && startBytes <= bounds[last + 1] + this.#gapBytes) {
        bounds[last + 1] = Math.max(bounds[last + 1], endBytes);
      } else {
        bounds[2 * kept] = startBytes;
        bounds[2 * kept + 1] = endBytes;
        kept++;
      }
    }
    this.#count = kept;
  }
}
