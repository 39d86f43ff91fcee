/** What seals tell `salvage` of a generation whose files may all be damaged. */

import type { DamagedFile } from "../archive/damaged_file.ts";
import { type DumpHeader, formatSeriesId } from "../archive/header.ts";
import type { Seal, SealedGeneration } from "../archive/seal.ts";
import { formatTimeStamp } from "../archive/time_stamp.ts";
import { type Generation, readHeader } from "../pipeline/archive_headers.ts";
import { type DigestFindings, surveyDigest } from "../pipeline/digest_survey.ts";
import { headerFor, type SealedDigest } from "../pipeline/salvage.ts";
import { faultInFile } from "./check_file.ts";
import { assertHash, isOf, type Known, type Sealed } from "./seals.ts";
import type { Job } from "./job.ts";

/** An archive whose header can be read. */
export interface NamedHeader {
  path: string;
  header: DumpHeader;
}

/** What a seal says of the generation that is brought back. */
export interface SealOfGeneration extends SealedDigest {
  sealPath: string;
  /** The disk, as the seal tells it. */
  disk: Pick<Seal, "series" | "blockBytes" | "blockCount" | "capacityBytes">;
  generation: SealedGeneration;
  /** The digest was made of a dump that nothing proved. */
  isUnproved: boolean;
}

/** The header of the new dump. */
export interface ChosenHeader {
  header: DumpHeader;
  /** The archive that it is from, but for the size, the series and the time. */
  from?: string;
  /** That archive is one of the generation. */
  isOfGeneration: boolean;
  /** That archive is what was sealed for this generation, byte for byte. */
  isProved: boolean;
}

/** The headers that can still be read. */
export async function readHeaders(files: readonly DamagedFile[]): Promise<NamedHeader[]> {
  const headers: NamedHeader[] = [];
  for (const file of files) {
    const header = await readHeader(file);
    if (header !== undefined) headers.push({ path: file.path, header });
  }
  return headers;
}

/** Reads what is left of a digest, and looks for what seals tell of its generation. */
export async function readDigest(
  job: Job,
  file: DamagedFile,
  { headers, archives }: { headers: readonly NamedHeader[]; archives: readonly string[] },
): Promise<{ findings: DigestFindings; named?: SealOfGeneration; sealed?: SealOfGeneration }> {
  const byName = await sealOfDigest(job, file);
  const findings = await findingsOf(job, file, { sealed: byName, headers });
  // The header tells more than the name, where it can be believed.
  const byHeader = findings.isHeaderLost
    ? undefined
    : await sealOfDigest(job, file, knownOf(findings.header));
  const named = byHeader?.isIntact ? byHeader : byName ?? byHeader;
  return { findings, named, sealed: named ?? await sealOfOthers(job, archives, findings.header) };
}

/**
 * Chooses the header of the new dump: that of an archive of the generation which a seal proves, or else the one that fits
 * best.
 */
export async function chooseHeader(
  job: Job,
  { findings, headers, sealed }: {
    findings: DigestFindings;
    headers: readonly NamedHeader[];
    sealed?: SealOfGeneration;
  },
): Promise<ChosenHeader> {
  const generation = findings.header;
  const options = { capacityBytes: sealed?.disk.capacityBytes };
  for (const candidate of headers) {
    const chosen = headerFor(generation, [candidate], options);
    if (!chosen.isOfGeneration || !await isProved(job, candidate, sealed)) continue;
    return { ...chosen, isProved: true };
  }
  return { ...headerFor(generation, headers, options), isProved: false };
}

/** Whether the file is what was sealed for the generation; of two generations of one second the root tells which. */
async function isProved(
  job: Job,
  { path, header }: NamedHeader,
  sealed: SealOfGeneration | undefined,
): Promise<boolean> {
  const known = { ...knownOf(header), role: header.full ? "dump" : "rdiff" } as const;
  const entry = await entryOf(job, path, known);
  if (entry === undefined || !isOf(entry, known) || entry.file.unproved) return false;
  const isOfRoot = sealed?.root != null && entry.generation.root === sealed.root;
  return isOfRoot && await isSealedFile(job, entry);
}

