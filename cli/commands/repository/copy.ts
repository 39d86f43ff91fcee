/** `vmdkbkp copy`: copy a machine to another repository. */

import { copyMachine, type CopyResult } from "../../jobs/repository/copy.ts";
import { initRepository } from "../../jobs/repository/repository.ts";
import type { ValuesOf } from "../../options/option.ts";
import { newCommand } from "../common.ts";
import { Printer } from "../printer.ts";
import { secondsSince } from "../summary.ts";
import { REPOSITORY, SCHEMA } from "./options.ts";

export const command = newCommand("copy", {
  description: `Copy machines to a second repository, which gets the generations that it lacks.

Those that are newer than its newest one are copied, the oldest first; every block is proved on the way. It
does not matter which generations each of the two has forgotten.`,
  examples: `
vmdkbkp init --repo /mnt/usb/backup
vmdkbkp copy --repo backup --to /mnt/usb/backup web db`,
  args: { "<machines...>": { help: "names of machines" } },
  options: {
    repo: REPOSITORY,
    to: { type: "folder", value: "folder", required: true, help: "the repository that gets the generations" },
    init: { type: "flag", help: "make the second repository, in a folder that is empty or not there" },
  },
});

export async function run(options: ValuesOf<typeof command>, names: string[]): Promise<number> {
  const { repo: repository, to, init } = options;
  const start = performance.now();
  using printer = new Printer(options);
  if (init) await initRepository(to);
  const jobOptions = await printer.jobOptions();
  const machines: CopyResult[] = [];
  for (const machine of names) machines.push(await copyMachine({ repository, machine, to }, jobOptions));
  const seconds = secondsSince(start);
  return printer.report({
    text: [...machines.flatMap(machineText), `  ${seconds.toFixed(2)} s`],
    json: { command: "copy", schema: SCHEMA, repository, to, machines, seconds },
  });
}

function machineText({ machine, copied, skipped }: CopyResult): string[] {
  const older = skipped.length === 0 ? "" : `, ${skipped.length} older ones are not in the second repository`;
  return [
    `${machine}: ${copied.length} ${copied.length === 1 ? "generation" : "generations"} copied${older}`,
    ...copied.map((id) => `  ${id}`),
  ];
}
