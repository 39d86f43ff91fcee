/** A seal without archives, for tests. */

import { type Seal, sealBytes } from "../../cli/archive/seal.ts";

/** Returns the bytes of a seal. `changes` replace some of its values. */
export async function madeSeal(changes: Partial<Seal> = {}): Promise<Uint8Array<ArrayBuffer>> {
  return await sealBytes({
    program: "vmdkbkp 2.0.0",
    series: "0123456789abcdef0123456789abcdef",
    time: "2026-07-15 12:00:00",
    root: "ab".repeat(32),
    capacityBytes: 1024,
    blockBytes: 512,
    blockCount: 2,
    mode: { asked: "full", done: "full" },
    source: {},
    files: [{
      role: "dump",
      name: "mon.dump",
      bytes: 700,
      sha256: "cd".repeat(32),
      dataRecords: 1,
      zeroRecords: 1,
    }],
    ...changes,
  });
}
