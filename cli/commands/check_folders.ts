/** Checks all archives of folders: which generations are there, and which of them can be restored. */

import { basename } from "@std/path/posix/basename";
import { join } from "@std/path/posix/join";
import { type DumpHeader, formatSeriesId, type Generation } from "../archive/header.ts";
import { type Role, type Seal, SEAL_SUFFIX } from "../archive/seal.ts";
import { createSha256 } from "../archive/sha256.ts";
import { comparableSeconds, formatTimeStamp, parseTimeStamp } from "../archive/time_stamp.ts";
import { FormatError, MismatchError } from "../errors.ts";
import { DigestReader } from "../pipeline/archive_reader.ts";
import { check } from "../pipeline/check.ts";
import { generationsOf, type KnownGeneration } from "../pipeline/generations.ts";
import type { Verdict } from "./check.ts";
import {
  blocksFault,
  containerFault,
  digestFault,
  type Fault,
  faultIn,
  hashFault,
  isPlain,
  recordsFault,
  usingArchive,
} from "./check_file.ts";
import { explain, type Explanation } from "./diagnosis.ts";
import { readSeal, type Sealed } from "./seals.ts";
import type { Session } from "./session.ts";
import { blocksText } from "./summary.ts";

/** An archive of a folder, and what is known of it. */
interface Item {
  path: string;
  role: Role;
  /** 32 hexadecimal digits. */
  series: string;
  time: string;
  seconds: number;
  /** If the file can be read so far. */
  header?: Generation & Partial<DumpHeader>;
  sealed?: Sealed;
  fault?: string;
  /** Where in the file. */
  explanation?: Explanation;
}

/** All that lies in the folders. */
interface Inventory {
  items: Item[];
  seals: { path: string; seal: Seal }[];
  /** Files that should be archives or seals, and cannot be told to be of any series. */
  unreadable: { path: string; fault: string }[];
}

/** A generation and how far it is proved. */
interface CheckedGeneration extends KnownGeneration {
  /** Nothing tells what its blocks must be. */
  unproved: boolean;
}

/** Names that archives have, if nothing else tells what they are. */
const ARCHIVE_NAME = /\.(dump|rdiff|digest)(\.(gz|zst))?$/;

/** Checks every archive and reports every generation. */
export async function checkFolders(
  session: Session,
  folders: readonly string[],
  { quick }: { quick: boolean },
): Promise<Verdict> {
  const { items, seals, unreadable } = await takeInventory(session, folders);
  for (const item of byRole(items, "digest")) await examine(session, item, { items, quick });
  for (const item of items) if (item.role !== "digest") await examine(session, item, { items, quick });
  const verdict: Verdict = { ok: unreadable.length === 0, text: [], json: {}, suites: [] };
  const reports = [];
  for (
    const series of new Set([
      ...items.map((item) => item.series),
      ...seals.map(({ seal }) => seal.series),
    ])
  ) {
    const own = items.filter((item) => item.series === series);
    const ownSeals = seals.filter(({ seal }) => seal.series === series);
    const generations = await checkGenerations(session, { items: own, seals: ownSeals, quick });
    if (!quick) await explainFaults(session, own);
    reports.push(reportOf(verdict, { series, items: own, seals: ownSeals, generations }));
  }
  for (const { path, fault } of unreadable) verdict.text.push(`Not readable: ${path}: ${fault}`);
  if (reports.length === 0) {
    // Nothing is no good backup.
    verdict.ok = false;
    verdict.text.push(`No archives in ${folders.join(", ")}`);
  }
  verdict.json = { folders, series: reports, unreadable };
  return verdict;
}

/** Reads the headers of all files, and the seals. */
async function takeInventory(session: Session, folders: readonly string[]): Promise<Inventory> {
  const inventory: Inventory = { items: [], seals: [], unreadable: [] };
  const paths = folders.flatMap((folder) =>
    [...Deno.readDirSync(folder)].filter(({ name, isDirectory }) => !isDirectory && !name.startsWith("."))
      .map(({ name }) => join(folder, name)).sort()
  );
  for (const path of paths.filter((path) => path.endsWith(SEAL_SUFFIX))) {
    try {
      inventory.seals.push({ path, seal: await readSeal(path) });
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      inventory.unreadable.push({ path, fault: error.message });
    }
  }
  for (const path of paths) {
    if (path.endsWith(SEAL_SUFFIX) || !Deno.statSync(path).isFile) continue;
    const item = await identify(session, path);
    if (item === undefined) continue;
    if ("series" in item) inventory.items.push(item);
    else inventory.unreadable.push(item);
  }
  return inventory;
}

