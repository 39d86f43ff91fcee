/** The disk that a restore writes. */

import type { DumpHeader } from "../archive/header.ts";
import { createDisk, type NewDiskFormat } from "../disks/create.ts";
import type { ReadableDisk, WritableDisk } from "../disks/disk.ts";
import { openForReading, openForWriting } from "../disks/open.ts";
import { quoted } from "../disks/refusal.ts";
import { referencesIn } from "../disks/vmdk/descriptor/ddb.ts";
import { HEADER_PREFIX } from "../disks/vmdk/descriptor/encryption.ts";
import { UsageError } from "../errors.ts";
import { usesOf } from "./disk_watch.ts";
import type { Job } from "./job.ts";

/** A disk on its way to be what it is to be. */
export interface RestoreTarget {
  readonly disk: WritableDisk;
  /** Ends the writing; a new disk gets its name. Nothing may be written behind it. */
  complete(): Promise<void>;
  /** The disk as it is stored now; after {@linkcode complete}. */
  readBack(): Promise<ReadableDisk>;
  /** Whether the disk must be read back before it is called restored. */
  readonly isDoubtful: boolean;
  /** Metadata of the archives that were left out, because they refer to things outside the disk. */
  readonly leftOutMetadata?: readonly string[];
}

/** How an existing disk is taken. */
const TAKEN_AS = ["raw", "vmdk"] as const;

/** How a disk is taken, and for a new one what is made. */
export const TARGET_FORMATS = [
  ...TAKEN_AS,
  "monolithicFlat",
  "monolithicSparse",
  "streamOptimized",
  "vmfs",
] as const satisfies (NewDiskFormat | "vmdk")[];

/** One of {@linkcode TARGET_FORMATS}. */
export type TargetFormat = typeof TARGET_FORMATS[number];

/** How the disk is opened, or made. */
export interface TargetOptions {
  /** Take the disk as raw or vmdk, whatever its name is; with `create`: make this. */
  format?: TargetFormat;
  /** Make the disk. */
  create?: boolean;
  /** Write the metadata of the disk too. */
  metadata?: boolean;
  /** Let a VMDK name files outside its folder. */
  allowOutside?: boolean;
  /** Write to a VMDK although its descriptor says that its content is encrypted. */
  allowEncrypted?: boolean;
}

/** Opens or makes disks that are not simply files, such as those of a server. */
export interface TargetProvider {
  /** Files and streams that opening a disk reads; no output may be one of them. */
  readonly inputs?: readonly string[];
  /** Opens the disk, or makes it as `header` describes it. */
  openTarget(job: Job, header: DumpHeader, options: TargetOptions): Promise<RestoreTarget>;
}

/** A disk to be written: its path, an open disk, or who opens it. */
export type TargetSource = string | WritableDisk | TargetProvider;

/** Opens the disk, or makes it as `header` describes it. */
export async function openTarget(
  job: Job,
  { disk, header, options }: { disk: TargetSource; header: DumpHeader; options: TargetOptions },
): Promise<RestoreTarget> {
  const target = typeof disk === "string"
    ? await fileTarget(job, header, { ...options, local: disk })
    : "openTarget" in disk
    ? await disk.openTarget(job, header, options)
    : objectTarget(disk);
  for (const line of metadataWarnings(header.metadata, options)) job.warn(line);
  return target;
}

/** A disk that the caller has opened; the caller closes it. */
function objectTarget(disk: WritableDisk): RestoreTarget {
  return {
    disk,
    isDoubtful: false,
    complete: () => Promise.resolve(),
    readBack: () => {
      if ("read" in disk) return Promise.resolve(disk as WritableDisk & ReadableDisk);
      throw new UsageError(`Cannot read back disk "${disk.path}": it can only be written`);
    },
  };
}

/** What the user should know of the metadata of the archives: what is not restored, and that the disk is encrypted. */
function metadataWarnings(
  metadata: ReadonlyMap<string, string>,
  { metadata: isRestored }: Pick<TargetOptions, "metadata">,
): string[] {
  const keys = [...metadata.keys()].filter((key) => key.startsWith(HEADER_PREFIX));
  const references = referencesIn(metadata).filter((key) => !keys.includes(key));
  return [
    ...(isRestored && references.length > 0
      ? [`metadata that refer to things outside the disk are left out: ${references.map(quoted).join(", ")}`]
      : []),
    ...(keys.length > 0
      ? [
        "the content of this disk is encrypted. To read it, write the keys that the archive keeps (vmdkbkp print) " +
        `into the header of its descriptor: ${
          keys.map((key) => quoted(key.slice(HEADER_PREFIX.length))).join(", ")
        }`,
      ]
      : []),
  ];
}

async function fileTarget(
  job: Job,
  header: DumpHeader,
  options: TargetOptions & { local: string },
): Promise<RestoreTarget> {
  const { local, allowOutside, allowEncrypted } = options;
  const { capacityBytes, adapterType } = header;
  const metadata = options.metadata ? header.metadata : undefined;
  const leftOut = referencesIn(metadata ?? new Map());
  const existing = {
    format: takenAs(options.format),
    allowOutside: allowOutside || undefined,
    allowEncrypted: allowEncrypted || undefined,
    ...job.diskHelp,
  };
  if (!options.create) {
    job.refuseInput(local);
    await job.hold(local);
  }
  const disk = job.using(
    options.create
      ? await createDisk(
        local,
        { capacityBytes, adapterType, metadata, format: madeAs(options.format), packing: job.packing },
        (path) => job.openOutput(path),
      )
      : await openForWriting(local, existing),
  );
  refuseUsed(job, disk, options);
  if (!options.create) job.lockDisk(disk, { write: true });
  return {
    disk,
    isDoubtful: false,
    complete: () => Promise.resolve(job.commit()),
    readBack: async () => job.using(await openForReading(local, existing)),
    leftOutMetadata: leftOut,
  };
}

/** Warns if something else uses the disk that is about to be written. @throws {UsageError} without `--force` */
function refuseUsed(
  job: Job,
  disk: Pick<WritableDisk, "path" | "files">,
  { create }: TargetOptions,
): void {
  const uses = usesOf(disk);
  if (uses.length > 0 && !create && !job.isForced) {
    throw new UsageError(
      `Cannot restore to disk "${disk.path}": ${
        uses.join(", ")
      }; end that first, or use --force if it is over`,
    );
  }
  for (const line of uses) job.warn(line);
}

/** What a disk of that format is opened as. */
function takenAs(format: TargetFormat | undefined): typeof TAKEN_AS[number] | undefined {
  return format === undefined || format === "raw" ? format : "vmdk";
}

/** A VMDK of no special kind is a flat one. */
function madeAs(format: TargetFormat | undefined): NewDiskFormat | undefined {
  return format === "vmdk" ? "monolithicFlat" : format;
}

/** @throws {UsageError} if the format is one of those that are only made, and no disk is made */
export function refuseFormat({ format, create }: TargetOptions): void {
  if (format === undefined || create || TAKEN_AS.some((name) => name === format)) return;
  throw new UsageError(`Cannot use --format ${format} without --create: it is for a disk that is made`);
}
