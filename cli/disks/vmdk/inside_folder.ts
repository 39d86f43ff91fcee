/**
 * Checks of the file names in a descriptor. A descriptor may come from a stranger, so its names are claims.
 * Without a check, `RW 2048 FLAT "../../etc/passwd" 0` carries a file of the host into the backup:
 * CVE-2022-47951 was this fault in OpenStack, by way of qemu-img.
 */

/** Whether the name is absolute in the notation of any system, or contains a step upwards. */
export function leadsOut(name: string): boolean {
  return isAbsoluteAnywhere(name) || name.split(/[/\\]/).includes("..");
}

/** Whether the name is that of a device on any system. */
export function namesDevice(name: string): boolean {
  return /^(\/dev\/|\\\\[.?]\\)/.test(name);
}

/**
 * Returns what an extent or parent in an object store is, or undefined for the name of a file. ESXi writes
 * `vsan://...` and `vvol://...` into the descriptors on vSAN and on virtual volumes, where only the descriptor is a
 * file.
 */
export function objectOf(name: string): string | undefined {
  const [, scheme] = /^([a-z][a-z0-9+.-]+):\/\//i.exec(name) ?? [];
  if (scheme === undefined) return undefined;
  if (/^vsan/i.test(scheme)) return "an object of vSAN";
  if (/^vvol/i.test(scheme)) return "a virtual volume (VVol)";
  return `an object of a store that is named by "${scheme}:"`;
}

/** What can be done about extents and parents that are not files. */
export const OBJECT_ADVICE =
  "only its host can read it: back the disk up with --remote, or clone it to a file first";

/** Whether the name is absolute in the notation of any system. */
export function isAbsoluteAnywhere(name: string): boolean {
  return /^([/\\]|[A-Za-z]:)/.test(name);
}

/** Whether a real path lies below a real folder. */
export function liesInside(realPath: string, folder: string): boolean {
  return realPath.startsWith(folder.endsWith("/") ? folder : `${folder}/`);
}
