/** The memory of a core that nobody uses. */

import type { Core } from "../../cli/core.ts";

/** Allocates every free byte of the memory from `core`, and returns views of what it got. */
export function takeFreeMemory(core: Core): Uint8Array[] {
  const regions: Uint8Array[] = [];
  // Each gap is taken by powers of two, the largest first.
  for (let lenBytes = 2 ** 32; lenBytes >= 1; lenBytes /= 2) {
    for (let ptr; (ptr = allocated(core, lenBytes)) !== undefined;) regions.push(core.bytes(ptr, lenBytes));
  }
  return regions;
}

/** Fills every free byte of the memory. */
export function fillFreeMemory(core: Core, value: number): void {
  using scope = core.scope();
  for (const bytes of takeFreeMemory(scope)) bytes.fill(value);
}

function allocated(core: Core, lenBytes: number): number | undefined {
  try {
    return core.alloc(lenBytes, 1);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
