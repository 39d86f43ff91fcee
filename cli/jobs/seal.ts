/** Makes the seals of archives that have none, such as those of vmdkbkp 1.2. */

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
  /**
   * Paths of a dump, its digest, and rdiffs that lead back from it, the newest first. Each of them may be
   * missing, but a digest alone cannot be sealed.
   */
  files: readonly string[];
  /**
   * The caller knows that the files are good. Otherwise a seal records of files that nothing proves that they
   * are unproved.
   */
  vouch?: boolean;
}

/** The seals that were made. */
export interface SealResult {
  /** The header of the dump; without a dump, that of the first rdiff with the generation of the digest. */
  header: DumpHeader;
  /**
   * The SHA-256 over the MD5s of all blocks, 64 hexadecimal digits; null if neither a dump nor a digest was
   * given.
   */
  root: string | null;
  /** Paths of the seals that were written or extended, one in each folder. */
  seals: readonly string[];
}

/**
 * Reads the files of a backup to their ends and writes their seal, a small file beside them that records what
 * they are.
 *
 * @throws {UsageError} if the files are not those of one backup, or one is a stream
 * @throws {MismatchError} if the dump does not have the MD5s of the digest, or the files do not belong
 *   together
 * @throws {FormatError} if a file is damaged, or is not what an earlier seal says
 *
 * @example
 * ```ts
 * import { dump } from "./dump.ts";
 * import { seal } from "./seal.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const folder = Deno.makeTempDirSync();
 * const at = (name: string) => `${folder}/${name}`;
 * Deno.writeFileSync(at("disk.raw"), new Uint8Array(1024).fill(1));
 * await dump({ mode: "full", disk: at("disk.raw"), dumpout: at("0.dump"), digestout: at("0.digest") });
 * Deno.removeSync(at("0.seal.json")); // as if vmdkbkp 1.2 had made the dump
 * const { seals } = await seal({ files: [at("0.dump"), at("0.digest")] });
 * assertEquals(seals, [at("0.seal.json")]);
 * Deno.removeSync(folder, { recursive: true });
 * ```
 */
export async function seal(
  { files, vouch = false }: SealRequest,
  options: JobOptions = {},
): Promise<SealResult> {
  if (files.includes(STREAM)) throw new UsageError('Cannot seal "-": a seal lies beside a file');
  return await Job.run(options, { inputs: files }, async (job) => {
    const backup = await openBackup(job, files);
    const earlier = job.isForced ? new Map<string, Sealed>() : await earlierEntries(job, backup);
    const sealing = await Sealing.begin(
      {
        isForced: job.isForced,
        // The files that are sealed are inputs of this job, and not its outputs.
        outputs: {
          isFile: () => true,
          finalPath: (path) => Deno.realPathSync(path),
          stored: async (path) => {
            const hash = await hashFile(path, job.run);
            assertNotChanged(earlier.get(path), hash);
            return hash;
          },
          openSeal: (path, options) => job.outputs.openSeal(path, options),
        },
        seals: job.seals,
        generationIn: (path) => job.generationIn(path),
        signingKey: job.signingKey,
      },
      backup.header,
      backup.outputs,
    );
    const { root, written } = await readBackup(job, backup, { vouched: vouch });
    await sealing.complete({ root, mode: { asked: "seal", done: "seal" }, written });
    job.commit();
    return { header: backup.header, root, seals: sealing.paths };
  });
}

/** The files of one backup, which are open. */
interface Backup {
  /** As in {@linkcode SealResult}. */
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
    const { sealed } = reader === undefined ? {} : await job.seals.entryOf(reader);
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
    (await job.seals.rootsOf(paths, { series, time })).some((known) => known.isProved && known.root === root);
  // A digest proves nothing if it was made of a dump that nothing had proved.
  const isProof = digest !== undefined &&
    (await job.seals.entryOf(digest)).sealed?.file.unproved === undefined;
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

/** Returns the root of the generation to which a dump and rdiffs lead. */
async function rootOf(job: Job, paths: readonly string[]): Promise<string> {
  await using files = job.reading();
  const chain = await job.chain(paths, { files });
  const root = job.root();
  await check(files.core, { chain, root }, job.run);
  return await root.hex();
}
