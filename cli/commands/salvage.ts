/** `vmdkbkp salvage`: bring back what is left of damaged archives. */

import { formatTimeStamp } from "../archive/time_stamp.ts";
import { EXIT, UsageError } from "../errors.ts";
import type { ArchiveFault } from "../damage/fault_log.ts";
import { type ProvedSalvage, salvage, type SalvageResult } from "../jobs/salvage.ts";
import { LEVEL, newCommand, type Report } from "./common.ts";
import type { ValuesOf } from "../options/option.ts";
import { Printer } from "./printer.ts";
import { unprovedText } from "./seal_texts.ts";
import { headerJson, secondsSince } from "./summary.ts";

export const command = newCommand("salvage", {
  description: `Bring back what is left of a generation whose archives are damaged, as a new dump.

Give the digest of the generation and every archive in which blocks of it may be: the damaged dump, dumps and
rdiffs of other generations, even of other disks with blocks of the same size, in any order. A block is taken
from wherever its MD5 proves it, whatever is wrong around it. What is nowhere becomes zeros in the dump and is
listed; then the exit code is ${EXIT.corrupt}. The archives are only read.

Without a digest nothing can be proved. With --unproved the archives, newest first as for restore, are taken
for what they look like.`,
  examples: `
vmdkbkp salvage --digestin mon.digest --dumpout saved.dump.zst mon.dump.zst
vmdkbkp salvage --digestin mon.digest --dumpout saved.dump.zst mon.dump.zst tue.dump.zst *.rdiff.zst
vmdkbkp salvage --digestin mon.digest --dumpout saved.dump --lostout lost.txt --bmpout lost.bmp mon.dump
vmdkbkp salvage --unproved --dumpout saved.dump.zst tue.dump.zst mon.rdiff.zst`,
  args: { "<archives...>": "dumps and rdiffs in which blocks may be" },
  options: {
    digestin: {
      type: "input",
      value: "file",
      excludes: { unproved: "only one of --digestin and --unproved is needed" },
      help: "digest of the generation to bring back",
    },
    unproved: { type: "flag", help: "without a digest: save what looks intact, newest archive first" },
    dumpout: { type: "output", value: "file", required: true, help: "the dump of what is left" },
    lostout: {
      type: "output",
      value: "file",
      help:
        "list of what is lost: a line for each run of blocks, with its first and last block, offset and length in bytes",
    },
    bmpout: {
      type: "output",
      value: "file",
      help:
        "bitmap of the lost blocks: with it and the digest of the new dump (made with the command digest), " +
        "dump --mode incr reads them again",
    },
    level: LEVEL,
    force: { type: "flag", help: "replace outputs that exist" },
  },
});

type Options = ValuesOf<typeof command>;

/** Runs and faults that are told in the text; `--json` has more. */
const SHOWN = 20;

export async function run(options: Options, archives: string[]): Promise<number> {
  const { digestin, dumpout, lostout, bmpout } = options;
  if ((digestin === undefined) === (options.unproved === undefined)) {
    throw new UsageError(
      "Cannot salvage: one of --digestin and --unproved is needed; without a digest nothing can be proved",
    );
  }
  const start = performance.now();
  using printer = new Printer(options, { outputs: [dumpout, lostout, bmpout] });
  const request = { archives, digestin, dumpout, lostout, bmpout, level: options.level };
  const result = await salvage(request, await printer.jobOptions());
  const { header, proof, unsealed, headerFrom, isHeaderProved, faults, faultCount, lostRuns } = result;
  const outcome = result.proved === undefined
    ? unprovedOutcome(result)
    : provedOutcome(result, result.proved, digestin!);
  return printer.report({
    text: [
      `Salvaged ${formatTimeStamp(header.time)} to ${dumpout}: ${outcome.summary}`,
      ...outcome.text,
      ...(digestin === undefined
        ? []
        : unprovedText(proof, `"${digestin}" was made of a dump that nothing proved`)),
      ...(isHeaderProved ?? true ? [] : [unprovedHeaderText(headerFrom)]),
      ...unsealed.map((path) =>
        `  no seal: ${path}: that it is that of another generation, or that its MD5s changed places, cannot be seen`
      ),
      ...faultLines(faults, faultCount),
      ...lostLines(result, outcome.doubt),
    ],
    json: {
      command: "salvage",
      archives,
      ...(digestin === undefined ? { proved: false } : { proved: true, digest: digestin }),
      generation: headerJson(header),
      proof,
      unsealed,
      headerFrom,
      headerProved: isHeaderProved ?? false,
      ...outcome.json,
      lostRuns,
      faults,
      faultCount,
      storedBytes: { dump: result.storedBytes },
      seconds: secondsSince(start),
    },
    exitCode: outcome.isWhole ? EXIT.done : EXIT.corrupt,
  });
}

