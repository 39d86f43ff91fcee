/** Makes the next generation of a machine. */

import { join } from "@std/path/posix/join";
import type { ReadableDisk } from "../../disks/disk.ts";
import { openForReading } from "../../disks/open.ts";
import { UsageError } from "../../errors.ts";
import { isFolder, isRegularFile, makeFolder } from "../../files/stable_files.ts";
import type { GenerationDocument, MachineDocument } from "../../repository/documents.ts";
import { generationIdAfter, keyOfDisk } from "../../repository/names.ts";
import { type DiskPathOptions, type DiskSource, isProvider, openSource } from "../disk_source.ts";
import { DiskWatch, usesOf } from "../disk_watch.ts";
import { DEFAULT_BLOCK_BYTES } from "../dump.ts";
import { Job } from "../job.ts";
import type { JobOptions } from "../options.ts";
import { changesInSnapshots, type KnownChanges, readChanges } from "./changes.ts";
import { diskOf, type MachineState } from "./generations.ts";
import { OpenMachine } from "./machine.ts";
import { documentOf, makeGeneration } from "./make_generation.ts";
import { type DiskPlan, keyFor, planOf, refuseOwnDisk } from "./plan.ts";
import { initRepository, openRepository, type Repository, REPOSITORY_FILE } from "./repository.ts";
import type { DiskReport, DiskWork } from "./write_disk.ts";

/** A disk to back up. */
export interface BackupDisk extends DiskPathOptions {
  /** The disk. */
  disk: DiskSource;
  /** The key of the disk in the machine; by default the one that it had before, or one of its name. */
  key?: string;
  /**
   * Path of a bitmap, or of a list of changed extents in JSON, `-` for standard input: the blocks that may have
   * changed since the newest generation.
   */
  changed?: string;
}

/** A request for the next generation of a machine. */
export interface BackupRequest {
  /** Path of the repository. */
  repository: string;
  /** The name of the machine: any text. By default the name of the first disk. */
  machine?: string;
  /** The disks, each with a key of its own. */
  disks: readonly BackupDisk[];
  /** Make the repository if there is none. */
  init?: boolean;
  /** What the user noted about the generation. */
  note?: string;
  /** Bytes of a block of disks that are new to the machine; by default 1 MiB. */
  blocksize?: number;
  /** Percentage (0 to 100) of the blocks that a list calls unchanged which is read and compared. */
  audit?: number;
  /** Accept that a disk changes while it is read. */
  allowChanges?: boolean;
  /** Only decide how each disk would be read. */
  dryRun?: boolean;
  /** The time of the generation; by default now. */
  now?: Date;
}

/** A disk that was backed up, or would be. */
export interface BackedUpDisk extends DiskPlan {
  /** The key of the disk in its machine. */
  key: string;
  /** The path, as it was named. */
  path: string;
  /** What was read and written; absent for a dry run. */
  written?: DiskReport;
}

/** The generation that was made, or would be. */
export interface BackupResult {
  /** Path of the repository. */
  repository: string;
  /** The name of the machine. */
  machine: string;
  /** The id of the generation. */
  id: string;
  /** The id of the generation before. */
  parent?: string;
  /** The disks, each with a key of its own. */
  disks: BackedUpDisk[];
  /** The seal of the generation; absent for a dry run. */
  generation?: GenerationDocument;
}

/**
 * Makes the next generation of a machine, of all its disks together. If that fails, is stopped or is killed, the
 * machine is as before: at once, or when it is used the next time.
 *
 * @throws {UsageError} if there is no repository, or parts of the request contradict each other
 * @throws {FormatError | MismatchError} if a disk is damaged, or the newest generation is
 * @throws {Error} if another process uses the machine, a disk changes while it is read, or the system refuses
 *
 * @example
 * ```ts
 * import { backup } from "./backup.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const folder = Deno.makeTempDirSync();
 * const disk = `${folder}/web.raw`;
 * Deno.writeFileSync(disk, new Uint8Array(4 * 512));
 * const request = { repository: `${folder}/backup`, disks: [{ disk }], blocksize: 512, init: true };
 * await backup(request);
 * Deno.writeFileSync(disk, new Uint8Array(4 * 512).fill(1, 512, 1024)); // block 1 changes
 * const { disks: [{ mode, written }] } = await backup(request);
 * assertEquals([mode, written?.disk.changedBlocks], ["diff", 1]);
 * Deno.removeSync(folder, { recursive: true });
 * ```
 */
