/**
 * What lies beside an output while it is made, as long as nothing else does: files that begin with a dot and end in
 * `.vmdkbkp`, so that they can be told from all others, also when a killed run left them behind.
 *
 * ```
 * .NAME.XXXXXXXX.vmdkbkp      the output itself until it is complete; X: a hex digit, never the same twice
 * .NAME.XXXXXXXX.journal.vmdkbkp  what a later run must know to go on with the output
 * .NAME.XXXXXXXX.old.vmdkbkp  the file that the output replaces, until the replacement is complete
 * .NAME.lock.vmdkbkp          who writes the output, and what its commit is about to do
 * ```
 */

import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";

const SUFFIX = ".vmdkbkp";
/** File names end at 255 bytes; what is put around a name must fit. */
const MAX_BASE_BYTES = 200;

/** What a file is called until it is complete: beside its final name, and never the same twice. */
export function temporaryName(finalPath: string): string {
  return hidden(finalPath, randomHex());
}

/** Where a file is kept while it is replaced; never the same twice. */
export function asideName(finalPath: string): string {
  return hidden(finalPath, `${randomHex()}.old`);
}

/** Where the journal of a temporary file lies. */
export function journalName(temporaryPath: string): string {
  return `${temporaryPath.slice(0, -SUFFIX.length)}.journal${SUFFIX}`;
}

/** The file that is locked while the output is made. */
export function lockName(finalPath: string): string {
  return hidden(finalPath, "lock");
}

/** What has the lock file `name` in the same folder: an output, or what stands for one of a long name; undefined for other files. */
export function outputOfLock(name: string): string | undefined {
  return /^\.(.+)\.lock\.vmdkbkp$/s.exec(name)?.[1];
}

/** What lies beside `finalPath`: temporary files, the newest first, files aside, and journals. Links and folders are none. */
export function leftoversOf(finalPath: string): { temporary: string[]; aside: string[]; journals: string[] } {
  const folder = dirname(finalPath);
  const start = `.${baseOf(finalPath)}.`;
  const found = { temporary: [] as string[], aside: [] as string[], journals: [] as string[] };
  for (const { name, isFile } of Deno.readDirSync(folder)) {
    if (!isFile || !name.startsWith(start)) continue;
    const [isOurs, kind] = /^[0-9a-f]{8}(\.old|\.journal)?\.vmdkbkp$/.exec(name.slice(start.length)) ?? [];
    if (!isOurs) continue;
    const list = kind === undefined ? found.temporary : kind === ".old" ? found.aside : found.journals;
    list.push(join(folder, name));
  }
  const times = new Map(found.temporary.map((path) => [path, Deno.lstatSync(path).mtime?.getTime() ?? 0]));
  found.temporary.sort((a, b) => times.get(b)! - times.get(a)!);
  return found;
}

function hidden(finalPath: string, kind: string): string {
  return join(dirname(finalPath), `.${baseOf(finalPath)}.${kind}${SUFFIX}`);
}

function baseOf(finalPath: string): string {
  const name = basename(finalPath);
  const bytes = new TextEncoder().encode(name);
  return bytes.length > MAX_BASE_BYTES ? `output-${hex(fnv1a(bytes))}` : name;
}

/** FNV-1a of 32 bits. Names that collide exclude each other without need, which is safe. */
function fnv1a(bytes: Uint8Array): number {
  return bytes.reduce((hash, byte) => Math.imul(hash ^ byte, 0x01000193) >>> 0, 0x811c9dc5);
}

function randomHex(): string {
  return hex(crypto.getRandomValues(new Uint32Array(1))[0]);
}

function hex(word: number): string {
  return word.toString(16).padStart(8, "0");
}
