/** The disk behind VMware's library that a restore writes. */

import type { DumpHeader } from "../archive/header.ts";
import { UsageError } from "../errors.ts";
import type { RestoreTarget, TargetHost } from "./restore_target.ts";
import { SECTOR_BYTES } from "../sector.ts";
import { absolute, type LibraryDisks, temporaryDiskName } from "./library_disk.ts";

/** What of the command line is of interest here. */
interface LibraryTargetOptions {
  local?: string;
  remote?: string | true;
  create?: boolean;
}

/** Opens or makes the disk behind the library that a restore writes. */
export async function libraryTarget(
  job: TargetHost,
  disks: LibraryDisks,
  { header: { capacityBytes, adapterType }, options }: { header: DumpHeader; options: LibraryTargetOptions },
): Promise<RestoreTarget> {
  if (capacityBytes % SECTOR_BYTES !== 0) {
    throw new UsageError(
      `Cannot restore to a disk behind VMware's library: ${capacityBytes} bytes are no whole sectors`,
    );
  }
  const create = options.create ? { capacityBytes, adapterType } : undefined;
  const exists = create !== undefined && refuseToCreate(job, options);
  const disk = await disks.open(job, { readOnly: false, mapped: false, create });
  return {
    disk,
    get isDoubtful() {
      return disk.isDoubtful;
    },
    async complete() {
      job.commit();
      if (create !== undefined) {
        await disk.name({ aside: exists ? temporaryDiskName(absolute(options.local!)) : undefined });
      }
      await disk.close();
    },
    readBack: () => disks.open(job, { readOnly: true, mapped: false }),
  };
}

/** Returns whether there is a disk to replace. @throws {UsageError} if the library cannot make the disk, or may not */
function refuseToCreate(job: TargetHost, { local, remote }: LibraryTargetOptions): boolean {
  if (remote !== undefined) {
    throw new UsageError("Cannot use --create with --remote: servers make their disks themselves");
  }
  if (!/\.vmdk$/i.test(local!)) {
    throw new UsageError(`Cannot make disk "${local}" with VMware's library: it makes VMDKs, named *.vmdk`);
  }
  for (const name of [local!, local!.replace(/\.vmdk$/i, "-flat.vmdk")]) job.refuseInput(name);
  try {
    Deno.lstatSync(local!);
  } catch {
    return false;
  }
  if (!job.isForced) throw new UsageError(`Cannot write "${local}": it exists already (--force replaces it)`);
  return true;
}
