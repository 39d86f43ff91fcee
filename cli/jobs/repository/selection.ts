/** Selects machines and generations by what a user writes. */

import { UsageError } from "../../errors.ts";
import type { GenerationDisk, GenerationDocument } from "../../repository/documents.ts";
import { timeOfGeneration } from "../../repository/names.ts";
import type { MachineState } from "./generations.ts";
import type { MachineEntry, Repository } from "./repository.ts";

/**
 * Returns the generation `at`: `latest`, an id, or a time such as `2026-11-30T02:00:05Z` or `2026-11-30`, which
 * selects the newest generation that is not later. A time without a zone is one of this machine; a day without
 * a time means its end.
 *
 * @throws {UsageError} if there is none, or `at` is nothing of that
 */
export function generationAt(
  { generations, problems }: Pick<MachineState, "generations" | "problems">,
  at: string,
  { name }: { name: string },
): GenerationDocument {
  const refuse = (reason: string) =>
    new UsageError(`Cannot find generation "${at}" of machine "${name}": ${reason}`);
  const exact = generations.find(({ id }) => id === at);
  if (exact !== undefined) return exact;
  const problem = problems.find(({ id }) => id === at) ?? (at === "latest" ? problems[0] : undefined);
  if (problem !== undefined) throw problem.error;
  if (generations.length === 0) throw refuse("the machine has no generations");
  if (at === "latest") return generations[0];
  if (timeOfGeneration(at) !== undefined) {
    throw refuse(`the newest one is ${generations[0].id}; "list" shows all`);
  }
  const time = timeOf(at);
  if (time === undefined) {
    throw refuse('it is neither "latest", an id, nor a time such as 2026-11-30T02:00:05Z');
  }
  const found = generations.find(({ id }) => timeOfGeneration(id)!.getTime() <= time.getTime());
  if (found === undefined) throw refuse(`the oldest one is ${generations.at(-1)!.id}`);
  return found;
}

const DAY = /^\d{4}-\d{2}-\d{2}$/;
const TIME = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})?$/;

function timeOf(text: string): Date | undefined {
  if (!DAY.test(text) && !TIME.test(text)) return undefined;
  const time = new Date(DAY.test(text) ? `${text}T23:59:59.999` : text.replace(" ", "T"));
  return Number.isNaN(time.getTime()) ? undefined : time;
}

/**
 * Returns the disk with a key in a generation, or without a key its only disk.
 *
 * @throws {UsageError} if there is none, or there are several
 */
export function diskOfMachine(
  { id, disks }: GenerationDocument,
  { key, name }: { key?: string; name: string },
): GenerationDisk {
  const keys = disks.map((disk) => `"${disk.key}"`).join(", ");
  const found = disks.filter((disk) => key === undefined || disk.key === key);
  if (found.length === 1) return found[0];
  throw new UsageError(
    found.length === 0
      ? `Cannot find disk "${key}" in generation ${id} of machine "${name}": it has ${keys}`
      : `Cannot take one disk of machine "${name}": it has ${keys}; name one with --disk`,
  );
}

/** Returns the machines with these names; all machines without names. @throws {UsageError} if one is missing */
export async function selectMachines(
  repository: Repository,
  names: readonly string[],
): Promise<MachineEntry[]> {
  if (names.length === 0) return await repository.machines();
  const selected: MachineEntry[] = [];
  for (const name of new Set(names)) selected.push(await repository.machine(name));
  return selected;
}
