/**
 * The files that the extent lines of a descriptor name. They are found and checked, and some of them are held
 * open.
 */

import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { isAbsolute } from "@std/path/posix/is-absolute";
import { join } from "@std/path/posix/join";
import { fileIdentity, ImageFile } from "../../image_file.ts";
import {
  isAbsoluteAnywhere,
  leadsOut,
  liesInside,
  namesDevice,
  OBJECT_ADVICE,
  objectOf,
} from "../inside_folder.ts";
import { OpenImages } from "./open_images.ts";
import { cannotOpen, partNotOpened, quoted } from "../../refusal.ts";
import type { ExtentFile } from "./extent.ts";

/** How extents are found and opened. */
export interface ExtentFilesOptions {
  /** The path of the descriptor, for messages; names are relative to its folder. */
  path: string;
  /** Accept names that lead out of the descriptor's folder. */
  allowOutside?: boolean;
  /** Called with one sentence for each oddity that does not stop the reading. */
  warn?: (message: string) => void;
  /** Open the files for writing as well. */
  write?: boolean;
  /** The open files, which several descriptors may share. Its creator disposes of it. */
  images?: OpenImages;
}

interface KnownFile {
  realPath: string;
  identity: string;
  sizeBytes: number;
}

/** The extent files of one descriptor. */
export class ExtentFiles implements Disposable {
  readonly #options: ExtentFilesOptions;
  /** The real folder and the identity of the descriptor. */
  readonly #folder: string;
  readonly #descriptor: string;
  readonly #known = new Map<string, KnownFile>();
  readonly #images: OpenImages;
  /** The names of files with bytes that may not be on stable storage. */
  readonly #unsynced = new Set<string>();

