/** Restores generations of a repository to disks. */

import { join } from "@std/path/posix/join";
import { MismatchError, UsageError } from "../../errors.ts";
import { DigestReader } from "../../pipeline/archive_reader.ts";
import { assertRoom, proveReadable, restore, type RestoreCounts } from "../../pipeline/restore.ts";
import { verifyDisk } from "../../pipeline/verify.ts";
import type { GenerationDisk, GenerationDocument } from "../../repository/documents.ts";
import { Job } from "../job.ts";
import type { JobOptions } from "../options.ts";
import { openTarget, refuseFormat, type TargetOptions, type TargetSource } from "../restore_target.ts";
import { openChainOf } from "./chain.ts";
import { digestPath, headerOf } from "./generations.ts";
import { OpenMachine } from "./machine.ts";
import { refuseOwnDisk } from "./plan.ts";
import { openRepository } from "./repository.ts";
import { diskOfMachine, generationAt } from "./selection.ts";

/** A generation of a machine, and where its disks are restored. */
export interface RestoreFromRepositoryRequest extends TargetOptions {
  /** Path of the repository. */
  repository: string;
  /** The name of the machine. */
  machine: string;
  /** `latest`, an id, or a time, which selects the newest generation that is not later; by default `latest`. */
  at?: string;
  /** The key of the disk to restore to `disk`. It may be left out if the machine has one disk. */
  key?: string;
  /** The disk to which one disk is restored. */
  disk?: TargetSource;
  /** An existing folder, in which a new disk is made for each disk of the machine: `KEY.vmdk` or `KEY.raw`. */
  folder?: string;
  /** Read each disk back, and compare it with the digest. */
  verify?: boolean;
}

/** A disk that was restored. */
export interface RestoredDisk extends RestoreCounts {
  /** The key of the disk in its machine. */
  key: string;
  /** The disk that was written, with its size in bytes. */
  disk: { path: string; format: string; capacityBytes: number };
  /** Blocks that were read back and have the right content. Absent if the disk was not read back. */
  verifiedBlocks?: number;
}

/** What was restored. */
export interface RestoreFromRepositoryResult {
  /** The name of the machine. */
  machine: string;
  /** The seal of the generation. */
  generation: GenerationDocument;
  /** The disks that were restored. */
  disks: RestoredDisk[];
}

/**
 * Restores one disk of a generation, or all its disks into a folder. Every block is proved by the root in the
 * seal of the generation: before an existing disk is written, and before a new disk gets its name.
 *
 * @throws {UsageError} if there is no such generation or disk, or parts of the request contradict each other
 * @throws {FormatError | MismatchError} if a file of the repository is damaged
 */
export async function restoreFromRepository(
  request: RestoreFromRepositoryRequest,
  options: JobOptions = {},
): Promise<RestoreFromRepositoryResult> {
  const { machine: name, at = "latest", key, disk: target, folder } = request;
  if ((target === undefined) === (folder === undefined)) {
    throw new UsageError("Cannot restore a machine: either a disk or a folder for all disks is needed");
  }
  refuseFormat(request);
  const repository = await openRepository(request.repository);
  const entry = await repository.machine(name);
  const generation = await Job.run(options, { inputs: [] }, async (job) => {
    using machine = await OpenMachine.open(job, { ...entry, write: false });
    return generationAt(machine.state, at, { name });
  });
  const wanted = folder === undefined || key !== undefined
    ? [diskOfMachine(generation, { key, name })]
    : generation.disks;
  const disks: RestoredDisk[] = [];
  for (const disk of wanted) {
    const to = target ??
      join(folder!, `${disk.key}${disk.capacityBytes % 512 === 0 ? suffixOf(request) : ".raw"}`);
    const inputs = typeof to === "object" && "openTarget" in to ? to.inputs ?? [] : [];
    const create = folder !== undefined || request.create;
    disks.push(
      await Job.run(options, { inputs, compressedFiles: 3, expected: newFiles(to, create) }, async (job) => {
        using machine = await OpenMachine.open(job, { ...entry, write: false });
        const { id } = generationAt(machine.state, generation.id, { name });
        return await restoreDisk(job, machine, { ...request, id, own: disk, to, create });
      }),
    );
  }
  return { machine: name, generation, disks };
}

function suffixOf({ format }: TargetOptions): string {
  return format === "raw" ? ".raw" : ".vmdk";
}

function newFiles(to: TargetSource, create?: boolean): string[] {
  return create && typeof to === "string" ? [to, to.replace(/\.vmdk$/i, "-flat.vmdk")] : [];
}

async function restoreDisk(
  job: Job,
  machine: OpenMachine,
  request: RestoreFromRepositoryRequest & { id: string; own: GenerationDisk; to: TargetSource },
): Promise<RestoredDisk> {
  const { own, to, create, metadata, verify, id, repository } = request;
  const { key } = own;
  const { state } = machine;
  const header = headerOf(own);
  const target = await openTarget(job, { disk: to, header, options: request });
  const { disk } = target;
  refuseOwnDisk(disk, { repository, action: "restore to" });
  if (metadata && !disk.keepsMetadata) {
    throw new UsageError(
      `Cannot use --metadata with disk "${disk.path}": a ${disk.format} disk has no place for them`,
    );
  }
  const assertRoot = async (root: { hex(): Promise<string> }) => {
    if (await root.hex() === own.root) return;
    throw new MismatchError(
      `Cannot restore generation ${id} of disk "${key}": the blocks do not have the root that generation.json ` +
        `records; "check" tells which file is damaged`,
    );
  };
  if (!create) {
    await using files = job.reading({ files: 3 });
    const chain = await openChainOf(job, { files, state, generation: { id }, key });
    assertRoom(chain, disk);
    const root = job.root();
    await proveReadable(files.core, { chain, root }, job.run);
    await assertRoot(root);
  }
  if (metadata) await disk.writeMetadata(header.metadata);
  await using files = job.reading({ files: 3 });
  const chain = await openChainOf(job, { files, state, generation: { id }, key });
  const root = job.root();
  const counts = await whileWriting(job, { path: disk.path, isNew: create === true }, async () => {
    const counts = await restore(files.core, { chain, disk, root }, job.run);
    await assertRoot(root);
    return counts;
  });
  await target.complete();
  const verifiedBlocks = verify || target.isDoubtful
    ? await verifyDisk(files.core, {
      disk: await target.readBack(),
      capacityBytes: own.capacityBytes,
      expected: await DigestReader.open(files.core, await files.source(digestPath(state, id, key))),
    }, job.run)
    : undefined;
  return {
    ...counts,
    key,
    disk: { path: disk.path, format: disk.format, capacityBytes: disk.capacityBytes },
    ...(verifiedBlocks === undefined ? {} : { verifiedBlocks }),
  };
}

/** Writes a disk. If that ends before it is complete, a warning says that an existing disk is partly written. */
async function whileWriting<T>(
  job: Job,
  { path, isNew }: { path: string; isNew: boolean },
  work: () => Promise<T>,
): Promise<T> {
  if (isNew) return await work();
  const warning = `disk "${path}" is partly written, it must be restored again`;
  using _warning = job.warnUnlessDone(warning);
  try {
    return await work();
  } catch (error) {
    if (!job.signal?.aborted) job.warn(warning);
    throw error;
  }
}