/** What an archive is; undefined for a file that is none. */
async function identify(
  session: Session,
  path: string,
): Promise<Item | { path: string; fault: string } | undefined> {
  const sealed = await session.sealOf(path);
  try {
    return await usingArchive(session, path, async (reader) => {
      const { header } = reader;
      const role = reader instanceof DigestReader ? "digest" : reader.header.full ? "dump" : "rdiff";
      return {
        path,
        role,
        series: formatSeriesId(header.seriesId),
        time: formatTimeStamp(header.time),
        seconds: comparableSeconds(header.time),
        header,
        sealed,
        fault: await faultIn(async () => void await session.sealed(reader)),
      };
    });
  } catch (error) {
    if (!(error instanceof FormatError || error instanceof MismatchError)) throw error;
    const fault = error.message;
    if (sealed === undefined) return ARCHIVE_NAME.test(path) ? { path, fault } : undefined;
    const { seal, file } = sealed;
    const time = (file.to ?? seal).time;
    return { path, role: file.role, series: seal.series, time, seconds: secondsOf(time), sealed, fault };
  }
}

function secondsOf(time: string): number {
  return comparableSeconds(parseTimeStamp(time));
}

/** Looks at one file, and notes what is wrong with it. */
async function examine(
  session: Session,
  item: Item,
  { items, quick }: { items: readonly Item[]; quick: boolean },
): Promise<void> {
  const { path, sealed } = item;
  if (item.fault !== undefined) return;
  item.fault = await faultIn(() =>
    usingArchive(session, path, async (reader) => {
      if (reader instanceof DigestReader) return await digestFault(session, reader, sealed);
      if (quick) {
        return isPlain(path) ? await recordsFault(session, reader, sealed) : await containerFault(path);
      }
      const digest = byRole(items, "digest").find((other) =>
        other.fault === undefined && isSameGeneration(item, other)
      );
      if (digest === undefined) return await blocksFault(session, reader, { sealed });
      return await usingArchive(session, digest.path, async (other) => {
        return await blocksFault(session, reader, { digest: other as DigestReader, sealed });
      });
    })
  );
  if (item.fault === undefined && sealed !== undefined && (!quick || item.role === "digest")) {
    item.fault = await hashFault(sealed, session.run);
  }
}

function byRole(items: readonly Item[], role: Role): Item[] {
  return items.filter((item) => item.role === role);
}

function isSameGeneration(a: Item, b: Item): boolean {
  return a.series === b.series && a.seconds === b.seconds;
}

/** What can be restored of one series, and whether it is proved. */
async function checkGenerations(
  session: Session,
  { items, seals, quick }: { items: readonly Item[]; seals: Inventory["seals"]; quick: boolean },
): Promise<CheckedGeneration[]> {
  const archives = items.filter(({ role }) => role !== "digest").map((
    { path, role, time, seconds, sealed, fault },
  ) => ({
    path,
    time,
    seconds,
    full: role === "dump",
    from: sealed?.file.from?.time,
    fault,
  }));
  const others = [
    ...byRole(items, "digest"),
    ...seals.map(({ seal: { time } }) => ({ time, seconds: secondsOf(time) })),
  ];
  const checked: CheckedGeneration[] = [];
  for (const generation of generationsOf(archives, others)) {
    const { chain, doubtfulChain, time } = generation;
    const files = items.filter(({ path }) => (chain ?? doubtfulChain ?? []).includes(path));
    const isSealed = files.every(({ sealed }) => sealed !== undefined);
    const digest = byRole(items, "digest").find((item) => item.time === time && item.fault === undefined)
      ?.path;
    const root = rootOf(time, { items, seals });
    const isProvable = digest !== undefined || root !== undefined;
    const given = { ...generation, unproved: chain !== undefined && !isSealed && !isProvable };
    checked.push(given);
    if (quick || !isProvable) continue;
    if (chain !== undefined && chain.length > 1 && !isSealed) {
      // Files with seals are known to be whole and to belong together; of others only their blocks can tell.
      const fault = await chainFault(session, chain, { digest, root });
      if (fault !== undefined) Object.assign(given, { chain: undefined, reasons: [fault] });
    } else if (
      doubtfulChain !== undefined && await chainFault(session, doubtfulChain, { digest, root }) === undefined
    ) {
      // The bad blocks are such that an older archive replaces.
      given.chain = doubtfulChain;
    }
  }
  return checked;
}

