/** Restores a generation to a disk. */

import type { DumpHeader } from "../archive/header.ts";
import { DigestReader } from "../pipeline/archive_reader.ts";
import { assertSameGeneration, type Chain } from "../pipeline/chain.ts";
import {
  assertRoom,
  proveReadable,
  restore as restoreChain,
  type RestoreCounts,
  type RestoreOptions,
} from "../pipeline/restore.ts";
import { verifyDisk } from "../pipeline/verify.ts";
import type { WritableDisk } from "../disks/disk.ts";
import { UsageError } from "../errors.ts";
import { assertNoInput } from "../files/outputs.ts";
import { type ArchiveInput, filesAmong, pathOf } from "./archive_input.ts";
import { isStream, STREAM } from "./input_file.ts";
import { Job } from "./job.ts";
import type { JobOptions } from "./options.ts";
import { assertProved, type Proof, type ProofKind, proofOf } from "./proof.ts";
import {
  openTarget,
  refuseFormat,
  type RestoreTarget,
  type TargetOptions,
  type TargetSource,
} from "./restore_target.ts";

/** Archives, and the disk to which they are restored. */
export interface RestoreRequest extends TargetOptions {
  /**
   * A dump and rdiffs, the newest first; or rdiffs alone, for a disk that holds the generation at which the
   * first rdiff begins.
   */
  archives: readonly ArchiveInput[];
  /** The disk. */
  disk: TargetSource;
  /** Do not write zero blocks. This is right only if the disk holds nothing but zeros. */
  omitzeroblock?: boolean;
  /** Read the disk back, and compare it with `digestin` or, without a digest, with the archives. */
  verify?: boolean;
  /** The digest of the generation to which the archives lead; only with `verify`. */
  digestin?: ArchiveInput;
  /** Bytes of a block. Archives with another block size are refused. */
  blocksize?: number;
}

/** The disk that was restored. */
export interface RestoreResult extends RestoreCounts {
  /** The disk, with its size in bytes. It may be larger than the disk that was dumped. */
  disk: { path: string; format: string; capacityBytes: number };
  /** The header of the last archive, with `full` of the first one. */
  header: DumpHeader;
  /** Blocks that were read back and have the right content. Absent if the disk was not read back. */
  verifiedBlocks?: number;
  /** What proved the blocks. */
  proof: ProofKind;
  /** Paths of the archives that no seal names. */
  unsealed: readonly string[];
  /** Keys of the metadata that were not written, because they refer to things outside the disk. */
  leftOutMetadata: readonly string[];
}

/**
 * Restores a generation to a disk. An existing disk is written only after the archives were read to their
 * ends and proved, as far as something can prove them.
 *
 * @throws {UsageError} if parts of the request contradict each other, a new disk exists already, or something
 *   uses the disk
 * @throws {FormatError} if an archive is damaged, or is not, byte for byte, the file that was sealed
 * @throws {MismatchError} if the archives do not belong together, or do not have the blocks that a seal
 *   records, if the disk is too small, or if it does not hold the right blocks when it is read back
 *
 * @example
 * ```ts
 * import { dump } from "./dump.ts";
 * import { restore } from "./restore.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const folder = Deno.makeTempDirSync();
 * const at = (name: string) => `${folder}/${name}`;
 * const bytes = new Uint8Array(3 * 512).fill(1);
 * Deno.writeFileSync(at("disk.raw"), bytes);
 * await dump({ mode: "full", disk: at("disk.raw"), dumpout: at("0.dump"), digestout: at("0.digest") });
 * await restore({ archives: [at("0.dump")], disk: at("copy.raw"), create: true, verify: true });
 * assertEquals(Deno.readFileSync(at("copy.raw")), bytes);
 * Deno.removeSync(folder, { recursive: true });
 * ```
 */
export async function restore(request: RestoreRequest, options: JobOptions = {}): Promise<RestoreResult> {
  const { archives, disk: target, create, digestin } = request;
  refuse(request);
  return await Job.run(options, {
    inputs: [
      ...archives,
      ...digestin === undefined ? [] : [digestin],
      ...typeof target === "object" && "openTarget" in target ? target.inputs ?? [] : [],
    ],
    expected: create && typeof target === "string" ? filesOfNewDisk(target) : [],
  }, async (job) => {
    return await restoreIn(job, request);
  });
}