/** What is said of a salvage. */
interface Outcome {
  summary: string;
  text: string[];
  json: Record<string, unknown>;
  /** Nothing is lost or in doubt. */
  isWhole: boolean;
  /** Why it may not be whole although nothing is lost. */
  doubt?: string;
}

function provedOutcome(
  { doubtfulRuns }: SalvageResult,
  { foundIn, isPartial, hasRoot, sealPath, isDigestChanged: isChanged, ...counts }: ProvedSalvage,
  digestin: string,
): Outcome {
  const { blocks, zeroBlocks, intactBlocks, foundBlocks, lostBlocks, unprovableBlocks } = counts;
  const { doubtfulBlocks, decidedBlocks } = counts;
  const text = foundIn.map(({ path, blocks }) => `  ${blocks} missing contents found in ${path}`);
  if (unprovableBlocks > 0) {
    text.push(`  ${unprovableBlocks} blocks lost because the digest is damaged there`);
  }
  if (isChanged) text.push(`  ${digestin} is not what "${sealPath}" was made for: the digest is damaged`);
  if (decidedBlocks > 0) {
    text.push(`  ${decidedBlocks} blocks that the digest did not prove are proved by the root in the seal`);
  }
  if (doubtfulBlocks > 0) {
    text.push(
      `  ${doubtfulBlocks} blocks were saved in doubt: an archive of the generation contradicts the digest, or the ` +
        "digest is damaged and no archive has them in their place",
    );
    for (const { start, end } of doubtfulRuns.slice(0, SHOWN)) {
      text.push(`  in doubt: ${blocksName(start, end)}`);
    }
  }
  if (isPartial) {
    text.push("  More is lost than one run looks for: run again with the new dump as another archive");
  }
  const doubt = doubtfulBlocks > 0
    ? `${doubtfulBlocks} BLOCKS IN DOUBT`
    : lostBlocks === 0 && hasRoot === false
    ? "IN DOUBT, the blocks are not those that the seal tells of"
    : isChanged && hasRoot === undefined
    ? "IN DOUBT, the digest is not the sealed one and the seal has no root"
    : undefined;
  return {
    summary: `${blocks} blocks: ${intactBlocks} intact, ${foundBlocks} found elsewhere, ` +
      `${zeroBlocks} zero, ${lostBlocks} lost`,
    text,
    json: {
      ...counts,
      isPartial,
      foundIn,
      doubtfulRuns,
      isDigestChanged: isChanged,
      ...hasRoot !== undefined && { hasRoot },
    },
    isWhole: lostBlocks === 0 && doubt === undefined,
    doubt,
  };
}

function unprovedOutcome(
  { blocks, lostBlocks, doubtfulBlocks, doubtfulRuns, faultCount }: SalvageResult,
): Outcome {
  const text = ["  Nothing of this is proved: there is no digest"];
  if (doubtfulBlocks > 0) {
    text.push(
      `  ${doubtfulBlocks} blocks may be of a newer generation: an rdiff is damaged where they might have been`,
    );
    for (const { start, end } of doubtfulRuns.slice(0, SHOWN)) {
      text.push(`  in doubt: ${blocksName(start, end)}`);
    }
  }
  return {
    summary: `${blocks} blocks: ${blocks - lostBlocks} look intact, ${lostBlocks} lost`,
    text,
    json: { blocks, lostBlocks, doubtfulBlocks, doubtfulRuns },
    isWhole: faultCount === 0 && lostBlocks === 0,
  };
}

function unprovedHeaderText(from: string | undefined): string {
  const source = from === undefined ? "there are none" : `they are those of "${from}"`;
  return `  NOT PROVED: no seal proves time and metadata of the dump; ${source}`;
}

function lostLines(
  { lostBlocks: blocks, lostRuns: runs }: SalvageResult,
  doubt: string | undefined,
): Report["text"] {
  const lines = runs.slice(0, SHOWN).map(({ start, end }) => `  lost: ${blocksName(start, end)}`);
  if (runs.length > SHOWN) lines.push("  lost: more (--lostout writes the whole list)");
  if (blocks > 0) lines.push(`Salvage: ${blocks} BLOCKS LOST, zeros are in their place`);
  if (doubt !== undefined) lines.push(`Salvage: ${doubt}`);
  else if (blocks === 0) lines.push("Salvage: COMPLETE");
  return lines;
}

function faultLines(faults: readonly ArchiveFault[], count: number): Report["text"] {
  const lines = faults.slice(0, SHOWN).map(({ path, offsetBytes, expected, found }) =>
    `  damage: ${path} at byte ${offsetBytes}: ${expected} is expected, ${found} is found`
  );
  if (count > SHOWN) lines.push(`  damage: ${count - SHOWN} more places`);
  return lines;
}

function blocksName(start: number, end: number): string {
  return end - start === 1 ? `block ${start}` : `blocks ${start} to ${end - 1}`;
}
