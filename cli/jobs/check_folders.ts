/** Checks all archives of folders, and determines which generations can be restored from them. */

import type { Role, Seal } from "../archive/seal.ts";
import { DigestReader, type DumpReader } from "../pipeline/archive_reader.ts";
import { check } from "../pipeline/check.ts";
import {
  type GenerationId,
  generationsOf,
  isSame,
  type KnownGeneration,
  type ProveChain,
} from "../pipeline/generations.ts";
import {
  containerFault,
  examineBlocks,
  examineDigest,
  faultIn,
  faultInFile,
  type FaultText,
  type Finding,
  isPlain,
  recordsFault,
  usingArchive,
} from "./check_file.ts";
import { explain, type Explanation } from "./diagnosis.ts";
import { type FolderInventory, type FoundArchive, takeInventory, toldBy } from "./folder_inventory.ts";
import { generationsIn, type SignedBy } from "./seals.ts";
import type { Job } from "./job.ts";

/** The archives and seals of one series, before they are checked. */
interface Series {
  items: readonly FoundArchive[];
  seals: readonly Seal[];
  /**
   * The proved roots that seals record, by the second of the generation: of generations, and of both ends of
   * rdiffs.
   */
  roots: ReadonlyMap<number, readonly string[]>;
  quick: boolean;
  /** Only signed seals count. */
  goesByKey: boolean;
  /** As in {@linkcode Inventory}. */
  refused: Set<string>;
}

/** A generation, and what the check of its archives found. */
export interface CheckedGeneration extends KnownGeneration {
  /** The blocks were not read (`quick`), but a digest or a seal is there that can prove them. */
  looksGood: boolean;
}

/** The archives of one series, and its generations. A series is made up of all generations of one disk. */
export interface CheckedSeries {
  /** The id of the series, 32 hexadecimal digits. */
  name: string;
  /** The archives, with their faults. */
  items: readonly FoundArchive[];
  /** The contents of the seals. */
  seals: readonly Seal[];
  /** The generations of the series, the newest first. */
  generations: readonly CheckedGeneration[];
  /** The wrong blocks of archives with faults, by the path of the archive. */
  explanations: ReadonlyMap<string, Explanation>;
}

/** What the check of folders found. */
export interface FolderFindings {
  /** The folders, and files of which the series is not known. */
  inventory: FolderInventory;
  /** The series, each with its archives and generations. */
  series: readonly CheckedSeries[];
  /** The seals that the trusted key has signed. */
  signed: readonly SignedBy[];
}

/** Checks every archive of folders, and every generation to which they lead. */
export async function checkFolders(
  job: Job,
  folders: readonly string[],
  { quick }: { quick: boolean },
): Promise<FolderFindings> {
  const inventory = await takeInventory(job, folders);
  const places = inventory.folders.map(({ path }) => path);
  const checked: CheckedSeries[] = [];
  for (const [name, series] of seriesOf(inventory, { quick, goesByKey: job.seals.goesByKey })) {
    const { items, seals } = series;
    for (const item of byRole(items, "digest")) await examine(job, item, series);
    for (const item of items) if (item.role !== "digest") await examine(job, item, series);
    const generations = await checkGenerations(job, series);
    const explanations = quick
      ? new Map<string, Explanation>()
      : await explainFaults(job, { items, folders: places });
    checked.push({ name, items, seals, generations, explanations });
  }
  return { inventory, series: checked, signed: job.seals.signedSeals };
}

function seriesOf(
  { items, seals, refused }: FolderInventory,
  options: { quick: boolean; goesByKey: boolean },
): [string, Series][] {
  const names = [...items.map(({ series }) => series), ...seals.map(({ seal }) => seal.series)];
  return [...new Set(names)].map((name) => {
    const own = seals.map(({ seal }) => seal).filter(({ series }) => series === name);
    return [name, {
      items: items.filter(({ series }) => series === name),
      seals: own,
      roots: rootsBySecond(own),
      refused,
      ...options,
    }];
  });
}

