/** Drawn damage: what is done to the bytes of a file, and which of them it touches. */

import { seeded } from "../disks/helpers.ts";
import { type Archive, type Block, concat, dump, rdiff } from "../refusals/material.ts";
import { noise } from "../disks/helpers.ts";

/** Bytes from `start` to before `end` of the intact file are gone or wrong. */
export interface Touched {
  start: number;
  end: number;
}

/** A file after an accident. */
export interface Damaged extends Touched {
  kind: string;
  bytes: Uint8Array;
}

export const DAMAGE_KINDS = ["flip", "zero sector", "rubbish", "insert", "remove", "cut"] as const;

/** One accident. */
export function drawDamage(bytes: Uint8Array, kind: (typeof DAMAGE_KINDS)[number], seed: number): Damaged {
  const random = seeded(seed);
  const at = random(bytes.length);
  const behind = (lenBytes: number) => Math.min(bytes.length, at + lenBytes);
  const replaced = (end: number, by: Uint8Array): Damaged => ({
    kind,
    start: at,
    end,
    bytes: concat(bytes.subarray(0, at), by, bytes.subarray(end)),
  });
  switch (kind) {
    case "flip":
      return replaced(at + 1, Uint8Array.of(bytes[at] ^ (1 << random(8))));
    case "zero sector": {
      const start = at - at % 4096;
      const end = Math.min(bytes.length, start + 4096);
      return { kind, start, end, bytes: bytes.slice().fill(0, start, end) };
    }
    case "rubbish": {
      const end = behind(1 + random(3000));
      return replaced(end, noise(end - at, seed));
    }
    case "insert":
      return replaced(at, noise(1 + random(3000), seed));
    case "remove":
      return replaced(behind(1 + random(3000)), new Uint8Array(0));
    case "cut":
      return replaced(bytes.length, new Uint8Array(0));
  }
}

/** An archive, its records and what they hold. */
export interface DrawnArchive {
  path: string;
  blockBytes: number;
  /** Blocks of the disk; undefined for zeros. */
  disk: Block[];
  full: boolean;
  bytes: Uint8Array;
  /** For each record, its block and its place. */
  records: ({ block: number } & Touched)[];
}

/**
 * A dump or rdiff of blocks of all kinds: noise, zeros, digits, and pieces of archives of the same block size, whose records
 * have the numbers of this one's.
 */
export function drawArchive(
  { seed, blockBytes, blockCount, full }: {
    seed: number;
    blockBytes: number;
    blockCount: number;
    full: boolean;
  },
): DrawnArchive {
  const random = seeded(seed);
  const inner = concat(...dump({
    second: 1,
    blockBytes,
    blocks: Array.from({ length: blockCount }, (_, i) => i % 40 < 30 ? undefined : noise(blockBytes, i)),
  }));
  const disk = Array.from({ length: blockCount }, (_, i): Block => {
    switch (random(5)) {
      case 0:
        return undefined;
      case 1:
        return noise(blockBytes, seed + i);
      case 2:
        return Uint8Array.from({ length: blockBytes }, (_, at) => at % 3 === 2 ? 0 : 0x30 + random(10));
      default: {
        const from = random(Math.max(1, inner.length - blockBytes));
        return new Uint8Array(blockBytes).map((_, at) => inner[from + at] ?? 1);
      }
    }
  });
  const archive: Archive = { second: 1, blockBytes, blocks: disk };
  const newer: Archive = {
    second: 2,
    blockBytes,
    blocks: disk.map((block) => random(3) === 0 ? block : noise(blockBytes, 1)),
  };
  const parts = full ? dump(archive) : rdiff(archive, newer);
  const blocks = disk.flatMap((block, i) => full || block !== newer.blocks[i] ? [i] : []);
  let at = parts[0].length;
  const records = parts.slice(1).map((part, i) => {
    const start = at;
    at += part.length;
    return { block: blocks[i], start, end: at };
  });
  return {
    path: full ? "drawn.dump" : "drawn.rdiff",
    blockBytes,
    disk,
    full,
    bytes: concat(...parts),
    records,
  };
}
