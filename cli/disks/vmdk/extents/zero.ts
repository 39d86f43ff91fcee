/** ZERO extents: no file, all zeros. */

import type { ExtentReader, Stretch } from "./extent.ts";

/** An extent of zeros. */
export class ZeroExtent implements ExtentReader {
  readonly compressed = false;
  readonly sizeBytes: number;

  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes;
  }

  stretchAt(): Stretch {
    return { endBytes: this.sizeBytes, holding: "zero" };
  }

  async read(into: Uint8Array): Promise<void> {
    await Promise.resolve(into.fill(0));
  }
}
