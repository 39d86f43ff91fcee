/** `vmdkbkp salvage`: bring back what is left of damaged archives. */

import type { Bitmap } from "../archive/bitmap.ts";
import type { DamagedFile } from "../archive/damaged_file.ts";
import type { DumpHeader } from "../archive/header.ts";
import { formatTimeStamp } from "../archive/time_stamp.ts";
import { EXIT, FormatError, UsageError } from "../errors.ts";
import type { Fault } from "../pipeline/fault_log.ts";
import { salvage, type Salvaged } from "../pipeline/salvage.ts";
import { type SalvagedUnproved, salvageUnproved } from "../pipeline/salvage_unproved.ts";
import type { ValuesOf } from "./options.ts";
import { LEVEL, newCommand, type Report } from "./common.ts";
import { type ProofKind, unprovedText } from "./proof.ts";
import {
  chooseHeader,
  type ChosenHeader,
  type NamedHeader,
  readDigest,
  readHeaders,
} from "./salvage_seals.ts";
import { Session } from "./session.ts";
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
    digestin: { value: "file", help: "digest of the generation to bring back" },
    unproved: { help: "without a digest: save what looks intact, newest archive first" },
    dumpout: { value: "file", required: true, help: "the dump of what is left" },
    lostout: {
      value: "file",
      help:
        "list of what is lost: a line for each run of blocks, with its first and last block, offset and length in bytes",
    },
    bmpout: {
      value: "file",
      help:
        "bitmap of the lost blocks: with it and the digest of the new dump (made with the command digest), " +
        "dump --mode incr reads them again",
    },
    level: LEVEL,
    force: { help: "replace outputs that exist" },
  },
});

type Options = ValuesOf<typeof command>;

/** Runs and faults that are told in the text; `--json` has more. */
const SHOWN = 20;
const JSON_RUNS = 1000;

export async function run(options: Options, archives: string[]): Promise<number> {
  const { digestin, unproved, dumpout, lostout, bmpout } = options;
  if ((digestin === undefined) === (unproved === undefined)) {
    throw new UsageError(
      "Cannot salvage: one of --digestin and --unproved is needed; without a digest nothing can be proved",
    );
  }
  const start = performance.now();
  await using session = await Session.start(options, {
    inputs: digestin === undefined ? archives : [...archives, digestin],
    outputs: [dumpout, lostout, bmpout],
  });
  const files: DamagedFile[] = [];
  for (const path of archives) files.push(await session.files.damagedFile(path));
  const headers = await readHeaders(files);

  const sink = await session.sink(dumpout, options);
  let header: DumpHeader;
  let chosen: ChosenHeader | undefined;
  let proof: ProofKind = "nothing";
  let unsealed: string[] = [];
  let outcome: Outcome;
  if (digestin === undefined) {
    header = unprovedHeader(files, headers);
    const result = await salvageUnproved(
      session.core,
      { archives: files, header, dumpOut: sink },
      session.run,
    );
    outcome = unprovedOutcome(result);
  } else {
    const digestFile = await session.files.damagedFile(digestin);
    const { findings, named, sealed } = await readDigest(session, digestFile, { headers, archives });
    session.warnOfSeals();
    chosen = await chooseHeader(session, { findings, headers, sealed });
    header = chosen.header;
    proof = named?.isUnproved ? "nothing" : "digest";
    unsealed = sealed?.root == null ? [digestin] : [];
    if (!chosen.isOfGeneration) session.warn(headerWarning(chosen.from, sealed?.sealPath));
    const result = await salvage(session.core, {
      archives: files,
      digest: { file: digestFile, findings },
      header,
      dumpOut: sink,
      scratch: () => session.scratch(dumpout),
      sealed,
    }, session.run);
    outcome = provedOutcome(result, {
      digestin,
      sealPath: named?.sealPath,
      isChanged: named?.isIntact === false,
    });
  }

  const { lost } = outcome;
  if (lostout !== undefined) {
    await session.writeLines(lostList(lost, header), { path: lostout });
  }
  if (bmpout !== undefined) await session.writeBitmap(bmpout, lost);
  session.commit();
  const lostRuns = [...lost.runs().take(JSON_RUNS)];
  return session.report({
    text: [
      `Salvaged ${formatTimeStamp(header.time)} to ${dumpout}: ${outcome.summary}`,
      ...outcome.text,
      ...(digestin === undefined
        ? []
        : unprovedText(proof, `"${digestin}" was made of a dump that nothing proved`)),
      ...(chosen === undefined || chosen.isProved ? [] : [unprovedHeaderText(chosen)]),
      ...unsealed.map((path) =>
        `  no seal: ${path}: that it is that of another generation, or that its MD5s changed places, cannot be seen`
      ),
      ...faultLines(outcome.faults, outcome.faultCount),
      ...lostLines(lost, { runs: lostRuns, doubt: outcome.doubt }),
    ],
    json: {
      command: "salvage",
      archives,
      ...(digestin === undefined ? { proved: false } : { proved: true, digest: digestin }),
      generation: headerJson(header),
      proof,
      unsealed,
      headerFrom: chosen?.from,
      headerProved: chosen?.isProved ?? false,
      ...outcome.json,
      lostRuns,
      faults: outcome.faults,
      faultCount: outcome.faultCount,
      storedBytes: { dump: sink.storedBytes },
      seconds: secondsSince(start),
    },
    exitCode: outcome.isWhole ? EXIT.done : EXIT.corrupt,
  });
}

