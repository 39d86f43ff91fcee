/** `vmdkbkp restore`: write a generation back to a disk. */

import { leadsToFolder } from "../files/paths.ts";
import { formatTimeStamp } from "../archive/time_stamp.ts";
import { UsageError } from "../errors.ts";
import { restore } from "../jobs/restore.ts";
import { refuseFormat, TARGET_FORMATS, type TargetSource } from "../jobs/restore_target.ts";
import { BLOCK_SIZE } from "./block_size.ts";
import { newCommand, WITHOUT_SEAL } from "./common.ts";
import type { LibraryDisks } from "../jobs/library_disk.ts";
import { LIBRARY_OPTIONS, wantsLibrary } from "./server/library_options.ts";
import { libraryDisks } from "./server/remote_disk.ts";
import { flagOf, type ValuesOf } from "../options/option.ts";
import { areMachines, OPTIONAL_REPOSITORY } from "./repository/options.ts";
import { Printer } from "./printer.ts";
import { unprovedText, unsealedText } from "./seal_texts.ts";
import { TRUSTED_KEY } from "./signing.ts";
import { blocksText, headerJson, secondsSince, speedText } from "./summary.ts";

export const command = newCommand("restore", {
  description: `Restore a disk from archives, newest first: a dump, then rdiffs back to the wanted generation.

Without --create the disk exists and is overwritten where it differs; holes stay, and what becomes zero
becomes a hole where the file system can have it. The archives are read once to their end before the first
byte is written. With --create a new disk is made: a flat VMDK if the name ends in .vmdk, a raw image for .raw
or .img, or what --format says: vmfs is a flat VMDK for ESXi, monolithicSparse one file without what is zero,
streamOptimized one that is compressed too, for ovftool and for import to vSphere.
Rdiffs without a dump turn a disk that is at the newer generation into the older one.

With --repo a machine of a repository is restored: one disk, or all of them to new disks in the folder
--local.`,
  examples: `
vmdkbkp restore --create --local disk.vmdk --metadata 2.dump.zst
vmdkbkp restore --create --local old.raw 2.dump.zst 1.rdiff.zst 0.rdiff.zst
vmdkbkp restore --create --local web.vmdk --format streamOptimized --metadata 2.dump.zst
vmdkbkp restore --local /dev/sdx 2.dump.zst
vmdkbkp restore --repo backup --at 2026-11-24 --create --local tuesday.vmdk web
vmdkbkp restore --server vc1.example --username backup --thumbprint 12:34:... --vm vm-16 \\
    --remote "[ds1] web/web.vmdk" --verify --digestin 0.digest 2.dump.zst 1.rdiff.zst 0.rdiff.zst`,
  args: { "<archives...>": "a dump and rdiffs, newest first; with --repo the name of a machine" },
  options: {
    local: { type: "file", value: "disk", help: "the disk to write" },
    create: { type: "flag", help: "make the disk" },
    format: {
      type: "choice",
      value: "format",
      choices: TARGET_FORMATS,
      help: "take the disk as raw or vmdk, whatever its name; with --create: make this",
    },
    metadata: { type: "flag", help: "write the disk's metadata too" },
    verify: { type: "flag", help: "read the disk back and compare it, with the archives or --digestin" },
    digestin: {
      type: "input",
      value: "file",
      requires: ["verify"],
      help: "with --verify: digest of the last archive's generation",
    },
    force: {
      type: "flag",
      help:
        "replace the disk if it exists (--create); write to one that is in use, by a lock folder (*.lck) or a mount",
    },
    omitzeroblock: {
      type: "flag",
      group: "more",
      help: "do not write zero blocks: only for a disk that is empty",
    },
    blocksize: { ...BLOCK_SIZE, group: "more", help: "must be that of the archives" },
    repo: OPTIONAL_REPOSITORY,
    at: {
      type: "text",
      value: "when",
      group: "repository",
      help: "latest (the default), the id of a generation, or a time or day: the newest that is not later",
    },
    disk: { type: "text", value: "key", group: "repository", help: "the disk of the machine" },
    trustedKey: TRUSTED_KEY,
    withoutSeal: WITHOUT_SEAL,
    allowOutside: { type: "flag", group: "more", help: "let a VMDK name extents outside its folder" },
    allowEncrypted: {
      type: "flag",
      group: "more",
      help: "write to a VMDK although its descriptor says that its content is encrypted",
    },
    ...LIBRARY_OPTIONS,
  },
});

type Options = ValuesOf<typeof command>;

