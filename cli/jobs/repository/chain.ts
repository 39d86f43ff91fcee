/** Reads a generation of a disk: the image that holds a newer one, and the rdiffs that lead from it to the older one. */

import { UsageError } from "../../errors.ts";
import { Chain, MAX_CHAIN } from "../../pipeline/chain.ts";
import { DiskAsDump } from "../../pipeline/disk_as_dump.ts";
import type { GenerationDisk, GenerationDocument } from "../../repository/documents.ts";
import type { Job } from "../job.ts";
import type { Reading } from "../reading.ts";
import { diskOf, extentPath, headerOf, type MachineState, rdiffPath } from "./generations.ts";
import { openImageAt } from "./image.ts";

/** The files of a chain. */
export interface ChainFiles {
  /** The image, and the disk that it holds. */
  extent: string;
  held: GenerationDisk;
  /** The rdiffs, the newest first. */
  rdiffs: string[];
}

/** Returns the files that lead to a disk in a generation. */
export function chainFilesOf(
  state: MachineState,
  { id }: Pick<GenerationDocument, "id">,
  key: string,
): ChainFiles {
  const rdiffs: string[] = [];
  let at = state.generations.findIndex((generation) => generation.id === id);
  for (; at > 0; at--) {
    const newer = state.generations[at - 1];
    if (diskOf(newer, key)?.rdiff === undefined) break;
    rdiffs.unshift(rdiffPath(state, newer, key));
  }
  const base = state.generations[at];
  return { extent: extentPath(state, base.id, key), held: diskOf(base, key)!, rdiffs };
}

/** Opens the chain that leads to a disk in a generation. It ends with `files`. */
export async function openChainOf(
  job: Job,
  { files, state, generation, key }: {
    files: Reading;
    state: MachineState;
    generation: Pick<GenerationDocument, "id">;
    key: string;
  },
): Promise<Chain> {
  const { extent, held, rdiffs } = chainFilesOf(state, generation, key);
  if (rdiffs.length >= MAX_CHAIN) {
    throw new UsageError(
      `Cannot read generation ${generation.id}: ${rdiffs.length} newer ones are more than ${
        MAX_CHAIN - 1
      }; ` +
        `"forget" removes some of them`,
    );
  }
  const image = files.using(openImageAt(extent, held));
  const readers = await job.openArchives(rdiffs, { files, before: 1 });
  return new Chain([new DiskAsDump(image, headerOf(held)), ...readers]);
}
