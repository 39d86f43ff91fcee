/** Both builds of the core for the tests of its kernels, and the inputs they share. */

import { type BlockRun, Core, type SlottedRun } from "../../cli/core.ts";

const DEBUG_WASM = new URL("../../build/core.debug.wasm", import.meta.url);

const BUILDS = [
  { name: "release", core: await Core.load() },
  { name: "debug", core: await Core.load({ wasm: await Deno.readFile(DEBUG_WASM) }) },
];

/** Registers a test on the release and on the debug build; what it allocates is taken back. */
export function testBuilds(name: string, run: (core: Core) => void): void {
  for (const build of BUILDS) {
    Deno.test(`${name} (${build.name})`, () => {
      const mark = build.core.mark();
      run(build.core);
      build.core.release(mark);
    });
  }
}

/** Numbers that are the same in every run: mulberry32. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** An integer from 0 to below `limit`. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor(((t ^ (t >>> 14)) >>> 0) / 2 ** 32 * limit);
  }

  fill(bytes: Uint8Array): Uint8Array {
    for (let i = 0; i < bytes.length; i++) bytes[i] = this.below(256);
    return bytes;
  }
}

/** A run of blocks with its table and slots, all absent. */
export function newRun(core: Core, shape: { count: number; blockBytes: number; first?: number }): TestRun {
  const { count, blockBytes, first = 0 } = shape;
  const tablePtr = core.alloc(count * 4);
  const slotsPtr = core.alloc(count * blockBytes);
  const table = core.words(tablePtr, count).fill(core.ABSENT);
  const blockPtr = (i: number) => slotsPtr + i * blockBytes;
  const block = (i: number) => core.bytes(blockPtr(i), blockBytes);
  return { tablePtr, slotsPtr, count, blockBytes, first, table, blockPtr, block };
}

export interface TestRun extends BlockRun, SlottedRun {
  readonly table: Uint32Array;
  /** Address of the slot of the block at position `i`. */
  blockPtr(i: number): number;
  /** The slot of the block at position `i`. */
  block(i: number): Uint8Array;
}

/** Puts random data, zeros and absences into a run. */
export function fillRun(core: Core, run: TestRun, random: Random): void {
  for (let i = 0; i < run.count; i++) {
    const kind = random.below(4);
    run.table[i] = kind === 0 ? core.ZERO : kind === 1 ? core.ABSENT : run.blockPtr(i);
    random.fill(run.block(i));
    if (run.blockBytes > 0) run.block(i)[0] |= 1;
  }
}

/** A copy of bytes outside the shared memory, for those who refuse to look into it. */
export function copyOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}