export async function run(options: Options, archives: string[]): Promise<number> {
  if (options.local === undefined && options.remote === undefined) {
    throw new UsageError("Cannot restore: no disk is named (--local, --remote)");
  }
  if (areMachines(options.repo, archives)) return await restoreOne(options, archives);
  for (const name of ["at", "disk"] as const) {
    if (options[name] !== undefined) {
      throw new UsageError(`Cannot use --${name} with archives, only with --repo`);
    }
  }
  const start = performance.now();
  using printer = new Printer(options);
  const { local, create, format, metadata, verify, digestin, omitzeroblock } = options;
  // The job checks this as well, but only after the library was loaded.
  refuseFormat({ format, create });
  if (wantsLibrary(options) && format !== undefined && format !== "raw" && format !== "vmdk") {
    throw new UsageError(`Cannot use --format ${format} with VMware's library, which makes its own disks`);
  }
  await using library = await libraryOf(options);
  const { allowOutside, allowEncrypted } = options;
  const result = await restore({
    archives,
    disk: library === undefined ? local! : await libraryDisk(library, options),
    blocksize: options.blocksize,
    ...{ create, format, metadata, verify, digestin, omitzeroblock, allowOutside, allowEncrypted },
  }, await printer.jobOptions());
  const { disk, header, verifiedBlocks, proof, unsealed, leftOutMetadata, ...counts } = result;
  const { blocks, writtenBlocks, unchangedBlocks, zeroBlocks, absentBlocks } = counts;
  const said = library?.report();
  const restBytes = disk.capacityBytes - header.capacityBytes;
  const seconds = secondsSince(start);
  return printer.report({
    text: [
      `Restored ${disk.path} (${disk.format}) to the generation of ${formatTimeStamp(header.time)}: ` +
      `${blocksText(blocks, header.blockBytes)}, ${writtenBlocks} written, ${zeroBlocks} zero` +
      (unchangedBlocks === undefined ? "" : `, ${unchangedBlocks} right already`) +
      (absentBlocks > 0 ? `, ${absentBlocks} left as they were` : ""),
      ...(restBytes > 0 ? [`  the disk is larger: its last ${restBytes} bytes are as they were`] : []),
      ...(verifiedBlocks === undefined ? [] : ["  read back: every block is as it should be"]),
      ...said?.text ?? [],
      ...(header.full
        ? unprovedText(proof)
        : unprovedText(proof, `nothing tells that "${disk.path}" was at the newer generation before`)),
      ...unsealedText(unsealed),
      `  ${speedText(header.capacityBytes, seconds)}`,
    ],
    json: {
      command: "restore",
      disk: disk.path,
      format: disk.format,
      ...headerJson(header),
      ...counts,
      ...(verifiedBlocks === undefined ? {} : { verifiedBlocks }),
      ...(leftOutMetadata.length > 0 ? { leftOutMetadata } : {}),
      ...said?.json,
      proof,
      unsealed,
      seconds,
    },
  });
}

/** Restores a machine of a repository. */
async function restoreOne(options: Options, names: readonly string[]): Promise<number> {
  const { local, at, create, format, metadata, verify, allowOutside, allowEncrypted } = options;
  if (names.length > 1) throw new UsageError("Cannot restore several machines at once: name one");
  for (const name of ["digestin", "omitzeroblock", "blocksize", "trustedKey", "withoutSeal"] as const) {
    if (options[name] !== undefined) throw new UsageError(`Cannot use --${flagOf(name)} with --repo`);
  }
  const { restoreMachine } = await import("./repository/restore.ts");
  await using library = await libraryOf(options);
  const folder = library === undefined && local !== undefined && leadsToFolder(local) ? local : undefined;
  return await restoreMachine(options, {
    ...{ repository: options.repo!, machine: names[0], at, key: options.disk, folder },
    disk: folder !== undefined
      ? undefined
      : library === undefined
      ? local!
      : await libraryDisk(library, options),
    ...{ create, format, metadata, verify, allowOutside, allowEncrypted },
  });
}

/** The disks behind the library that the options name, if they do. */
async function libraryOf(options: Options): Promise<LibraryDisks | undefined> {
  if (!wantsLibrary(options)) return undefined;
  return await libraryDisks(options, { writes: true });
}

/** The disk behind the library, to be opened or made when the archives are known. */
async function libraryDisk(library: LibraryDisks, { local, remote, create }: Options): Promise<TargetSource> {
  const { libraryTarget } = await import("../jobs/library_target.ts");
  return {
    inputs: library.inputs,
    openTarget: (job, header) => libraryTarget(job, library, { header, options: { local, remote, create } }),
  };
}
