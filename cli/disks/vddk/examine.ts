/** Finds out whether a library that was found can be used. */

import type { FoundLibrary } from "./find.ts";
import { LibraryProcess } from "./process.ts";

/** The result of starting a library. */
export interface Examination {
  /** The reason for which it cannot be used. */
  failure?: string;
  /** The transport modes, separated by colons. */
  transportModes?: string;
  /** The functions that this library does not have and the program does not always need. */
  missingFunctions: string[];
  /** The lines of its log that tell of trouble, such as bundled libraries that it does not find. */
  complaints: string[];
}

/** The line that VMware's library logs when a part of it cannot be loaded. It returns no error for that. */
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
