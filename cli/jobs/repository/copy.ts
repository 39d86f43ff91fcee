/** Copies the generations of a machine to another repository. */

import { Bitmap } from "../../archive/bitmap.ts";
import { MismatchError, UsageError } from "../../errors.ts";
import { makeFolder } from "../../files/stable_files.ts";
import { DumpReader } from "../../pipeline/archive_reader.ts";
import { ChainDisk } from "../../pipeline/chain_disk.ts";
import { markRecords } from "../../pipeline/compare.ts";
import type { GenerationDisk, GenerationDocument } from "../../repository/documents.ts";
import { DiskWatch } from "../disk_watch.ts";
import { Job } from "../job.ts";
import type { JobOptions } from "../options.ts";
import type { Reading } from "../reading.ts";
import type { KnownChanges } from "./changes.ts";
import { openChainOf } from "./chain.ts";
import { diskOf, type MachineState, rdiffPath } from "./generations.ts";
import { OpenMachine } from "./machine.ts";
import { documentOf, makeGeneration } from "./make_generation.ts";
import { planOf } from "./plan.ts";
import { openRepository } from "./repository.ts";
import type { DiskWork } from "./write_disk.ts";

/** A machine, and where its generations are copied. */
export interface CopyRequest {
  /** Path of the repository that has the machine. */
  repository: string;
  /** The name of the machine. */
  machine: string;
  /** Path of the repository that gets what it lacks. */
  to: string;
}

/** What was copied. */
export interface CopyResult {
  /** The name of the machine. */
  machine: string;
  /** The ids of the generations that were copied, the oldest first. */
  copied: string[];
  /** The ids of generations that are older than the newest one of the other repository, and were left out. */
  skipped: string[];
}

/**
 * Copies the generations of a machine that are newer than the newest one of the other repository, the oldest
 * first. Every block is proved by the root of its generation before the copy is committed. Which generations
 * each repository has forgotten does not matter.
 *
 * @throws {UsageError} if a repository or the machine is missing, or both repositories are the same
 * @throws {MismatchError} if both have a generation with one id and other blocks, or a file is damaged
 */
export async function copyMachine(request: CopyRequest, options: JobOptions = {}): Promise<CopyResult> {
  const { machine: name } = request;
  const [from, to] = [await openRepository(request.repository), await openRepository(request.to)];
  if (from.document.id === to.document.id) {
    throw new UsageError(`Cannot copy to repository "${request.to}": it is the one that is copied`);
  }
  const entry = await from.machine(name);
  const path = await to.folderFor(name);
  const result: CopyResult = { machine: name, copied: [], skipped: [] };
  // A job commits once, so each generation has one of its own.
  for (let goesOn = true; goesOn;) {
    goesOn = await Job.run(options, { inputs: [], compressedFiles: 4 }, async (job) => {
      using source = await OpenMachine.open(job, { ...entry, write: false });
      const [problem] = source.state.problems;
      if (problem !== undefined) throw problem.error;
      makeFolder(path);
      using target = await OpenMachine.open(job, { path, name, write: true });
      assertSameMachine(source.state, target.state);
      const newest = target.state.generations[0]?.id ?? "";
      const generations = source.state.generations.toReversed();
      const missing = generations.filter(({ id }) => id > newest);
      if (missing.length > 0) {
        await copyGeneration(job, missing[0], { source, target });
        result.copied.push(missing[0].id);
      }
      const known = new Set(target.state.generations.map(({ id }) => id));
      result.skipped = generations.map(({ id }) => id).filter((id) => !known.has(id));
      return missing.length > 1;
    });
  }
  return result;
}

/** @throws {MismatchError} if a generation that both have is another one */
function assertSameMachine(source: MachineState, target: MachineState): void {
  for (const generation of target.generations) {
    const own = source.generations.find(({ id }) => id === generation.id);
    for (const disk of generation.disks) {
      const other = diskOf(own, disk.key);
      if (other === undefined || other.root === disk.root) continue;
      throw new MismatchError(
        `Cannot copy to "${target.path}": its generation ${generation.id} has another disk "${disk.key}" than ` +
          `"${source.path}"`,
      );
    }
  }
}

async function copyGeneration(
  job: Job,
  generation: GenerationDocument,
  { source, target }: { source: OpenMachine; target: OpenMachine },
): Promise<void> {
  await using files = job.reading({ files: 4 });
  const before = target.state.generations[0];
  const works: DiskWork[] = [];
  for (const disk of generation.disks) {
    const { key } = disk;
    const chain = await openChainOf(job, { files, state: source.state, generation, key });
    const copied = new ChainDisk(files.core, chain, disk);
    const previous = diskOf(before, key);
    const isContinued = previous?.series === disk.series && previous.blockBytes === disk.blockBytes;
    const changes = isContinued && before?.id === generation.parent && disk.rdiff !== undefined
      ? await changesIn(job, { files, state: source.state, generation, disk })
      : undefined;
    const plan = planOf(copied, isContinued ? previous : undefined, { hasChanges: changes !== undefined });
    const watch = new DiskWatch(copied);
    works.push({ key, disk: copied, watch, plan, previous, changes, origin: disk });
  }
  await makeGeneration(job, target, {
    ...{ works, id: generation.id, note: generation.note, now: generation.begun, ended: generation.ended },
    document: await documentOf(target),
    blockBytes: generation.disks[0]?.blockBytes,
    // The roots prove the copy, and a chain can be read only once.
    audit: 0,
  });
}

/** Returns the blocks of which the rdiff of a generation has a record. */
async function changesIn(
  job: Job,
  { files, state, generation, disk }: {
    files: Reading;
    state: MachineState;
    generation: GenerationDocument;
    disk: GenerationDisk;
  },
): Promise<KnownChanges> {
  const path = rdiffPath(state, generation, disk.key);
  const blocks = new Bitmap(disk.blockCount, job.run.pages);
  const reader = await DumpReader.open(files.core, await files.source(path));
  await markRecords(files.core, reader, blocks, job.run);
  return { path, blocks };
}
