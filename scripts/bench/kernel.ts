/** The MD5 kernel in comparison with other implementations of MD5, on one core. */

import { createHash } from "node:crypto";
import { createMD5 } from "hash-wasm";
import { Core } from "../../cli/core.ts";
import { median } from "./statistics.ts";

const MIB = 1024 * 1024;
const BLOCK_COUNT = 24;
/** MiB that are hashed for each sample. */
const HASHED_MIB = 240;

/** The speed of one implementation of MD5. */
export interface KernelFigure {
  /** Name of the implementation. */
  name: string;
  /** Seconds for `HASHED_MIB`, one for each round. */
  samples: number[];
  /** Speed of the median. */
  mibPerSecond: number;
}

/** Hashes blocks of 1 MiB with each implementation, in `rounds` rounds. The first figure is the core's. */
export async function benchKernel(rounds: number): Promise<KernelFigure[]> {
  const core = await Core.load();
  const hashWasm = await createMD5();
  const blocksPtr = core.alloc(BLOCK_COUNT * MIB);
  const tablePtr = core.alloc(BLOCK_COUNT * 4);
  const digestsPtr = core.alloc(BLOCK_COUNT * 16);
  // The blocks are copied out of shared memory, because the other implementations refuse views of it.
  const blocks = new Uint8Array(BLOCK_COUNT * MIB);
  for (let at = 0; at < blocks.length; at += 65536) crypto.getRandomValues(blocks.subarray(at, at + 65536));
  core.bytes(blocksPtr, blocks.length).set(blocks);
  core.words(tablePtr, BLOCK_COUNT).set(
    Uint32Array.from({ length: BLOCK_COUNT }, (_, i) => blocksPtr + i * MIB),
  );

  const eachBlock = (hash: (block: Uint8Array) => unknown) => () => {
    for (let i = 0; i < BLOCK_COUNT; i++) hash(blocks.subarray(i * MIB, (i + 1) * MIB));
  };
  const candidates: { name: string; hash: () => unknown; samples: number[] }[] = [
    { name: "core", hash: () => core.md5Blocks(tablePtr, BLOCK_COUNT, MIB, digestsPtr), samples: [] },
    {
      name: "node:crypto",
      hash: eachBlock((block) => createHash("md5").update(block).digest()),
      samples: [],
    },
    { name: "hash-wasm", hash: eachBlock((block) => hashWasm.init().update(block).digest()), samples: [] },
  ];
  for (let round = 0; round <= rounds; round++) {
    for (const { hash, samples } of candidates) {
      const start = performance.now();
      for (let mib = 0; mib < HASHED_MIB; mib += BLOCK_COUNT) hash();
      // The first round only warms up.
      if (round > 0) samples.push((performance.now() - start) / 1000);
    }
  }
  return candidates.map(({ name, samples }) => ({
    name,
    samples,
    mibPerSecond: HASHED_MIB / median(samples),
  }));
}
