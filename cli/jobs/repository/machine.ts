/** Opens the folder of a machine under its lock, in a state that no interrupted run has left unfinished. */

import { join } from "@std/path/posix/join";
import { FolderLock } from "../../files/folder_lock.ts";
import { isRegularFile, removeAll, writeNewFile } from "../../files/stable_files.ts";
import { syncFolder } from "../../files/sync_folder.ts";
import type { Core } from "../../core.ts";
import type { Job } from "../job.ts";
import type { GenerationDocument } from "../../repository/documents.ts";
import { type MachineState, readGenerations } from "./generations.ts";
import { recover, type RecoveryParts } from "./recovery.ts";

/** The file that says that a run is changing the folder of a machine, or was killed while it did. */
const MARK = ".unfinished";

/** A machine, and whether it is opened for writing. */
export interface MachineOpening {
  path: string;
  name: string;
  write: boolean;
}

/** A machine that is locked until disposal. */
export class OpenMachine implements Disposable {
  readonly name: string;
  readonly state: MachineState;
  readonly #lock: FolderLock;

  private constructor({ name }: MachineOpening, state: MachineState, lock: FolderLock) {
    this.name = name;
    this.state = state;
    this.#lock = lock;
  }

  /**
   * Locks a machine and reads its generations. What an interrupted run has left is completed or undone before,
   * for which the lock must be available for writing.
   *
   * @throws {Error} if another process holds the lock
   * @throws {FormatError} for a machine that is opened for writing, if a generation is damaged
   */
  static async open(job: Job, opening: MachineOpening): Promise<OpenMachine> {
    const { path, name, write } = opening;
    const what = `machine "${name}"`;
    const parts = partsOf(job);
    if (write) {
      using scope = new DisposableStack();
      const lock = scope.use(FolderLock.take(path, { write, what }));
      const state = await recover(path, parts);
      removeAll(join(path, MARK));
      scope.move();
      return new OpenMachine(opening, state, lock);
    }
    if (isUnfinished(path)) {
      // While another process writes, its lock is in the way of reading; otherwise nobody is to read meanwhile.
      FolderLock.take(path, { write, what })[Symbol.dispose]();
      using _lock = FolderLock.take(path, { write: true, what });
      // Another process may have done it meanwhile.
      if (isUnfinished(path)) {
        await recover(path, parts);
        removeAll(join(path, MARK));
      }
    }
    using scope = new DisposableStack();
    const lock = scope.use(FolderLock.take(path, { write, what }));
    const state = await readGenerations(path);
    scope.move();
    return new OpenMachine(opening, state, lock);
  }

  /** The path of the machine's folder. */
  get path(): string {
    return this.state.path;
  }

  /** Notes a generation that was committed. */
  add(generation: GenerationDocument): void {
    this.state.generations.unshift(generation);
    this.state.lastId = generation.id;
  }

  /** Says, until {@linkcode OpenMachine.endChange}, that the folder is being changed. */
  beginChange(): void {
    writeNewFile(join(this.path, MARK), new Uint8Array(0));
    syncFolder(this.path);
  }

  /** Everything is as the seals say: an interruption has nothing to undo. */
  endChange(): void {
    removeAll(join(this.path, MARK));
  }

  [Symbol.dispose](): void {
    this.#lock[Symbol.dispose]();
  }
}

/** Returns whether a run is changing the folder of a machine, or was killed while it did. */
export function isUnfinished(path: string): boolean {
  return isRegularFile(join(path, MARK));
}

/** Returns what recovering needs of a job. */
export function partsOf(job: Job): RecoveryParts & { core: Core } {
  return { core: job.core, run: job.run, warn: (line) => job.warn(line) };
}
