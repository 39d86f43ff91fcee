/**
 * Checks of the file names in a descriptor. A descriptor may come from a stranger, so its names are claims.
 * Without a check, `RW 2048 FLAT "../../etc/passwd" 0` carries a file of the host into the backup:
 * CVE-2022-47951 was this fault in OpenStack, by way of qemu-img.
 */

/** Whether the name is absolute in the notation of any system, or contains a step upwards. */
export function leadsOut(name: string): boolean {
  return /^([/\\]|[A-Za-z]:)/.test(name) || name.split(/[/\\]/).includes("..");
}

/** Whether the name is that of a device on any system. */
export function namesDevice(name: string): boolean {
  return /^(\/dev\/|\\\\[.?]\\)/.test(name);
}

/** Whether a real path lies below a real folder. */
export function liesInside(realPath: string, folder: string): boolean {
  return realPath.startsWith(folder.endsWith("/") ? folder : `${folder}/`);
}
