/** Writes a report of another job to a file. */

import { Job } from "./job.ts";
import type { JobOptions } from "./options.ts";

/** A report and the files that it is about. */
export interface ReportFile {
  /** Where the report goes; `-` is standard output. */
  path: string;
  bytes: Uint8Array;
  /** Files that the report must not replace, whatever links lead to them. */
  about: readonly string[];
  /** Whether a file that begins like this is an earlier report, which is replaced. */
  isReport: (beginning: string) => boolean;
}

/** Writes a report whole. @throws {UsageError} if something else is in its place */
export async function writeReportFile(
  { path, bytes, about, isReport }: ReportFile,
  options: JobOptions = {},
): Promise<void> {
  return await Job.run(options, { inputs: [], outputs: [path] }, async (job) => {
    job.addInputs(about);
    await job.writeReport(path, bytes, { isReport });
    job.commit();
  });
}
