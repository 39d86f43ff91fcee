/** `vmdkbkp list`: show machines and generations. */

import { EXIT, FormatError } from "../../errors.ts";
import { type ListedMachine, listRepository } from "../../jobs/repository/list.ts";
import type { ValuesOf } from "../../options/option.ts";
import type { GenerationDocument } from "../../repository/documents.ts";
import { newCommand } from "../common.ts";
import { Printer } from "../printer.ts";
import { formatSize } from "../progress.ts";
import { REPOSITORY, SCHEMA } from "./options.ts";

export const command = newCommand("list", {
  description: `List the machines of a repository and their generations, the newest first.

Nothing but the seals of generations is read, and nothing is locked. "--json" is for monitoring: it tells when
the newest generation of each machine was made. A seal that is damaged gives exit code 3; other machines are
listed all the same.`,
  examples: `
vmdkbkp list --repo backup
vmdkbkp list --repo backup --json web`,
  args: { "[machines...]": { help: "names of machines (default: all)" } },
  options: { repo: REPOSITORY },
});

export async function run(options: ValuesOf<typeof command>, names: string[]): Promise<number> {
  using printer = new Printer(options);
  const { repo: repository } = options;
  const { id, created, machines } = await listRepository({ repository, machines: names });
  const errors = machines.flatMap(({ problems }) => problems.map(({ error }) => error));
  const isDamaged = errors.some((error) => error instanceof FormatError);
  return printer.report({
    text: machines.length === 0 ? ["No machines"] : machines.flatMap(machineText),
    json: {
      command: "list",
      schema: SCHEMA,
      repository,
      id,
      created: created.toISOString(),
      machines: machines.map(machineJson),
    },
    exitCode: errors.length === 0 ? EXIT.done : isDamaged ? EXIT.corrupt : EXIT.environment,
  });
}

function machineText({ name, generations, problems, isUnfinished }: ListedMachine): string[] {
  return [
    `${name}: ${generations.length} ${generations.length === 1 ? "generation" : "generations"}` +
    (isUnfinished ? ", a run is changing it or was interrupted" : ""),
    ...generations.map(generationText),
    ...problems.map(({ id, error }) => `  ${id ?? "machine"}  WRONG: ${error.message}`),
  ];
}

function generationText({ id, disks, note }: GenerationDocument): string {
  const parts = disks.map(({ key, mode, changedBlocks, blockBytes, rdiff, digest }) =>
    `${key} ${mode} ${formatSize(changedBlocks * blockBytes)} changed, ` +
    `${formatSize(digest.bytes + (rdiff?.bytes ?? 0))} stored`
  );
  return `  ${id}  ${parts.join("; ")}${note === undefined ? "" : `  "${note}"`}`;
}

function machineJson(
  { name, path, generations, problems, isUnfinished }: ListedMachine,
): Record<string, unknown> {
  return {
    name,
    path,
    unfinished: isUnfinished,
    ...(generations.length === 0 ? {} : { newest: generations[0].begun.toISOString() }),
    generations: generations.map(({ id, parent, begun, ended, note, disks }) => ({
      id,
      ...(parent === undefined ? {} : { parent }),
      begun: begun.toISOString(),
      ended: ended.toISOString(),
      ...(note === undefined ? {} : { note }),
      disks: disks.map((disk) => ({
        key: disk.key,
        capacity: disk.capacityBytes,
        blockSize: disk.blockBytes,
        mode: disk.mode,
        reason: disk.reason,
        changedBlocks: disk.changedBlocks,
        zeroBlocks: disk.zeroBlocks,
        storedBytes: disk.digest.bytes + (disk.rdiff?.bytes ?? 0),
        root: disk.root,
      })),
    })),
    problems: problems.map(({ id, error }) => ({
      ...(id === undefined ? {} : { id }),
      message: error.message,
    })),
  };
}
