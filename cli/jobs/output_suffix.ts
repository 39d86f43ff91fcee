/**
 * Refuses names of outputs whose suffix means a compression or an encryption that the program does not do.
 */

import { UsageError } from "../errors.ts";

/** The suffixes that choose the compression of an archive; they are in lower case, as in vmdkbkp 1.2. */
const OWN = /\.(?:gz|zst)$/;
const OWN_IN_CAPITALS = /\.(?:gz|zst)$/i;

/** Suffixes of other programs that compress or encrypt. */
const FOREIGN =
  /\.(?:gzip|tgz|zstd|zstandard|tzst|xz|txz|lzma|tlz|lz|lz4|lzo|lzop|lrz|bz|bz2|bzip2|tbz2?|br|brotli|sz|snappy|zz|z|zip|7z|rar|tar|cpio|gpg|pgp|age)$/i;

/**
 * Checks the suffix of an output. A pipe or a device may have any name, because the program behind it may
 * compress.
 * @throws {UsageError} if a plain file would get the suffix of a compressed or encrypted one
 */
export function refuseForeignSuffix(path: string): void {
  if (OWN.test(path) || isStream(path)) return;
  const [suffix] = OWN_IN_CAPITALS.exec(path) ?? [];
  if (suffix !== undefined) {
    throw new UsageError(
      `Cannot write "${path}": the suffix "${suffix}" would give a plain file, compression is chosen by ` +
        `"${suffix.toLowerCase()}" in lower case`,
    );
  }
  const [foreign] = FOREIGN.exec(path) ?? [];
  if (foreign === undefined) return;
  throw new UsageError(
    `Cannot write "${path}": the suffix "${foreign}" would give a plain file, only .gz and .zst compress; choose ` +
      `another name, or write to "-" and have another program make the file`,
  );
}

function isStream(path: string): boolean {
  if (path === "-") return true;
  try {
    return !Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
