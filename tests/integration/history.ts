/** Random histories: a disk in several generations, and the archives that the pipeline makes of each. */

import { Bitmap } from "../../cli/archive/bitmap.ts";
import type { DumpHeader } from "../../cli/archive/header.ts";
import { laterStamp, timeStampOf } from "../../cli/archive/time_stamp.ts";
import type { Core } from "../../cli/core.ts";
import { dumpChanged, dumpFull } from "../../cli/pipeline/dump.ts";
import type { Random } from "../../scripts/disk_image.ts";
import { openDigest, openDump } from "../pipeline/drawn_archives.ts";
import { MemoryDisk } from "../pipeline/memory_disk.ts";
import { MemoryFile } from "../pipeline/memory_file.ts";
import { changed, randomDisk, randomExtents, randomSize } from "./random_disk.ts";

/** The mode in which a generation was dumped. */
export type Mode = "full" | "diff" | "incr";

/** A generation of a disk, and its archives. */
export interface Generation {
  /** The mode of the dump. */
  mode: Mode;
  /** The bytes of the disk. */
  disk: Uint8Array;
  /** The header of the dump. */
  header: DumpHeader;
  /** The dump. */
  dump: MemoryFile;
  /** The digest. */
  digest: MemoryFile;
  /** The rdiff that leads back to the generation before; undefined after a full dump. */
  rdiff?: MemoryFile;
}

/** Fixed properties of a history. Those that are not given are random. */
export interface HistoryOptions {
  /** Bytes of a block. */
  blockBytes?: number;
  /** Bytes of the disk. */
  sizeBytes?: number;
  /** Number of generations; at random 3 to 8. */
  generations?: number;
}

/**
 * Makes a random disk and dumps it, then changes and dumps it again and again. The oldest generation is
 * first.
 */
export async function makeHistory(
  core: Core,
  random: Random,
  {
    blockBytes = [512, 4096, 65536][random.below(3)],
    sizeBytes = randomSize(random, blockBytes),
    generations: count = 3 + random.below(6),
  }: HistoryOptions = {},
): Promise<Generation[]> {
  let disk = randomDisk(random, sizeBytes);
  const header = firstHeader(disk, { blockBytes, random });
  const generations = [await dumpAs(core, { mode: "full", disk, header, random })];
  while (generations.length < count) {
    const previous = generations[generations.length - 1];
    disk = changed(disk, random);
    const mode = random.below(2) === 0 ? "diff" : "incr";
    generations.push(
      await dumpAs(core, { mode, disk, header: nextHeader(previous.header, random), previous, random }),
    );
  }
  return generations;
}

/**
 * Dumps a disk in one of the three modes. `diff` and `incr` need the generation before. The bitmap of `incr`
 * has the bits of all changed blocks, and of some others at random.
 */
export async function dumpAs(
  core: Core,
  { mode, disk, header, previous, random }: {
    mode: Mode;
    disk: Uint8Array;
    header: DumpHeader;
    previous?: Generation;
    random: Random;
  },
): Promise<Generation> {
  await using scope = core.scope();
  const [dump, digest, rdiff] = ["dump", "digest", "rdiff"].map((kind) => newFile(kind, random));
  const job = {
    disk: new MemoryDisk(disk, { extents: randomExtents(disk, random) }),
    header,
    dumpOut: await dump.sink(),
    digestOut: await digest.sink(),
  };
  if (mode === "full" || previous === undefined) await dumpFull(core, job);
  else {
    await dumpChanged(core, {
      ...job,
      dumpIn: await openDump(scope, previous.dump),
      digestIn: await openDigest(scope, previous.digest),
      changedBlocks: mode === "incr" ? bitmapOf(previous.disk, disk, { header, random }) : undefined,
      rdiffOut: await rdiff.sink(),
    });
  }
  return { mode, disk, header, dump, digest, rdiff: mode === "full" ? undefined : rdiff };
}

/** Returns an empty file whose name makes it plain, gzip or zstd, at random. */
export function newFile(kind: string, random: Random): MemoryFile {
  return new MemoryFile(kind + ["", ".gz", ".zst"][random.below(3)]);
}

function firstHeader(
  disk: Uint8Array,
  { blockBytes, random }: { blockBytes: number; random: Random },
): DumpHeader {
  return {
    blockCount: Math.ceil(disk.length / blockBytes),
    blockBytes,
    capacityBytes: disk.length,
    full: true,
    adapterType: 1 + random.below(3),
    seriesId: random.fill(new Uint8Array(16)),
    time: timeStampOf(new Date(2012, random.below(12), 1 + random.below(28), random.below(24))),
    metadata: randomMetadata(random),
  };
}

/** Returns the next header. The clock may stand still or go back; metadata and adapter may change. */
function nextHeader(previous: DumpHeader, random: Random): DumpHeader {
  const now = timeStampOf(new Date(2012, random.below(12), 1 + random.below(28), random.below(24)));
  const time = laterStamp(random.below(3) === 0 ? previous.time : now, previous.time);
  const metadata = random.below(2) === 0 ? previous.metadata : randomMetadata(random);
  return { ...previous, time, metadata, adapterType: 1 + random.below(3) };
}

function randomMetadata(random: Random): Map<string, string> {
  const pairs = ["alpha", "Zeta", "b key", "line\nutf8 äöü", ""].filter(() => random.below(2) === 0);
  return new Map(pairs.map((key) => [key, `${random.below(1000)}=x`]));
}

function bitmapOf(
  older: Uint8Array,
  newer: Uint8Array,
  { header: { blockCount, blockBytes }, random }: { header: DumpHeader; random: Random },
): Bitmap {
  const bitmap = new Bitmap(blockCount);
  for (let block = 0; block < blockCount; block++) {
    const start = block * blockBytes;
    const old = older.subarray(start, start + blockBytes);
    const isChanged = newer.subarray(start, start + blockBytes).some((byte, i) => byte !== old[i]);
    if (isChanged || random.below(4) === 0) bitmap.set(block);
  }
  return bitmap;
}
