/** Finds the parent that a descriptor names. */

import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { isAbsolute } from "@std/path/posix/is-absolute";
import { join } from "@std/path/posix/join";
import { leadsOut, liesInside, namesDevice } from "./inside_folder.ts";
import { cannotOpen, quoted, systemReason } from "../refusal.ts";

/**
 * The path of the parent `name` of the disk `path`: as the name says, from the child's folder on, or else in the child's
 * folder by the last part of the name - VMware writes `/vmfs/volumes/...` where parent and child are in two folders, and
 * disks get copied into one. A parent lies in the child's folder unless `allowOutside`.
 * @throws {FormatError} if there is none
 */
export function findParent(
  name: string,
  { path, allowOutside = false }: { path: string; allowOutside?: boolean },
): string {
  const refuse = (reason: string, cause?: unknown) =>
    cannotOpen(path, `the parent ${quoted(name)} ${reason}`, { cause });
  if (namesDevice(name)) throw refuse("names a device");
  const child = Deno.realPathSync(path);
  const folder = dirname(child);
  const plain = name.replaceAll("\\", "/");

  let leads = leadsOut(name);
  for (const candidate of [plain, basename(plain)]) {
    if (candidate === "" || (!allowOutside && leadsOut(candidate))) continue;
    const found = isAbsolute(candidate) ? candidate : join(folder, candidate);
    let realPath: string;
    try {
      realPath = Deno.realPathSync(found);
    } catch (cause) {
      if (cause instanceof Deno.errors.NotFound) continue;
      throw refuse(`cannot be opened: ${systemReason(cause)}`, cause);
    }
    if (!allowOutside && !liesInside(realPath, folder)) {
      leads = true;
    } else if (!Deno.statSync(realPath).isFile) {
      throw refuse("is not a regular file");
    } else if (realPath !== child || candidate === plain) {
      // A clone may have the name of its parent, in another folder.
      return found;
    }
  }
  throw refuse(
    leads && !allowOutside ? "lies outside the folder of the descriptor" : "cannot be opened: no such file",
  );
}
