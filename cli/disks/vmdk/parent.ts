/** Finds the parent that a descriptor names. */

import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { isAbsolute } from "@std/path/posix/is-absolute";
import { join } from "@std/path/posix/join";
import { leadsOut, liesInside, namesDevice, OBJECT_ADVICE, objectOf } from "./inside_folder.ts";
import { cannotOpen, partNotOpened, quoted } from "../refusal.ts";

/**
 * Returns the path of the parent `name` of the disk `path`. The name is first taken as a path relative to the
 * child's folder. If there is no such file, its last part is looked for in the child's folder: VMware writes
 * `/vmfs/volumes/...` where parent and child lie in two folders, and disks get copied into one. A parent must
 * lie in the child's folder unless `allowOutside` is set.
 * @throws {FormatError} if no parent is found
 */
export function findParent(
  name: string,
  { path, allowOutside = false }: { path: string; allowOutside?: boolean },
): string {
  const what = `the parent ${quoted(name)}`;
  const refuse = (reason: string) => cannotOpen(path, `${what} ${reason}`);
  if (namesDevice(name)) throw refuse("names a device");
  const object = objectOf(name);
  if (object !== undefined) throw refuse(`is ${object}; ${OBJECT_ADVICE}`);
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
      throw partNotOpened(path, { name: what, path: found, cause });
    }
    if (!allowOutside && !liesInside(realPath, folder)) {
      leads = true;
    } else if (!Deno.statSync(realPath).isFile) {
      throw refuse("is not a regular file");
    } else if (realPath !== child || candidate === plain) {
      // A clone may have the name of its parent, which lies in another folder.
      return found;
    }
  }
  throw refuse(
    leads && !allowOutside
      ? "lies outside the folder of the descriptor (--allow-outside accepts that)"
      : "cannot be opened: no such file",
  );
}
