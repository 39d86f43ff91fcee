/** The disk that a restore writes: a path, an object of the caller, or a disk that a provider opens. */

import type { DumpHeader } from "../archive/header.ts";
import { createDisk, type NewDiskFormat } from "../disks/create.ts";
import type { ReadableDisk, WritableDisk } from "../disks/disk.ts";
import { openForReading, openForWriting } from "../disks/open.ts";
import { quoted } from "../disks/refusal.ts";
import { referencesIn } from "../disks/vmdk/descriptor/ddb.ts";
import { HEADER_PREFIX } from "../disks/vmdk/descriptor/encryption.ts";
import { UsageError } from "../errors.ts";
import { usesOf } from "./disk_watch.ts";
import type { DiskHost } from "./disk_source.ts";
import { refuseUnfinished } from "./disk_source.ts";
import type { Job } from "./job.ts";

/** A disk that a restore writes. */
export interface RestoreTarget {
  /** The open disk. */
  readonly disk: WritableDisk;
  /** Ends the writing: all data is stored, and a new disk gets its name. */
  complete(): Promise<void>;
  /** Opens the disk for reading, after {@linkcode complete}. It ends with the job. */
  readBack(): Promise<ReadableDisk>;
  /**
   * The disk must be read back and compared before it counts as restored, because writing it had an uncertain
   * result.
   */
  readonly isDoubtful: boolean;
  /** Keys of the metadata that were not written, because they refer to things outside the disk. */
  readonly leftOutMetadata?: readonly string[];
}

/** The formats of an existing disk. */
const EXISTING_FORMATS = ["raw", "vmdk"] as const;

/**
 * The format of the disk that a restore writes. An existing disk is `raw` or a `vmdk`. A new disk can be of
 * the other kinds, too, and `vmdk` then means `monolithicFlat`.
 */
export type TargetFormat =
  | "raw"
  | "vmdk"
  | "monolithicFlat"
  | "monolithicSparse"
  | "streamOptimized"
  | "vmfs";

/** All formats of a disk that a restore writes. */
export const TARGET_FORMATS = [
  ...EXISTING_FORMATS,
  "monolithicFlat",
  "monolithicSparse",
  "streamOptimized",
  "vmfs",
] as const satisfies TargetFormat[];

/** How the disk is opened, or made. */
export interface TargetOptions {
  /**
   * The format of the disk. By default the name and the first bytes of an existing disk decide; a new disk is
   * `monolithicFlat` if its name ends in `.vmdk`, raw if it ends in `.raw` or `.img`, and refused otherwise.
   */
  format?: TargetFormat;
  /** Make a new disk, which must not exist unless the options of the job have `force`. */
  create?: boolean;
  /** Write the disk data base of the VMDK that was dumped, too: adapter type, geometry, UUID and the like. */
  metadata?: boolean;
  /** Accept a VMDK that names files outside its folder. */
  allowOutside?: boolean;
  /** Write to a VMDK although its descriptor says that its content is encrypted. */
  allowEncrypted?: boolean;
}

/** The job for which a provider opens or makes the disk that is written. */
export interface TargetHost extends DiskHost {
  /** The options of the job have `force`. */
  readonly isForced: boolean;
  /**
   * Does nothing if `path` may be written.
   * @throws {UsageError} if the job reads `path`, whatever links lead to it
   */
  refuseInput(path: string): void;
  /**
   * Gives the outputs of the job their names and tells the observer. Called once, by {@linkcode
   * RestoreTarget.complete}.
   */
  commit(): void;
}

/** Opens or makes the disk that a restore writes when the archives are known, such as a disk of a server. */
export interface TargetProvider {
  /** Files that opening the disk reads, `-` for standard input. No output may be one of them. */
  readonly inputs?: readonly string[];
  /** Opens the disk, or makes it as `header` describes it. Errors end the job. */
  openTarget(host: TargetHost, header: DumpHeader, options: TargetOptions): Promise<RestoreTarget>;
}

/**
 * A disk to be written: the path of a file or of a block device; an open disk, which the caller closes when
 * the job has ended; or a provider.
 */
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
    : objectTarget(job, disk);
  for (const line of metadataWarnings(header.metadata, options)) job.warn(line);
  return target;
}

/** A disk that the caller has opened; the caller closes it. */
function objectTarget(job: Job, disk: WritableDisk): RestoreTarget {
  return {
    disk,
    isDoubtful: false,
    complete: () => Promise.resolve(job.commit()),
    readBack: () => {
      if ("read" in disk) return Promise.resolve(disk as WritableDisk & ReadableDisk);
      throw new UsageError(`Cannot read back disk "${disk.path}": it can only be written`);
    },
  };
}

/**
 * Returns warnings about metadata of the archives: keys that are not restored, and the keys of an encrypted
 * disk.
 */
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
    format: existingFormat(options.format),
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
        { capacityBytes, adapterType, metadata, format: newFormat(options.format), packing: job.packing },
        (path) => job.openOutput(path, { isNamed: path === local }),
      )
      : await openForWriting(local, existing),
  );
  refuseUsed(job, disk, options);
  if (!options.create) {
    job.lockDisk(disk, { write: true });
    await refuseUnfinished(local, disk.files);
  }
  return {
    disk,
    isDoubtful: false,
    complete: () => Promise.resolve(job.commit()),
    readBack: async () => job.using(await openForReading(local, existing)),
    leftOutMetadata: leftOut,
  };
}

/**
 * Warns if something else uses the disk that is about to be written.
 *
 * @throws {UsageError} then, unless `force` is set
 */
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

/** Returns the format as which an existing disk is opened. */
function existingFormat(format: TargetFormat | undefined): typeof EXISTING_FORMATS[number] | undefined {
  return format === undefined || format === "raw" ? format : "vmdk";
}

/** Returns the format of a new disk; undefined if its name decides. */
function newFormat(format: TargetFormat | undefined): NewDiskFormat | undefined {
  return format === "vmdk" ? "monolithicFlat" : format;
}

/** @throws {UsageError} if only a new disk can have the format, and no disk is made */
export function refuseFormat({ format, create }: TargetOptions): void {
  if (format === undefined || create || EXISTING_FORMATS.some((name) => name === format)) return;
  throw new UsageError(`Cannot use --format ${format} without --create: it is for a disk that is made`);
}
