/** Whether a library that was found can be used. */

import type { FoundLibrary } from "./find.ts";
import { LibraryProcess } from "./process.ts";

/** What starting a library shows. */
export interface Examination {
  /** Why it cannot be used. */
  failure?: string;
  /** Names separated by colons. */
  transportModes?: string;
  /** Functions that this version does not have; the program does without. */
  missingFunctions: string[];
  /** What of its log tells of trouble, such as libraries that it brings along and does not find. */
  complaints: string[];
}

/** What VMware's library says when a part of it does not load; it is no error anywhere else. */
const COMPLAINT = /cannot open shared object file|error while loading/i;

/** Starts a library in a process of its own, and ends it. */
export async function examine(
  library: FoundLibrary,
  { configFile, timeoutSeconds }: { configFile?: string; timeoutSeconds: number },
): Promise<Examination> {
  const complaints: string[] = [];
  const log = (line: string) => void (COMPLAINT.test(line) && complaints.push(line.trim()));
  const { bundleDir, libDir, path: libraryPath } = library;
  let process: LibraryProcess | undefined;
  try {
    process = new LibraryProcess({ bundleDir, timeoutSeconds });
    process.log = log;
    const { modes, missing } = await process.call("start", {
      libraryPath,
      libDir,
      configFile,
      timeoutSeconds,
    });
    complaints.push(...await process.end());
    return { transportModes: modes, missingFunctions: missing, complaints };
  } catch (error) {
    await process?.end({ withinSeconds: 0 });
    return { failure: (error as Error).message, missingFunctions: [], complaints };
  }
}
