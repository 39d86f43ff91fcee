/** Brings back what is left of damaged archives. */

import type { Bitmap } from "../archive/bitmap.ts";
import type { DamagedFile } from "../archive/damaged_file.ts";
import type { DumpHeader } from "../archive/header.ts";
import { FormatError, UsageError } from "../errors.ts";
import type { ArchiveFault } from "../damage/fault_log.ts";
import { salvage as salvageProved, type Salvaged } from "../damage/salvage.ts";
import { salvageUnproved } from "../damage/salvage_unproved.ts";
import { Job } from "./job.ts";
import type { JobOptions } from "./options.ts";
import type { ProofKind } from "./proof.ts";
import {
  chooseHeader,
  type ChosenHeader,
  type NamedHeader,
  readDigest,
  readHeaders,
} from "./salvage_seals.ts";

/** Runs of blocks that a result lists. */
const MAX_LISTED = 1000;

/** Damaged archives, and the dump to be. */
export interface SalvageRequest {
  /** The newest first; any other archives in which blocks may be found may follow. */
  archives: readonly string[];
  /** Path of the digest of the generation; without it nothing is proved. */
  digestin?: string;
  /** Path of the dump of what is left. */
  dumpout: string;
  /** Path of a list of the blocks that are lost. */
  lostout?: string;
  /** Path of a bitmap of the blocks that are lost. */
  bmpout?: string;
  /** Compression, where the name of the dump asks for one: gzip 1 to 9, zstd 1 to 19. */
  level?: number;
}

/** Blocks from `start` up to `end`, without `end`. */
export interface BlockRun {
  start: number;
  end: number;
}

/** What the digest told. */
export interface ProvedSalvage extends Omit<Salvaged, "lost" | "doubtful" | "faults" | "faultCount"> {
  /** The seal that tells of the digest. */
  sealPath?: string;
  /** The digest is not what was sealed. */
  isDigestChanged: boolean;
}

/** What was brought back. */
export interface SalvageResult {
  /** The header of the dump. */
  header: DumpHeader;
  /** Blocks of the disk. */
  blocks: number;
  lostBlocks: number;
  doubtfulBlocks: number;
  /** The first runs of blocks that are lost. */
  lostRuns: readonly BlockRun[];
  /** The first runs of blocks that may be of another generation. */
  doubtfulRuns: readonly BlockRun[];
  /** The places where the archives are damaged, as far as they are listed, and how many there are. */
  faults: readonly ArchiveFault[];
  faultCount: number;
  /** What the digest told; absent without one. */
  proved?: ProvedSalvage;
  /** What proved the blocks. */
  proof: ProofKind;
  /** The digest, if no seal tells of it. */
  unsealed: readonly string[];
  /** The archive whose metadata the dump has. */
  headerFrom?: string;
  /** Whether a seal proves time and metadata of the dump; undefined without a digest. */
  isHeaderProved?: boolean;
  /** Bytes of the dump. */
  storedBytes: number;
}

/**
 * Writes a dump of what is intact in archives. Damage is no error but a result.
 *
 * @throws {UsageError} if the archives cannot become a dump
 * @throws {FormatError} if nothing can be made of them
 */
export async function salvage(request: SalvageRequest, options: JobOptions = {}): Promise<SalvageResult> {
  const { archives, digestin, dumpout, lostout, bmpout, level } = request;
  await using job = await Job.start(options, {
    inputs: digestin === undefined ? archives : [...archives, digestin],
    outputs: [dumpout, lostout, bmpout],
  });
  const files: DamagedFile[] = [];
  for (const path of archives) files.push(await job.files.damagedFile(path));
  const headers = await readHeaders(files);
  const sink = await job.sink(dumpout, { level });
  const parts = { files, headers, dumpOut: sink };
  const { lost, doubtful, ...found } = digestin === undefined
    ? await unproved(job, parts)
    : await proved(job, request, { ...parts, digestin });
  const { header } = found;
  if (lostout !== undefined) await job.writeLines(lostList(lost, header), { path: lostout });
  if (bmpout !== undefined) await job.writeBitmap(bmpout, lost);
  job.commit();
  return {
    ...found,
    lostBlocks: lost.count(),
    doubtfulBlocks: doubtful.count(),
    lostRuns: [...lost.runs().take(MAX_LISTED)],
    doubtfulRuns: [...doubtful.runs().take(MAX_LISTED)],
    storedBytes: sink.storedBytes,
  };
}

/** The archives, and where the dump goes. */
interface Parts {
  files: readonly DamagedFile[];
  headers: readonly NamedHeader[];
  dumpOut: Awaited<ReturnType<Job["sink"]>>;
}

/** What both kinds of salvage come to. */
type Found =
  & Pick<
    SalvageResult,
    | "header"
    | "blocks"
    | "faults"
    | "faultCount"
    | "proved"
    | "proof"
    | "unsealed"
    | "headerFrom"
    | "isHeaderProved"
  >
  & { lost: Bitmap; doubtful: Bitmap };

async function unproved(job: Job, { files, headers, dumpOut }: Parts): Promise<Found> {
  const header = unprovedHeader(files, headers);
  const { lostBlocks: _, ...result } = await salvageUnproved(
    job.core,
    { archives: files, header, dumpOut },
    job.run,
  );
  return { ...result, header, proof: "nothing", unsealed: [] };
}

async function proved(
  job: Job,
  { archives, dumpout }: SalvageRequest,
  { files, headers, dumpOut, digestin }: Parts & { digestin: string },
): Promise<Found> {
  const digestFile = await job.files.damagedFile(digestin);
  const { findings, named, sealed } = await readDigest(job, digestFile, { headers, archives });
  job.warnOfSeals();
  const chosen: ChosenHeader = await chooseHeader(job, { findings, headers, sealed });
  const { header } = chosen;
  if (!chosen.isOfGeneration) job.warn(headerWarning(chosen.from, sealed?.sealPath));
  const { lost, doubtful, faults, faultCount, ...result } = await salvageProved(job.core, {
    archives: files,
    digest: { file: digestFile, findings },
    header,
    dumpOut,
    scratch: () => job.scratch(dumpout),
    sealed,
  }, job.run);
  return {
    ...{ header, lost, doubtful, faults, faultCount, blocks: result.blocks },
    proved: { ...result, sealPath: named?.sealPath, isDigestChanged: named?.isIntact === false },
    proof: named?.isUnproved ? "nothing" : "digest",
    unsealed: sealed?.root == null ? [digestin] : [],
    headerFrom: chosen.from,
    isHeaderProved: chosen.isProved,
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
