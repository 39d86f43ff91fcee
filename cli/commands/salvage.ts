/** `vmdkbkp salvage`: bring back what is left of damaged archives. */

import type { Bitmap } from "../archive/bitmap.ts";
import type { DamagedFile } from "../archive/damaged_file.ts";
import { type DumpHeader, MAX_HEADER_BYTES, parseDumpHeader } from "../archive/header.ts";
import { remainsOf } from "../archive/remains.ts";
import { formatTimeStamp } from "../archive/time_stamp.ts";
import { EXIT, FormatError, UsageError } from "../errors.ts";
import { surveyDigest } from "../pipeline/digest_survey.ts";
import type { Fault } from "../pipeline/fault_log.ts";
import { headerFor, salvage, type Salvaged } from "../pipeline/salvage.ts";
import { type SalvagedUnproved, salvageUnproved } from "../pipeline/salvage_unproved.ts";
import type { ValuesOf } from "./options.ts";
import { LEVEL, newCommand, type Report, Session } from "./session.ts";
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
  using session = await Session.start(options, {
    inputs: digestin === undefined ? archives : [...archives, digestin],
    outputs: [dumpout, lostout, bmpout],
  });
  const files: DamagedFile[] = [];
  for (const path of archives) files.push(await session.damagedFile(path));
  const headers = await readHeaders(files);

  const sink = await session.sink(dumpout, options);
  let header: DumpHeader;
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
    const digestFile = await session.damagedFile(digestin);
    const findings = await surveyDigest(session.core, digestFile, { expected: headers[0]?.header });
    if (findings.isHeaderLost) {
      session.warn(
        `the header of "${digestin}" cannot be read: series and time are those of "${headers[0].path}"`,
      );
    }
    const chosen = headerFor(findings.header, headers);
    header = chosen.header;
    if (!chosen.isOfGeneration) session.warn(headerWarning(chosen.from));
    const result = await salvage(session.core, {
      archives: files,
      digest: { file: digestFile, findings },
      header,
      dumpOut: sink,
      scratch: () => session.scratch(dumpout),
    }, session.run);
    outcome = provedOutcome(result);
  }

  const { lost } = outcome;
  if (lostout !== undefined) {
    await session.writeWhole(lostout, new TextEncoder().encode(lostList(lost, header)));
  }
  if (bmpout !== undefined) await session.writeWhole(bmpout, lost.toBytes());
  session.commit();
  const lostRuns = [...runsOf(lost, JSON_RUNS)];
  return session.report({
    text: [
      `Salvaged ${formatTimeStamp(header.time)} to ${dumpout}: ${outcome.summary}`,
      ...outcome.text,
      ...faultLines(outcome.faults, outcome.faultCount),
      ...lostLines(lost, lostRuns),
    ],
    json: {
      command: "salvage",
      archives,
      ...(digestin === undefined ? { proved: false } : { proved: true, digest: digestin }),
      generation: headerJson(header),
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
}

function provedOutcome(result: Salvaged): Outcome {
  const { lost, faults, faultCount, foundIn, isPartial, ...counts } = result;
  const { blocks, zeroBlocks, intactBlocks, foundBlocks, lostBlocks, unprovableBlocks } = counts;
  const text = foundIn.map(({ path, blocks }) => `  ${blocks} missing contents found in ${path}`);
  if (unprovableBlocks > 0) {
    text.push(`  ${unprovableBlocks} blocks lost because the digest is damaged there`);
  }
  if (isPartial) {
    text.push("  More is lost than one run looks for: run again with the new dump as another archive");
  }
  return {
    summary: `${blocks} blocks: ${intactBlocks} intact, ${foundBlocks} found elsewhere, ` +
      `${zeroBlocks} zero, ${lostBlocks} lost`,
    text,
    json: { ...counts, isPartial, foundIn },
    lost,
    faults,
    faultCount,
    isWhole: lostBlocks === 0,
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
    for (const { start, end } of runsOf(doubtful, SHOWN)) text.push(`  in doubt: ${blocksName(start, end)}`);
  }
  return {
    summary: `${blocks} blocks: ${blocks - lostBlocks} look intact, ${lostBlocks} lost`,
    text,
    json: { blocks, lostBlocks, doubtfulBlocks, doubtfulRuns: [...runsOf(doubtful, JSON_RUNS)] },
    lost,
    faults,
    faultCount,
    isWhole: faultCount === 0 && lostBlocks === 0,
  };
}

interface NamedHeader {
  path: string;
  header: DumpHeader;
}

/** The headers that can still be read. */
async function readHeaders(files: readonly DamagedFile[]): Promise<NamedHeader[]> {
  const headers: NamedHeader[] = [];
  for (const file of files) {
    const bytes = await firstBytes(file);
    try {
      headers.push({ path: file.path, header: parseDumpHeader(bytes, file.path).header });
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
    }
  }
  return headers;
}

async function firstBytes(file: DamagedFile): Promise<Uint8Array> {
  const first = new Uint8Array(MAX_HEADER_BYTES);
  let filled = 0;
  for await (const { bytes, joined } of remainsOf(file, { onFault() {} })) {
    if (!joined) break;
    const part = bytes.subarray(0, first.length - filled);
    first.set(part, filled);
    filled += part.length;
    if (filled === first.length) break;
  }
  return first.subarray(0, filled);
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

function headerWarning(from: string | undefined): string {
  return from === undefined
    ? "no archive of the series has a header that can be read: the dump has no metadata, and the capacity " +
      "is a whole number of blocks"
    : `no archive of the generation has a header that can be read: metadata and capacity are those of "${from}"`;
}

/** At most `limit` runs of set bits. */
function* runsOf(bitmap: Bitmap, limit: number): Generator<{ start: number; end: number }> {
  const { bitCount } = bitmap;
  let start = bitmap.next(0, bitCount, true);
  for (let count = 0; start < bitCount && count < limit; count++) {
    const end = bitmap.next(start, bitCount, false);
    yield { start, end };
    start = bitmap.next(end, bitCount, true);
  }
}

function lostList(lost: Bitmap, { blockBytes, capacityBytes }: DumpHeader): string {
  let text = "# first-block last-block offset-bytes length-bytes\n";
  for (const { start, end } of runsOf(lost, Infinity)) {
    const offsetBytes = start * blockBytes;
    text += `${start} ${end - 1} ${offsetBytes} ${Math.min(end * blockBytes, capacityBytes) - offsetBytes}\n`;
  }
  return text;
}

function lostLines(lost: Bitmap, runs: readonly { start: number; end: number }[]): Report["text"] {
  const lines = runs.slice(0, SHOWN).map(({ start, end }) => `  lost: ${blocksName(start, end)}`);
  if (runs.length > SHOWN) lines.push("  lost: more (--lostout writes the whole list)");
  const blocks = lost.count();
  lines.push(blocks === 0 ? "Salvage: COMPLETE" : `Salvage: ${blocks} BLOCKS LOST, zeros are in their place`);
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
