/** Checks all archives of folders: which generations are there, and which of them can be restored. */

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
  type Fault,
  faultIn,
  faultInFile,
  type Finding,
  isPlain,
  recordsFault,
  usingArchive,
} from "./check_file.ts";
import { explain, type Explanation } from "./diagnosis.ts";
import { type Inventory, type Item, takeInventory, toldBy } from "./folder_inventory.ts";
import { generationsIn, type SignedBy } from "./seals.ts";
import type { Job } from "./job.ts";

/** All that the folders hold of one series. */
interface Series {
  items: readonly Item[];
  seals: readonly Seal[];
  /** What seals tell of the generations of a second: their own roots, and those at both ends of rdiffs. */
  roots: ReadonlyMap<number, readonly string[]>;
  quick: boolean;
  /** Only signed seals count. */
  goesByKey: boolean;
}

/** A generation, and what was seen of it. */
export interface CheckedGeneration extends KnownGeneration {
  /** Its blocks were not read, but something is there that can prove them. */
  looksGood: boolean;
}

/** All that was seen of a series. */
export interface CheckedSeries {
  /** 32 hexadecimal digits. */
  name: string;
  items: readonly Item[];
  seals: readonly Seal[];
  generations: readonly CheckedGeneration[];
  /** Of files with faults, by their paths. */
  explanations: ReadonlyMap<string, Explanation>;
}

/** What came of the check of folders. */
export interface FolderFindings {
  /** The folders, and files that are of no series. */
  inventory: Inventory;
  series: readonly CheckedSeries[];
  /** Seals that are signed with the trusted key. */
  signed: readonly SignedBy[];
}

/** Checks every archive of folders and every generation. */
export async function checkFolders(
  job: Job,
  folders: readonly string[],
  { quick }: { quick: boolean },
): Promise<FolderFindings> {
  const inventory = await takeInventory(job, folders);
  const places = inventory.folders.map(({ path }) => path);
  const checked: CheckedSeries[] = [];
  for (const [name, series] of seriesOf(inventory, { quick, goesByKey: job.goesByKey })) {
    const { items, seals } = series;
    for (const item of byRole(items, "digest")) await examine(job, item, series);
    for (const item of items) if (item.role !== "digest") await examine(job, item, series);
    const generations = await checkGenerations(job, series);
    const explanations = quick
      ? new Map<string, Explanation>()
      : await explainFaults(job, { items, folders: places });
    checked.push({ name, items, seals, generations, explanations });
  }
  return { inventory, series: checked, signed: job.signedSeals };
}

function seriesOf(
  { items, seals }: Inventory,
  options: { quick: boolean; goesByKey: boolean },
): [string, Series][] {
  const names = [...items.map(({ series }) => series), ...seals.map(({ seal }) => seal.series)];
  return [...new Set(names)].map((name) => {
    const own = seals.map(({ seal }) => seal).filter(({ series }) => series === name);
    return [name, {
      items: items.filter(({ series }) => series === name),
      seals: own,
      roots: rootsBySecond(own),
      ...options,
    }];
  });
}

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

/** Looks at one file, and notes what is wrong with it. */
async function examine(job: Job, item: Item, series: Series): Promise<void> {
  if (item.fault !== undefined) return;
  item.fault = await faultInFile(async () => {
    const { fault, root, isCompared } = await findingOf(job, item, series);
    item.root ??= root;
    item.isCompared = isCompared;
    return fault;
  });
}

