/** Whether outputs survive that the power fails: what the order of the calls of an undisturbed run tells. */

import { dirname } from "@std/path/posix/dirname";
import { isHidden } from "./files.ts";
import type { World } from "./world.ts";

const WRITES = ["write", "writev", "pwrite", "pwritev", "copy_file_range", "ftruncate", "fallocate"];
const SYNCS = ["fsync", "fdatasync"];

/**
 * Returns what is wrong: an output must be on stable storage behind its last write and before it gets its name, and its
 * name before the command ends.
 */
export function disorderOf({ calls, outputs }: Pick<World, "calls" | "outputs">): string[] {
  const last = (kinds: readonly string[], path: string, before = Infinity) =>
    calls.findLast((call) => kinds.includes(call.kind) && call.path === path && call.number < before)
      ?.number ?? 0;
  return outputs.flatMap((path) => {
    const named = calls.findLast((call) => call.kind === "rename" && call.path === path);
    const unnamed = named?.from ?? path;
    const written = last(WRITES, unnamed);
    const found: string[] = [];
    if (written === 0) found.push(`"${path}" is not written`);
    if (named !== undefined && written > named.number) {
      found.push(`"${path}" is written when it has its name`);
    }
    if (named !== undefined && !isHidden(unnamed)) found.push(`"${path}" is made as "${unnamed}"`);
    const isSynced = last(SYNCS, unnamed, named?.number) > written;
    if (!isSynced) {
      found.push(`"${path}" is not synced behind its last write${named ? " before it is renamed" : ""}`);
    }
    if (named !== undefined && last(SYNCS, dirname(path)) < named.number) {
      found.push(`the name of "${path}" is not synced`);
    }
    return found;
  });
}
