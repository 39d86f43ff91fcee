/** What lies in folders of archives, before anything of it is checked. */

import { join } from "@std/path/posix/join";
import { type DumpHeader, formatSeriesId, type Generation } from "../archive/header.ts";
import { type Role, type Seal, SEAL_SUFFIX } from "../archive/seal.ts";
import { comparableSeconds, formatTimeStamp, parseTimeStamp } from "../archive/time_stamp.ts";
import { isHidden, outputOfLock } from "../files/hidden_names.ts";
import { readablePath } from "../files/unfinished.ts";
import { DigestReader } from "../pipeline/archive_reader.ts";
import type { GenerationId } from "../pipeline/generations.ts";
import { type Fault, faultIn, faultInFile, usingArchive } from "./check_file.ts";
import { faultOfName } from "../files/garbled_names.ts";
import { HOLDS_BLOCKS, HOLDS_DIGESTS } from "./input_file.ts";
import { isOf, type Sealed } from "./seals.ts";
import type { Job } from "./job.ts";

/** An archive of a folder, and the generation that it leads to. */
export interface Item extends GenerationId {
  path: string;
  role: Role;
  /** 32 hexadecimal digits. */
  series: string;
  /** If the file can be read so far. */
  header?: Generation & Partial<DumpHeader>;
  sealed?: Sealed;
  fault?: string;
  /** Something told what its blocks must be, and they are. */
  isCompared?: boolean;
}

/** A file and what is wrong with it. */
export interface BadFile {
  path: string;
  fault: string;
}

/** How much lies in a folder. */
export interface FolderContent {
  /** As it was given. */
  path: string;
  archives: number;
  seals: number;
  unreadable: number;
  /** Files that are something else. */
  skipped: number;
}

/** All that lies in the folders. */
export interface Inventory {
  /** Each folder once, however often it was given. */
  folders: FolderContent[];
  items: Item[];
  seals: { path: string; seal: Seal }[];
  /** Files that should be archives or seals, and cannot be told to be of any series. */
  unreadable: BadFile[];
}

/** Reads the headers of all files, and the seals. One bad file does not keep the others from being seen. */
export async function takeInventory(job: Job, folders: readonly string[]): Promise<Inventory> {
  const inventory: Inventory = { folders: [], items: [], seals: [], unreadable: [] };
  const seen = new Set<string>();
  for (const folder of folders) {
    const place = Deno.realPathSync(folder);
    if (!seen.has(place)) inventory.folders.push(await takeFolder(job, { folder, inventory }));
    seen.add(place);
  }
  job.addInputs(
    [...inventory.items, ...inventory.seals, ...inventory.unreadable].map(({ path }) => path),
  );
  return inventory;
}

/** Adds what lies in a folder to the inventory. */
async function takeFolder(
  job: Job,
  { folder, inventory }: { folder: string; inventory: Inventory },
): Promise<FolderContent> {
  const { items, seals, unreadable } = inventory;
  const before = { archives: items.length, seals: seals.length, unreadable: unreadable.length };
  let skipped = 0;
  for (const path of await pathsIn(job, folder)) {
    const fault = await faultInFile(async () => {
      const readable = await readablePath(path);
      const faultyName = faultOfName(readable);
      if (faultyName !== undefined) return faultyName;
      const info = await Deno.stat(readable);
      // A link to a folder is looked into no more than the folder.
      if (info.isDirectory) return undefined;
      // Nobody may be at the other end of a pipe.
      if (!info.isFile) skipped++;
      else if (path.endsWith(SEAL_SUFFIX)) seals.push({ path, seal: await job.readSeal(path) });
      else return await identify(job, { path, inventory });
    });
    if (fault === undefined) continue;
    if (HOLDS_BLOCKS.test(path) || HOLDS_DIGESTS.test(path) || path.endsWith(SEAL_SUFFIX)) {
      unreadable.push({ path, fault });
    } else skipped++;
  }
  return {
    path: folder,
    archives: items.length - before.archives,
    seals: seals.length - before.seals,
    unreadable: unreadable.length - before.unreadable,
    skipped,
  };
}

/**
 * The files of a folder that are to be read. Of a commit that a killed run has not finished, they are the files that were
 * there before: a file that is being replaced may have its hidden name only, and a new one counts as not there.
 */
async function pathsIn(job: Job, folder: string): Promise<string[]> {
  const entries = [...Deno.readDirSync(folder)].filter(({ isDirectory }) => !isDirectory);
  const locked = entries.flatMap(({ name }) => outputOfLock(name) ?? []).filter((name) => !isHidden(name));
  const visible = entries.map(({ name }) => name).filter((name) => !isHidden(name));
  const paths = [];
  for (const name of new Set([...visible, ...locked])) {
    const path = join(folder, name);
    if (!locked.includes(name)) paths.push(path);
    else if (await job.warnOfCommit(path) && (visible.includes(name) || await isKeptAside(path))) {
      paths.push(path);
    }
  }
  return paths.sort();
}

async function isKeptAside(path: string): Promise<boolean> {
  return await readablePath(path) !== path;
}

/** Takes an archive up; returns why it cannot be told what it is. */
async function identify(
  job: Job,
  { path, inventory: { items } }: { path: string; inventory: Inventory },
): Promise<Fault> {
  const fault = await faultInFile(() =>
    usingArchive(job, path, async (reader) => {
      const { header } = reader;
      const { sealed, assertIsIt } = await job.entryOf(reader);
      const role = reader instanceof DigestReader ? "digest" : reader.header.full ? "dump" : "rdiff";
      const [series, time] = [formatSeriesId(header.seriesId), formatTimeStamp(header.time)];
      items.push({
        ...{ path, role, series, time },
        seconds: comparableSeconds(header.time),
        root: sealed && isOf(sealed, { role, series, time }) ? sealed.generation.root : null,
        header,
        sealed,
        fault: await faultIn(() => Promise.resolve(void assertIsIt())),
      });
      return undefined;
    }, { skims: true })
  );
  const sealed = fault === undefined ? undefined : await job.sealOf(path);
  if (sealed === undefined) return fault;
  const { seal, file, generation } = sealed;
  items.push({ path, role: file.role, series: seal.series, ...toldBy(generation), sealed, fault });
}

/** What a seal tells of a generation. */
export function toldBy({ time, root }: { time: string; root: string | null }): GenerationId {
  return { time, seconds: comparableSeconds(parseTimeStamp(time)), root };
}
