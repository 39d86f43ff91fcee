/** Archives that jobs read: files of this machine, or objects of the caller. */

import type { InputFile } from "../archive/plain_source.ts";
import { UsageError } from "../errors.ts";

/** The bytes of an archive, from the first to the last. */
export interface ArchiveBytes {
  /**
   * Fills the beginning of `into`, at least 1 byte long, with the next bytes. Returns how many bytes it
   * filled, at least 1; null at the end. A job that is stopped waits for the read that is under way.
   */
  read(into: Uint8Array): Promise<number | null>;
  /** Ends the reading. */
  close(): void;
}

/**
 * An archive or digest that need not be a file. Nothing that lies beside it is read, so no seal proves it.
 */
export interface ArchiveObject {
  /**
   * The name of the archive in messages and results; each input of a job has its own. If it ends in `.gz` or
   * `.zst`, the bytes are compressed with gzip or zstd.
   */
  readonly path: string;
  /**
   * Opens the bytes at their beginning. A job may call this several times, and read some of them side by
   * side.
   */
  open(): ArchiveBytes | Promise<ArchiveBytes>;
}

/** An archive or digest to be read: the path of a file, `-` for standard input, or an object. */
export type ArchiveInput = string | ArchiveObject;

/** Returns the name under which a job knows an input. */
export function pathOf(input: ArchiveInput): string {
  return typeof input === "string" ? input : input.path;
}

/** Returns the inputs that are paths. */
export function filesAmong(inputs: readonly ArchiveInput[]): string[] {
  return inputs.filter((input) => typeof input === "string");
}

/**
 * Returns the inputs that are objects, by their names.
 *
 * @throws {UsageError} if another input has the name of an object
 */
export function objectsAmong(inputs: readonly ArchiveInput[]): Map<string, ArchiveObject> {
  const objects = new Map<string, ArchiveObject>();
  for (const input of new Set(inputs)) {
    if (typeof input === "string") continue;
    if (objects.has(input.path) || inputs.includes(input.path)) {
      throw new UsageError(`Cannot read "${input.path}": two inputs have this name`);
    }
    objects.set(input.path, input);
  }
  return objects;
}

/** Opens an object as a file that is read from its beginning to its end. */
export async function openObject(object: ArchiveObject): Promise<InputFile> {
  const bytes = await object.open();
  return {
    read: (into) => bytes.read(into),
    readSync: () => {
      throw new TypeError(`Cannot read "${object.path}" synchronously: it is no file`);
    },
    close: () => bytes.close(),
  };
}
