/** Where the folders of a sweep lie. */

import { existsAt } from "../../cli/jobs/seals.ts";

const MEMORY_FOLDER = "/dev/shm";

/**
 * Options of a folder in memory, where there is one: a case syncs some hundred files, which takes a third of its time on a
 * disk, and nothing of a sweep depends on it.
 */
export const IN_MEMORY: { dir?: string } = existsAt(MEMORY_FOLDER) ? { dir: MEMORY_FOLDER } : {};
