/**
 * Names of files that stand in a descriptor. A descriptor may come from anybody, so its names are claims. Without a check
 * `RW 2048 FLAT "../../etc/passwd" 0` carries a file of the host into the backup (CVE-2022-47951 was that, in OpenStack by
 * way of qemu-img).
 */

/** Absolute in any system's way of writing, or with a step upwards. */
export function leadsOut(name: string): boolean {
  return /^([/\\]|[A-Za-z]:)/.test(name) || name.split(/[/\\]/).includes("..");
}

/** A device by its name, on any system. */
export function namesDevice(name: string): boolean {
  return /^(\/dev\/|\\\\[.?]\\)/.test(name);
}

/** Whether a real path lies below a real folder. */
export function liesInside(realPath: string, folder: string): boolean {
  return realPath.startsWith(folder.endsWith("/") ? folder : `${folder}/`);
}
