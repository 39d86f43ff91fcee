/** Writes and commits a generation of all disks of a machine, or leaves the machine as it was. */

import { join } from "@std/path/posix/join";
import { MismatchError } from "../../errors.ts";
import {
  isFolder,
  isRegularFile,
  makeFolder,
  renameStably,
  replaceFile,
  writeNewFile,
} from "../../files/stable_files.ts";
import { syncFolder } from "../../files/sync_folder.ts";
import { reasonOf } from "../../files/system_errors.ts";
import {
  generationBytes,
  type GenerationDocument,
  machineBytes,
  type MachineDocument,
  MAX_DOCUMENT_BYTES,
  parseMachine,
} from "../../repository/documents.ts";
import { partialFolderOf } from "../../repository/names.ts";
import { VERSION } from "../../version.ts";
import type { Job } from "../job.ts";
import { extentPath, GENERATION_FILE, type MachineState } from "./generations.ts";
import { openImageAt } from "./image.ts";
import { type OpenMachine, partsOf } from "./machine.ts";
import { sourceOf } from "./plan.ts";
import { finishNewest, undoRun } from "./recovery.ts";
import { MACHINE_FILE, readDocument } from "./repository.ts";
import { type DiskWork, type GenerationWriting, writeDisk, type WrittenDisk } from "./write_disk.ts";

/** What a generation is made of. */
export interface NewGeneration extends Omit<GenerationWriting, "state" | "folder"> {
  id: string;
  works: readonly DiskWork[];
  /** The content of `machine.json`, if it is there. */
  document?: MachineDocument;
  note?: string;
  /** When the backup ended; by default when all is written. */
  ended?: Date;
}

/** The generation that was made. */
export interface MadeGeneration {
  generation: GenerationDocument;
  /** In the order of the works. */
  written: WrittenDisk[];
}

/** Reads `machine.json`, if it is there. @throws {Error} if the folder is that of another machine */
export async function documentOf(
  { path, name }: { path: string; name: string },
): Promise<MachineDocument | undefined> {
  const file = join(path, MACHINE_FILE);
  if (!isRegularFile(file)) return undefined;
  const document = await readDocument(file, MAX_DOCUMENT_BYTES.machine, parseMachine);
  if (document.name === name) return document;
  throw new Error(
    `Cannot use "${path}" for machine "${name}": it is the folder of "${document.name}" now; try again`,
  );
}

/**
 * Makes a generation, which is the newest one of the machine then. The rename of its folder is the commit; what
 * fails before is undone.
 *
 * @throws {MismatchError} if a disk does not have the blocks of the generation that is copied
 */
export async function makeGeneration(
  job: Job,
  machine: OpenMachine,
  request: NewGeneration,
): Promise<MadeGeneration> {
  const { id, works, document, now, note } = request;
  const { path, name, state } = machine;
  const parent = state.generations[0]?.id;
  machine.beginChange();
  const written: WrittenDisk[] = [];
  let generation: GenerationDocument;
  try {
    const folder = join(path, partialFolderOf(id));
    makeFolder(folder);
    for (const work of works) {
      const disk = await writeDisk(job, work, { ...request, state, folder });
      assertCopied(work, disk);
      written.push(disk);
    }
    await noteDisks(path, { name, created: now, ...document, disks: document?.disks ?? [] }, works);
    const ended = request.ended ?? new Date();
    generation = {
      ...{ id, parent, machine: name, program: `vmdkbkp ${VERSION}`, begun: now, ended, note },
      disks: written.map(({ disk }) => disk),
    };
    writeNewFile(join(folder, GENERATION_FILE), await generationBytes(generation));
    syncFolder(folder);
    job.commit();
    renameStably(folder, join(path, id));
  } catch (error) {
    await undo(job, machine, id);
    throw error;
  }
  machine.add(generation);
  await finishNewest(state);
  for (const { disk, emptied } of written) {
    if (emptied !== undefined) await punch(state, { id, disk, emptied });
  }
  machine.endChange();
  return { generation, written };
}

function assertCopied({ key, origin }: DiskWork, { disk }: WrittenDisk): void {
  if (origin?.root === undefined || disk.root === origin.root) return;
  throw new MismatchError(
    `Cannot copy disk "${key}": its blocks do not have the root that is recorded for them; "check" tells which ` +
      `file is damaged`,
  );
}

/** Records the disks of a machine that are new to it. */
async function noteDisks(path: string, document: MachineDocument, works: readonly DiskWork[]): Promise<void> {
  const others = document.disks.filter(({ key }) => !works.some((work) => work.key === key));
  const own = works.map(({ key, disk, origin }) => {
    const known = document.disks.find((known) => known.key === key);
    return known ?? { key, source: origin?.source.disk ?? sourceOf(disk.path) };
  });
  const bytes = await machineBytes({ ...document, disks: [...others, ...own] });
  replaceFile(join(path, MACHINE_FILE), bytes);
}

/** Returns the machine to the generation before. If that fails, the next run does it. */
async function undo(job: Job, machine: OpenMachine, id: string): Promise<void> {
  const partial = partialFolderOf(id);
  try {
    // The folder may have its name although the system could not say that this is stable.
    if (isFolder(join(machine.path, id))) return;
    if (isFolder(join(machine.path, partial))) await undoRun(machine.state, partial, partsOf(job));
    machine.endChange();
  } catch (error) {
    job.warn(`the run is not undone yet, the next one does it: ${reasonOf(error)}`);
  }
}

/** Makes holes of the blocks of an image that became zero. A failure costs nothing but space. */
async function punch(
  state: MachineState,
  { id, disk, emptied }: {
    id: string;
    disk: WrittenDisk["disk"];
    emptied: NonNullable<WrittenDisk["emptied"]>;
  },
): Promise<void> {
  const { blockBytes, capacityBytes, key } = disk;
  using image = openImageAt(extentPath(state, id, key), disk, { write: true });
  for (const { start, end } of emptied.runs()) {
    const offsetBytes = start * blockBytes;
    await image.writeZeros(offsetBytes, Math.min(end * blockBytes, capacityBytes) - offsetBytes);
  }
}
