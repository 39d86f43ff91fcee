/** Reads what is in archives, record by record. */

import type { DigestHeader, DumpHeader } from "../archive/header.ts";
import { DumpReader, openArchive } from "../pipeline/archive_reader.ts";
import { listDigest, listDump, type ListedRecord } from "../pipeline/list.ts";
import { Job } from "./job.ts";
import type { JobOptions } from "./options.ts";

/** Archives to be read. */
export interface ReadArchivesRequest {
  /** Paths of dumps, rdiffs and digests. */
  archives: readonly string[];
}

/** An archive that is open. */
export interface OpenArchive {
  path: string;
  /** Of a dump or rdiff, or of a digest, which has no adapter, metadata and capacity. */
  header: DumpHeader | DigestHeader;
  /** Its records in order, many at a time. They can be read once, until `use` has settled. */
  records: AsyncGenerator<ListedRecord[]>;
}

/**
 * Opens archives one after the other and calls `use` with each.
 *
 * @throws {FormatError} if one is damaged, as far as it is read
 */
export async function readArchives(
  { archives }: ReadArchivesRequest,
  use: (archive: OpenArchive) => Promise<void>,
  options: JobOptions = {},
): Promise<void> {
  await using job = await Job.start(options, { inputs: archives });
  for (const path of archives) {
    await using files = job.reading();
    const reader = await openArchive(files.core, await files.source(path));
    const records = reader instanceof DumpReader
      ? listDump(files.core, reader, job.run)
      : listDigest(files.core, reader, job.run);
    await use({ path, header: reader.header, records });
    await records.return(undefined);
  }
}
