/** What is possible with the folder that a disturbed run has left. */

import { EXIT } from "../refusals/refusal.ts";
import { callMain, type CliResult } from "../support/run_cli.ts";
import { FolderJudge } from "./folder_judge.ts";
import { argumentsOf } from "./material.ts";
import { hold } from "./pledges.ts";
import type { CaseFolder } from "./case_folder.ts";
import type { World } from "./world.ts";

/** Far more than a run that nothing disturbs can need. */
const LIMIT_MS = 180_000;

/** Whatever has the name of a dump or a disk is read as that of one generation, the old or the new one. */
export async function judgeReadBack(world: World, folder: CaseFolder): Promise<void> {
  const { readable, before } = world;
  const files = folder.files();
  for (const [path, contents] of readable) {
    if (!files.has(path) && !before.has(path)) continue;
    let content;
    try {
      content = await world.readBack(folder.path, path);
    } catch (error) {
      const { message } = error as Error;
      // What was not there before may go again with the others that its run did not finish.
      if (!before.has(path) && /no such file/i.test(message)) continue;
      hold("read back", false, message);
    }
    hold("read back", contents.includes(content), `"${path}" is read as something else`);
  }
}

/**
 * The same command succeeds, makes what it always makes, and leaves nothing else. `isDone`: it was done before, too.
 * `losesModes`: an earlier run has warned that a file does not keep its mode.
 */
export async function judgeNextRun(
  world: World,
  folder: CaseFolder,
  { isDone, losesModes = false }: { isDone: boolean; losesModes?: boolean },
): Promise<void> {
  const { line, outputs, before } = world;
  const isThere = isDone || new FolderJudge(world, folder).isNew;
  let next = await call(folder, line);
  if (
    isThere && next.code === EXIT.usage && next.stderr.includes("exists already") && !before.has(outputs[0])
  ) {
    next = await call(folder, `${line} --force`);
  }
  hold("next run", next.code === EXIT.done, `exit code ${next.code}: ${next.stderr}`);
  const files = new FolderJudge(world, folder);
  files.complete("next run", { losesModes });
  files.inputs();
  files.leftovers();
}

async function call(folder: CaseFolder, line: string): Promise<CliResult> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => resolve(undefined), LIMIT_MS);
  try {
    const result = await Promise.race([callMain(argumentsOf(folder.path, line)), promise]);
    hold("next run", result !== undefined, "it does not end");
    return result;
  } finally {
    clearTimeout(timer);
  }
}
