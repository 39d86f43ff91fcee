/** The map of a disk's allocated parts, which the host gives window by window. */

import type { Extent } from "../../disks/disk.ts";
import { ServerError } from "../../errors.ts";
import { MAX_CHUNKS } from "./open_disk.ts";

/** The finest that was tried with hosts. */
export const CHUNK_BYTES = 64 * 1024;

/** The part of the disk that one question covers: 1 GiB. */
const WINDOW_BYTES = MAX_CHUNKS * CHUNK_BYTES;

/** Chunks of a window that are said to be empty and are read all the same. */
const SAMPLES = 2;

/** The calls that a map is made with. */
export interface AllocationSource {
  path: string;
  capacityBytes: number;
  /** Asks the host: one bit for each chunk, the lowest of a byte first. Undefined if it does not tell. */
  ask: (window: { startBytes: number; chunkCount: number }) => Promise<Uint8Array | undefined>;
  /** Reads a chunk, to see whether it is zeros as was said. */
  read: (into: Uint8Array, offsetBytes: number) => Promise<void>;
  /** From 0 to below 1. */
  random: () => number;
  /** Gets why all is read from now on. */
  onDoubt: (reason: string) => void;
}

/** A part of the disk and its bits; without bits, all of it is allocated. */
interface Window {
  startBytes: number;
  endBytes: number;
  bits?: Uint8Array;
}

/**
 * The map of a disk.
 *
 * It is not known for certain whether hosts tell of the whole chain of a delta or of its last link. What they
 * call empty is therefore sampled: one byte that is not zero, and the map is not believed.
 */
export class AllocationMap {
  readonly #source: AllocationSource;
  #window: Promise<Window> = Promise.resolve({ startBytes: 0, endBytes: 0 });
  #isBelieved = true;
  /** Something was called a hole already. */
  #wasUsed = false;

  constructor(source: AllocationSource) {
    this.#source = source;
  }

  /**
   * The stretch that begins at `offsetBytes`.
   *
   * @throws {ServerError} if the map turns out to be wrong after some of it was used
   */
  async extentAt(offsetBytes: number): Promise<Extent> {
    // Several may ask at a time, of windows that lie side by side.
    let window = await this.#window;
    while (offsetBytes < window.startBytes || offsetBytes >= window.endBytes) {
      const asked = this.#windowAt(offsetBytes);
      this.#window = asked;
      window = await asked;
    }
    const extent = extentIn(window, offsetBytes);
    this.#wasUsed ||= extent.zero;
    return extent;
  }

  async #windowAt(offsetBytes: number): Promise<Window> {
    const { capacityBytes, ask } = this.#source;
    const startBytes = offsetBytes - offsetBytes % CHUNK_BYTES;
    // Only whole chunks can be asked for: what is left at the end of the disk counts as allocated.
    const chunkCount = Math.floor(Math.min(WINDOW_BYTES, capacityBytes - startBytes) / CHUNK_BYTES);
    const all = { startBytes, endBytes: capacityBytes };
    if (!this.#isBelieved || chunkCount === 0) return all;
    const bits = await ask({ startBytes, chunkCount });
    if (bits === undefined) {
      this.#isBelieved = false;
      return all;
    }
    const window = { startBytes, endBytes: startBytes + chunkCount * CHUNK_BYTES, bits };
    return await this.#isRight(window, chunkCount) ? window : all;
  }

  /** Reads some of what is said to be empty. */
  async #isRight({ startBytes, bits }: Required<Window>, chunkCount: number): Promise<boolean> {
    const samples = Array.from({ length: SAMPLES }, async () => {
      const chunk = emptyChunkFrom(bits, Math.floor(this.#source.random() * chunkCount), chunkCount);
      if (chunk === undefined) return undefined;
      const offsetBytes = startBytes + chunk * CHUNK_BYTES;
      const into = new Uint8Array(CHUNK_BYTES);
      await this.#source.read(into, offsetBytes);
      return into.some((byte) => byte !== 0) ? offsetBytes : undefined;
    });
    const wrong = (await Promise.all(samples)).find((offsetBytes) => offsetBytes !== undefined);
    if (wrong === undefined) return true;
    const reason = `byte ${wrong} is said to be unallocated and has content`;
    if (this.#wasUsed) {
      throw new ServerError(
        `Cannot read disk "${this.#source.path}": the server's map of allocated blocks is wrong: ${reason}; ` +
          "read it again without the map",
      );
    }
    this.#isBelieved = false;
    this.#source.onDoubt(reason);
    return false;
  }
}

function isSet(bits: Uint8Array, chunk: number): boolean {
  return (bits[chunk >> 3] & (1 << (chunk & 7))) !== 0;
}

/** The first empty chunk from `first` on, from the start again behind the last. */
function emptyChunkFrom(bits: Uint8Array, first: number, chunkCount: number): number | undefined {
  for (let i = 0; i < chunkCount; i++) {
    const chunk = (first + i) % chunkCount;
    if (!isSet(bits, chunk)) return chunk;
  }
  return undefined;
}

/** The stretch that begins at `offsetBytes` of the window. */
function extentIn({ startBytes, endBytes, bits }: Window, offsetBytes: number): Extent {
  if (bits === undefined) return { endBytes, zero: false };
  const chunkCount = (endBytes - startBytes) / CHUNK_BYTES;
  const first = Math.floor((offsetBytes - startBytes) / CHUNK_BYTES);
  const isAllocated = isSet(bits, first);
  let end = first + 1;
  while (end < chunkCount && isSet(bits, end) === isAllocated) end++;
  return { endBytes: startBytes + end * CHUNK_BYTES, zero: !isAllocated };
}
