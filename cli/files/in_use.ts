/** Finds signs that something else uses the files of a disk: lock folders of VMware, and mounts of a block device. */

import { join } from "@std/path/posix/join";
import { statIfThere } from "./paths.ts";

/** The ends of the names of extents, such as `x-flat.vmdk` and `x-s001.vmdk`. VMware locks the descriptor `x.vmdk`. */
const EXTENT = /-(flat|delta|sesparse|rdm|rdmp|[fs][0-9]{3,})(?=\.vmdk$)/i;

/**
 * Returns the lock folders beside the files of a disk: `x.vmdk.lck` for `x.vmdk`. The hosted products of VMware make such
 * a folder while a virtual machine has the disk open. The folder remains if they are killed.
 */
export function lockFoldersOf(files: readonly string[]): string[] {
  /** The paths by the identity of the folder, because two paths may lead to one folder. */
  const found = new Map<string, string>();
  for (const path of files.flatMap((path) => [`${path}.lck`, `${path.replace(EXTENT, "")}.lck`])) {
    const info = statOf(path);
    if (!info?.isDirectory) continue;
    const identity = `${info.dev}:${info.ino ?? path}`;
    if (!found.has(identity)) found.set(identity, path);
  }
  return [...found.values()];
}

/** The mount points of the file systems in which Linux describes its devices. */
export interface SystemFolders {
  /** The defaults are `/proc` and `/sys`. */
  proc?: string;
  sys?: string;
}

/**
 * Returns the folders at which a block device is mounted for reading and writing: the device itself, one of its partitions,
 * or a device on top of them (device mapper, RAID). Returns none for other files and on systems other than Linux.
 */
export function writableMountsOf(
  path: string,
  { proc = "/proc", sys = "/sys" }: SystemFolders = {},
): string[] {
  try {
    const info = statIfThere(path);
    if (info?.isBlockDevice !== true || info.rdev === null) return [];
    const mounts = Deno.readTextFileSync(join(proc, "self/mountinfo"));
    return mountPointsOf(devicesOn(numberOf(info.rdev), sys), mounts);
  } catch {
    // The system is not Linux, or Deno has no permission. The warning is only a help, so this is not an
    // error.
    return [];
  }
}

/**
 * Returns the mount points of `devices` whose file systems can be written, from the text of `/proc/self/mountinfo` (proc(5)).
 *
 * @param devices numbers such as `8:1`
 * @param numberOfSource returns the number of a device by its path. Btrfs and others have numbers of their own in the text.
 */
export function mountPointsOf(
  devices: ReadonlySet<string>,
  mountinfo: string,
  numberOfSource: (source: string) => string | undefined = numberOfDevice,
): string[] {
  const found = mountinfo.split("\n").flatMap((line) => {
    // 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
    const [before, behind] = line.split(" - ");
    if (behind === undefined) return [];
    const [, , number, , mountPoint] = before.split(" ");
    const [, source, options] = behind.split(" ");
    const isOwn = devices.has(number) || devices.has(numberOfSource(unescape(source)) ?? "");
    return isOwn && options.split(",").includes("rw") ? [unescape(mountPoint)] : [];
  });
  return [...new Set(found)];
}

/**
 * Returns the numbers of a device, of its partitions and of all devices on top of them.
 *
 * @param sys the folder at which sysfs is mounted
 */
export function devicesOn(number: string, sys: string, found: Set<string> = new Set()): Set<string> {
  if (found.has(number)) return found;
  found.add(number);
  const folder = join(sys, "dev/block", number);
  const partitions = namesIn(folder).filter((name) => statOf(join(folder, name, "partition")) !== undefined)
    .map((name) => join(folder, name));
  const holders = namesIn(join(folder, "holders")).map((name) => join(folder, "holders", name));
  for (const path of [...partitions, ...holders]) {
    devicesOn(Deno.readTextFileSync(join(path, "dev")).trim(), sys, found);
  }
  return found;
}

function namesIn(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name);
  } catch {
    return [];
  }
}

function statOf(path: string): Deno.FileInfo | undefined {
  try {
    return statIfThere(path);
  } catch {
    return undefined;
  }
}

function numberOfDevice(source: string): string | undefined {
  const info = source.startsWith("/") ? statOf(source) : undefined;
  return info?.isBlockDevice === true && info.rdev !== null ? numberOf(info.rdev) : undefined;
}

/** Returns `major:minor` for a device number in the form of makedev(3) on Linux. */
export function numberOf(rdev: number): string {
  const bits = BigInt(rdev);
  const major = ((bits >> 8n) & 0xfffn) | ((bits >> 32n) & ~0xfffn);
  const minor = (bits & 0xffn) | ((bits >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}

/** Decodes the octal escapes of blanks, tabs, line ends and backslashes. */
function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits) => String.fromCharCode(parseInt(digits, 8)));
}
