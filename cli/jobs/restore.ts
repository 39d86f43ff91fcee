/** Writes a generation back to a disk. */

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

/** What is restored to which disk. */
export interface RestoreRequest extends TargetOptions {
  /** The newest first: a dump and rdiffs; or rdiffs alone, for a disk that is at the newer generation. */
  archives: readonly string[];
  /** The disk. */
  disk: TargetSource;
  /** Do not write zero blocks: only for a disk that is empty. */
  omitzeroblock?: boolean;
  /** Read the disk back and compare it, with the archives or with `digestin`. */
  verify?: boolean;
  /** Path of the digest of the last archive's generation. */
  digestin?: string;
  /** Bytes of a block, which must be those of the archives. */
  blocksize?: number;
}

/** What was restored. */
export interface RestoreResult extends RestoreCounts {
  /** The disk. */
  disk: Pick<WritableDisk, "path" | "format" | "capacityBytes">;
  /** The header of the last archive. */
  header: DumpHeader;
  /** Blocks that were read back and are as they should be. */
  verifiedBlocks?: number;
  /** What proved the blocks. */
  proof: ProofKind;
  /** Archives that no seal tells of. */
  unsealed: readonly string[];
  /** Metadata that were left out, because they refer to things outside the disk. */
  leftOutMetadata: readonly string[];
}

/**
 * Restores a generation. An existing disk is written only after the archives were read to their ends and found right.
 *
 * @throws {UsageError} if the request cannot be meant
 * @throws {FormatError | MismatchError} if an archive is damaged, or they do not belong together
 */
export async function restore(request: RestoreRequest, options: JobOptions = {}): Promise<RestoreResult> {
  const { archives, disk: target, create, digestin } = request;
  refuse(request);
  await using job = await Job.start(options, {
    inputs: [
      ...archives,
      ...digestin === undefined ? [] : [digestin],
      ...typeof target === "object" && "openTarget" in target ? target.inputs ?? [] : [],
    ],
    expected: create && typeof target === "string" ? filesOfNewDisk(target) : [],
  });
  return await restoreIn(job, request);
}

async function restoreIn(job: Job, request: RestoreRequest): Promise<RestoreResult> {
  const { archives, create, metadata, digestin, blocksize, omitzeroblock, verify } = request;
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
  const root = proof.roots.length > 0 ? job.root() : undefined;
  // A root proves the blocks whatever the files are.
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
    for (const file of disk.files) assertNoInput(file, archives);
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
    // Rdiffs alone prove what they write; what the disk held before is proved by a look at all of it.
    proof: digestProves ? "digest" : header.full ? proof.by : "nothing",
    unsealed: job.unsealed,
    leftOutMetadata: target.leftOutMetadata ?? [],
  };
}

/** The files that a new disk may take. */
function filesOfNewDisk(path: string): string[] {
  return [path, path.replace(/\.vmdk$/i, "-flat.vmdk")];
}

/** @throws {UsageError} if the request cannot be meant */
function refuse(request: RestoreRequest): void {
  const { archives, disk, create, digestin, verify } = request;
  if (disk === STREAM) throw new UsageError('Cannot restore to "-": name a disk');
  if (digestin !== undefined && !verify) throw new UsageError("Cannot use --digestin without --verify");
  if (verify && archives.includes(STREAM) && digestin === undefined) {
    throw new UsageError('Cannot use --verify with "-", which can be read only once: --digestin is needed');
  }
  refuseFormat(request);
  const stream = create ? undefined : archives.find(isStream);
  if (stream !== undefined) {
    throw new UsageError(
      `Cannot restore "${stream}" to an existing disk: the archive could not be proved before the disk is ` +
        `overwritten; use --create, or save it to a file first`,
    );
  }
}

/**
 * Whether a digest is a proof: one that was made of a dump that nothing proved is none.
 *
 * @throws {MismatchError} if it is not of the generation that the chain leads to, or not the one that was sealed
 */
async function provesByDigest(job: Job, chain: Chain, path: string): Promise<boolean> {
  await using files = job.reading();
  const reader = await DigestReader.open(files.core, await files.source(path));
  assertSameGeneration(chain.readers.at(-1)!, reader);
  const sealed = await job.sealed(reader);
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

/** Restores in place: from the first write to the last the disk is neither what it was nor what it is to be. */
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