/** Returns the proved roots that seals record, by the second of the generation. */
function rootsBySecond(seals: readonly Seal[]): Map<number, string[]> {
  const told = seals.flatMap(generationsIn).filter(({ isProved }) => isProved).map(({ generation }) =>
    toldBy(generation)
  );
  return new Map(
    [...Map.groupBy(told, ({ seconds }) => seconds)].map(([seconds, all]) => [
      seconds,
      [...new Set(all.flatMap(({ root }) => root ?? []))],
    ]),
  );
}

/** Checks one file, and records fault and root in `item`. */
async function examine(job: Job, item: FoundArchive, series: Series): Promise<void> {
  if (item.fault !== undefined) return;
  item.fault = await faultInFile(async () => {
    const { fault, root, isCompared } = await findingOf(job, item, series);
    item.root ??= root;
    item.isCompared = isCompared;
    return fault;
  }, series.refused);
}

async function findingOf(
  job: Job,
  item: FoundArchive,
  series: Series,
): Promise<Finding> {
  const { items, quick } = series;
  const { path, sealed } = item;
  const roots = series.roots.get(item.seconds) ?? [];
  const open = (digest?: FoundArchive): Promise<Finding> =>
    usingArchive(job, path, async (reader) => {
      const isRead = !quick || item.role === "digest";
      const prove = sealed && isRead ? job.proveWhileRead(reader, sealed) : undefined;
      const finding = await look(reader, digest);
      if (prove === undefined || finding.fault !== undefined) return finding;
      return { ...finding, fault: await faultIn(async () => void await prove()) };
    }, { skims: quick && item.role !== "digest" && isPlain(path) });
  const look = async (reader: DumpReader | DigestReader, digest?: FoundArchive): Promise<Finding> => {
    if (reader instanceof DigestReader) return await examineDigest(job, reader, { sealed, roots });
    if (quick) {
      const fault = isPlain(path) ? await recordsFault(job, reader, sealed) : await containerFault(job, path);
      return { fault, root: null, isCompared: false };
    }
    if (digest === undefined) return await examineBlocks(job, reader, { sealed, roots });
    const isOfDumpAlone = !isProof(digest, series);
    return await usingArchive(
      job,
      digest.path,
      async (other) =>
        await examineBlocks(job, reader, { digest: other as DigestReader, isOfDumpAlone, sealed, roots }),
    );
  };
  const [first, ...others] = quick || item.role === "digest" ? [] : digestsOf(item, items);
  let finding = await open(first);
  // The digest may be that of another generation that was made in the same second.
  for (const digest of others) {
    if (finding.fault === undefined) break;
    const other = await open(digest);
    if (other.fault === undefined) finding = other;
  }
  return finding;
}

function byRole(items: readonly FoundArchive[], role: Role): FoundArchive[] {
  return items.filter((item) => item.role === role);
}

/** Returns the intact digests that may be of a generation, one for each root. */
function digestsOf(
  generation: Pick<GenerationId, "seconds" | "root">,
  items: readonly FoundArchive[],
): FoundArchive[] {
  const digests = byRole(items, "digest").filter((digest) =>
    digest.fault === undefined && isSame(digest, generation)
  );
  return digests.filter(({ root }, i) => digests.findIndex((other) => other.root === root) === i);
}

