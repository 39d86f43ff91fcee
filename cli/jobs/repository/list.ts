/** Lists the machines and generations of a repository, from their seals alone. */

import type { GenerationDocument } from "../../repository/documents.ts";
import { openRepository } from "./repository.ts";
import { readGenerations } from "./generations.ts";
import { isUnfinished } from "./machine.ts";
import { selectMachines } from "./selection.ts";

/** What is listed. */
export interface ListRepositoryRequest {
  /** Path of the repository. */
  repository: string;
  /** Names of machines; without any, all machines are listed. */
  machines?: readonly string[];
}

/** A machine and its generations. */
export interface ListedMachine {
  /** The name of the machine. */
  name: string;
  /** The path of its folder. */
  path: string;
  /** The newest generation first. */
  generations: GenerationDocument[];
  /** Generations, or `machine.json`, that cannot be read. */
  problems: { id?: string; error: Error }[];
  /** A run is changing the machine, or was interrupted; the next one undoes or completes it. */
  isUnfinished: boolean;
}

/** The content of a repository. */
export interface ListRepositoryResult {
  /** The id of the repository. */
  id: string;
  /** When it was made. */
  created: Date;
  /** The machines, in the order of their names unless they were named. */
  machines: ListedMachine[];
}

/**
 * Lists machines and generations. No archive is read and nothing is locked.
 *
 * @throws {UsageError} if there is no repository, or no machine with one of the names
 */
export async function listRepository(request: ListRepositoryRequest): Promise<ListRepositoryResult> {
  const repository = await openRepository(request.repository);
  const machines: ListedMachine[] = [];
  for (const { name, path, problem } of await selectMachines(repository, request.machines ?? [])) {
    const problems = problem === undefined ? [] : [{ error: problem }];
    try {
      const { generations, problems: others } = await readGenerations(path);
      machines.push({
        ...{ name, path, generations },
        problems: [...problems, ...others],
        isUnfinished: isUnfinished(path),
      });
    } catch (error) {
      const all = [...problems, { error: error as Error }];
      machines.push({ name, path, generations: [], problems: all, isUnfinished: false });
    }
  }
  return { ...repository.document, machines };
}
