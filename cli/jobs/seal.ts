/** Makes the seals of archives that have none. */

import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { type DumpHeader, formatSeriesId } from "../archive/header.ts";
import type { Role, SealedGeneration } from "../archive/seal.ts";
import { formatTimeStamp } from "../archive/time_stamp.ts";
import { FormatError, MismatchError, UsageError } from "../errors.ts";
import { DigestReader, DumpReader, openArchive } from "../pipeline/archive_reader.ts";
import { assertOlder, assertSameDisk, assertSameGeneration, Chain } from "../pipeline/chain.ts";
import { check } from "../pipeline/check.ts";
import { walkDigest, walkRecords } from "../pipeline/walk.ts";
import { type FileHash, hashFile } from "./file_hash.ts";
import { STREAM } from "./input_file.ts";
import { Job } from "./job.ts";
import type { JobOptions } from "./options.ts";
import { type SealedOutput, Sealing, type WrittenFile } from "./sealing.ts";
import { assertIs, existsAt, isOf, type Sealed } from "./seals.ts";

/** The files of one backup. */
export interface SealRequest {
  /** A dump, its digest, and rdiffs that lead back from it, the newest first; the dump may be left out beside its digest. */
  files: readonly string[];
  /** The user knows that the files are good: the seal does not say that nothing proved them. */
  vouch?: boolean;
}

/** What was sealed. */
export interface SealResult {
  /** The header of the dump, or what is known of it. */
  header: DumpHeader;
  /** The SHA-256 over the MD5s of all blocks; null if neither a dump nor a digest was given. */
  root: string | null;
  /** The paths of the seals. */
  seals: readonly string[];
}

/**
 * Reads the files of a backup to their ends and writes their seal.
 *
 * @throws {UsageError | MismatchError} if the files are not those of one backup
 * @throws {FormatError} if one is damaged, or is not what an earlier seal says
 */
export async function seal(
  { files, vouch = false }: SealRequest,
  options: JobOptions = {},
): Promise<SealResult> {
  if (files.includes(STREAM)) throw new UsageError('Cannot seal "-": a seal lies beside a file');
  await using job = await Job.start(options, { inputs: files });
  const backup = await openBackup(job, files);
  const earlier = job.isForced ? new Map<string, Sealed>() : await earlierEntries(job, backup);
  const sealing = await Sealing.begin(
    {
      isForced: job.isForced,
      isFile: () => true,
      finalPath: (path) => Deno.realPathSync(path),
      stored: async (path) => {
        const hash = await hashFile(path, job.run);
        assertNotChanged(earlier.get(path), hash);
        return hash;
      },
      openSeal: job.openSeal.bind(job),
      changesOf: job.changesOf.bind(job),
      signingKey: job.signingKey,
    },
    backup.header,
    backup.outputs,
  );
  const { root, written } = await readBackup(job, backup, { vouched: vouch });
  await sealing.complete({ root, mode: { asked: "seal", done: "seal" }, written });
  job.commit();
  return { header: backup.header, root, seals: sealing.paths };
}

/** The files of one backup. */
interface Backup {
  /** Of the generation: the dump's, or the digest's, or that of the first rdiff. */
  header: DumpHeader;
  dump?: DumpReader;
  digest?: DigestReader;
  /** Newest first. */
  rdiffs: DumpReader[];
  outputs: SealedOutput[];
}

/** @throws {UsageError | MismatchError} if the files are not those of one backup */
async function openBackup(job: Job, paths: readonly string[]): Promise<Backup> {
  const readers = [];
  for (const path of paths) readers.push(await openArchive(job.core, await job.source(path)));
  const digests = readers.filter((reader) => reader instanceof DigestReader);
  const archives = readers.filter((reader) => reader instanceof DumpReader);
  const dumps = archives.filter(({ header }) => header.full);
  const rdiffs = archives.filter(({ header }) => !header.full);
  for (const [kind, [, second]] of [["dump", dumps], ["digest", digests]] as const) {
    if (second !== undefined) throw new UsageError(`Cannot seal "${second.path}": it is the second ${kind}`);
  }
  const [dump] = dumps;
  const [digest] = digests;
  const first = dump ?? rdiffs[0];
  if (first === undefined) {
    throw new UsageError(`Cannot seal "${paths[0]}" alone: the dump of its generation is needed`);
  }
  if (dump && digest) assertSameGeneration(dump, digest);
  if (digest) assertSameDisk(first, digest);
  const begin = dump ?? digest;
  const links = [...(begin === undefined ? [] : [begin]), ...rdiffs];
  for (let i = 1; i < links.length; i++) assertOlder(links[i - 1], links[i]);
  return {
    header: { ...first.header, ...begin?.header },
    dump,
    digest,
    rdiffs,
    outputs: readers.map((reader) => ({ role: roleOf(reader), path: reader.path })),
  };
}