/** The root of a generation, if a seal tells it: its own, or that of an rdiff that leads to it. */
function rootOf(
  time: string,
  { items, seals }: { items: readonly Item[]; seals: Inventory["seals"] },
): string | undefined {
  const sealed = [
    ...seals.map(({ seal }) => seal),
    ...items.flatMap(({ sealed }) => sealed ? [sealed.generation] : []),
  ];
  return sealed.find((generation) => generation.time === time && generation.root !== null)?.root ?? undefined;
}

/** Whether the blocks that a list of archives leads to are those of a generation. */
async function chainFault(
  session: Session,
  paths: readonly string[],
  { digest, root }: { digest?: string; root?: string },
): Promise<Fault> {
  const { core } = session;
  const memory = core.mark();
  const open = [];
  try {
    const source = digest === undefined ? undefined : await session.source(digest);
    if (source !== undefined) open.push(source);
    const reader = source && await DigestReader.open(core, source);
    const chain = await session.chain(paths);
    open.push(...chain.readers.map(({ source }) => source));
    const sha256 = await createSha256();
    const { badBlocks, badRuns } = await check(core, { chain, digest: reader, root: sha256 }, session.run);
    if (badBlocks > 0) {
      return `${badBlocks} blocks are not those of "${digest}", block ${badRuns[0].start} is the first`;
    }
    if (root !== undefined && sha256.hex() !== root) {
      return "the blocks are not those that were sealed (another root)";
    }
  } catch (error) {
    if (error instanceof FormatError || error instanceof MismatchError) return error.message;
    throw error;
  } finally {
    for (const source of open) session.close(source);
    core.release(memory);
  }
}

/** Looks a second time at archives that are wrong. */
async function explainFaults(session: Session, items: readonly Item[]): Promise<void> {
  for (const item of items) {
    if (item.fault === undefined || item.role === "digest") continue;
    const digest = byRole(items, "digest").find((other) =>
      other.fault === undefined && isSameGeneration(item, other)
    );
    if (digest === undefined) continue;
    item.explanation = await explain(session, { archives: [item.path], digestin: digest.path });
  }
}

/** Adds a series to the verdict; returns it for programs. */
function reportOf(
  verdict: Verdict,
  { series, items, seals, generations }: {
    series: string;
    items: readonly Item[];
    seals: Inventory["seals"];
    generations: readonly CheckedGeneration[];
  },
): Record<string, unknown> {
  const size = items.find(({ header }) => header !== undefined)?.header ?? seals[0]?.seal;
  const damaged = items.filter(({ fault }) => fault !== undefined);
  const lost = generations.filter(({ chain }) => chain === undefined);
  verdict.ok &&= damaged.length === 0 && lost.length === 0;
  const faults = damaged.map(({ path, fault }) => `${path}: ${fault}`);
  verdict.text.push(
    `Series ${series}${size === undefined ? "" : ` (${blocksText(size.blockCount, size.blockBytes)})`}: ` +
      `${generations.length} generations, ${generations.length - lost.length} can be restored`,
    ...generations.map(lineOf),
    ...damaged.flatMap(({ path, fault, explanation }) => [
      `  wrong: ${path}: ${fault}`,
      ...(explanation?.text ?? []).map((line) => `    ${line}`),
    ]),
  );
  verdict.suites.push({
    name: series,
    cases: generations.map(({ time, chain, reasons, unproved }) => ({
      name: time,
      ...(chain === undefined ? { failure: `it cannot be restored: ${reasons.join("; ")}` } : {}),
      ...(unproved ? { skipped: "neither a digest nor a seal proves it" } : {}),
    })),
    output: faults.join("\n"),
  });
  return {
    series,
    generations: generations.map(({ time, chain, reasons, unproved }) => ({
      time,
      restorable: chain !== undefined,
      ...(chain === undefined ? { reasons } : { archives: chain, proved: !unproved }),
    })),
    faults: damaged.map(({ path, fault, explanation }) => ({ path, fault, diagnosis: explanation?.json })),
    unsealed: items.filter(({ sealed }) => sealed === undefined).map(({ path }) => path),
  };
}

function lineOf({ time, chain, reasons, unproved }: CheckedGeneration): string {
  if (chain === undefined) return `  ${time}  LOST: ${reasons.join("; ")}`;
  return `  ${time}  ${unproved ? "not proved" : "good"}: ${chain.map((path) => basename(path)).join(" ")}`;
}
