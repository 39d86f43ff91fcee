/** The files of a disk that are held open: those that were used last. */

import type { ImageFile } from "../../image_file.ts";

/** The limit of open files. Usually one is in use, because pieces of 2 GiB are read one after the other. */
const OPEN_LIMIT = 8;

/** Open files by their real paths. */
export class OpenImages implements Disposable {
  #limit = OPEN_LIMIT;
  /** In the order of use, the oldest first. */
  readonly #open = new Map<string, ImageFile>();
  readonly #beforeClose?: (realPath: string, image: ImageFile) => void;

  /** `beforeClose` is called with a file that is closed to make room. */
  constructor({ beforeClose }: { beforeClose?: (realPath: string, image: ImageFile) => void } = {}) {
    this.#beforeClose = beforeClose;
  }

  /** Raises the limit, because a chain is read from all of its links in turn. */
  allowMore(count: number): void {
    this.#limit += count;
  }

  /** Returns the open file, which `open` opens if necessary. It is valid until the next call. */
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

  /**
   * Closes the file that was unused for the longest time. `beforeClose` may sync it, so that an error of an
   * earlier write is reported while the file is open.
   */
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
