/** Reads the headers and records of archives. */

import type { DigestHeader, DumpHeader } from "../archive/header.ts";
import { DumpReader, openArchive } from "../pipeline/archive_reader.ts";
import { listDigest, listDump, type ListedRecord } from "../pipeline/list.ts";
import { type ArchiveInput, pathOf } from "./archive_input.ts";
import { Job } from "./job.ts";
import type { JobOptions } from "./options.ts";

/** Archives to be read. */
export interface ReadArchivesRequest {
  /** Dumps, rdiffs and digests. */
  archives: readonly ArchiveInput[];
}

/** An archive that is open. */
export interface OpenArchive {
  /** Path of the archive, as the request names it. */
  path: string;
  /** The header; that of a digest has no adapter, no metadata and no capacity. */
  header: DumpHeader | DigestHeader;
  /**
   * The records in the order of their blocks, in arrays of many. They can be read once, until `use` has
   * settled.
   */
  records: AsyncGenerator<ListedRecord[]>;
}

/**
 * Opens archives one after the other and calls `use` with each. Only the records that `use` asks for are
 * read.
 *
 * @throws {FormatError} if an archive is damaged in the part that is read
 *
 * @example
 * ```ts
 * import { dump } from "./dump.ts";
 * import { readArchives } from "./print.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const folder = Deno.makeTempDirSync();
 * const at = (name: string) => `${folder}/${name}`;
 * Deno.writeFileSync(at("disk.raw"), new Uint8Array(1024));
 * await dump({ mode: "full", disk: at("disk.raw"), dumpout: at("0.dump"), digestout: at("0.digest") });
 * await readArchives({ archives: [at("0.dump")] }, async ({ header, records }) => {
 *   assertEquals(header.blockCount, 1);
 *   for await (const part of records) assertEquals(part, [{ block: 0, zero: true }]);
 * });
 * Deno.removeSync(folder, { recursive: true });
 * ```
 */
export async function readArchives(
  { archives }: ReadArchivesRequest,
  use: (archive: OpenArchive) => Promise<void>,
  options: JobOptions = {},
): Promise<void> {
  return await Job.run(options, { inputs: archives }, async (job) => {
    for (const path of archives.map(pathOf)) {
      await using files = job.reading();
      const reader = await openArchive(files.core, await files.source(path));
      const records = reader instanceof DumpReader
        ? listDump(files.core, reader, job.run)
        : listDigest(files.core, reader, job.run);
      await use({ path, header: reader.header, records });
      await records.return(undefined);
    }
  });
}
