/** Reads which blocks of a disk may have changed: a bitmap, or a list of extents in JSON. */

import { Bitmap, readBitmap } from "../../archive/bitmap.ts";
import { PlainSource } from "../../archive/plain_source.ts";
import { formatError, MismatchError } from "../../errors.ts";
import type { ReadableDisk } from "../../disks/disk.ts";
import type { VmdkDisk } from "../../disks/vmdk/disk.ts";
import type { GenerationDisk } from "../../repository/documents.ts";
import { markLinks } from "../changed.ts";
import { openInput, STREAM } from "../input_file.ts";
import type { Job } from "../job.ts";

/** The blocks that may have changed, and what says so. */
export interface KnownChanges {
  /** The path of the list, or of the disk whose snapshots are the list. */
  path: string;
  blocks: Bitmap;
}

/**
 * Returns the blocks that the snapshots of a VMDK hold, if it is a snapshot of the disk that was backed up last:
 * one of its parents has the path of that disk, and still its content id.
 */
export async function changesInSnapshots(
  job: Job,
  disk: ReadableDisk,
  { source, blockCount, blockBytes }: GenerationDisk,
): Promise<KnownChanges & { parent: string } | undefined> {
  if (!isChain(disk) || source.cid === undefined) return undefined;
  const linkCount = depthOf(disk, source.disk);
  if (linkCount < 1 || disk.cidOf(linkCount) !== parseInt(source.cid, 16)) return undefined;
  const blocks = new Bitmap(blockCount, job.run.pages);
  await markLinks(blocks, { disk, blockBytes, linkCount, run: job.run });
  return { path: disk.path, blocks, parent: source.disk };
}

function isChain(disk: ReadableDisk): disk is VmdkDisk {
  return "namedAt" in disk;
}

function depthOf(disk: VmdkDisk, path: string): number {
  try {
    return disk.depthOf(path);
  } catch {
    // The disk that was backed up last is not there any more.
    return -1;
  }
}

/** The longest list of extents: a million of them. */
const MAX_LIST_BYTES = 64 * 1024 * 1024;

/** The disk whose blocks changed. */
interface ChangedDisk {
  capacityBytes: number;
  blockBytes: number;
  blockCount: number;
}

/**
 * Reads a bitmap of the original program, or a list such as `[{"start": 0, "length": 65536}]`, whose numbers
 * are bytes of the disk. `-` is standard input.
 *
 * @throws {FormatError} if the file is neither
 * @throws {MismatchError} if it is of a disk of another size
 */
export async function readChanges(job: Job, path: string, disk: ChangedDisk): Promise<Bitmap> {
  const file = path === STREAM ? Deno.stdin : await openInput(path);
  using source = new PlainSource(path, file, { pace: job.pace });
  const beginning = new TextDecoder().decode(await source.peek(64));
  const { pages } = job.run;
  if (/^\s*\[/.test(beginning)) return bitmapOfExtents(await readText(source), path, { ...disk, pages });
  const bitmap = await readBitmap(source, pages);
  if (bitmap.bitCount === disk.blockCount) return bitmap;
  throw new MismatchError(
    `Cannot use bitmap "${path}": it has ${bitmap.bitCount} bits, the disk ${disk.blockCount} blocks of ` +
      `${disk.blockBytes} bytes`,
  );
}

async function readText(source: PlainSource): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const part = new Uint8Array(1024 * 1024);
    const got = await source.read(part);
    if (got === 0) break;
    parts.push(part.subarray(0, got));
    if ((length += got) <= MAX_LIST_BYTES) continue;
    const { path } = source;
    throw formatError("list of changes", {
      path,
      expected: `at most ${MAX_LIST_BYTES} bytes`,
      found: "more",
    });
  }
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return new TextDecoder().decode(all);
}

/** Returns the bitmap of a list of extents. `text` is JSON; `path` is for messages. */
export function bitmapOfExtents(
  text: string,
  path: string,
  { capacityBytes, blockBytes, blockCount, pages }: ChangedDisk & { pages?: Job["run"]["pages"] },
): Bitmap {
  const fault = (expected: string, found: string) =>
    formatError("list of changes", { path, expected, found });
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    throw fault("JSON", "something else");
  }
  if (!Array.isArray(list)) throw fault("a list", "something else");
  const bitmap = new Bitmap(blockCount, pages);
  for (const [i, extent] of list.entries()) {
    const { start, length } = (extent ?? {}) as Record<string, unknown>;
    if (!isBytes(start) || !isBytes(length)) {
      throw fault(
        `extent ${i}: "start" and "length" in bytes`,
        JSON.stringify(extent)?.slice(0, 80) ?? "nothing",
      );
    }
    if (length === 0) continue;
    if (start + length > capacityBytes) {
      throw new MismatchError(
        `Cannot use list of changes "${path}": extent ${i} ends at byte ${start + length}, ` +
          `the disk has ${capacityBytes} bytes`,
      );
    }
    bitmap.setRange(Math.floor(start / blockBytes), Math.ceil((start + length) / blockBytes));
  }
  return bitmap;
}

function isBytes(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
