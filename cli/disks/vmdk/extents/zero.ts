/** ZERO extents, which have no file and read as zeros. */

import type { ExtentReader, ExtentRun } from "./extent.ts";

/** An extent of zeros. */
export class ZeroExtent implements ExtentReader {
  readonly compressed = false;
  readonly sizeBytes: number;

  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes;
  }

  runAt(): ExtentRun {
    return { endBytes: this.sizeBytes, holding: "zero" };
  }

  async read(into: Uint8Array): Promise<void> {
    await Promise.resolve(into.fill(0));
  }
}