function roleOf(reader: DumpReader | DigestReader): Role {
  return reader instanceof DigestReader ? "digest" : reader.header.full ? "dump" : "rdiff";
}

/** What seals of the folders say already of the files, by their paths: under their names, or under names that are gone. */
async function earlierEntries(
  job: Job,
  { dump, digest, rdiffs }: Backup,
): Promise<Map<string, Sealed>> {
  const found = new Map<string, Sealed>();
  for (const reader of [dump, digest, ...rdiffs]) {
    const { sealed } = reader === undefined ? {} : await job.entryOf(reader);
    if (reader === undefined || sealed === undefined) continue;
    const { seriesId, time } = reader.header;
    const known = { role: roleOf(reader), series: formatSeriesId(seriesId), time: formatTimeStamp(time) };
    const { path, sealPath, file } = sealed;
    const isOwn = basename(path) === file.name || !existsAt(join(dirname(sealPath), file.name));
    // The name alone may be that of a file of another generation, which was replaced.
    if (isOwn && isOf(sealed, known)) found.set(path, sealed);
  }
  return found;
}

/** @throws {FormatError} if a seal says that the file was another one: a new seal would hide that it was changed */
function assertNotChanged(sealed: Sealed | undefined, hash: FileHash): void {
  try {
    if (sealed !== undefined) assertIs(sealed, hash);
  } catch (error) {
    if (error instanceof FormatError) {
      error.message = error.message.replace("Cannot use", "Cannot seal") +
        "; --force replaces what the seal says";
    }
    throw error;
  }
}

/** Reads all files to their ends. @throws {MismatchError} if the dump does not have the MD5s of the digest */
async function readBackup(
  job: Job,
  { dump, digest, rdiffs }: Backup,
  { vouched }: { vouched: boolean },
): Promise<{ root: string | null; written: Record<string, WrittenFile> }> {
  const { core, run } = job;
  const written: Record<string, WrittenFile> = {};
  const sha256 = job.root();
  const paths = [dump, digest, ...rdiffs].flatMap((reader) => reader?.path ?? []);
  const series = formatSeriesId((dump ?? digest ?? rdiffs[0]).header.seriesId);
  const isKnown = async ({ time, root }: SealedGeneration) =>
    (await job.rootsOf(paths, { series, time })).some((known) => known.isProved && known.root === root);
  // A digest that was made of a dump which nothing proved proves none.
  const isProof = digest !== undefined && (await job.entryOf(digest)).sealed?.file.unproved === undefined;
  const isProved = vouched || (dump !== undefined && isProof);
  if (dump !== undefined) {
    const result = await check(core, { chain: new Chain([dump]), digest, root: sha256 }, run);
    if (digest !== undefined && result.badBlocks > 0) {
      const block = result.badRuns[0].start;
      throw new MismatchError(
        `Cannot seal "${dump.path}": block ${block} does not have the MD5 recorded in "${digest.path}" ` +
          `(${result.badBlocks} bad blocks in all)`,
        { block },
      );
    }
    const { blocks, zeroBlocks } = result;
    written[dump.path] = { dataRecords: blocks - zeroBlocks, zeroRecords: zeroBlocks, isProved };
    if (digest !== undefined) written[digest.path] = written[dump.path];
  } else if (digest !== undefined) {
    written[digest.path] = { ...await walkDigest(core, { digest, root: sha256 }, run), isProved };
  }
  const begin = dump ?? digest;
  const root = begin === undefined ? null : await sha256.hex();
  let from: SealedGeneration | null = begin === undefined
    ? null
    : { time: formatTimeStamp(begin.header.time), root };
  if (begin !== undefined && !isProved && await isKnown(from!)) written[begin.path].isProved = true;
  for (const [i, rdiff] of rdiffs.entries()) {
    const list = dump && [dump, ...rdiffs.slice(0, i + 1)].map(({ path }) => path);
    const to = { time: formatTimeStamp(rdiff.header.time), root: list ? await rootOf(job, list) : null };
    written[rdiff.path] = {
      ...await walkRecords(core, rdiff, run),
      isProved: vouched || await isKnown(to),
      from,
      to,
    };
    from = to;
  }
  return { root, written };
}

/** The root of the generation that a dump and rdiffs lead to. */
async function rootOf(job: Job, paths: readonly string[]): Promise<string> {
  await using files = job.reading();
  const chain = await job.chain(paths, { files });
  const root = job.root();
  await check(files.core, { chain, root }, job.run);
  return await root.hex();
}
