/** Removes generations of machines. */

import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { UsageError } from "../../errors.ts";
import { createFile, isRegularFile, removeAll, replaceFile } from "../../files/stable_files.ts";
import { syncFolder } from "../../files/sync_folder.ts";
import { onFile } from "../../files/system_errors.ts";
import { Chain } from "../../pipeline/chain.ts";
import { merge } from "../../pipeline/merge.ts";
import { generationBytes, type GenerationDisk, type GenerationDocument } from "../../repository/documents.ts";
import { filesOfDisk, timeOfGeneration } from "../../repository/names.ts";
import { decideRetention, hasRules, type RetentionPolicy } from "../../repository/retention.ts";
import { Job } from "../job.ts";
import type { JobOptions } from "../options.ts";
import { diskOf, GENERATION_FILE, type MachineState, mergedName, rdiffPath } from "./generations.ts";
import { OpenMachine } from "./machine.ts";
import { finishMerge, removeGeneration } from "./recovery.ts";
import { openRepository } from "./repository.ts";
import { selectMachines } from "./selection.ts";

/** Which generations of which machines go. */
export interface ForgetRequest {
  /** Path of the repository. */
  repository: string;
  /** Names of machines; without any, the rules apply to each machine. */
  machines?: readonly string[];
  /** Which generations stay. At least one rule is needed. */
  keep: RetentionPolicy;
  /** Only decide. */
  dryRun?: boolean;
  /** Is called with each machine as soon as it is done. */
  onMachine?: (machine: ForgottenMachine) => void;
}

/** A generation, and why it stays. */
export interface ForgetDecision {
  /** The id of the generation. */
  id: string;
  /** What the user noted about the generation. */
  note?: string;
  /** The rules that keep it; none if it goes. */
  reasons: string[];
}

/** A machine, and what stays of it. */
export interface ForgottenMachine {
  /** The name of the machine. */
  name: string;
  /** The newest generation first. */
  generations: ForgetDecision[];
  /** Why the machine was left as it is. */
  problem?: Error;
}

/** The machines to which the rules were applied. */
export interface ForgetResult {
  /** The machines, in the order of their names unless they were named. */
  machines: ForgottenMachine[];
}

/**
 * Removes the generations that no rule keeps. The newest generation always stays: the others are made of it. So
 * does a generation whose disks end with it, as long as older ones are made of them.
 *
 * A machine that cannot be changed does not keep others from being; its problem is in the result.
 *
 * @throws {UsageError} if there is no rule, no repository, or no machine with one of the names
 */
export async function forget(request: ForgetRequest, options: JobOptions = {}): Promise<ForgetResult> {
  if (!hasRules(request.keep)) {
    throw new UsageError(
      "Cannot forget without a rule: it would remove everything; use --keep-last 1 or another one",
    );
  }
  const repository = await openRepository(request.repository);
  const machines: ForgottenMachine[] = [];
  for (const entry of await selectMachines(repository, request.machines ?? [])) {
    const machine: ForgottenMachine = { name: entry.name, generations: [] };
    try {
      if (entry.problem !== undefined) throw entry.problem;
      await Job.run(options, { inputs: [], compressedFiles: 3 }, async (job) => {
        using open = await OpenMachine.open(job, { ...entry, write: request.dryRun !== true });
        const [problem] = open.state.problems;
        if (problem !== undefined) throw problem.error;
        machine.generations = decide(open.state, request.keep);
        if (!request.dryRun) await remove(job, open, machine.generations);
      });
    } catch (error) {
      options.signal?.throwIfAborted();
      machine.problem = error as Error;
    }
    machines.push(machine);
    request.onMachine?.(machine);
  }
  return { machines };
}

