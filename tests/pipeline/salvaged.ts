/** Salvage in memory. */

import type { DamagedFile } from "../../cli/archive/damaged_file.ts";
import { type DigestHeader, type DumpHeader, parseDumpHeader } from "../../cli/archive/header.ts";
import { Core } from "../../cli/core.ts";
import { Batch } from "../../cli/pipeline/batch.ts";
import type { Scratch } from "../../cli/pipeline/block_store.ts";
import { surveyDigest } from "../../cli/pipeline/digest_survey.ts";
import { headerFor, salvage, type Salvaged, type SealedDigest } from "../../cli/pipeline/salvage.ts";
import { type Archive, type Block, concat, digest, dump } from "../refusals/material.ts";
import { damagedFile } from "./damaged.ts";
import { openDump } from "./drawn_archives.ts";
import { MemoryFile } from "./memory_file.ts";

/** A file in memory, for blocks. */
function memoryScratch(): Scratch {
  let bytes = new Uint8Array(1024);
  let [at, end] = [0, 0];
  return {
    seekSync: (offset) => at = Number(offset),
    writeSync(part) {
      if (at + part.length > bytes.length) {
        const more = new Uint8Array(2 * (at + part.length));
        more.set(bytes);
        bytes = more;
      }
      bytes.set(part, at);
      at += part.length;
      end = Math.max(end, at);
      return part.length;
    },
    readSync(into) {
      const part = bytes.subarray(at, Math.min(end, at + into.length));
      into.set(part);
      at += part.length;
      return part.length || null;
    },
  };
}

/** The header of its dump. */
export function headerOf({ blocks, ...archive }: Archive): DumpHeader {
  return parseDumpHeader(concat(...dump({ blocks, ...archive })), "intact").header;
}

/** Every block of a dump; undefined for zeros. */
export async function blocksOf(core: Core, file: MemoryFile): Promise<Block[]> {
  const reader = await openDump(core, file);
  const { blockBytes, blockCount } = reader.header;
  const batch = new Batch(core, blockBytes);
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
  const mark = core.mark();
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
    scratch: memoryScratch,
    sealed,
  });
  core.release(mark);
  const blocks = await blocksOf(core, file);
  core.release(mark);
  return { result, blocks, file };
}
