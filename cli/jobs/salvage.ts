/** Makes a dump of the blocks of damaged archives that are intact. */

import type { Bitmap } from "../archive/bitmap.ts";
import type { ByteSink } from "../archive/bytes.ts";
import type { DamagedFile } from "../archive/damaged_file.ts";
import type { DumpHeader } from "../archive/header.ts";
import { FormatError, UsageError } from "../errors.ts";
import type { ArchiveFault } from "../damage/fault_log.ts";
import { salvage as salvageProved } from "../damage/salvage.ts";
import { salvageUnproved } from "../damage/salvage_unproved.ts";
import type { BlockRange } from "./bitmaps.ts";
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

/** The number of ranges of blocks that a result lists at most. */
const MAX_LISTED = 1000;

/** Damaged archives, and the dump that is made of them. */
export interface SalvageRequest {
  /**
   * Paths of regular files: the archives of the generation, newest first, as for a restore. With `digestin`,
   * further archives may follow, in which intact blocks are looked for.
   */
  archives: readonly string[];
  /** Path of the digest of the generation. Without it, no block can be proved. */
  digestin?: string;
  /**
   * Path of the new dump; `-` is standard output. Lost blocks are zeros in it. `.gz` and `.zst` compress it.
   */
  dumpout: string;
  /** Path of a new text file that lists the lost blocks. */
  lostout?: string;
  /** Path of a new bitmap whose bits are set for the lost blocks. */
  bmpout?: string;
  /** Compression level of the dump: gzip 1 to 9, zstd 1 to 19. A dump that is not compressed ignores it. */
  level?: number;
}

/** What a salvage with a digest found. */
export interface ProvedSalvage {
  /** Blocks of the disk. */
  blocks: number;
  /** Blocks that are zero, as the digest says. */
  zeroBlocks: number;
  /** Blocks that are intact in the first archive that was read. */
  intactBlocks: number;
  /** Blocks that came from other archives, or from other places. */
  foundBlocks: number;
  /** Blocks that were not found; the dump has zeros in their place. */
  lostBlocks: number;
  /** Lost blocks whose MD5 is damaged in the digest, so that they could not be proved. */
  unprovableBlocks: number;
  /** Blocks that are in doubt, as in {@linkcode SalvageResult.doubtfulBlocks}. */
  doubtfulBlocks: number;
  /**
   * Blocks that digest and archives did not prove without contradiction, and that the root of a seal proved.
   */
  decidedBlocks: number;
  /** The blocks have the root that a seal records; undefined if no root is known. */
  hasRoot?: boolean;
  /**
   * More blocks are lost than one run can look for: another run, with this dump as the first archive, finds
   * more.
   */
  isPartial: boolean;
  /** The number of missing blocks that came from each archive. */
  foundIn: readonly { path: string; blocks: number }[];
  /** Path of the seal that names the digest. */
  sealPath?: string;
  /** The digest is not the file that was sealed. */
  isDigestChanged: boolean;
}

/** What a salvage found. */
export interface SalvageResult {
  /** The header of the dump. */
  header: DumpHeader;
  /** Blocks of the disk. */
  blocks: number;
  /** Blocks that were not found; the dump has zeros in their place. */
  lostBlocks: number;
  /**
   * Blocks that were found and are in doubt: the digest calls them zero while an archive of the generation
   * has data; or the digest is damaged, nothing else proves the whole, and no archive has them in their
   * place.
   */
  doubtfulBlocks: number;
  /** The first 1000 ranges of lost blocks. */
  lostRuns: readonly BlockRange[];
  /** The first 1000 ranges of blocks in doubt. */
  doubtfulRuns: readonly BlockRange[];
  /** Places where the digest or the archives are damaged, up to 1000 of each file. */
  faults: readonly ArchiveFault[];
  /** The number of such places. */
  faultCount: number;
  /** What was found with the digest; absent without one. */
  proved?: ProvedSalvage;
  /** What proved the blocks that are not lost. */
  proof: ProofKind;
  /** Path of the digest, if no seal names it. */
  unsealed: readonly string[];
  /** Path of the archive whose metadata the dump has. */
  headerFrom?: string;
  /** A seal proves time and metadata of the dump; undefined without a digest. */
  isHeaderProved?: boolean;
  /** Length of the dump in bytes, compressed or not. */
  storedBytes: number;
}

/**
 * Makes a dump of the blocks that are intact in archives. Damage is not an error: the result describes it.
 * The dump gets no seal.
 *
 * @throws {UsageError} if the first archive is an rdiff and there is no digest, or an input is no regular
 *   file
 * @throws {FormatError} if no header can be read
 *
 * @example
 * ```ts
 * import { dump } from "./dump.ts";
 * import { salvage } from "./salvage.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const folder = Deno.makeTempDirSync();
 * const at = (name: string) => `${folder}/${name}`;
 * Deno.writeFileSync(at("disk.raw"), new Uint8Array(4 * 512).fill(1));
 * const files = { dumpout: at("0.dump"), digestout: at("0.digest") };
 * await dump({ mode: "full", disk: at("disk.raw"), blocksize: 512, ...files });
 * Deno.truncateSync(at("0.dump"), Deno.statSync(at("0.dump")).size - 1); // damages the last block
 *
 * const request = { archives: [at("0.dump")], digestin: at("0.digest"), dumpout: at("saved.dump") };
 * const { lostBlocks, blocks } = await salvage(request);
 * // All blocks are alike, so an intact copy of the last one is found in another place.
 * assertEquals({ lostBlocks, blocks }, { lostBlocks: 0, blocks: 4 });
 * Deno.removeSync(folder, { recursive: true });
 * ```
 */
export async function salvage(request: SalvageRequest, options: JobOptions = {}): Promise<SalvageResult> {
  const { archives, digestin, dumpout, lostout, bmpout, level } = request;
  return await Job.run(options, {
    inputs: digestin === undefined ? archives : [...archives, digestin],
    outputs: [dumpout, lostout, bmpout],
  }, async (job) => {
    const files: DamagedFile[] = [];
    for (const path of archives) files.push(await job.files.damagedFile(path));
    const headers = await readHeaders(files);
    const sink = await job.outputs.sink(dumpout, { level });
    const parts = { files, headers, dumpOut: sink };
    const { lost, doubtful, ...found } = digestin === undefined
      ? await unproved(job, parts)
      : await proved(job, request, { ...parts, digestin });
    const { header } = found;
    if (lostout !== undefined) await job.outputs.writeLines(lostList(lost, header), { path: lostout });
    if (bmpout !== undefined) await job.outputs.writeBitmap(bmpout, lost);
    await job.outputs.stored(dumpout);
    job.commit();
    return {
      ...found,
      lostBlocks: lost.count(),
      doubtfulBlocks: doubtful.count(),
      lostRuns: [...lost.runs().take(MAX_LISTED)],
      doubtfulRuns: [...doubtful.runs().take(MAX_LISTED)],
      storedBytes: sink.storedBytes,
    };
  });
}

/** The archives, which are open, and the new dump. */
interface Parts {
  files: readonly DamagedFile[];
  headers: readonly NamedHeader[];
  dumpOut: ByteSink;
}

/** The part of the result that both kinds of salvage have. */
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
  job.seals.warnOfSeals();
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

/**
 * Returns the header of a dump without a digest: that of the last archive whose header can be read, as a
 * restore uses it.
 *
 * @throws {UsageError} if the first archive is an rdiff
 */
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
