/** Random disks of any size, and random changes of them. */

import type { Extent } from "../../cli/disks/disk.ts";
import type { Random } from "../../scripts/disk_image.ts";
import { equalBytes } from "./same_bytes.ts";

const SECTOR_BYTES = 512;

/**
 * Returns a size in bytes near an edge: one sector or up to three blocks, or a sector or a byte more or less.
 */
export function randomSize(random: Random, blockBytes: number): number {
  const whole = random.below(4) * blockBytes || SECTOR_BYTES;
  const steps = [0, SECTOR_BYTES, -SECTOR_BYTES, 1, -1, random.below(blockBytes)];
  return Math.max(1, whole + steps[random.below(steps.length)]);
}

/** Returns a disk of zeros, of noise, or of both. */
export function randomDisk(random: Random, sizeBytes: number): Uint8Array {
  const disk = new Uint8Array(sizeBytes);
  const kind = random.below(4);
  if (kind === 1) random.fill(disk);
  else if (kind > 1) { for (let i = 0; i < 1 + random.below(6); i++) overwrite(disk, random); }
  return disk;
}

const CHANGES: ((disk: Uint8Array, random: Random) => void)[] = [
  () => {},
  (disk) => void disk.fill(0),
  (disk) => void disk[0]++,
  (disk) => void disk[disk.length - 1]++,
  (disk, random) => void disk[random.below(disk.length)]++,
  overwrite,
  (disk, random) => stretchOf(disk, random).fill(0),
  (disk, random) => void random.fill(disk),
  (disk, random) => {
    for (let i = 0; i < 4; i++) overwrite(disk, random);
  },
];

/** Returns a changed copy of a disk; some changes change nothing. */
export function changed(old: Uint8Array, random: Random): Uint8Array {
  const disk = old.slice();
  CHANGES[random.below(CHANGES.length)](disk, random);
  return disk;
}

/**
 * Returns extents as a file system would report them, with clusters of a random size: clusters of zeros are
 * holes, but a few of them are data.
 */
export function randomExtents(disk: Uint8Array, random: Random): Extent[] {
  const clusterBytes = [100, SECTOR_BYTES, 4096, 65536][random.below(4)];
  const extents: Extent[] = [];
  for (let start = 0; start < disk.length; start += clusterBytes) {
    const endBytes = Math.min(start + clusterBytes, disk.length);
    const zero = isZero(disk.subarray(start, endBytes)) && random.below(8) > 0;
    const last = extents.at(-1);
    if (last?.zero === zero) last.endBytes = endBytes;
    else extents.push({ endBytes, zero });
  }
  return extents;
}

function overwrite(disk: Uint8Array, random: Random): void {
  random.fill(stretchOf(disk, random));
}

function stretchOf(disk: Uint8Array, random: Random): Uint8Array {
  const start = random.below(disk.length);
  return disk.subarray(start, start + 1 + random.below(Math.min(disk.length, 100_000)));
}

const ZEROS = new Uint8Array(65536);

function isZero(bytes: Uint8Array): boolean {
  return equalBytes(bytes, ZEROS.subarray(0, bytes.length));
}
