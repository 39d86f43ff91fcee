/** Continues a full dump that was interrupted (`resume`), if the part that is left of it fits the disk. */

import { basename } from "@std/path/posix/basename";
import { Bitmap } from "../archive/bitmap.ts";
import { type DumpHeader, dumpHeaderBytes } from "../archive/header.ts";
import { Journal, journalKey } from "../archive/journal.ts";
import type { Begun } from "../archive/piece_sink.ts";
import type { ReadableDisk } from "../disks/disk.ts";
import { FormatError, MismatchError, UsageError } from "../errors.ts";
import type { OutputFile } from "../files/outputs.ts";
import { onFile } from "../files/system_errors.ts";
import { DumpReader, smallWindowBytes } from "../pipeline/archive_reader.ts";
import { auditSample } from "../pipeline/audit.ts";
import { JournalDigests, type ProvedPart, provePartial } from "../pipeline/partial.ts";
import { defaultSampleBlocks, drawSample, SeededRandom } from "../pipeline/sample.ts";
import type { DiskWatch } from "./disk_watch.ts";
import type { Reading } from "./reading.ts";
import type { Job } from "./job.ts";

/** An unfinished dump, and the disk of which it is made. */
export interface Unfinished {
  job: Job;
  disk: ReadableDisk;
  /** The state of the disk before it is read. */
  watch: DiskWatch;
  /** The final path of the dump. */
  path: string;
  file: OutputFile;
  /** The header that a new dump of the disk would have. */
  header: DumpHeader;
  /** The virtual machine and the snapshot of the disk, if the request names them. */
  place: readonly (string | undefined)[];
}

/** A dump that is ready to be written, from its beginning or from where it was interrupted. */
export interface Ready {
  header: DumpHeader;
  /** Records the digests of the blocks that are written, for a later continuation; absent for a pipe. */
  journal?: Journal;
  /** The part that an earlier job has written; absent if the dump begins anew. */
  begun?: Begun;
}

/** Begins a dump anew, and drops what an earlier job may have left. */
export async function begin(unfinished: Unfinished): Promise<Ready> {
  const { path, file, header } = unfinished;
  if (file.journal === undefined) return { header };
  cut(file, { path, lenBytes: 0 });
  const journal = new Journal(path, file.journal);
  await journal.begin(await journalKey(dumpHeaderBytes(header), stateOf(unfinished)));
  return { header, journal };
}

/**
 * Proves the part that is left of a dump, cuts the file after the last intact block, and compares a sample of
 * the blocks with the disk. If nothing usable is left, the dump begins anew.
 *
 * @throws {UsageError} if the output is a pipe
 * @throws {MismatchError} if the part is of another disk, or the disk has changed
 */
export async function resume(unfinished: Unfinished): Promise<Ready> {
  const { path, file } = unfinished;
  if (file.journal === undefined) {
    throw new UsageError(`Cannot use --resume with --dumpout "${path}": a pipe keeps nothing`);
  }
  if (!file.adopted) return await begin(unfinished);
  const journal = new Journal(path, file.journal);
  const left = await proveLeft(unfinished, journal);
  if (left === undefined || left.blocks === 0) return await begin(unfinished);
  const { header, blocks, begun } = left;
  await refuseOtherContent(unfinished, { header, journal, blocks });
  journal.cut(blocks);
  cut(file, { path, lenBytes: begun.storedBytes });
  return { header, journal, begun };
}

/** Cuts the file to its first `lenBytes` bytes, and moves its position to that end. */
function cut(file: OutputFile, { path, lenBytes }: { path: string; lenBytes: number }): void {
  onFile("cut", path, () => {
    file.truncateSync(lenBytes);
    file.seekSync(lenBytes, Deno.SeekMode.Start);
  });
}

/** The part that is left of a dump: its header, and the intact blocks before the first damage. */
interface Left extends ProvedPart {
  header: DumpHeader;
}