  constructor(options: ExtentFilesOptions) {
    this.#options = options;
    this.#images = options.images ?? new OpenImages({
      beforeClose: (realPath, image) => {
        for (const name of this.#unsynced) {
          if (this.#known.get(name)?.realPath !== realPath) continue;
          image.sync();
          this.#unsynced.delete(name);
        }
      },
    });
    const realPath = Deno.realPathSync(options.path);
    this.#folder = dirname(realPath);
    this.#descriptor = fileIdentity(Deno.statSync(realPath), realPath);
  }

  /** The real paths of the files found so far. */
  get paths(): string[] {
    return [...this.#known.values()].map(({ realPath }) => realPath);
  }

  /**
   * Finds the file of an extent, opens it once and returns its identity, because two names may be one file.
   * @throws {FormatError} if the name is not acceptable, or the file has fewer than `neededBytes`
   */
  add(name: string, neededBytes: number): string {
    const known = this.#known.get(name) ?? this.#find(name);
    if (known.sizeBytes < neededBytes) {
      throw this.#refuse(name, `has ${known.sizeBytes} bytes, ${neededBytes} are needed`);
    }
    return known.identity;
  }

  /**
   * Warns of files with bytes behind the last extent: `usedBytes` is where the extents in the file of each name end.
   * A descriptor that was written anew by hand often has too small a size.
   */
  warnOfUnused(usedBytes: ReadonlyMap<string, number>): void {
    const { path, warn } = this.#options;
    const ends = new Map<string, number>();
    for (const [name, endBytes] of usedBytes) {
      const { identity } = this.#known.get(name)!;
      ends.set(identity, Math.max(endBytes, ends.get(identity) ?? 0));
    }
    for (const [name] of usedBytes) {
      const { identity, sizeBytes } = this.#known.get(name)!;
      const endBytes = ends.get(identity);
      if (endBytes === undefined || endBytes >= sizeBytes) continue;
      ends.delete(identity);
      warn?.(
        `Disk "${path}": the file ${
          quoted(name)
        } has ${sizeBytes} bytes, the extent lines use ${endBytes} of ` +
          `them; the last ${sizeBytes - endBytes} bytes are not part of the disk and in no backup of it`,
      );
    }
  }

  /** Returns the open file of a name that was added. */
  get(name: string): ImageFile {
    const { realPath, identity } = this.#known.get(name)!;
    return this.#images.get(realPath, () => {
      const image = this.#openFile(name, realPath);
      if (image.identity() === identity) return image;
      image[Symbol.dispose]();
      throw this.#refuse(name, "was replaced by another file while it was in use");
    });
  }

  /** Returns the file of a name that was added, for a reader of extents. */
  file(name: string): ExtentFile {
    const { realPath, sizeBytes } = this.#known.get(name)!;
    return { path: realPath, sizeBytes, image: () => this.get(name) };
  }

  /** Writes into a file that was added. */
  async write(name: string, from: Uint8Array, offsetBytes: number): Promise<void> {
    await this.#change(name, (image) => image.write(from, offsetBytes));
  }

  /** Writes zeros, or makes a hole, in a file that was added. */
  async writeZeros(name: string, offsetBytes: number, lenBytes: number): Promise<void> {
    await this.#change(name, (image) => image.writeZeros(offsetBytes, lenBytes));
  }

  async #change(name: string, change: (image: ImageFile) => Promise<void>): Promise<void> {
    this.#unsynced.add(name);
    await change(this.get(name));
    // Another call may have synced and closed the file in the meantime.
    this.#unsynced.add(name);
  }

  /** Returns when everything that was written is on stable storage. */
  sync(): void {
    for (const name of this.#unsynced) this.get(name).sync();
    this.#unsynced.clear();
  }

  [Symbol.dispose](): void {
    if (this.#options.images === undefined) this.#images[Symbol.dispose]();
  }

  #find(name: string): KnownFile {
    const { allowOutside = false } = this.#options;
    const realPath = this.#locate(name);
    if (!allowOutside && !liesInside(realPath, this.#folder)) throw this.#outside(name);
    // The kind of file is checked first, because opening a FIFO waits for its other end.
    if (!Deno.statSync(realPath).isFile) throw this.#refuse(name, "is not a regular file");

    const image = this.#images.get(realPath, () => this.#openFile(name, realPath));
    const known = { realPath, identity: image.identity(), sizeBytes: image.sizeBytes };
    if (known.identity === this.#descriptor) throw this.#refuse(name, "is the descriptor itself");
    this.#known.set(name, known);
    return known;
  }

  /** Returns the real path of the file that a name means. */
  #locate(name: string): string {
    const { allowOutside = false, path } = this.#options;
    if (namesDevice(name)) throw cannotOpen(path, `the extent ${quoted(name)} names a device`);
    const object = objectOf(name);
    if (object !== undefined) throw this.#refuse(name, `is ${object}; ${OBJECT_ADVICE}`);
    if (name === "") throw this.#refuse(name, "names no file");
    if (isAbsoluteAnywhere(name)) return this.#locateAbsolute(name);
    if (!allowOutside && leadsOut(name)) throw this.#outside(name);
    try {
      return Deno.realPathSync(join(this.#folder, name));
    } catch (cause) {
      throw this.#notOpened(name, cause);
    }
  }

  /**
   * Returns the real path of the file that an absolute path means. A path that does not exist here is that of
   * another host, where the disk lay: its last part is looked for beside the descriptor, as for parents.
   */
  #locateAbsolute(name: string): string {
    const { allowOutside = false, path, warn } = this.#options;
    const here = realPathOf(isAbsolute(name) ? name : join(this.#folder, name));
    if (typeof here === "string") {
      if (allowOutside || liesInside(here, this.#folder)) return here;
      throw this.#outside(name);
    }
    const last = basename(name.replaceAll("\\", "/"));
    const beside = last === "" ? undefined : realPathOf(join(this.#folder, last));
    if (typeof beside === "string") {
      warn?.(
        `Disk "${path}": the extent ${quoted(name)} does not exist here, ${quoted(last)} beside the ` +
          "descriptor is used",
      );
      return beside;
    }
    if (!allowOutside) throw this.#outside(name);
    throw this.#notOpened(name, here);
  }

  #openFile(name: string, realPath: string): ImageFile {
    try {
      const { write } = this.#options;
      return new ImageFile(Deno.openSync(realPath, { read: true, write }), realPath, { write });
    } catch (cause) {
      throw this.#notOpened(name, cause);
    }
  }

  #outside(name: string) {
    return this.#refuse(name, "lies outside the folder of the descriptor (--allow-outside accepts that)");
  }

  #refuse(name: string, reason: string) {
    return cannotOpen(this.#options.path, `the extent ${quoted(name)} ${reason}`);
  }

  #notOpened(name: string, cause: unknown) {
    const path = isAbsolute(name) ? name : join(this.#folder, name);
    return partNotOpened(this.#options.path, { name: `the extent ${quoted(name)}`, path, cause });
  }
}

/** Returns the real path of a file, or the error of the system. */
function realPathOf(path: string): unknown {
  try {
    return Deno.realPathSync(path);
  } catch (error) {
    return error;
  }
}
