/** Follows links of documents. */

import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { DOCUMENTS, ROOT } from "./documents.ts";

/**
 * Returns the path from the root of the repository, and the anchor, to which a link leads; undefined for one that leaves the
 * repository by its protocol.
 *
 * @param from the path of the document with the link
 */
export function placeOf(target: string, from: string): { path: string; anchor?: string } | undefined {
  if (/^[a-z]+:/.test(target)) return undefined;
  const [name, anchor] = target.split("#");
  return { path: name === "" ? from : join(dirname(from), name), anchor };
}

/** Returns the reason for which a link leads nowhere; undefined if it is right or leaves the repository. */
export function problemOf(target: string, from: string): string | undefined {
  const place = placeOf(target, from);
  if (place === undefined) return undefined;
  const { path, anchor } = place;
  if (path.startsWith("..")) return "it leads out of the repository";
  if (!exists(path)) return `there is no "${path}"`;
  if (anchor === undefined) return undefined;
  const document = DOCUMENTS.find((other) => other.path === path);
  return document?.anchors.has(anchor) ? undefined : `"${path}" has no heading "#${anchor}"`;
}

function exists(path: string): boolean {
  try {
    Deno.statSync(`${ROOT}${path}`);
    return true;
  } catch {
    return false;
  }
}