/** From the seal that tells of the digest: by its name, or by what is `known` of it. */
async function sealOfDigest(
  job: Job,
  { path }: DamagedFile,
  known?: Omit<Known, "role">,
): Promise<SealOfGeneration | undefined> {
  const entry = await entryOf(job, path, known && { ...known, role: "digest" });
  if (entry === undefined) return undefined;
  const { sealPath, seal, generation, file } = entry;
  const isIntact = await isSealedFile(job, entry);
  const isUnproved = file.unproved === true;
  return { sealPath, disk: seal, generation, root: generation.root, isIntact, isUnproved };
}

/**
 * From the seal of an archive, or of whatever lies beside them, for a digest that no seal names. The root of blocks that
 * nothing proved says nothing of the digest, which may be right where they are wrong.
 */
async function sealOfOthers(
  job: Job,
  archives: readonly string[],
  header: Generation,
): Promise<SealOfGeneration | undefined> {
  for (const path of archives) {
    const entry = await job.sealOf(path);
    if (entry === undefined || entry.file.unproved) continue;
    if (!isSealedGeneration({ disk: entry.seal, ...entry }, header)) continue;
    const { sealPath, seal, generation } = entry;
    return { sealPath, disk: seal, generation, root: generation.root, isIntact: false, isUnproved: false };
  }
  const { series, time } = knownOf(header);
  const roots = await job.rootsOf(archives, { series, time });
  // Of two generations of one second it is not known which one the digest is of.
  if (roots.length !== 1 || !roots[0].isProved) return undefined;
  const [{ root, sealPath, disk }] = roots;
  return { sealPath, disk, generation: { time, root }, root, isIntact: false, isUnproved: false };
}

/** Whether a seal tells of that generation. */
function isSealedGeneration(
  { disk, generation }: Pick<SealOfGeneration, "disk" | "generation">,
  { seriesId, time }: Generation,
): boolean {
  return disk.series === formatSeriesId(seriesId) && generation.time === formatTimeStamp(time);
}

/** Reads what is left of the digest; where its header contradicts the seal, one of an archive counts. */
async function findingsOf(
  job: Job,
  file: DamagedFile,
  { sealed, headers }: { sealed?: SealOfGeneration; headers: readonly NamedHeader[] },
): Promise<DigestFindings> {
  const own = sealed && headers.find(({ header }) => isSealedGeneration(sealed, header));
  const best = own ?? headers[0];
  const { blockBytes, blockCount } = sealed?.disk ?? best?.header ?? {};
  const expected = best && { ...best.header, blockBytes: blockBytes!, blockCount: blockCount! };
  const findings = await surveyDigest(job.core, file, { expected });
  if (findings.isHeaderLost) {
    job.warn(`the header of "${file.path}" cannot be read: series and time are those of "${best.path}"`);
  }
  if (own === undefined || isSealedGeneration(sealed!, findings.header)) return findings;
  job.warn(
    `the header of "${file.path}" is not the sealed one: series and time are those of "${own.path}"`,
  );
  const { seriesId, time } = own.header;
  return { ...findings, header: { ...findings.header, seriesId, time } };
}

function knownOf({ seriesId, time }: Generation): Omit<Known, "role"> {
  return { series: formatSeriesId(seriesId), time: formatTimeStamp(time) };
}

async function entryOf(job: Job, path: string, known?: Known): Promise<Sealed | undefined> {
  return await job.sealOf(path, known && { ...known, bytes: (await Deno.stat(path)).size });
}

/** Whether a file is, byte for byte, what was sealed; one that cannot be read to its end is not. */
async function isSealedFile(job: Job, entry: Sealed): Promise<boolean> {
  if ((await Deno.stat(entry.path)).size !== entry.file.bytes) return false;
  return await faultInFile(async () => void await assertHash(entry, job.run)) === undefined;
}