/** What both kinds of salvage come to. */
interface Outcome {
  summary: string;
  text: string[];
  json: Record<string, unknown>;
  lost: Bitmap;
  faults: readonly Fault[];
  faultCount: number;
  /** Nothing is lost or in doubt. */
  isWhole: boolean;
  /** Why it may not be whole although nothing is lost. */
  doubt?: string;
}

function provedOutcome(
  result: Salvaged,
  { digestin, sealPath, isChanged }: { digestin: string; sealPath?: string; isChanged: boolean },
): Outcome {
  const { lost, doubtful, faults, faultCount, foundIn, isPartial, hasRoot, ...counts } = result;
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
    for (const { start, end } of doubtful.runs().take(SHOWN)) {
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
      doubtfulRuns: [...doubtful.runs().take(JSON_RUNS)],
      isDigestChanged: isChanged,
      ...hasRoot !== undefined && { hasRoot },
    },
    lost,
    faults,
    faultCount,
    isWhole: lostBlocks === 0 && doubt === undefined,
    doubt,
  };
}

function unprovedOutcome(
  { blocks, lostBlocks, lost, doubtful, faults, faultCount }: SalvagedUnproved,
): Outcome {
  const doubtfulBlocks = doubtful.count();
  const text = ["  Nothing of this is proved: there is no digest"];
  if (doubtfulBlocks > 0) {
    text.push(
      `  ${doubtfulBlocks} blocks may be of a newer generation: an rdiff is damaged where they might have been`,
    );
    for (const { start, end } of doubtful.runs().take(SHOWN)) {
      text.push(`  in doubt: ${blocksName(start, end)}`);
    }
  }
  return {
    summary: `${blocks} blocks: ${blocks - lostBlocks} look intact, ${lostBlocks} lost`,
    text,
    json: { blocks, lostBlocks, doubtfulBlocks, doubtfulRuns: [...doubtful.runs().take(JSON_RUNS)] },
    lost,
    faults,
    faultCount,
    isWhole: faultCount === 0 && lostBlocks === 0,
  };
}

/** Of the last archive that has one, as for a restore. @throws {UsageError} if the list cannot become a dump */
function unprovedHeader(files: readonly DamagedFile[], headers: readonly NamedHeader[]): DumpHeader {
  const last = headers[headers.length - 1];
  if (last === undefined) {
    const names = files.map(({ path }) => `"${path}"`).join(", ");
    throw new FormatError(`Cannot salvage: none of the headers of ${names} can be read`, {
      path: files[0].path,
    });
  }
  const newest = headers[0];
  if (newest.path === files[0].path && !newest.header.full) {
    throw new UsageError(
      `Cannot salvage a dump from "${newest.path}": it is an rdiff, the first archive must be a dump`,
    );
  }
  return { ...last.header, full: true };
}

function unprovedHeaderText({ from }: ChosenHeader): string {
  const source = from === undefined ? "there are none" : `they are those of "${from}"`;
  return `  NOT PROVED: no seal proves time and metadata of the dump; ${source}`;
}

function headerWarning(from: string | undefined, sealPath: string | undefined): string {
  const lacking = `no archive of the ${
    from === undefined ? "series" : "generation"
  } has a header that can be read`;
  const capacityFrom = sealPath ?? from;
  const metadata = from === undefined ? "the dump has no metadata" : `metadata are those of "${from}"`;
  return `${lacking}: ${metadata}, and the capacity is ${
    capacityFrom === undefined ? "a whole number of blocks" : `that of "${capacityFrom}"`
  }`;
}

function* lostList(lost: Bitmap, { blockBytes, capacityBytes }: DumpHeader): Generator<string, void> {
  yield "# first-block last-block offset-bytes length-bytes\n";
  for (const { start, end } of lost.runs()) {
    const offsetBytes = start * blockBytes;
    yield `${start} ${end - 1} ${offsetBytes} ${Math.min(end * blockBytes, capacityBytes) - offsetBytes}\n`;
  }
}

function lostLines(
  lost: Bitmap,
  { runs, doubt }: { runs: readonly { start: number; end: number }[]; doubt?: string },
): Report["text"] {
  const lines = runs.slice(0, SHOWN).map(({ start, end }) => `  lost: ${blocksName(start, end)}`);
  if (runs.length > SHOWN) lines.push("  lost: more (--lostout writes the whole list)");
  const blocks = lost.count();
  if (blocks > 0) lines.push(`Salvage: ${blocks} BLOCKS LOST, zeros are in their place`);
  if (doubt !== undefined) lines.push(`Salvage: ${doubt}`);
  else if (blocks === 0) lines.push("Salvage: COMPLETE");
  return lines;
}

function faultLines(faults: readonly Fault[], count: number): Report["text"] {
  const lines = faults.slice(0, SHOWN).map(({ path, offsetBytes, expected, found }) =>
    `  damage: ${path} at byte ${offsetBytes}: ${expected} is expected, ${found} is found`
  );
  if (count > SHOWN) lines.push(`  damage: ${count - SHOWN} more places`);
  return lines;
}

function blocksName(start: number, end: number): string {
  return end - start === 1 ? `block ${start}` : `blocks ${start} to ${end - 1}`;
}
