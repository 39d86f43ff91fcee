/** A snapshot of the properties of files, by which later changes by other processes are detected. */

import { join } from "@std/path/posix/join";
import { lstatIfThere, statIfThere } from "./paths.ts";
import { writerOf } from "./unfinished.ts";

/** The properties of files at one moment. */
export class Moment {
  readonly #folders: readonly string[];
  readonly #isOfInterest: (name: string) => boolean;
  readonly #paths: readonly string[];
  readonly #seen: ReadonlyMap<string, string>;

  /**
   * Records the properties of the files `paths`, and of the files of `folders` whose names are `ofInterest`,
   * without opening them.
   */
  constructor(
    { paths = [], folders = [], ofInterest }: {
      paths?: readonly string[];
      folders?: readonly string[];
      ofInterest: (name: string) => boolean;
    },
  ) {
    this.#paths = paths;
    this.#folders = folders;
    this.#isOfInterest = ofInterest;
    this.#seen = this.#look();
  }

  /**
   * Compares the files with their recorded properties. @throws {Error} if a file was added, removed or
   * changed
   */
  async assertUnchanged(): Promise<void> {
    const now = this.#look();
    for (const path of new Set([...this.#seen.keys(), ...now.keys()])) {
      if (this.#seen.get(path) === now.get(path)) continue;
      const pid = await writerOf(path);
      const by = pid === undefined ? "was changed" : `is being written by process ${pid}`;
      throw new Error(
        `Cannot read "${path}": it ${by} while it was read; try again when that has ended`,
      );
    }
  }

  #look(): Map<string, string> {
    const inFolders = this.#folders.flatMap((folder) =>
      [...Deno.readDirSync(folder)].filter(({ name, isDirectory }) =>
        !isDirectory && this.#isOfInterest(name)
      )
        .map(({ name }) => join(folder, name))
    );
    return new Map([...this.#paths, ...inFolders].map((path) => [path, identityOf(path)]));
  }
}

/** Returns a text that differs between files, and changes when the content of a file changes. */
function identityOf(path: string): string {
  try {
    const info = statIfThere(path) ?? lstatIfThere(path);
    return info === undefined ? "none" : `${info.dev}:${info.ino}:${info.size}:${info.mtime?.getTime()}`;
  } catch (error) {
    return (error as Error).name;
  }
}
