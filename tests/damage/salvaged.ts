/** Salvage in memory. */

import type { DamagedFile } from "../../cli/archive/damaged_file.ts";
import { type DigestHeader, type DumpHeader, parseDumpHeader } from "../../cli/archive/header.ts";
import { Core } from "../../cli/core.ts";
import { Batch } from "../../cli/pipeline/batch.ts";
import { surveyDigest } from "../../cli/damage/digest_survey.ts";
import { headerFor, salvage, type Salvaged, type SealedDigest } from "../../cli/damage/salvage.ts";
import { type Archive, type Block, concat, digest, dump } from "../refusals/material.ts";
import { damagedFile } from "./damaged.ts";
import { openDump } from "../pipeline/drawn_archives.ts";
import { MemoryFile } from "../pipeline/memory_file.ts";
import { MemoryScratch } from "../support/memory_scratch.ts";

/** The header of its dump. */
export function headerOf({ blocks, ...archive }: Archive): DumpHeader {
  return parseDumpHeader(concat(...dump({ blocks, ...archive })), "intact").header;
}

/** Every block of a dump; undefined for zeros. */
export async function blocksOf(core: Core, file: MemoryFile): Promise<Block[]> {
  await using scope = core.scope();
  const reader = await openDump(scope, file);
  const { blockBytes, blockCount } = reader.header;
  const batch = new Batch(scope, blockBytes);
  const blocks: Block[] = [];
  for (let first = 0; batch.start(first, blockCount); first = batch.end) {
    await reader.take(batch);
    for (let i = 0; i < batch.count; i++) {
      blocks.push(batch.table[i] === core.ZERO ? undefined : batch.slots(first + i, first + i + 1).slice());
    }
  }
  await reader.finish();
  return blocks;
}

function sizesOf({ blockBytes, blockCount }: DigestHeader): Pick<DigestHeader, "blockBytes" | "blockCount"> {
  return { blockBytes, blockCount };
}

/** Loading it takes longer than to salvage a small archive. */
const shared = Core.load();

/** Brings back `generation` with its intact digest. */
export async function salvaged(
  generation: Archive,
  archives: DamagedFile[],
  { out = "saved.dump", digestFile = damagedFile("digest", concat(...digest(generation))), sealed }: {
    out?: string;
    digestFile?: DamagedFile;
    sealed?: SealedDigest;
  } = {},
): Promise<{ result: Salvaged; blocks: Block[]; file: MemoryFile }> {
  const core = await shared;
  const expected = headerOf(generation);
  const findings = await surveyDigest(core, digestFile, { expected });
  // As the command does where the seal says of which generation the digest is.
  if (sealed !== undefined) findings.header = { ...expected, ...sizesOf(findings.header) };
  const { header } = headerFor(findings.header, [{ path: "expected", header: expected }]);
  const file = new MemoryFile(out);
  using dumpOut = await file.sink();
  const result = await salvage(core, {
    archives,
    digest: { file: digestFile, findings },
    header,
    dumpOut,
    scratch: () => new MemoryScratch(),
    sealed,
  });
  const blocks = await blocksOf(core, file);
  return { result, blocks, file };
}
