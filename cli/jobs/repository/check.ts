/** Checks machines of a repository: every file, and every block of every generation. */

import { join } from "@std/path/posix/join";
import { FormatError, MismatchError } from "../../errors.ts";
import { readSmallFile } from "../../files/small_file.ts";
import { isRegularFile } from "../../files/stable_files.ts";
import { isMissing } from "../../files/system_errors.ts";
import { DigestReader, DumpReader } from "../../pipeline/archive_reader.ts";
import { check } from "../../pipeline/check.ts";
import { Chain } from "../../pipeline/chain.ts";
import { DiskAsDump } from "../../pipeline/disk_as_dump.ts";
import { proveStep } from "../../pipeline/prove_step.ts";
import type { GenerationDisk, GenerationDocument, GenerationFile } from "../../repository/documents.ts";
import { filesOfDisk, timeOfGeneration } from "../../repository/names.ts";
import { hashFile } from "../file_hash.ts";
import { Job } from "../job.ts";
import type { JobOptions } from "../options.ts";
import {
  digestPath,
  diskOf,
  extentPath,
  headerOf,
  IMAGE_FOLDER,
  type MachineState,
  rdiffPath,
} from "./generations.ts";
import { descriptorOf, descriptorPath, openImageAt } from "./image.ts";
import { OpenMachine } from "./machine.ts";
import { type MachineEntry, openRepository } from "./repository.ts";
import { selectMachines } from "./selection.ts";

/** What is checked. */
export interface CheckRepositoryRequest {
  /** Path of the repository. */
  repository: string;
  /** Names of machines; without any, all machines are checked. */
  machines?: readonly string[];
  /** The most milliseconds since the newest generation of a machine. */
  maxAgeMs?: number;
  /** The present time; by default now. */
  now?: Date;
  /** Is called with each machine as soon as it is checked. */
  onMachine?: (machine: CheckedMachine) => void;
}

/** A generation of a machine. */
export interface CheckedMachineGeneration {
  /** The id of the generation. */
  id: string;
  /** Sentences about damage; none if every file and every block is right. */
  faults: string[];
}

/** A machine that was checked. */
export interface CheckedMachine {
  /** The name of the machine. */
  name: string;
  /** The newest generation first. */
  generations: CheckedMachineGeneration[];
  /** Sentences about faults of the machine as a whole. */
  faults: string[];
  /** False if a fault is something else than damage: the system refused to read, or another process writes. */
  isRead: boolean;
  /** Nothing is wrong. */
  ok: boolean;
}

/** The machines that were checked. */
export interface CheckRepositoryResult {
  /** The machines, in the order of their names unless they were named. */
  machines: CheckedMachine[];
  /** Nothing is wrong with any machine. */
  ok: boolean;
}

/**
 * Checks machines. The newest generation is proved by reading its images; each older one from the next newer
 * one, so that every file is read once.
 *
 * @throws {UsageError} if there is no repository, or no machine with one of the names
 */
export async function checkRepository(
  request: CheckRepositoryRequest,
  options: JobOptions = {},
): Promise<CheckRepositoryResult> {
  const repository = await openRepository(request.repository);
  const machines: CheckedMachine[] = [];
  for (const entry of await selectMachines(repository, request.machines ?? [])) {
    const machine = await checkMachine(entry, request, options);
    machines.push(machine);
    request.onMachine?.(machine);
  }
  return { machines, ok: machines.every(({ ok }) => ok) };
}

async function checkMachine(
  entry: MachineEntry,
  { maxAgeMs, now = new Date() }: CheckRepositoryRequest,
  options: JobOptions,
): Promise<CheckedMachine> {
  const { name, problem } = entry;
  const result: CheckedMachine = { name, generations: [], faults: [], isRead: true, ok: true };
  const note = (faults: string[], error: unknown) => {
    options.signal?.throwIfAborted();
    faults.push((error as Error).message);
    if (!isDamage(error)) result.isRead = false;
  };
  if (problem !== undefined) note(result.faults, problem);
  try {
    await Job.run(options, { inputs: [], compressedFiles: 3 }, async (job) => {
      using machine = await OpenMachine.open(job, { ...entry, write: false });
      const { state } = machine;
      for (const { id, error } of state.problems) {
        const faults: string[] = [];
        note(faults, error);
        result.generations.push({ id, faults });
      }
      for (const [at, generation] of state.generations.entries()) {
        const faults: string[] = [];
        for (const disk of generation.disks) {
          await checkDisk(job, { state, at, disk }, (error) => note(faults, error));
        }
        result.generations.push({ id: generation.id, faults });
      }
    });
  } catch (error) {
    note(result.faults, error);
  }
  result.generations.sort((a, b) => a.id < b.id ? 1 : -1);
  markUnreadable(result.generations);
  const late = latenessOf(result, { maxAgeMs, now });
  if (late !== undefined) result.faults.push(late);
  result.ok = result.faults.length === 0 && result.generations.every(({ faults }) => faults.length === 0);
  return result;
}

/** A generation whose newer one is damaged is not proved. */
function markUnreadable(generations: CheckedMachineGeneration[]): void {
  for (let at = 1; at < generations.length; at++) {
    const newer = generations[at - 1];
    if (newer.faults.length === 0 || generations[at].faults.length > 0) continue;
    generations[at].faults.push(`it is proved through generation ${newer.id}, which is damaged`);
  }
}

