/** Archives that are damaged on purpose, and what of them a survey brings back. */

import { DamagedFile } from "../../cli/archive/damaged_file.ts";
import type { Core } from "../../cli/core.ts";
import type { Pace } from "../../cli/pace.ts";
import { Batch } from "../../cli/pipeline/batch.ts";
import type { ArchiveFault } from "../../cli/damage/fault_log.ts";
import { Survey, type SurveyOptions } from "../../cli/damage/survey.ts";
import { MemoryFile } from "../pipeline/memory_file.ts";

/** A regular file in memory; `unreadable` says from where to where the system fails. */
export function damagedFile(
  path: string,
  bytes: Uint8Array,
  { unreadable = [], pace }: { unreadable?: { start: number; end: number }[]; pace?: Pace } = {},
): DamagedFile {
  let at = 0;
  return new DamagedFile(path, {
    readSync(into) {
      const part = bytes.subarray(at, at + into.length);
      if (unreadable.some(({ start, end }) => start < at + part.length && at < end)) {
        throw new Error("Input/output error");
      }
      into.set(part);
      at += part.length;
      return part.length > 0 ? part.length : null;
    },
    seekSync: (offset) => at = Number(offset),
    statSync: () => ({ size: bytes.length, isFile: true }) as Deno.FileInfo,
    close() {},
  }, { pace });
}

/** `file` as it lies in the container that `suffix` names: one piece for each `pieceBytes`. */
export async function inContainer(
  file: { path: string; bytes: Uint8Array },
  suffix: string,
  pieceBytes = Infinity,
): Promise<Uint8Array> {
  if (suffix === "") return file.bytes;
  const packed = new MemoryFile(file.path + suffix);
  using sink = await packed.sink();
  for (let at = 0; at < file.bytes.length; at += pieceBytes) {
    await sink.write(file.bytes.slice(at, Math.min(file.bytes.length, at + pieceBytes)));
  }
  await sink.finish();
  return packed.bytes;
}

/** What a survey has found. */
export interface Surveyed {
  /** The content of each block with a record in order; empty for a zero block. */
  blocks: Map<number, Uint8Array>;
  strays: { block?: number; content: Uint8Array }[];
  faults: readonly ArchiveFault[];
  survey: Survey;
}

/** Looks at all of an archive. */
export async function surveyed(
  core: Core,
  file: DamagedFile,
  options: SurveyOptions = {},
): Promise<Surveyed> {
  await using scope = core.scope();
  const strays: Surveyed["strays"] = [];
  const survey = await Survey.open(scope, file, {
    onStray: (content, block) => strays.push({ content: content.slice(), block }),
    ...options,
  });
  const blocks = new Map<number, Uint8Array>();
  const batch = new Batch(scope, survey.blockBytes, 4 * survey.blockBytes);
  for (let first = 0; batch.start(first, survey.blockCount); first = Math.max(batch.end, survey.nextBlock)) {
    await survey.take(batch);
    for (let i = 0; i < batch.count; i++) {
      const entry = batch.table[i];
      if (entry === core.ABSENT) continue;
      const block = batch.first + i;
      blocks.set(block, entry === core.ZERO ? new Uint8Array(0) : batch.slots(block, block + 1).slice());
    }
  }
  await survey.finish();
  return { blocks, strays, faults: survey.faults, survey };
}