/** Proves the part that is left of a dump. Returns undefined if its header cannot be read. */
async function proveLeft(unfinished: Unfinished, journal: Journal): Promise<Left | undefined> {
  const { job, path } = unfinished;
  await using files = job.reading();
  const dumpIn = await openLeft(unfinished, files);
  if (dumpIn === undefined) return undefined;
  const { header } = dumpIn;
  refuseOther(unfinished, header);
  await refuseChanged(unfinished, { header, journal });
  const scratch = () => job.scratch(path);
  return { header, ...await provePartial(files.core, { dumpIn, journal, scratch }, job.run) };
}

/** Opens the part that is left of a dump. Returns undefined if its header cannot be read. */
async function openLeft({ path, file }: Unfinished, files: Reading): Promise<DumpReader | undefined> {
  try {
    const source = await files.sourceOfOutput(path, file.systemPath);
    return await DumpReader.open(files.core, source, { windowBytes: smallWindowBytes(1) });
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

/**
 * Describes a disk by what is known without reading it. Another disk, and a later state of the same disk,
 * have other descriptions.
 */
export function stateOf(
  { disk: { cid, path }, watch, place }: Pick<Unfinished, "disk" | "watch" | "place">,
): string {
  const files = [...watch.before].map((
    [path, { isFile, sizeBytes, changedMs }],
  ) => [basename(path), ...isFile ? [sizeBytes, changedMs] : []]);
  return JSON.stringify([cid, files.length > 0 ? files : path, place]);
}

function refuseOther({ disk, path, header }: Unfinished, left: DumpHeader): void {
  const metadata = (of: DumpHeader) => JSON.stringify([...of.metadata].sort());
  const differences: [what: string, left: unknown, wanted: unknown][] = [
    ["the capacity", left.capacityBytes, header.capacityBytes],
    ["the block size", left.blockBytes, header.blockBytes],
    ["the adapter type", left.adapterType, header.adapterType],
    ["the full flag", left.full, header.full],
    ["the metadata", metadata(left), metadata(header)],
  ];
  for (const [what, inLeft, wanted] of differences) {
    if (inLeft === wanted) continue;
    throw cannotGoOn(
      path,
      `${what} is ${inLeft} in what is left of it, and ${wanted} with disk "${disk.path}"`,
    );
  }
}

async function refuseChanged(
  unfinished: Unfinished,
  { header, journal }: { header: DumpHeader; journal: Journal },
): Promise<void> {
  const { disk, path } = unfinished;
  const { key } = journal;
  if (key === undefined) throw cannotGoOn(path, "it was not left by a full dump, or its journal is lost");
  const wanted = await journalKey(dumpHeaderBytes(header), stateOf(unfinished));
  if (wanted.every((byte, i) => byte === key[i])) return;
  throw cannotGoOn(path, `disk "${disk.path}" is another one than it was made of, or was written since`);
}

/**
 * Compares a sample of the dumped blocks with the disk, from which the rest will be read.
 *
 * @throws {MismatchError}
 */
async function refuseOtherContent(
  { job, disk, path }: Unfinished,
  { header, journal, blocks }: { header: DumpHeader; journal: Journal; blocks: number },
): Promise<void> {
  const { blockBytes } = header;
  const { run } = job;
  const sample = await drawSample(new Bitmap(blocks, run.pages), {
    ...run,
    sampleBlocks: defaultSampleBlocks(blocks, blockBytes),
    random: await SeededRandom.of(crypto.randomUUID()),
  });
  const digestIn = new JournalDigests(job.core, journal, { blockCount: blocks, blockBytes });
  const found = await auditSample(job.core, { disk, digestIn, sample }, run);
  const { firstDifferingBlock: block, differingBlocks, sampledBlocks } = found;
  if (block === undefined) return;
  throw cannotGoOn(
    path,
    `block ${block} of disk "${disk.path}" is not what was dumped (${differingBlocks} of ${sampledBlocks} ` +
      `sampled blocks differ): the disk was written since`,
    { block },
  );
}

function cannotGoOn(path: string, why: string, options?: { block: number }): MismatchError {
  return new MismatchError(`Cannot go on with "${path}": ${why}; without --resume it is begun anew`, options);
}
