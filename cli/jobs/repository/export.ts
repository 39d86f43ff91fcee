/** Writes a generation of a repository as a dump with its digest and seal. */

import type { DumpHeader } from "../../archive/header.ts";
import { MismatchError } from "../../errors.ts";
import { DigestReader } from "../../pipeline/archive_reader.ts";
import { copyDigest } from "../../pipeline/digest.ts";
import { merge } from "../../pipeline/merge.ts";
import { Job } from "../job.ts";
import type { JobOptions } from "../options.ts";
import { Sealing } from "../sealing.ts";
import { openChainOf } from "./chain.ts";
import { digestPath, headerOf } from "./generations.ts";
import { OpenMachine } from "./machine.ts";
import { openRepository } from "./repository.ts";
import { diskOfMachine, generationAt } from "./selection.ts";

/** A disk of a generation, and the files that are made of it. `-` is standard output, for one of them. */
export interface ExportRequest {
  /** Path of the repository. */
  repository: string;
  /** The name of the machine. */
  machine: string;
  /** As for a restore; by default `latest`. */
  at?: string;
  /** The key of the disk. It may be left out if the machine has one disk. */
  key?: string;
  /** Path of the dump. */
  dumpout: string;
  /** Path of the digest. */
  digestout: string;
  /** Compression level of the outputs: gzip 1 to 9, zstd 1 to 19. */
  level?: number;
}

/** The archives that were made. */
export interface ExportResult {
  /** The name of the machine. */
  machine: string;
  /** The id of the generation. */
  id: string;
  /** The key of the disk. */
  key: string;
  /** The header of the dump. */
  header: DumpHeader;
  /** Blocks of the disk. */
  blocks: number;
  /** Blocks whose bytes are all zero. */
  zeroBlocks: number;
  /** Length of each output in bytes, compressed or not. */
  storedBytes: { dump: number; digest: number };
  /** Paths of the seals that were written or extended. */
  seals: readonly string[];
}

/**
 * Writes a disk of a generation as a dump and a digest, which are those that `dump` would have made at that time.
 * They get their names when the root in the seal of the generation proves the blocks.
 *
 * @throws {UsageError} if there is no such generation or disk, or an output exists already
 * @throws {FormatError | MismatchError} if a file of the repository is damaged
 */
export async function exportGeneration(
  request: ExportRequest,
  options: JobOptions = {},
): Promise<ExportResult> {
  const { machine: name, at = "latest", dumpout, digestout, level } = request;
  const repository = await openRepository(request.repository);
  const entry = await repository.machine(name);
  const outputs = [dumpout, digestout];
  return await Job.run(options, { inputs: [], outputs, compressedFiles: 4 }, async (job) => {
    using machine = await OpenMachine.open(job, { ...entry, write: false });
    const { state } = machine;
    const generation = generationAt(state, at, { name });
    const { id } = generation;
    const disk = diskOfMachine(generation, { key: request.key, name });
    const { key, root: wanted } = disk;
    const header = headerOf(disk);
    await using files = job.reading({ files: 4 });
    const chain = await openChainOf(job, { files, state, generation, key });
    const digestIn = await DigestReader.open(files.core, await files.source(digestPath(state, id, key)));
    const dumpSink = await job.outputs.sink(dumpout, { level });
    const digestSink = await job.outputs.sink(digestout, { level });
    const sealing = await Sealing.begin(job, header, [
      { role: "dump", path: dumpout },
      { role: "digest", path: digestout },
    ]);
    const roots = [job.root(), job.root()];
    const { blocks, zeroRecords } = await merge(
      files.core,
      { chain, out: dumpSink, root: roots[0] },
      job.run,
    );
    await copyDigest(files.core, { digestIn, digestOut: digestSink, root: roots[1] }, job.run);
    for (const root of roots) {
      if (await root.hex() === wanted) continue;
      throw new MismatchError(
        `Cannot export generation ${id} of disk "${key}": the blocks do not have the root that generation.json ` +
          `records; "check" tells which file is damaged`,
      );
    }
    const counts = { dataRecords: blocks - disk.zeroBlocks, zeroRecords: disk.zeroBlocks, isProved: true };
    await sealing.complete({
      root: wanted,
      mode: { asked: "full", done: "full" },
      source: disk.source,
      written: {
        [dumpout]: { ...counts, dataRecords: blocks - zeroRecords, zeroRecords },
        [digestout]: counts,
      },
    });
    job.commit();
    return {
      ...{ machine: name, id, key, header, blocks },
      zeroBlocks: disk.zeroBlocks,
      storedBytes: { dump: dumpSink.storedBytes, digest: digestSink.storedBytes },
      seals: sealing.paths,
    };
  });
}
