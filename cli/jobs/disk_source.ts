/** Disks that jobs read and write: files of this machine, objects of the caller, or what a provider opens. */

import type { ReadableDisk } from "../disks/disk.ts";
import { openForReading } from "../disks/open.ts";
import { aroundCommit } from "../files/unfinished.ts";
import type { Job } from "./job.ts";

/** The job for which a provider opens a disk. */
export interface DiskHost {
  /** Aborted when the job is to stop. */
  readonly signal?: AbortSignal;
  /**
   * Closes a resource when the job ends, after the resources that were passed later. Returns the resource.
   */
  using<T extends Disposable | AsyncDisposable>(resource: T): T;
  /** Names files that the job reads from now on. The job refuses outputs that are one of them. */
  addInputs(paths: readonly string[]): void;
  /** Reports a sentence to the observer of the job. */
  warn(line: string): void;
  /** Starts a thread now, because the calling thread will wait for the disk and should not compute. */
  expectWork(): void;
  /**
   * Opens a file to which lines are appended; a new one is for its owner alone (mode 0600).
   * @throws {UsageError} if the job reads the file
   */
  openLog(path: string): Deno.FsFile;
}

/** What a disk is opened for. */
export interface DiskPurpose {
  /** The job only reads the disk. */
  readOnly: boolean;
  /** The job will ask which parts of the disk are allocated. */
  mapped: boolean;
  /** Make the disk, with this size in bytes and this adapter (one of `ADAPTER`), instead of opening one. */
  create?: { capacityBytes: number; adapterType: number };
}

/** What a provider says when all its disks are closed. */
export interface ProviderReport {
  /** Lines for people. */
  text: string[];
  /** Properties for programs. */
  json: Record<string, unknown>;
}

/** Opens a disk when the job has begun, such as one of a server. The disk ends with the job. */
export interface DiskProvider<Disk extends ProvidedDisk = ProvidedDisk> {
  /**
   * Files that opening the disk reads, `-` for standard input. The job refuses outputs that are one of them.
   */
  readonly inputs?: readonly string[];
  /** Opens the disk. Errors end the job. */
  open(host: DiskHost, purpose: DiskPurpose): Promise<Disk>;
}

/** The state of a disk at an earlier backup. */
export interface EarlierState {
  /** The id that the server gave to the state. */
  changeId: string;
  /** The size of the disk at that time in bytes. */
  capacityBytes: number;
}

/**
 * The parts of a disk that have changed since an earlier state, without overlaps and in order; or the reason
 * why they are not known.
 */
export type ChangedAreas =
  | { areas: Iterable<{ startBytes: number; endBytes: number }> }
  | { reason: string };

/** A disk that a provider has opened. */
export type ProvidedDisk = ReadableDisk & {
  /** Ends the work with the disk, when the archives have their names. Errors are those of the job. */
  close(): Promise<void>;
  /** The id that the server gives to the present state of the disk. The seal records it for the next backup. */
  readonly changeId?: string;
  /** Asks the server for the parts of the disk that have changed. Absent where there is no list of changes. */
  changesSince?(earlier: EarlierState): Promise<ChangedAreas>;
  /**
   * Returns a phrase for each sign that the disk has changed since it was opened, as the changes of files are
   * described. Absent where nothing can change the disk.
   */
  changes?(): Promise<string[]>;
};

/**
 * A disk to be read: the path of a file or of a block device; an open disk, which the caller closes when the
 * job has ended; or a provider.
 */
export type DiskSource = string | ReadableDisk | DiskProvider;

/** How the path of a disk is understood. Without meaning for open disks and providers. */
export interface DiskPathOptions {
  /** The format of the disk. By default its first bytes and its name decide. */
  format?: "raw" | "vmdk";
  /** Accept a VMDK that names files outside its folder. */
  allowOutside?: boolean;
  /** Read the encrypted bytes of an encrypted VMDK as they are. Otherwise such a disk is refused. */
  allowEncrypted?: boolean;
}

/** Returns whether a disk comes from a provider. */
export function isProvider(disk: DiskSource): disk is DiskProvider {
  return typeof disk === "object" && "open" in disk;
}

/** Opens a disk for reading until the job ends. `close` ends the work with the disk of a provider. */
export async function openSource(
  job: Job,
  source: DiskSource,
  { mapped, ...options }: DiskPathOptions & { mapped: boolean },
): Promise<{ disk: ReadableDisk & Partial<ProvidedDisk>; close: () => Promise<void> }> {
  if (typeof source === "string") {
    const disk = job.using(await openForReading(source, { ...flags(options), ...job.diskHelp }));
    job.lockDisk(disk);
    await refuseUnfinished(source, disk.files);
    return { disk, close: () => Promise.resolve() };
  }
  if (!isProvider(source)) return { disk: source, close: () => Promise.resolve() };
  const disk = await source.open(job, { readOnly: true, mapped });
  return { disk, close: () => disk.close() };
}

/**
 * @throws {Error} if a run was killed while it gave the files of a disk their names: they may be of two disks.
 *   Archives are read around such a commit; of a disk, each file would have to be opened by another name
 */
export async function refuseUnfinished(path: string, files: readonly string[]): Promise<void> {
  for (const file of files) {
    if (await aroundCommit(file) === undefined) continue;
    throw new Error(
      `Cannot use disk "${path}": a run was killed while it gave "${file}" its name, and the files of the disk may ` +
        "belong to two disks; run the same restore again, which finishes or undoes that",
    );
  }
}

function flags({ format, allowOutside, allowEncrypted }: DiskPathOptions) {
  return {
    format,
    allowOutside: allowOutside || undefined,
    allowEncrypted: allowEncrypted || undefined,
  } as const;
}