function latenessOf(
  { generations, faults }: CheckedMachine,
  { maxAgeMs, now }: { maxAgeMs?: number; now: Date },
): string | undefined {
  if (maxAgeMs === undefined || faults.length > 0) return undefined;
  const newest = generations[0]?.id;
  if (newest === undefined) return "it has no generations";
  const ageMs = now.getTime() - timeOfGeneration(newest)!.getTime();
  if (ageMs <= maxAgeMs) return undefined;
  const hours = (ms: number) => `${Math.floor(ms / 3_600_000)} h`;
  return `the newest generation ${newest} is ${hours(ageMs)} old, at most ${hours(maxAgeMs)} are accepted`;
}

function isDamage(error: unknown): boolean {
  return error instanceof FormatError || error instanceof MismatchError || isMissing(error);
}

/** A disk in the generation number `at`, counted from the newest one. */
interface DiskPlace {
  state: MachineState;
  at: number;
  disk: GenerationDisk;
}

/** Checks the files and the blocks of a disk in one generation, and reports each fault. */
async function checkDisk(job: Job, place: DiskPlace, report: (error: unknown) => void): Promise<void> {
  const { state, at, disk } = place;
  const { key } = disk;
  const generation = state.generations[at];
  const attempt = async (work: () => Promise<void>) => {
    try {
      await work();
    } catch (error) {
      report(error);
    }
  };
  await attempt(() => assertFile(job, digestPath(state, generation.id, key), disk.digest));
  const newer = at === 0 ? undefined : state.generations[at - 1];
  const rdiff = diskOf(newer, key)?.rdiff;
  if (newer === undefined || rdiff === undefined) {
    await attempt(() => assertDescriptor(state, generation, disk));
    await attempt(() => proveImage(job, place));
  } else {
    await attempt(() => assertFile(job, rdiffPath(state, newer, key), rdiff));
    await attempt(() => proveFromNewer(job, place));
  }
}

/** @throws {FormatError} if a file is not, byte for byte, the one that was sealed */
async function assertFile({ signal }: Job, path: string, { bytes, sha256 }: GenerationFile): Promise<void> {
  isRegularFile(path);
  const found = await hashFile(path, { signal });
  if (found.bytes === bytes && found.sha256 === sha256) return;
  const what = found.bytes === bytes ? "other content" : `${found.bytes} bytes`;
  throw new FormatError(
    `Cannot trust "${path}": the generation has a file of ${bytes} bytes with SHA-256 ${sha256}, ${what} is found`,
    { path },
  );
}

/** @throws {FormatError} if the descriptor of an image is not the one that follows from the seal */
async function assertDescriptor(
  state: MachineState,
  { id }: GenerationDocument,
  disk: GenerationDisk,
): Promise<void> {
  const own = join(state.path, id);
  const folder = isRegularFile(join(own, filesOfDisk(disk.key).extent))
    ? own
    : join(state.path, IMAGE_FOLDER);
  const path = descriptorPath(folder, disk.key);
  const wanted = descriptorOf(disk);
  const found = isRegularFile(path) ? await readSmallFile(path, wanted.length) : new Uint8Array(0);
  if (found.length === wanted.length && found.every((byte, i) => byte === wanted[i])) return;
  throw new FormatError(
    `Cannot trust descriptor "${path}": it is not the one of generation ${id}; the next backup writes it again`,
    { path },
  );
}

/** Proves a disk by reading the image that holds it. */
async function proveImage(job: Job, { state, at, disk }: DiskPlace): Promise<void> {
  const { id } = state.generations[at];
  const path = extentPath(state, id, disk.key);
  await using files = job.reading();
  const image = files.using(openImageAt(path, disk));
  const tail = new Uint8Array(image.capacityBytes - disk.capacityBytes);
  await image.read(tail, disk.capacityBytes);
  if (tail.some((byte) => byte !== 0)) {
    throw new MismatchError(
      `Cannot trust image "${path}": the bytes behind the end of the disk are not zero`,
    );
  }
  const digestIn = digestPath(state, id, disk.key);
  const digest = await DigestReader.open(files.core, await files.source(digestIn));
  const chain = new Chain([new DiskAsDump(image, headerOf(disk))]);
  const root = job.root();
  const { badBlocks, badRuns } = await check(files.core, { chain, digest, root }, job.run);
  if (badBlocks > 0) {
    const block = badRuns[0].start;
    throw new MismatchError(
      `Cannot trust image "${path}": ${badBlocks} blocks do not have their MD5, the first is ${block}`,
      { block },
    );
  }
  await assertRoot(root, disk, digestIn);
}

/** Proves a disk from its rdiff and the digest of the next newer generation. */
async function proveFromNewer(job: Job, { state, at, disk }: DiskPlace): Promise<void> {
  const [newer, own] = [state.generations[at - 1], state.generations[at]];
  await using files = job.reading({ files: 3 });
  const rdiff = rdiffPath(state, newer, disk.key);
  const [digestIn, newerIn] = [own, newer].map(({ id }) => digestPath(state, id, disk.key));
  const root = job.root();
  const { badBlocks, firstBadBlock: block } = await proveStep(files.core, {
    newer: await DigestReader.open(files.core, await files.source(newerIn)),
    rdiff: await DumpReader.open(files.core, await files.source(rdiff)),
    older: await DigestReader.open(files.core, await files.source(digestIn)),
    root,
  }, job.run);
  if (badBlocks > 0) {
    throw new MismatchError(
      `Cannot trust rdiff "${rdiff}": with it, ${badBlocks} blocks do not have their MD5 in "${digestIn}", ` +
        `the first is ${block}`,
      { block },
    );
  }
  await assertRoot(root, disk, digestIn);
}

async function assertRoot(
  root: { hex(): Promise<string> },
  disk: GenerationDisk,
  digestIn: string,
): Promise<void> {
  if (await root.hex() === disk.root) return;
  throw new MismatchError(`Cannot trust digest "${digestIn}": it does not have the root of its generation`);
}
