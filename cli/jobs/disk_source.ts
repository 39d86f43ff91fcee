/** Disks that jobs read and write: files of this machine, objects of the caller, or what a provider opens. */

import type { ReadableDisk, WritableDisk } from "../disks/disk.ts";
import { openForReading } from "../disks/open.ts";
import type { Job } from "./job.ts";

/** What a provider needs of the job for which it opens a disk. */
export type DiskHost = Pick<Job, "addInputs" | "expectWork" | "openLog" | "signal" | "using" | "warn">;

/** What a disk is opened for. */
export interface Purpose {
  readOnly: boolean;
  /** Whether the job will ask which parts are allocated. */
  mapped: boolean;
  /** Make the disk, as large as this and with this adapter. */
  create?: { capacityBytes: number; adapterType: number };
}

/** What a provider says when all its disks are closed: lines for people, and values for programs. */
export interface ProviderReport {
  text: string[];
  json: Record<string, unknown>;
}

/** Opens disks that are not simply files, such as those of a server. */
export interface DiskProvider<Disk extends ProvidedDisk = ProvidedDisk> {
  /** Files and streams that opening a disk reads; no output may be one of them. */
  readonly inputs?: readonly string[];
  /** Opens the disk. */
  open(host: DiskHost, purpose: Purpose): Promise<Disk>;
  /** What is to be said of the disks, when they are closed. */
  report(): ProviderReport;
}

/** A disk that a provider has opened. */
export type ProvidedDisk = ReadableDisk & WritableDisk & {
  /** Ends the work with the disk. */
  close(): Promise<void>;
};

/** A disk to be read: the path of a file or a device, an open disk, or who opens it. */
export type DiskSource = string | ReadableDisk | DiskProvider;

/** How the path of a disk is understood. */
export interface DiskPathOptions {
  /** Take the disk as this, whatever its name is. */
  format?: "raw" | "vmdk";
  /** Let a VMDK name files outside its folder. */
  allowOutside?: boolean;
  /** Take the encrypted bytes of an encrypted VMDK as they are. */
  allowEncrypted?: boolean;
}

/** Whether a disk comes from a provider. */
export function isProvider(disk: DiskSource): disk is DiskProvider {
  return typeof disk === "object" && "open" in disk;
}

/** Opens a disk for reading until the job ends. */
export async function openSource(
  job: Job,
  source: DiskSource,
  { mapped, ...options }: DiskPathOptions & { mapped: boolean },
): Promise<{ disk: ReadableDisk; close: () => Promise<void> }> {
  if (typeof source === "string") {
    const disk = job.using(await openForReading(source, { ...flags(options), ...job.diskHelp }));
    job.lockDisk(disk);
    return { disk, close: () => Promise.resolve() };
  }
  if (!isProvider(source)) return { disk: source, close: () => Promise.resolve() };
  const disk = await source.open(job, { readOnly: true, mapped });
  return { disk, close: () => disk.close() };
}

function flags({ format, allowOutside, allowEncrypted }: DiskPathOptions) {
  return {
    format,
    allowOutside: allowOutside || undefined,
    allowEncrypted: allowEncrypted || undefined,
  } as const;
}