async function restoreIn(job: Job, request: RestoreRequest): Promise<RestoreResult> {
  const { create, metadata, blocksize, omitzeroblock, verify } = request;
  const archives = request.archives.map(pathOf);
  const digestin = request.digestin === undefined ? undefined : pathOf(request.digestin);
  await using readings = new AsyncDisposableStack();
  let files = readings.use(job.reading());
  let chain = await job.chain(archives, { files });
  const { header } = chain;
  if (blocksize !== undefined && blocksize !== header.blockBytes) {
    throw new UsageError(`Cannot use --blocksize ${blocksize}: the archives have ${header.blockBytes}`);
  }
  if (create && !header.full) {
    throw new UsageError(`Cannot create a disk from rdiffs alone: "${archives[0]}" is not a dump`);
  }
  const proof = await proofOf(job, chain);
  job.seals.warnOfSeals();
  const root = proof.roots.length > 0 ? job.root() : undefined;
  // A root proves the blocks, even if the files are other ones.
  if (proof.by !== "root") await job.proveSealed();
  const target = await openTarget(job, { disk: request.disk, header, options: request });
  const { disk } = target;
  // The root does not cover the header, from which the disk gets its adapter and metadata.
  const proveHeader = proof.by === "root" && proof.last !== undefined && disk.keepsMetadata
    ? job.proveWhileRead(chain.readers.at(-1)!, proof.last)
    : () => Promise.resolve();
  if (metadata && !disk.keepsMetadata) {
    throw new UsageError(
      `Cannot use --metadata with disk "${disk.path}": a ${disk.format} disk has no place for them`,
    );
  }
  if (!create) {
    for (const file of disk.files) assertNoInput(file, filesAmong(request.archives));
    assertRoom(chain, disk);
    if (omitzeroblock) {
      job.warn(`zero blocks are not written; where "${disk.path}" holds data in their place, it stays`);
    }
    await proveReadable(files.core, { chain, root }, job.run);
    await assertProved(proof, root);
    await proveHeader();
    // The archives were proved; now they are opened a second time to be restored.
    await files[Symbol.asyncDispose]();
    files = readings.use(job.reading());
    chain = await job.chain(archives, { files });
  }
  const digestProves = digestin !== undefined && await provesByDigest(job, chain, digestin);
  // Before the data: what a descriptor cannot express is found while the disk is as it was.
  if (metadata) await disk.writeMetadata(header.metadata);
  const counts = create
    ? await restoreChain(files.core, { chain, disk, root }, job.run)
    : await overwrite(job, { chain, disk, proof }, { ...job.run, omitZeroBlocks: omitzeroblock });
  if (create) {
    await assertProved(proof, root);
    await proveHeader();
  }
  await target.complete();
  await files[Symbol.asyncDispose]();
  const verifiedBlocks = verify || target.isDoubtful
    ? await readBack(job, target, { archives, digestin, capacityBytes: header.capacityBytes })
    : undefined;
  return {
    ...counts,
    disk: { path: disk.path, format: disk.format, capacityBytes: disk.capacityBytes },
    header,
    verifiedBlocks,
    // Rdiffs alone prove the blocks that they write, but not the other blocks of the disk. A digest proves
    // all of them.
    proof: digestProves ? "digest" : header.full ? proof.by : "nothing",
    unsealed: job.unsealed,
    leftOutMetadata: target.leftOutMetadata ?? [],
  };
}

/** Returns the files that a new disk may consist of. */
function filesOfNewDisk(path: string): string[] {
  return [path, path.replace(/\.vmdk$/i, "-flat.vmdk")];
}

/** @throws {UsageError} if parts of the request contradict each other */
function refuse(request: RestoreRequest): void {
  const { archives, disk, create, digestin, verify } = request;
  if (disk === STREAM) throw new UsageError('Cannot restore to "-": name a disk');
  if (digestin !== undefined && !verify) throw new UsageError("Cannot use --digestin without --verify");
  if (verify && archives.includes(STREAM) && digestin === undefined) {
    throw new UsageError('Cannot use --verify with "-", which can be read only once: --digestin is needed');
  }
  refuseFormat(request);
  const stream = create ? undefined : filesAmong(archives).find(isStream);
  if (stream !== undefined) {
    throw new UsageError(
      `Cannot restore "${stream}" to an existing disk: the archive could not be proved before the disk is ` +
        `overwritten; use --create, or save it to a file first`,
    );
  }
}

/**
 * Returns whether a digest proves the blocks. A digest that was made of a dump when nothing proved the dump
 * does not.
 *
 * @throws {MismatchError} if it is not of the generation that the chain leads to, or not the one that was
 *   sealed
 */
async function provesByDigest(job: Job, chain: Chain, path: string): Promise<boolean> {
  await using files = job.reading();
  const reader = await DigestReader.open(files.core, await files.source(path));
  assertSameGeneration(chain.readers.at(-1)!, reader);
  const sealed = await job.seals.sealed(reader);
  return sealed?.file.unproved === undefined;
}

/** Reads the disk back. @throws {MismatchError} if it does not hold what was restored */
async function readBack(
  job: Job,
  target: RestoreTarget,
  { archives, digestin, capacityBytes }: {
    archives: readonly string[];
    digestin?: string;
    capacityBytes: number;
  },
): Promise<number> {
  await using files = job.reading();
  const disk = await target.readBack();
  const chain = digestin === undefined ? await job.chain(archives, { files }) : undefined;
  const digest = digestin === undefined
    ? undefined
    : await DigestReader.open(files.core, await files.source(digestin));
  return await verifyDisk(files.core, { disk, expected: (chain ?? digest)!, capacityBytes }, job.run);
}

/**
 * Restores to an existing disk. If the job is stopped or fails meanwhile, a warning says that the disk is
 * partly written.
 */
async function overwrite(
  job: Job,
  { proof, ...work }: { chain: Chain; disk: WritableDisk; proof: Proof },
  options: RestoreOptions,
): Promise<RestoreCounts> {
  const warning = `disk "${work.disk.path}" is partly written, it must be restored again`;
  using _warning = job.warnUnlessDone(warning);
  try {
    const root = proof.roots.length > 0 ? job.root() : undefined;
    const result = await restoreChain(job.core, { ...work, root }, options);
    // The archives were opened a second time.
    await assertProved(proof, root);
    return result;
  } catch (error) {
    if (!options.signal?.aborted) job.warn(warning);
    throw error;
  }
}
