/** The folder of a repository: making and opening it, and finding machines in it. */

import { join } from "@std/path/posix/join";
import { FileError, UsageError } from "../../errors.ts";
import { statIfThere } from "../../files/paths.ts";
import { readSmallFile } from "../../files/small_file.ts";
import {
  isFolder,
  isRegularFile,
  makeFolder,
  namesIn,
  newNameOf,
  replaceFile,
} from "../../files/stable_files.ts";
import { reasonOf } from "../../files/system_errors.ts";
import {
  type MachineDocument,
  MAX_DOCUMENT_BYTES,
  parseMachine,
  parseRepository,
  repositoryBytes,
  type RepositoryDocument,
} from "../../repository/documents.ts";
import { folderOfMachine } from "../../repository/names.ts";

/** The file that makes a folder a repository. */
export const REPOSITORY_FILE = "repository.json";
/** The file that makes a folder in it a machine. */
export const MACHINE_FILE = "machine.json";

/** A folder of a repository that is a machine, or claims to be one. */
export interface MachineEntry {
  /** The path of the folder. */
  path: string;
  /** The name of the machine; that of the folder if `machine.json` cannot be read. */
  name: string;
  /** The content of its JSON file. */
  document?: MachineDocument;
  /** Why `machine.json` cannot be read. */
  problem?: Error;
}

/** An open repository. Nothing is kept open: each call looks at the folder again. */
export class Repository {
  /** The path by which it was opened. */
  readonly path: string;
  /** The content of its JSON file. */
  readonly document: RepositoryDocument;

  /**
   * Takes what `openRepository` has read.
   *
   * @param document the content of `repository.json`
   */
  constructor(path: string, document: RepositoryDocument) {
    this.path = path;
    this.document = document;
  }

  /** Returns all machines, in the order of their names. */
  async machines(): Promise<MachineEntry[]> {
    const entries: MachineEntry[] = [];
    for (const folder of namesIn(this.path)) {
      const path = join(this.path, folder);
      const file = join(path, MACHINE_FILE);
      try {
        if (folder === REPOSITORY_FILE || !isFolder(path) || !isRegularFile(file)) continue;
        const document = await readDocument(file, MAX_DOCUMENT_BYTES.machine, parseMachine);
        entries.push({ path, name: document.name, document });
      } catch (problem) {
        // A file beside the machines is none of this program's business.
        if (problem instanceof FileError && problem.fault.path === path) continue;
        entries.push({ path, name: folder, problem: problem as Error });
      }
    }
    return entries.sort((a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
  }

  /** Returns the machine with a name. @throws {UsageError} if there is none, with the names that there are */
  async machine(name: string): Promise<MachineEntry> {
    const machines = await this.machines();
    const found = machines.find((machine) => machine.name === name);
    if (found !== undefined) return found;
    const names = machines.slice(0, 10).map((machine) => `"${machine.name}"`).join(", ");
    throw new UsageError(
      `Cannot find machine "${name}" in repository "${this.path}": ` +
        (names === "" ? "it has no machines" : `its machines are ${names}`),
    );
  }

  /** Returns the folder for a machine with a name, which may not exist yet. */
  async folderFor(name: string): Promise<string> {
    const machines = await this.machines();
    const own = machines.find((machine) => machine.document?.name === name);
    if (own !== undefined) return own.path;
    const taken = new Set(machines.map(({ path }) => path.toLowerCase()));
    return join(
      this.path,
      folderOfMachine(name, (folder) => taken.has(join(this.path, folder).toLowerCase())),
    );
  }
}

/** Reads a small file with `parse`. @throws {FileError} if the system refuses, or what `parse` throws */
export async function readDocument<T>(
  path: string,
  maxBytes: number,
  parse: (bytes: Uint8Array, path: string) => Promise<T>,
): Promise<T> {
  let bytes: Uint8Array;
  try {
    bytes = await readSmallFile(path, maxBytes);
  } catch (cause) {
    throw new FileError({ action: "read", path, reason: reasonOf(cause) }, { cause });
  }
  return await parse(bytes, path);
}

/** Opens a repository. @throws {UsageError} if the folder is none */
export async function openRepository(path: string): Promise<Repository> {
  const file = join(path, REPOSITORY_FILE);
  if (!isRegularFile(file)) {
    throw new UsageError(
      `Cannot open repository "${path}": it has no ${REPOSITORY_FILE}; "vmdkbkp init --repo" makes an empty one`,
    );
  }
  return new Repository(path, await readDocument(file, MAX_DOCUMENT_BYTES.repository, parseRepository));
}

/** Makes an empty repository. @throws {UsageError} if the folder is not empty */
export async function initRepository(
  path: string,
  { now = new Date(), id = crypto.randomUUID().replaceAll("-", "") }: { now?: Date; id?: string } = {},
): Promise<Repository> {
  // The folder may be named by a link; nothing in it may be one.
  if (statIfThere(path)?.isDirectory !== true) makeFolder(path);
  const names = namesIn(path).filter((name) => name !== newNameOf(REPOSITORY_FILE));
  if (names.includes(REPOSITORY_FILE)) {
    throw new UsageError(`Cannot make repository "${path}": it is one already`);
  }
  if (names.length > 0) {
    throw new UsageError(
      `Cannot make repository "${path}": the folder is not empty (it has "${names[0]}")`,
    );
  }
  const document = { id, created: now };
  replaceFile(join(path, REPOSITORY_FILE), await repositoryBytes(document));
  return new Repository(path, document);
}
