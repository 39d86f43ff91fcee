/** The disk that a restore writes: a file of this machine, or a disk behind VMware's library. */

import type { DumpHeader } from "../archive/header.ts";
import { createDisk, type NewDiskFormat } from "../disks/create.ts";
import type { ReadableDisk, WritableDisk } from "../disks/disk.ts";
import { openForReading, openForWriting } from "../disks/open.ts";
import { quoted } from "../disks/refusal.ts";
import { referencesIn } from "../disks/vmdk/descriptor/ddb.ts";
import { HEADER_PREFIX } from "../disks/vmdk/descriptor/encryption.ts";
import { UsageError } from "../errors.ts";
import { SECTOR_BYTES } from "../sector.ts";
import { type LibraryOptions, refuseLibraryOptions, wantsLibrary } from "./library_options.ts";
import { usesOf } from "./disk_watch.ts";
import type { Session } from "./session.ts";

/** A disk on its way to be what it is to be. */
export interface RestoreTarget {
  readonly disk: WritableDisk;
  /** Ends the writing; a new disk gets its name. Nothing may be written behind it. */
  complete(): Promise<void>;
  /** The disk as it is stored now; after {@linkcode complete}. */
  readBack(): Promise<ReadableDisk>;
  /** Whether the disk must be read back before it is called restored. */
  readonly isDoubtful: boolean;
  /** What is to be said of the library, when the session is over. */
  report(): Promise<{ text: string[]; json: Record<string, unknown> }>;
}

/** How an existing disk is taken. */
const TAKEN_AS = ["raw", "vmdk"] as const;

/** What `--format` may say: how to take a disk, and with `--create` what to make. */
export const TARGET_FORMATS = [
  ...TAKEN_AS,
  "monolithicFlat",
  "monolithicSparse",
  "streamOptimized",
  "vmfs",
] as const satisfies (NewDiskFormat | "vmdk")[];

type TargetFormat = typeof TARGET_FORMATS[number];

/** What of the command line is of interest here. */
export interface TargetOptions extends LibraryOptions {
  format?: TargetFormat;
  create?: true;
  metadata?: true;
  force?: true;
  allowOutside?: true;
  allowEncrypted?: true;
}

/** Opens the disk that the options name, or makes it as `header` describes it. */
export async function openTarget(
  session: Session,
  header: DumpHeader,
  options: TargetOptions,
): Promise<RestoreTarget> {
  const target = await (wantsLibrary(options) ? libraryTarget : ownTarget)(session, header, options);
  for (const line of metadataWarnings(header.metadata, options)) session.warn(line);
  return target;
}

async function ownTarget(
  session: Session,
  header: DumpHeader,
  options: TargetOptions,
): Promise<RestoreTarget> {
  refuseLibraryOptions(options);
  return await fileTarget(session, header, { ...options, local: options.local! });
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
  session: Session,
  header: DumpHeader,
  options: TargetOptions & { local: string },
): Promise<RestoreTarget> {
  const { local, allowOutside, allowEncrypted } = options;
  const { capacityBytes, adapterType } = header;
  const metadata = options.metadata ? header.metadata : undefined;
  const leftOut = referencesIn(metadata ?? new Map());
  const existing = {
    format: takenAs(options.format),
    allowOutside,
    allowEncrypted,
    ...session.diskHelp,
  };
  if (!options.create) {
    session.refuseInput(local);
    await session.hold(local);
  }
  const disk = session.using(
    options.create
      ? await createDisk(
        local,
        { capacityBytes, adapterType, metadata, format: madeAs(options.format), packing: session.packing },
        (path) => session.openOutput(path),
      )
      : await openForWriting(local, existing),
  );
  refuseUsed(session, disk, options);
  if (!options.create) session.lockDisk(disk, { write: true });
  return {
    disk,
    isDoubtful: false,
    complete: () => Promise.resolve(session.commit()),
    readBack: async () => session.using(await openForReading(local, existing)),
    report: () => Promise.resolve({ text: [], json: leftOut.length > 0 ? { leftOutMetadata: leftOut } : {} }),
  };
}

/** Warns if something else uses the disk that is about to be written. @throws {UsageError} without `--force` */
function refuseUsed(
  session: Session,
  disk: Pick<WritableDisk, "path" | "files">,
  { create, force }: TargetOptions,
): void {
  const uses = usesOf(disk);
  if (uses.length > 0 && !create && !force) {
    throw new UsageError(
      `Cannot restore to disk "${disk.path}": ${
        uses.join(", ")
      }; end that first, or use --force if it is over`,
    );
  }
  for (const line of uses) session.warn(line);
}

/** What a disk of that format is opened as. */
function takenAs(format: TargetFormat | undefined): typeof TAKEN_AS[number] | undefined {
  return format === undefined || format === "raw" ? format : "vmdk";
}

/** A VMDK of no special kind is a flat one. */
function madeAs(format: TargetFormat | undefined): NewDiskFormat | undefined {
  return format === "vmdk" ? "monolithicFlat" : format;
}

/** @throws {UsageError} if the format is one of those that are only made, and that cannot be meant */
export function refuseFormat(options: TargetOptions): void {
  const { format } = options;
  if (format === undefined || TAKEN_AS.some((name) => name === format)) return;
  if (!options.create) {
    throw new UsageError(`Cannot use --format ${format} without --create: it is for a disk that is made`);
  }
  if (wantsLibrary(options)) {
    throw new UsageError(`Cannot use --format ${format} with VMware's library, which makes its own disks`);
  }
}

async function libraryTarget(
  session: Session,
  { capacityBytes, adapterType }: DumpHeader,
  options: TargetOptions,
): Promise<RestoreTarget> {
  if (capacityBytes % SECTOR_BYTES !== 0) {
    throw new UsageError(
      `Cannot restore to a disk behind VMware's library: ${capacityBytes} bytes are no whole sectors`,
    );
  }
  const create = options.create && { capacityBytes, adapterType };
  const exists = create !== undefined && refuseToCreate(session, options);
  const { absolute, LibraryDisks, temporaryDiskName } = await import("./library.ts");
  const disks = new LibraryDisks(options);
  const disk = await disks.open(session, { readOnly: false, mapped: false, create });
  let back: typeof disk | undefined;
  return {
    disk,
    get isDoubtful() {
      return disk.isDoubtful;
    },
    async complete() {
      session.commit();
      if (create !== undefined) {
        await disk.name({ aside: exists ? temporaryDiskName(absolute(options.local!)) : undefined });
      }
      await disk.close();
    },
    readBack: async () => back = await disks.open(session, { readOnly: true, mapped: false }),
    async report() {
      await back?.close();
      return disks.report();
    },
  };
}

/** Returns whether there is a disk to replace. @throws {UsageError} if the library cannot make the disk, or may not */
function refuseToCreate(session: Session, { local, force, remote }: TargetOptions): boolean {
  if (remote !== undefined) {
    throw new UsageError("Cannot use --create with --remote: servers make their disks themselves");
  }
  if (!/\.vmdk$/i.test(local!)) {
    throw new UsageError(`Cannot make disk "${local}" with VMware's library: it makes VMDKs, named *.vmdk`);
  }
  for (const name of [local!, local!.replace(/\.vmdk$/i, "-flat.vmdk")]) session.refuseInput(name);
  try {
    Deno.lstatSync(local!);
  } catch {
    return false;
  }
  if (!force) throw new UsageError(`Cannot write "${local}": it exists already (--force replaces it)`);
  return true;
}
