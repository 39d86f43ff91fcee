/** `vmdkbkp init`: make an empty repository. */

import { initRepository } from "../../jobs/repository/repository.ts";
import { newCommand } from "../common.ts";
import type { ValuesOf } from "../../options/option.ts";
import { Printer } from "../printer.ts";
import { REPOSITORY, SCHEMA } from "./options.ts";

export const command = newCommand("init", {
  description: `Make an empty repository.

A repository is a folder with the backups of many machines. Of each disk it keeps the newest generation as
an image, a flat VMDK that any hypervisor opens, and the way back to each older one. "vmdkbkp backup --init"
makes a repository, too.`,
  examples: `
vmdkbkp init --repo backup`,
  args: {},
  options: { repo: REPOSITORY },
});

export async function run(options: ValuesOf<typeof command>): Promise<number> {
  using printer = new Printer(options);
  const { path, document } = await initRepository(options.repo);
  return printer.report({
    text: [`Made repository ${path}`],
    json: { command: "init", schema: SCHEMA, repository: path, id: document.id },
  });
}
