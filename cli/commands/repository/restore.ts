/** `vmdkbkp restore --repo`: write a generation of a machine to disks. */

import { UsageError } from "../../errors.ts";
import { restoreFromRepository, type RestoreFromRepositoryRequest } from "../../jobs/repository/restore.ts";
import type { CommonOptions } from "../common.ts";
import { Printer } from "../printer.ts";
import { blocksText, secondsSince, speedText } from "../summary.ts";
import { SCHEMA } from "./options.ts";

/** Restores what the request names and prints a report. */
export async function restoreMachine(
  options: CommonOptions,
  request: RestoreFromRepositoryRequest,
): Promise<number> {
  const start = performance.now();
  using printer = new Printer(options);
  if (request.folder !== undefined && !request.create) {
    throw new UsageError(
      `Cannot restore to the folder "${request.folder}" without --create: disks are made in it`,
    );
  }
  const { machine, generation, disks } = await restoreFromRepository(request, await printer.jobOptions());
  const seconds = secondsSince(start);
  const diskOf = (key: string) => generation.disks.find((disk) => disk.key === key)!;
  const capacityBytes = disks.reduce((sum, { key }) => sum + diskOf(key).capacityBytes, 0);
  return printer.report({
    text: [
      `Restored generation ${generation.id} of machine ${machine}`,
      ...disks.map(({ key, disk, blocks, writtenBlocks, zeroBlocks, unchangedBlocks, verifiedBlocks }) =>
        `  ${key} to ${disk.path} (${disk.format}): ${blocksText(blocks, diskOf(key).blockBytes)}, ` +
        `${writtenBlocks} written, ${zeroBlocks} zero` +
        (unchangedBlocks === undefined ? "" : `, ${unchangedBlocks} right already`) +
        (verifiedBlocks === undefined ? "" : ", read back: every block is as it should be")
      ),
      `  ${speedText(capacityBytes, seconds)}`,
    ],
    json: {
      command: "restore",
      schema: SCHEMA,
      repository: request.repository,
      machine,
      generation: generation.id,
      disks: disks.map(({ key, disk, ...counts }) => ({
        key,
        disk: disk.path,
        format: disk.format,
        ...counts,
      })),
      seconds,
    },
  });
}
