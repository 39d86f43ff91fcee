/**
 * The release build and the debug build of the core for the tests of its kernels, and inputs for these tests.
 */

import { type BlockRun, Core, type SlottedRun } from "../../cli/core.ts";
import type { Random } from "../../scripts/disk_image.ts";

const DEBUG_WASM = new URL("../../build/core.debug.wasm", import.meta.url);

const BUILDS = [
  { name: "release", core: await Core.load() },
  { name: "debug", core: await Core.load({ wasm: await Deno.readFile(DEBUG_WASM) }) },
];

/** Registers a test for the release and one for the debug build, and frees what the test allocated. */
export function testBuilds(name: string, run: (core: Core) => void): void {
  for (const build of BUILDS) {
    Deno.test(`${name} (${build.name})`, () => {
      using core = build.core.scope();
      run(core);
    });
  }
}

/** Allocates a run of blocks with a table and slots. All its blocks are absent. */
export function newRun(core: Core, shape: { count: number; blockBytes: number; first?: number }): TestRun {
  const { count, blockBytes, first = 0 } = shape;
  const tablePtr = core.alloc(count * 4);
  const slotsPtr = core.alloc(count * blockBytes);
  const table = core.words(tablePtr, count).fill(core.ABSENT);
  const blockPtr = (i: number) => slotsPtr + i * blockBytes;
  const block = (i: number) => core.bytes(blockPtr(i), blockBytes);
  return { tablePtr, slotsPtr, count, blockBytes, first, table, blockPtr, block };
}

/** A run of blocks in the core's memory, and views of it. */
export interface TestRun extends BlockRun, SlottedRun {
  /** The table, one entry for each block. */
  readonly table: Uint32Array;
  /** Returns the address of the slot of the block at position `i`. */
  blockPtr(i: number): number;
  /** Returns the slot of the block at position `i`. */
  block(i: number): Uint8Array;
}

/** Makes each block of a run a data block (which is not zero), a zero block or an absent one, at random. */
export function fillRun(core: Core, run: TestRun, random: Random): void {
  for (let i = 0; i < run.count; i++) {
    const kind = random.below(4);
    run.table[i] = kind === 0 ? core.ZERO : kind === 1 ? core.ABSENT : run.blockPtr(i);
    random.fill(run.block(i));
    if (run.blockBytes > 0) run.block(i)[0] |= 1;
  }
}

/** Copies bytes into the core's memory and returns their address. */
export function store(core: Core, bytes: Uint8Array): number {
  const ptr = core.alloc(bytes.length);
  core.bytes(ptr, bytes.length).set(bytes);
  return ptr;
}

/** Returns a copy of bytes outside shared memory, for functions that refuse views of shared memory. */
export function copyOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}
