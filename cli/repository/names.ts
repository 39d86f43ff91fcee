/** Names in a repository: the folders of machines, the ids of generations, the files of disks. */

import { fnv1a } from "../fnv1a.ts";

/** Longer names of machines are cut in the names of their folders. */
const MAX_FOLDER_CHARACTERS = 64;

/** Names that mean something else in a repository, or to a file system. */
const RESERVED = /^(\.|repository\.json$|con$|prn$|aux$|nul$|com\d$|lpt\d$)/i;

/**
 * A name for the folder of a machine that every file system takes: the name itself if it is plain, or else its plain
 * characters and a hash. Different machines have different folders, also where case does not count; `machine.json` has the
 * name as the user wrote it.
 *
 * @param isTaken whether the folder of another machine has a name
 */
export function folderOfMachine(name: string, isTaken: (folder: string) => boolean): string {
  const plain = name.replaceAll(/[^A-Za-z0-9._-]+/g, "-").slice(0, MAX_FOLDER_CHARACTERS);
  const isPlain = plain === name && /^[A-Za-z0-9]/.test(name) && !RESERVED.test(name) && !name.endsWith(".");
  if (isPlain && !isTaken(name)) return name;
  const stem = plain.replaceAll(/^[.-]+|[.-]+$/g, "") || "machine";
  // Two names with one hash and the same plain characters are possible, if never seen.
  for (let attempt = 0;; attempt++) {
    const folder = `${stem}-${fnv1a(attempt === 0 ? name : `${name}\0${attempt}`).slice(0, 8)}`;
    if (!isTaken(folder)) return folder;
  }
}

/** The id of a generation is its time in UTC to the second, in a form that file systems take and that sorts by time. */
const GENERATION_ID = /^(\d{4})-(\d{2})-(\d{2})T(\d{2})(\d{2})(\d{2})Z$/;

/** The id for a generation of the time `time`: later than `last`, whatever the clock does, so that no two are the same. */
export function generationIdAfter(time: Date, last: string | undefined): string {
  const seconds = Math.floor(time.getTime() / 1000);
  const lastTime = last === undefined ? undefined : timeOfGeneration(last);
  const earliest = lastTime === undefined ? 0 : lastTime.getTime() / 1000 + 1;
  return idOf(new Date(Math.max(seconds, earliest) * 1000));
}

/** The time that an id stands for; undefined if the text is no id. */
export function timeOfGeneration(id: string): Date | undefined {
  const parts = GENERATION_ID.exec(id);
  if (parts === null) return undefined;
  const [, year, month, day, hour, minute, second] = parts;
  const time = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(time.getTime()) || idOf(time) !== id ? undefined : time;
}

function idOf(time: Date): string {
  return time.toISOString().replace(/\.\d{3}Z$/, "Z").replaceAll(":", "");
}

/** The folder of a generation while it is made. */
export function partialFolderOf(id: string): string {
  return `.${id}.partial`;
}

/** The id of the generation whose unfinished folder has the name; undefined for other names. */
export function generationOfPartial(folder: string): string | undefined {
  const id = /^\.(.+)\.partial$/.exec(folder)?.[1];
  return id !== undefined && timeOfGeneration(id) !== undefined ? id : undefined;
}

/** The folder of a generation while it is removed. */
export function removedFolderOf(id: string): string {
  return `.${id}.removed`;
}

/** Whether a folder with the name is that of a generation that is being removed. */
export function isRemovedFolder(folder: string): boolean {
  const id = /^\.(.+)\.removed$/.exec(folder)?.[1];
  return id !== undefined && timeOfGeneration(id) !== undefined;
}

/** Keys of disks are names of files, too. */
const DISK_KEY = /^(?!\.)[A-Za-z0-9._-]{1,64}(?<!\.)$/;

/** Whether the text can be the key of a disk. */
export function isDiskKey(text: string): boolean {
  return DISK_KEY.test(text);
}

/**
 * A key for a disk that is named by its path: the name of the file without its suffix, made plain.
 *
 * @param isTaken whether another disk of the machine has a key
 */
export function keyOfDisk(path: string, isTaken: (key: string) => boolean): string {
  const name = path.replace(/^.*[/\]]\s*/s, "").replace(/\.(vmdk|raw|img|dd|bin)$/i, "");
  const plain = name.replaceAll(/[^A-Za-z0-9._-]+/g, "-").replaceAll(/^[.-]+|[.-]+$/g, "").slice(0, 48) ||
    "disk";
  for (let count = 1;; count++) {
    const key = count === 1 ? plain : `${plain}-${count}`;
    if (!isTaken(key)) return key;
  }
}

/** The files of a disk: its image, a descriptor and an extent, and its archives in the folder of a generation. */
export function filesOfDisk(
  key: string,
): { descriptor: string; extent: string; digest: string; rdiff: string } {
  return {
    descriptor: `${key}.vmdk`,
    extent: `${key}-flat.vmdk`,
    digest: `${key}.digest.zst`,
    rdiff: `${key}.rdiff.zst`,
  };
}
