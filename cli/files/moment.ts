/** What lies in some places at one moment, to see later whether another process has changed it. */

import { join } from "@std/path/posix/join";
import { lstatIfThere, statIfThere } from "./paths.ts";
import { writerOf } from "./unfinished.ts";

/** The files at one moment. */
export class Moment {
  readonly #folders: readonly string[];
  readonly #isOfInterest: (name: string) => boolean;
  readonly #paths: readonly string[];
  readonly #seen: ReadonlyMap<string, string>;

  /** Looks at the files `paths`, and at the files of `folders` that are `ofInterest` by their names, without opening them. */
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

  /** @throws {Error} if a file appeared, is gone, or is another one by now */
  async assertUnchanged(): Promise<void> {
    const now = this.#look();
    for (const path of new Set([...this.#seen.keys(), ...now.keys()])) {
      if (this.#seen.get(path) === now.get(path)) continue;
      const pid = await writerOf(path);
      const by = pid === undefined ? "was changed" : `is being written by process ${pid}`;
      throw new Error(
        `Cannot tell what is in "${path}": it ${by} while it was read; try again when that has ended`,
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

/** A text that is another one for another file, or another content. */
function identityOf(path: string): string {
  try {
    const info = statIfThere(path) ?? lstatIfThere(path);
    return info === undefined ? "none" : `${info.dev}:${info.ino}:${info.size}:${info.mtime?.getTime()}`;
  } catch (error) {
    return (error as Error).name;
  }
}
