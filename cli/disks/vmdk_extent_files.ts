/**
 * The files that the extent lines of a descriptor name: found, checked, and a few of them held open.
 *
 * A descriptor may come from anybody, so its names are claims. Without a check `RW 2048 FLAT "../../etc/passwd" 0`
 * carries a file of the host into the backup (CVE-2022-47951 was that, in OpenStack by way of qemu-img).
 */

import { dirname } from "@std/path/posix/dirname";
import { isAbsolute } from "@std/path/posix/is-absolute";
import { join } from "@std/path/posix/join";
import { fileIdentity, ImageFile } from "./image_file.ts";
import { cannotOpen, quoted, systemReason } from "./refusal.ts";

/** Files held open: one is the rule, pieces of 2 GiB are read one after the other. */
const OPEN_LIMIT = 8;

/** How extents are looked for. */
export interface ExtentFilesOptions {
  /** The descriptor's path, for messages and as the place to start from. */
  path: string;
  /** Accept names that lead out of the descriptor's folder. */
  allowOutside?: boolean;
  /** Open for writing as well. */
  write?: boolean;
}

interface Known {
  realPath: string;
  identity: string;
  sizeBytes: number;
}

/** The extent files of one descriptor. */
export class ExtentFiles implements Disposable {
  readonly #options: ExtentFilesOptions;
  /** Real folder and identity of the descriptor. */
  readonly #folder: string;
  readonly #descriptor: string;
  readonly #known = new Map<string, Known>();
  /** In the order of use, the oldest first. */
  readonly #open = new Map<string, ImageFile>();
  readonly #unsynced = new Set<string>();

  constructor(options: ExtentFilesOptions) {
    this.#options = options;
    const realPath = Deno.realPathSync(options.path);
    this.#folder = dirname(realPath);
    this.#descriptor = fileIdentity(Deno.statSync(realPath), realPath);
  }

  /** Real paths of the extents found so far. */
  get paths(): string[] {
    return [...this.#known.values()].map(({ realPath }) => realPath);
  }

  /**
   * Finds the file of an extent, opens it once, and tells its identity: two names may be one file.
   * @throws {FormatError} if the name is not acceptable, or the file has less than `neededBytes`
   */
  add(name: string, neededBytes: number): string {
    const known = this.#known.get(name) ?? this.#find(name);
    if (known.sizeBytes < neededBytes) {
      throw this.#refuse(name, `has ${known.sizeBytes} bytes, ${neededBytes} are needed`);
    }
    return known.identity;
  }

  /** The open file of a name that was added. */
  get(name: string): ImageFile {
    const { realPath, identity } = this.#known.get(name)!;
    let image = this.#open.get(name);
    if (image === undefined) {
      image = this.#openFile(name, realPath);
      if (image.identity() !== identity) {
        image[Symbol.dispose]();
        throw this.#refuse(name, "was replaced by another file while it was in use");
      }
      this.#makeRoom();
    }
    this.#open.delete(name);
    this.#open.set(name, image);
    return image;
  }

  /** Writes into a file that was added. */
  async write(name: string, from: Uint8Array, offsetBytes: number): Promise<void> {
    this.#unsynced.add(name);
    await this.get(name).write(from, offsetBytes);
    // Another call may have synced and closed the file meanwhile.
    this.#unsynced.add(name);
  }

  /** Returns when everything written is on stable storage. */
  sync(): void {
    for (const name of this.#unsynced) this.get(name).sync();
    this.#unsynced.clear();
  }

  [Symbol.dispose](): void {
    for (const image of this.#open.values()) image[Symbol.dispose]();
    this.#open.clear();
  }

  #find(name: string): Known {
    const { allowOutside = false, path } = this.#options;
    if (/^(\/dev\/|\\\\[.?]\\)/.test(name)) {
      throw cannotOpen(path, `the extent ${quoted(name)} names a device`);
    }
    if (name === "" || (!allowOutside && leadsOut(name))) throw this.#outside(name);

    let realPath: string;
    try {
      realPath = Deno.realPathSync(isAbsolute(name) ? name : join(this.#folder, name));
    } catch (cause) {
      throw this.#refuse(name, `cannot be opened: ${systemReason(cause)}`, cause);
    }
    const inside = realPath.startsWith(
      this.#folder.endsWith("/") ? this.#folder : `${this.#folder}/`,
    );
    if (!inside && !allowOutside) throw this.#outside(name);
    // Asked before the file is opened: to open a FIFO waits for its other end.
    if (!Deno.statSync(realPath).isFile) throw this.#refuse(name, "is not a regular file");

    const image = this.#openFile(name, realPath);
    this.#makeRoom();
    this.#open.set(name, image);
    const known = { realPath, identity: image.identity(), sizeBytes: image.sizeBytes };
    if (known.identity === this.#descriptor) throw this.#refuse(name, "is the descriptor itself");
    this.#known.set(name, known);
    return known;
  }

  #openFile(name: string, realPath: string): ImageFile {
    try {
      const { write } = this.#options;
      return new ImageFile(Deno.openSync(realPath, { read: true, write }), realPath, { write });
    } catch (cause) {
      throw this.#refuse(name, `cannot be opened: ${systemReason(cause)}`, cause);
    }
  }

  /** Closes the file that was not used for the longest time. An error of its writing is known while it is open. */
  #makeRoom(): void {
    for (const [name, image] of this.#open) {
      if (this.#open.size < OPEN_LIMIT) return;
      if (this.#unsynced.delete(name)) image.sync();
      image[Symbol.dispose]();
      this.#open.delete(name);
    }
  }

  #outside(name: string) {
    return this.#refuse(name, "lies outside the folder of the descriptor");
  }

  #refuse(name: string, reason: string, cause?: unknown) {
    return cannotOpen(this.#options.path, `the extent ${quoted(name)} ${reason}`, { cause });
  }
}

/** Absolute in any system's way of writing, or with a step upwards. */
function leadsOut(name: string): boolean {
  return /^([/\\]|[A-Za-z]:)/.test(name) || name.split(/[/\\]/).includes("..");
}