/** Determines the generations of a series that can be restored, and whether they are proved. */
async function checkGenerations(job: Job, series: Series): Promise<CheckedGeneration[]> {
  const { items, seals, quick } = series;
  const archives = items.filter(({ role }) => role !== "digest").map((item) => {
    const from = item.sealed?.file.from;
    return { ...item, full: item.role === "dump", from: from ? toldBy(from) : undefined };
  });
  const others = [...byRole(items, "digest"), ...seals.map(toldBy)];
  const byPath = new Map(items.map((item) => [item.path, item]));
  const filesOf = (chain: readonly string[]) => chain.map((path) => byPath.get(path)!);
  // A seal that calls a file unproved does not prove it.
  const isSealed = (chain: readonly string[]) =>
    filesOf(chain).every(({ sealed }) => sealed !== undefined && sealed.file.unproved === undefined);
  const prove: ProveChain = async (generation, { chain, isAssumed, reasons }) => {
    if (quick) return { proved: false };
    const isWhole = reasons.length === 0;
    // Files with seals are known to be whole and to belong together. For other files, the blocks must be
    // compared.
    if (isWhole && !isAssumed && isSealed(chain)) return { proved: true };
    const target = targetOf(generation, series);
    if (target === undefined) return { proved: false };
    if (isWhole && chain.length === 1 && filesOf(chain)[0].isCompared) return { proved: true };
    const fault = await chainFault(job, chain, { ...target, refused: series.refused });
    return { proved: fault === undefined, fault };
  };
  const looksGood = ({ chain, isAssumed, ...generation }: KnownGeneration) =>
    chain !== undefined &&
    (isSealed(chain) && !isAssumed || targetOf(generation, series) !== undefined);
  const known = await generationsOf(archives, { others, prove });
  return known.map((generation) => ({ ...generation, looksGood: quick && looksGood(generation) }));
}

/**
 * Returns whether a digest proves blocks: it was not made of an unproved dump, and has a signed seal if only
 * those count.
 */
function isProof({ sealed }: FoundArchive, { goesByKey }: Series): boolean {
  return sealed === undefined ? !goesByKey : sealed.file.unproved === undefined;
}

/** The digest (its path) and the root with which the blocks of a generation can be compared. */
interface Target {
  digest?: string;
  root?: string;
}

function targetOf(generation: GenerationId, series: Series): Target | undefined {
  const root = series.roots.get(generation.seconds)?.find((root) => root === generation.root);
  const digest = generation.root === null
    ? undefined
    : digestsOf(generation, series.items).find((digest) => isProof(digest, series))?.path;
  return root === undefined && digest === undefined ? undefined : { root, digest };
}

/** Compares the blocks to which a list of archives leads with those of a generation. */
async function chainFault(
  job: Job,
  paths: readonly string[],
  { digest, root, refused }: Target & Pick<Series, "refused">,
): Promise<FaultText> {
  return await faultInFile(async () => {
    await using files = job.reading({ files: paths.length + 1 });
    const { core } = files;
    const reader = digest === undefined
      ? undefined
      : await DigestReader.open(core, await files.source(digest));
    const chain = await job.chain(paths, { files });
    const sha256 = job.root();
    const { badBlocks, badRuns } = await check(core, { chain, digest: reader, root: sha256 }, job.run);
    if (badBlocks === 1) return `block ${badRuns[0].start} is not that of "${digest}"`;
    if (badBlocks > 1) {
      return `${badBlocks} blocks are not those of "${digest}", block ${badRuns[0].start} is the first`;
    }
    if (root !== undefined && await sha256.hex() !== root) {
      return "the blocks are not those that were sealed (another root)";
    }
  }, refused);
}

/** Determines the wrong blocks of archives with faults. Intact copies are looked for in all folders. */
async function explainFaults(
  job: Job,
  { items, folders }: { items: readonly FoundArchive[]; folders: readonly string[] },
): Promise<Map<string, Explanation>> {
  const explanations = new Map<string, Explanation>();
  for (const item of items) {
    if (item.fault === undefined || item.role === "digest") continue;
    const [digest] = digestsOf(item, items);
    if (digest === undefined) continue;
    // An archive that cannot be read at all has no explanation besides its fault.
    await faultInFile(async () => {
      const explanation = await explain(job, { archives: [item.path], digestin: digest.path, folders });
      if (explanation !== undefined) explanations.set(item.path, explanation);
      return undefined;
    });
  }
  return explanations;
}
