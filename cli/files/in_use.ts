/** Signs that something else uses the files of a disk: lock folders of VMware beside them, and mounts of a block device. */

import { join } from "@std/path/posix/join";
import { statIfThere } from "./paths.ts";

/** Names of extents and deltas, of which VMware locks the descriptor: `x-flat.vmdk`, `x-s001.vmdk`, `x-delta.vmdk`. */
const EXTENT = /-(flat|delta|sesparse|rdm|rdmp|[fs][0-9]{3,})(?=\.vmdk$)/i;

/**
 * The lock folders beside the files of a disk, `x.vmdk.lck` for `x.vmdk`. VMware's hosted products make one while a virtual
 * machine has the disk open; one that was killed leaves it.
 */
export function lockFoldersOf(files: readonly string[]): string[] {
  /** The folders by what they are: two paths may lead to one. */
  const found = new Map<string, string>();
  for (const path of files.flatMap((path) => [`${path}.lck`, `${path.replace(EXTENT, "")}.lck`])) {
    const info = statOf(path);
    if (!info?.isDirectory) continue;
    const identity = `${info.dev}:${info.ino ?? path}`;
    if (!found.has(identity)) found.set(identity, path);
  }
  return [...found.values()];
}

/** Where the system tells of its devices. */
export interface SystemFolders {
  /** By default `/proc` and `/sys` of Linux. */
  proc?: string;
  sys?: string;
}

/**
 * The folders at which the block device `path`, one of its partitions, or what is made of it (device mapper, RAID) is mounted for
 * reading and writing. Nothing for other files, and where the system does not tell.
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
    // Another system, or no permission. Devices can be read without this.
    return [];
  }
}

/**
 * The mount points of `devices` (`8:1`) at which files can be written, by the lines of `/proc/self/mountinfo`: proc(5).
 *
 * @param numberOfSource tells the number of a device by its path, for file systems that have numbers of their own, such as Btrfs
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

/** The numbers of the device `number`, of its partitions, and of all that is made of them. `sys`: where sysfs is mounted */
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

/** `major:minor` of a device number as Linux packs it: makedev(3). */
export function numberOf(rdev: number): string {
  const bits = BigInt(rdev);
  const major = ((bits >> 8n) & 0xfffn) | ((bits >> 32n) & ~0xfffn);
  const minor = (bits & 0xffn) | ((bits >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}

/** Blanks and the like stand as three octal digits. */
function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits) => String.fromCharCode(parseInt(digits, 8)));
}
