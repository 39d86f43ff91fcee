/** An allocator whose regions can be freed in any order. */

/** A gap in the memory: an address and a length in bytes. */
interface Gap {
  ptr: number;
  lenBytes: number;
}

/**
 * Allocates regions of the memory between two addresses. It takes the lowest gap that is large enough (first
 * fit): memory that was in use before is in the processor's caches, or at least mapped, and is therefore
 * cheaper than memory that is touched for the first time.
 */
export class Regions {
  /** The free memory in ascending order. Neighbouring gaps are merged, so that no two touch. */
  readonly #gaps: Gap[];
  /** Lengths in bytes of the allocated regions, by address. */
  readonly #used = new Map<number, number>();

  /** Allocates from `beginPtr` to `endPtr`. */
  constructor(beginPtr: number, endPtr: number) {
    this.#gaps = beginPtr < endPtr ? [{ ptr: beginPtr, lenBytes: endPtr - beginPtr }] : [];
  }

  /** Number of allocated bytes. The gaps that alignment leaves between regions do not count. */
  get usedBytes(): number {
    let sum = 0;
    for (const lenBytes of this.#used.values()) sum += lenBytes;
    return sum;
  }

  /** Length of the largest gap in bytes. */
  get largestGapBytes(): number {
    return this.#gaps.reduce((largest, { lenBytes }) => Math.max(largest, lenBytes), 0);
  }

  /**
   * Allocates `lenBytes` bytes at an address that is a multiple of `alignBytes`, a power of two. A region of
   * 0 bytes occupies one, so that every region has an address of its own.
   *
   * @throws {RangeError} if no gap is large enough, or `lenBytes` is not a length
   */
  allocate(lenBytes: number, alignBytes: number): number {
    if (!Number.isSafeInteger(lenBytes) || lenBytes < 0) {
      throw new RangeError(`Cannot allocate core memory: ${lenBytes} is not a length in bytes`);
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

  /**
   * Frees the region that begins at `ptr`.
   *
   * @throws {RangeError} if no allocated region begins there
   */
  free(ptr: number): void {
    const lenBytes = this.#used.get(ptr);
    if (lenBytes === undefined) throw new RangeError(`Cannot free core memory: no region begins at ${ptr}`);
    this.#used.delete(ptr);
    const next = this.#gaps.findIndex((gap) => gap.ptr > ptr);
    const at = next < 0 ? this.#gaps.length : next;
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
