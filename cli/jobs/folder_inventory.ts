/** Lists the archives and seals of folders by their headers, before they are checked. */

import { join } from "@std/path/posix/join";
import { type DumpHeader, formatSeriesId, type Generation } from "../archive/header.ts";
import { type Role, type Seal, SEAL_SUFFIX } from "../archive/seal.ts";
import { comparableSeconds, formatTimeStamp, parseTimeStamp } from "../archive/time_stamp.ts";
import { isHidden, outputOfLock } from "../files/hidden_names.ts";
import { readablePath } from "../files/unfinished.ts";
import { DigestReader } from "../pipeline/archive_reader.ts";
import type { GenerationId } from "../pipeline/generations.ts";
import { faultIn, faultInFile, type FaultText, isPlain, usingArchive } from "./check_file.ts";
import { faultOfName } from "../files/garbled_names.ts";
import { HOLDS_BLOCKS, HOLDS_DIGESTS } from "./input_file.ts";
import { isOf, type Sealed } from "./seals.ts";
import type { Job } from "./job.ts";

/** An archive of a folder, with the generation to which it leads. */
export interface FoundArchive extends GenerationId {
  /** Path of the file. */
  path: string;
  /** The kind of the archive. */
  role: Role;
  /** The id of the series, 32 hexadecimal digits. */
  series: string;
  /** The header, if it can be read. */
  header?: Generation & Partial<DumpHeader>;
  /** The entry of the file in a seal. */
  sealed?: Sealed;
  /** A sentence that says what is wrong with the file; absent if nothing is. */
  fault?: string;
  /** The blocks were compared with a digest or a root that is proved, and agree. */
  isCompared?: boolean;
}

/** A file with a fault. */
export interface BadFile {
  /** Path of the file. */
  path: string;
  /** A sentence that says what is wrong with it. */
  fault: string;
}

/** The numbers of files of a folder. */
export interface FolderContent {
  /** Path of the folder, as the request names it. */
  path: string;
  /** Archives and digests. */
  archives: number;
  /** Seals. */
  seals: number;
  /** Files with names of archives or seals of which the series is not known. */
  unreadable: number;
  /** Other files. */
  skipped: number;
}

/** The archives and seals of folders. */
export interface FolderInventory {
  /** The folders; each one once, also if the request names it several times. */
  folders: FolderContent[];
  /** The archives and digests. */
  items: FoundArchive[];
  /** The seals. */
  seals: { path: string; seal: Seal }[];
  /** Files with names of archives or seals of which the series is not known, because they are damaged. */
  unreadable: BadFile[];
  /** Those faults of files that are errors of the system. They say nothing about the contents of the files. */
  refused: Set<string>;
}

/**
 * Reads the headers of all files, and the seals. A bad file becomes a fault, and the others are still read.
 */
export async function takeInventory(job: Job, folders: readonly string[]): Promise<FolderInventory> {
  const inventory: FolderInventory = {
    folders: [],
    items: [],
    seals: [],
    unreadable: [],
    refused: new Set(),
  };
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
  { folder, inventory }: { folder: string; inventory: FolderInventory },
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
      // What has the name of a seal stands for one: the files that it may be about are not known without it.
      if (path.endsWith(SEAL_SUFFIX) && !info.isFile) {
        return `Cannot read seal "${path}": it is not a regular file`;
      }
      // Folders inside of a folder are not checked, nor are links to folders.
      if (info.isDirectory) return undefined;
      // Opening a pipe could wait forever for a program at its other end.
      if (!info.isFile) skipped++;
      else if (path.endsWith(SEAL_SUFFIX)) seals.push({ path, seal: await job.seals.readSeal(path) });
      else return await identify(job, { path, inventory });
    }, inventory.refused);
    if (fault === undefined) continue;
    if (HOLDS_BLOCKS.test(path) || HOLDS_DIGESTS.test(path) || path.endsWith(SEAL_SUFFIX)) {
      unreadable.push({ path, fault });
    } else {
      skipped++;
      inventory.refused.delete(fault);
    }
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
 * Returns the paths of the files of a folder. If a run was killed while it gave its outputs their names,
 * these are the names of the files that were there before: a file that was being replaced may have only a
 * hidden name, and a new file does not count.
 */
async function pathsIn(job: Job, folder: string): Promise<string[]> {
  const entries = [...Deno.readDirSync(folder)].filter(({ isDirectory, name }) =>
    !isDirectory || name.endsWith(SEAL_SUFFIX)
  );
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

/** Adds an archive to the inventory. Returns a fault if neither its header nor a seal says what it is. */
async function identify(
  job: Job,
  { path, inventory: { items, refused } }: { path: string; inventory: FolderInventory },
): Promise<FaultText> {
  const fault = await faultInFile(() =>
    usingArchive(job, path, async (reader) => {
      const { header } = reader;
      const { sealed, assertIsIt } = await job.seals.entryOf(reader);
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
    }, { skims: isPlain(path) }), refused);
  const sealed = fault === undefined ? undefined : await job.seals.sealOf(path);
  if (sealed === undefined) return fault;
  const { seal, file, generation } = sealed;
  items.push({ path, role: file.role, series: seal.series, ...toldBy(generation), sealed, fault });
}

/** Returns the id of a generation that a seal records. */
export function toldBy({ time, root }: { time: string; root: string | null }): GenerationId {
  return { time, seconds: comparableSeconds(parseTimeStamp(time)), root };
}