async function findingOf(
  job: Job,
  item: Item,
  series: Series,
): Promise<Finding> {
  const { items, quick } = series;
  const { path, sealed } = item;
  const roots = series.roots.get(item.seconds) ?? [];
  const open = (digest?: Item): Promise<Finding> =>
    usingArchive(job, path, async (reader) => {
      const isRead = !quick || item.role === "digest";
      const prove = sealed && isRead ? job.proveWhileRead(reader, sealed) : undefined;
      const finding = await look(reader, digest);
      if (prove === undefined || finding.fault !== undefined) return finding;
      return { ...finding, fault: await faultIn(async () => void await prove()) };
    }, { skims: quick && item.role !== "digest" });
  const look = async (reader: DumpReader | DigestReader, digest?: Item): Promise<Finding> => {
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
  // Of another generation of the same second, perhaps.
  for (const digest of others) {
    if (finding.fault === undefined) break;
    const other = await open(digest);
    if (other.fault === undefined) finding = other;
  }
  return finding;
}

function byRole(items: readonly Item[], role: Role): Item[] {
  return items.filter((item) => item.role === role);
}

/** Intact digests that may be those of a generation, one for each root. */
function digestsOf(generation: Pick<GenerationId, "seconds" | "root">, items: readonly Item[]): Item[] {
  const digests = byRole(items, "digest").filter((digest) =>
    digest.fault === undefined && isSame(digest, generation)
  );
  return digests.filter(({ root }, i) => digests.findIndex((other) => other.root === root) === i);
}

/** What can be restored of one series, and whether it is proved. */
async function checkGenerations(job: Job, series: Series): Promise<CheckedGeneration[]> {
  const { items, seals, quick } = series;
  const archives = items.filter(({ role }) => role !== "digest").map((item) => {
    const from = item.sealed?.file.from;
    return { ...item, full: item.role === "dump", from: from ? toldBy(from) : undefined };
  });
  const others = [...byRole(items, "digest"), ...seals.map(toldBy)];
  const byPath = new Map(items.map((item) => [item.path, item]));
  const filesOf = (chain: readonly string[]) => chain.map((path) => byPath.get(path)!);
  // An entry that says that nothing proved the blocks proves none.
  const isSealed = (chain: readonly string[]) =>
    filesOf(chain).every(({ sealed }) => sealed !== undefined && sealed.file.unproved === undefined);
  const prove: ProveChain = async (generation, { chain, isAssumed, reasons }) => {
    if (quick) return { proved: false };
    const isWhole = reasons.length === 0;
    // Files with seals are known to be whole and to belong together; of others only their blocks can tell.
    if (isWhole && !isAssumed && isSealed(chain)) return { proved: true };
    const target = targetOf(generation, series);
    if (target === undefined) return { proved: false };
    if (isWhole && chain.length === 1 && filesOf(chain)[0].isCompared) return { proved: true };
    const fault = await chainFault(job, chain, target);
    return { proved: fault === undefined, fault };
  };
  const looksGood = ({ chain, isAssumed, ...generation }: KnownGeneration) =>
    chain !== undefined &&
    (isSealed(chain) && !isAssumed || targetOf(generation, series) !== undefined);
  const known = await generationsOf(archives, { others, prove });
  return known.map((generation) => ({ ...generation, looksGood: quick && looksGood(generation) }));
}

/** Whether a digest was not made of the dump alone, nor by a stranger where only signed seals count. */
function isProof({ sealed }: Item, { goesByKey }: Series): boolean {
  return sealed === undefined ? !goesByKey : sealed.file.unproved === undefined;
}

/** What the blocks of a generation can be compared with. */
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

/** Whether the blocks that a list of archives leads to are those of a generation. */
async function chainFault(
  job: Job,
  paths: readonly string[],
  { digest, root }: Target,
): Promise<Fault> {
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
  });
}

/** Looks a second time at archives that are wrong; their blocks may be intact in any of the folders. */
async function explainFaults(
  job: Job,
  { items, folders }: { items: readonly Item[]; folders: readonly string[] },
): Promise<Map<string, Explanation>> {
  const explanations = new Map<string, Explanation>();
  for (const item of items) {
    if (item.fault === undefined || item.role === "digest") continue;
    const [digest] = digestsOf(item, items);
    if (digest === undefined) continue;
    // Who cannot be read at all has no more to tell.
    await faultInFile(async () => {
      const explanation = await explain(job, { archives: [item.path], digestin: digest.path, folders });
      if (explanation !== undefined) explanations.set(item.path, explanation);
      return undefined;
    });
  }
  return explanations;
}