function decide(state: MachineState, keep: RetentionPolicy): ForgetDecision[] {
  const { generations } = state;
  const keepable = generations.map(({ id, note }) => ({ id, note, time: timeOfGeneration(id)! }));
  const decisions = decideRetention(keepable, keep).map(({ generation: { id, note }, reasons }) => ({
    id,
    note,
    reasons,
  }));
  if (decisions.length > 0 && decisions[0].reasons.length === 0) decisions[0].reasons.push("newest");
  // From the oldest: whether one is a base depends on whether an older one stays.
  let staysOlder = false;
  for (let at = decisions.length - 1; at > 0; at--) {
    const { reasons } = decisions[at];
    if (reasons.length === 0 && staysOlder && isBase(generations, at)) reasons.push("base of older ones");
    staysOlder ||= reasons.length > 0;
  }
  return decisions;
}

/** Returns whether a disk of a generation goes on in the older one, but not in the newer one. */
function isBase(generations: readonly GenerationDocument[], at: number): boolean {
  return generations[at].disks.some(({ key, rdiff }) =>
    rdiff !== undefined && diskOf(generations[at - 1], key)?.rdiff === undefined
  );
}

async function remove(job: Job, machine: OpenMachine, decisions: readonly ForgetDecision[]): Promise<void> {
  const { state, path } = machine;
  if (decisions.every(({ reasons }) => reasons.length > 0)) return;
  machine.beginChange();
  const stays = (at: number) => decisions[at].reasons.length > 0;
  for (let at = 0; at < decisions.length;) {
    let next = at + 1;
    while (next < decisions.length && !stays(next)) next++;
    if (next > at + 1) await link(job, state, { from: at, to: next });
    at = next;
  }
  for (const { id, reasons } of decisions) if (reasons.length === 0) removeGeneration(path, id);
  syncFolder(path);
  machine.endChange();
}

/**
 * Makes the generation number `to` the parent of number `from`: the rdiffs between them are merged. The seal
 * that names the new parent is the commit; `recover` completes or removes the rest.
 */
async function link(
  job: Job,
  state: MachineState,
  { from, to }: { from: number; to: number },
): Promise<void> {
  const newer = state.generations[from];
  const parent = state.generations.at(to)?.id;
  const folder = join(state.path, newer.id);
  const disks: GenerationDisk[] = [];
  for (const { rdiff: _, ...disk } of newer.disks) {
    const between = state.generations.slice(from, to);
    const isLinked = parent !== undefined &&
      between.every((generation) => diskOf(generation, disk.key)?.rdiff);
    if (!isLinked) {
      disks.push(disk);
      continue;
    }
    const rdiffs = between.map((generation) => rdiffPath(state, generation, disk.key));
    const rdiff = await mergeTo(job, join(folder, mergedName(disk.key, parent)), { rdiffs, key: disk.key });
    disks.push({ ...disk, rdiff, changedBlocks: rdiff.dataRecords + rdiff.zeroRecords });
  }
  const document: GenerationDocument = { ...newer, parent, disks };
  syncFolder(folder);
  replaceFile(join(folder, GENERATION_FILE), await generationBytes(document));
  finishMerge(state.path, document);
}

/** Merges rdiffs, the newest first, to a new file. */
async function mergeTo(
  job: Job,
  path: string,
  { rdiffs, key }: { rdiffs: readonly string[]; key: string },
): Promise<NonNullable<GenerationDisk["rdiff"]>> {
  if (isRegularFile(path)) removeAll(path);
  using file = createFile(path);
  await using files = job.reading({ files: 3 });
  // The name tells the container, so the sink gets the one that the file will have.
  const name = join(dirname(path), filesOfDisk(key).rdiff);
  const sink = await job.outputs.sinkTo(name, file, {});
  const chain = new Chain(await job.openArchives(rdiffs, { files }));
  const { records, zeroRecords } = await merge(files.core, { chain, out: sink }, job.run);
  onFile("sync", path, () => file.syncSync());
  const stored = await job.outputs.stored(name);
  return { ...stored!, dataRecords: records - zeroRecords, zeroRecords };
}
