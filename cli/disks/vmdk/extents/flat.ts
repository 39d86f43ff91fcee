/** FLAT and VMFS extents: the bytes as they are, from a start in the file on. Holes of the file are zeros. */

import type { ExtentFile, ExtentReader, ExtentRun } from "./extent.ts";

/** A flat extent. */
export class FlatExtent implements ExtentReader {
  readonly compressed = false;
  readonly sizeBytes: number;
  readonly path: string;
  readonly #file: ExtentFile;
  readonly #startBytes: number;

  /** The file has at least `startBytes + sizeBytes` bytes. */
  constructor(file: ExtentFile, { startBytes, sizeBytes }: { startBytes: number; sizeBytes: number }) {
    this.path = file.path;
    this.sizeBytes = sizeBytes;
    this.#file = file;
    this.#startBytes = startBytes;
  }

  runAt(offsetBytes: number): ExtentRun {
    const fileBytes = this.#startBytes + offsetBytes;
    const { endBytes, zero } = this.#file.image().extentAt(fileBytes);
    const end = Math.min(endBytes - this.#startBytes, this.sizeBytes);
    return zero ? { endBytes: end, holding: "zero" } : { endBytes: end, holding: "data", fileBytes };
  }

  read(into: Uint8Array, offsetBytes: number): Promise<void> {
    return this.#file.image().readBulk(into, this.#startBytes + offsetBytes);
  }
}
