/** Hands out regions of a memory and takes them back in any order. */

/** A region of the memory: an address and a length in bytes. */
interface Region {
  ptr: number;
  lenBytes: number;
}

/**
 * The regions between two addresses. The lowest gap that is large enough is taken: memory that was in use before is in the
 * processor's caches, or at least mapped, and costs less than memory that is touched for the first time.
 */
export class Regions {
  /** What is free, ascending; no two gaps touch. */
  readonly #gaps: Region[];
  /** Lengths of the regions that are in use, by their addresses. */
  readonly #used = new Map<number, number>();

  constructor(beginPtr: number, endPtr: number) {
    this.#gaps = beginPtr < endPtr ? [{ ptr: beginPtr, lenBytes: endPtr - beginPtr }] : [];
  }

  /** Bytes that are in use, without what alignment leaves between them. */
  get usedBytes(): number {
    let sum = 0;
    for (const lenBytes of this.#used.values()) sum += lenBytes;
    return sum;
  }

  /** Bytes of the largest region that could be handed out. */
  get largestGapBytes(): number {
    return this.#gaps.reduce((largest, { lenBytes }) => Math.max(largest, lenBytes), 0);
  }

  /**
   * Hands out `lenBytes` bytes (at least one) at a multiple of `alignBytes`, a power of two.
   *
   * @throws {RangeError} if no gap is large enough, or the length is none
   */
  take(lenBytes: number, alignBytes: number): number {
    if (!Number.isSafeInteger(lenBytes) || lenBytes < 0) {
      throw new RangeError(`Cannot allocate core memory: ${lenBytes} is no length in bytes`);
    }
    const neededBytes = Math.max(1, lenBytes);
    for (const [at, gap] of this.#gaps.entries()) {
      const ptr = Math.ceil(gap.ptr / alignBytes) * alignBytes;
      const endPtr = gap.ptr + gap.lenBytes;
      if (ptr + neededBytes > endPtr) continue;
      const rest = [
        { ptr: gap.ptr, lenBytes: ptr - gap.ptr },
        { ptr: ptr + neededBytes, lenBytes: endPtr - ptr - neededBytes },
      ];
      this.#gaps.splice(at, 1, ...rest.filter(({ lenBytes }) => lenBytes > 0));
      this.#used.set(ptr, neededBytes);
      return ptr;
    }
    throw new RangeError(
      `Cannot allocate core memory: ${lenBytes} bytes are wanted, ${this.largestGapBytes} are free in one piece`,
    );
  }

  /** Takes a region back. @throws {RangeError} if it is not in use */
  giveBack(ptr: number): void {
    const lenBytes = this.#used.get(ptr);
    if (lenBytes === undefined) throw new RangeError(`Cannot free core memory: nothing begins at ${ptr}`);
    this.#used.delete(ptr);
    const behind = this.#gaps.findIndex((gap) => gap.ptr > ptr);
    const at = behind < 0 ? this.#gaps.length : behind;
    const before = this.#gaps[at - 1];
    const after = this.#gaps[at];
    const gap = { ptr, lenBytes };
    const joinsAfter = after !== undefined && ptr + lenBytes === after.ptr;
    if (joinsAfter) gap.lenBytes += after.lenBytes;
    if (before !== undefined && before.ptr + before.lenBytes === ptr) {
      before.lenBytes += gap.lenBytes;
      this.#gaps.splice(at, joinsAfter ? 1 : 0);
    } else this.#gaps.splice(at, joinsAfter ? 1 : 0, gap);
  }
}