export async function backup(request: BackupRequest, options: JobOptions = {}): Promise<BackupResult> {
  const { disks } = request;
  if (disks.length === 0) throw new UsageError("Cannot back up a machine without disks: name one");
  const inputs = disks.flatMap(({ disk, changed }) => [
    ...typeof disk === "string" ? [disk] : isProvider(disk) ? disk.inputs ?? [] : [],
    ...changed === undefined ? [] : [changed],
  ]);
  return await Job.run(options, { inputs, compressedFiles: 3 }, async (job) => {
    const repository = await repositoryOf(request);
    const opened: Opened[] = [];
    for (const disk of disks) opened.push(await open(job, disk, repository));
    const name = request.machine ?? keyOfDisk(opened[0].disk.path, () => false);
    const path = await repository.folderFor(name);
    if (request.dryRun && !isFolder(path)) return await dryRun(job, request, { path, name, opened });
    makeFolder(path);
    using machine = await OpenMachine.open(job, { path, name, write: request.dryRun !== true });
    if (request.dryRun) return await dryRun(job, request, { path, name, opened, machine });
    const result = await backUp(job, machine, { ...request, opened });
    for (const { close } of opened) await close();
    return result;
  });
}

/** A disk that is open. */
interface Opened extends Pick<BackupDisk, "key" | "changed"> {
  disk: ReadableDisk;
  watch: DiskWatch;
  close: () => Promise<void>;
}

async function repositoryOf({ repository: path, init, dryRun, now }: BackupRequest): Promise<Repository> {
  if (init && !dryRun && !isRegularFile(join(path, REPOSITORY_FILE))) {
    return await initRepository(path, { now });
  }
  return await openRepository(path);
}

async function open(job: Job, request: BackupDisk, repository: Repository): Promise<Opened> {
  const { disk: source, key, changed } = request;
  const { disk, close } = await openSource(job, source, { ...request, mapped: changed === undefined });
  refuseOwnDisk(disk, { repository: repository.path, action: "back up" });
  if (typeof source === "string") { for (const line of usesOf(disk)) job.warn(line); }
  const isVmdk = disk.cid !== undefined && typeof source === "string";
  const watch = new DiskWatch(disk, isVmdk ? { reopen: () => openForReading(source, request) } : {});
  job.expectBytes(disk.capacityBytes);
  return { disk, watch, close, key, changed };
}

/** Decides for each disk which one it is and how it is read. */
async function worksOf(
  job: Job,
  opened: readonly Opened[],
  { document, state, blocksize }: { document?: MachineDocument; state?: MachineState; blocksize?: number },
): Promise<DiskWork[]> {
  const works: DiskWork[] = [];
  const taken = new Set<string>();
  const newest = state?.generations[0];
  for (const { disk, watch, key: wanted, changed } of opened) {
    const key = keyFor(disk, { wanted, known: document?.disks ?? [], taken });
    taken.add(key.toLowerCase());
    const previous = diskOf(newest, key);
    let plan = planOf(disk, previous, { hasChanges: changed !== undefined });
    if (
      blocksize !== undefined && previous !== undefined && plan.mode !== "full" &&
      previous.blockBytes !== blocksize
    ) {
      throw new UsageError(
        `Cannot use --blocksize ${blocksize}: disk "${key}" has blocks of ${previous.blockBytes} bytes`,
      );
    }
    let changes: KnownChanges | undefined;
    if (plan.mode === "incr") {
      changes = { path: changed!, blocks: await readChanges(job, changed!, previous!) };
    } else if (plan.mode === "diff") {
      const inSnapshots = await changesInSnapshots(job, disk, previous!);
      if (inSnapshots !== undefined) {
        changes = inSnapshots;
        plan = {
          mode: "incr",
          reason: `it is a snapshot of "${inSnapshots.parent}", which was backed up last`,
        };
      }
    }
    works.push({ key, disk, watch, plan, previous, changes });
  }
  return works;
}

async function dryRun(
  job: Job,
  { repository, now = new Date(), blocksize }: BackupRequest,
  { path, name, opened, machine }: { path: string; name: string; opened: Opened[]; machine?: OpenMachine },
): Promise<BackupResult> {
  const document = machine === undefined ? undefined : await documentOf({ path, name });
  const works = await worksOf(job, opened, { document, state: machine?.state, blocksize });
  return {
    ...{ repository, machine: name },
    id: generationIdAfter(now, machine?.state.lastId),
    parent: machine?.state.generations[0]?.id,
    disks: works.map(({ key, disk, plan }) => ({ key, path: disk.path, ...plan })),
  };
}

async function backUp(
  job: Job,
  machine: OpenMachine,
  request: BackupRequest & { opened: readonly Opened[] },
): Promise<BackupResult> {
  const { repository, opened, blocksize, now = new Date() } = request;
  const { name, state } = machine;
  const document = await documentOf(machine);
  const works = await worksOf(job, opened, { document, state, blocksize });
  const id = generationIdAfter(now, state.lastId);
  const { generation, written } = await makeGeneration(job, machine, {
    ...{ works, document, id, now, note: request.note },
    ended: request.now,
    blockBytes: blocksize ?? DEFAULT_BLOCK_BYTES,
    audit: request.audit,
    allowChanges: request.allowChanges,
  });
  return {
    ...{ repository, machine: name, id, parent: generation.parent, generation },
    disks: works.map(({ key, disk: { path } }, i) => {
      const { emptied: _, ...rest } = written[i];
      const { mode, reason } = rest.disk;
      return { key, path, mode, reason, written: rest };
    }),
  };
}
