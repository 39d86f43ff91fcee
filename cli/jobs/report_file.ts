/** Writes a report about the result of another job to a file. */

import { Job } from "./job.ts";
import type { JobOptions } from "./options.ts";

/** A report, its file, and the files that it describes. */
export interface ReportFile {
  /** Path of the file; `-` is standard output. */
  path: string;
  bytes: Uint8Array;
  /** The files that the report describes. It replaces none of them, whatever links lead to them. */
  about: readonly string[];
  /** Returns whether a file that begins like this is an earlier report, which is replaced. */
  isReport: (beginning: string) => boolean;
}

/** Writes a report. @throws {UsageError} if another file has the path */
export async function writeReportFile(
  { path, bytes, about, isReport }: ReportFile,
  options: JobOptions = {},
): Promise<void> {
  return await Job.run(options, { inputs: [], outputs: [path] }, async (job) => {
    job.addInputs(about);
    await job.outputs.writeReport(path, bytes, { isReport });
    job.commit();
  });
}
