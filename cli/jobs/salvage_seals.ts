/** Finds the seal and the header of a generation whose files may all be damaged, for `salvage`. */

import type { DamagedFile } from "../archive/damaged_file.ts";
import { type DumpHeader, formatSeriesId } from "../archive/header.ts";
import type { Seal, SealedGeneration } from "../archive/seal.ts";
import { formatTimeStamp } from "../archive/time_stamp.ts";
import { type GenerationFields, readHeader } from "../damage/archive_headers.ts";
import { type DigestFindings, surveyDigest } from "../damage/digest_survey.ts";
import { headerFor, type SealedDigest } from "../damage/salvage.ts";
import { faultInFile } from "./check_file.ts";
import { assertHash, isOf, type Known, type Sealed } from "./seals.ts";
import type { Job } from "./job.ts";

/** An archive whose header can be read. */
export interface NamedHeader {
  path: string;
  header: DumpHeader;
}

/** The properties that a seal records of the generation that is salvaged. */
export interface SealOfGeneration extends SealedDigest {
  sealPath: string;
  /** The properties of the disk in the seal. */
  disk: Pick<Seal, "series" | "blockBytes" | "blockCount" | "capacityBytes">;
  generation: SealedGeneration;
  /** The digest was made of a dump when nothing proved the dump. */
  isUnproved: boolean;
}

/** The header of the new dump. */
export interface ChosenHeader {
  header: DumpHeader;
  /** Path of the archive that it is from. Size, series and time are those of the digest or the seal. */
  from?: string;
  /** That archive leads to the generation. */
  isOfGeneration: boolean;
  /** That archive is, byte for byte, the file that was sealed for this generation. */
  isProved: boolean;
}

/** Returns the headers that can be read. */
export async function readHeaders(files: readonly DamagedFile[]): Promise<NamedHeader[]> {
  const headers: NamedHeader[] = [];
  for (const file of files) {
    const header = await readHeader(file);
    if (header !== undefined) headers.push({ path: file.path, header });
  }
  return headers;
}

/**
 * Reads a digest, which may be damaged, and looks for a seal of its generation. `named` is from the seal that
 * names the digest, `sealed` from that seal or another one.
 */
export async function readDigest(
  job: Job,
  file: DamagedFile,
  { headers, archives }: { headers: readonly NamedHeader[]; archives: readonly string[] },
): Promise<{ findings: DigestFindings; named?: SealOfGeneration; sealed?: SealOfGeneration }> {
  const byName = await sealOfDigest(job, file);
  const findings = await findingsOf(job, file, { sealed: byName, headers });
  // The header identifies the digest better than its name does, if it can be read.
  const byHeader = findings.isHeaderLost
    ? undefined
    : await sealOfDigest(job, file, knownOf(findings.header));
  const named = byHeader?.isIntact ? byHeader : byName ?? byHeader;
  return { findings, named, sealed: named ?? await sealOfOthers(job, archives, findings.header) };
}

/**
 * Chooses the header of the new dump: that of an archive of the generation that a seal proves, or else the
 * one that fits best.
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

/**
 * Returns whether a file is, byte for byte, the one that was sealed for the generation. If two generations
 * were made in the same second, the root tells them apart.
 */
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

/** Looks for the seal that names the digest: by its name, or by its header if that is `known`. */
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
 * Looks for a seal of the generation beside the archives, for a digest that no seal names. The root of blocks
 * that nothing proved says nothing of the digest, which may be right where they are wrong.
 */
async function sealOfOthers(
  job: Job,
  archives: readonly string[],
  header: GenerationFields,
): Promise<SealOfGeneration | undefined> {
  for (const path of archives) {
    const entry = await job.seals.sealOf(path);
    if (entry === undefined || entry.file.unproved) continue;
    if (!isSealedGeneration({ disk: entry.seal, ...entry }, header)) continue;
    const { sealPath, seal, generation } = entry;
    return { sealPath, disk: seal, generation, root: generation.root, isIntact: false, isUnproved: false };
  }
  const { series, time } = knownOf(header);
  const roots = await job.seals.rootsOf(archives, { series, time });
  // If two generations were made in the same second, it is not known to which of them the digest belongs.
  if (roots.length !== 1 || !roots[0].isProved) return undefined;
  const [{ root, sealPath, disk }] = roots;
  return { sealPath, disk, generation: { time, root }, root, isIntact: false, isUnproved: false };
}

/** Returns whether a seal is of the generation of a header. */
function isSealedGeneration(
  { disk, generation }: Pick<SealOfGeneration, "disk" | "generation">,
  { seriesId, time }: GenerationFields,
): boolean {
  return disk.series === formatSeriesId(seriesId) && generation.time === formatTimeStamp(time);
}

/**
 * Reads a digest, which may be damaged. If its header contradicts the seal, the header of an archive is used.
 */
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

function knownOf({ seriesId, time }: GenerationFields): Omit<Known, "role"> {
  return { series: formatSeriesId(seriesId), time: formatTimeStamp(time) };
}

async function entryOf(job: Job, path: string, known?: Known): Promise<Sealed | undefined> {
  return await job.seals.sealOf(path, known && { ...known, bytes: (await Deno.stat(path)).size });
}

/** Returns whether a file is, byte for byte, the one that was sealed. A file that cannot be read is not. */
async function isSealedFile(job: Job, entry: Sealed): Promise<boolean> {
  if ((await Deno.stat(entry.path)).size !== entry.file.bytes) return false;
  return await faultInFile(async () => void await assertHash(entry, job.run)) === undefined;
}
