/** Files of a disk that are held open: those that were used last. */

import type { ImageFile } from "../../image_file.ts";

/** Files held open: one is the rule, pieces of 2 GiB are read one after the other. */
const OPEN_LIMIT = 8;

/** Open files by their real paths. */
export class OpenImages implements Disposable {
  #limit = OPEN_LIMIT;
  /** In the order of use, the oldest first. */
  readonly #open = new Map<string, ImageFile>();
  readonly #beforeClose?: (realPath: string, image: ImageFile) => void;

  /** `beforeClose` hears of a file that is closed to make room. */
  constructor({ beforeClose }: { beforeClose?: (realPath: string, image: ImageFile) => void } = {}) {
    this.#beforeClose = beforeClose;
  }

  /** A chain is read from all of its links by turns. */
  allowMore(count: number): void {
    this.#limit += count;
  }

  /** The open file, by `open` if it is not there; good until the next call. */
  get(realPath: string, open: () => ImageFile): ImageFile {
    let image = this.#open.get(realPath);
    if (image === undefined) {
      image = open();
      this.#makeRoom();
    } else {
      this.#open.delete(realPath);
    }
    this.#open.set(realPath, image);
    return image;
  }

  /** Closes the file that was not used for the longest time. An error of its writing is known while it is open. */
  #makeRoom(): void {
    for (const [realPath, image] of this.#open) {
      if (this.#open.size < this.#limit) return;
      this.#beforeClose?.(realPath, image);
      image[Symbol.dispose]();
      this.#open.delete(realPath);
    }
  }

  [Symbol.dispose](): void {
    for (const image of this.#open.values()) image[Symbol.dispose]();
    this.#open.clear();
  }
}
