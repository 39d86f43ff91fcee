/** `vmdkbkp export`: write a generation of a machine as archives. */

import { exportGeneration } from "../../jobs/repository/export.ts";
import type { ValuesOf } from "../../options/option.ts";
import { LEVEL, newCommand } from "../common.ts";
import { Printer } from "../printer.ts";
import { formatSize } from "../progress.ts";
import { SIGN } from "../signing.ts";
import { contentText, headerJson, secondsSince, speedText } from "../summary.ts";
import { REPOSITORY, SCHEMA } from "./options.ts";

export const command = newCommand("export", {
  description: `Write a generation of a machine as a dump with its digest and its seal.

The archives are those that dump would have made at that time: for tapes, for object stores and for the
original program. They get their names when the blocks are proved.`,
  examples: `
vmdkbkp export --repo backup --dumpout web.dump.zst --digestout web.digest web
vmdkbkp export --repo backup --at 2026-11-24 --disk data --dumpout data.dump --digestout data.digest web`,
  args: { "<machine>": { help: "the name of the machine" } },
  options: {
    repo: REPOSITORY,
    at: {
      type: "text",
      value: "when",
      help: "latest (the default), the id of a generation, or a time or day: the newest that is not later",
    },
    disk: { type: "text", value: "key", help: "the disk of the machine; needed if it has several" },
    dumpout: { type: "output", value: "file", required: true, help: "the dump" },
    digestout: { type: "output", value: "file", required: true, help: "the digest" },
    force: { type: "flag", help: "replace outputs that exist" },
    level: LEVEL,
    sign: SIGN,
  },
});

export async function run(options: ValuesOf<typeof command>, [machine]: string[]): Promise<number> {
  const { repo, at, disk, dumpout, digestout, level } = options;
  const start = performance.now();
  using printer = new Printer(options, { outputs: [dumpout, digestout] });
  const request = { repository: repo, machine, at, key: disk, dumpout, digestout, level };
  const result = await exportGeneration(request, await printer.jobOptions());
  const { id, key, header, storedBytes, seals } = result;
  const seconds = secondsSince(start);
  return printer.report({
    text: [
      `Exported disk ${key} of generation ${id}: ${contentText(result, header.blockBytes)}`,
      `  dump   ${dumpout}: ${formatSize(storedBytes.dump)}`,
      `  digest ${digestout}: ${formatSize(storedBytes.digest)}`,
      ...seals.map((path) => `  seal   ${path}`),
      `  ${speedText(header.capacityBytes, seconds)}`,
    ],
    json: {
      ...{ command: "export", schema: SCHEMA, repository: repo, machine, generation: id, disk: key },
      ...headerJson(header),
      zeroBlocks: result.zeroBlocks,
      storedBytes,
      seals,
      seconds,
    },
  });
}
