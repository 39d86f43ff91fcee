/**
 * The note in the lock file of an output. It contains the process that holds the lock and, from the moment at
 * which outputs are renamed, what the next run needs to finish or undo the commit.
 *
 * The folder of a note may come from anywhere, so the text is untrusted. It contains no paths. The files in
 * it are hidden files in the same folder, with names that the program makes for the output of the lock. A
 * note with any other name is ignored.
 *
 * ```
 * {"pid":4711,"state":"p","commit":{"id":"32 hex digits","outputs":3,"temporary":".mon.dump.0a1b2c3d.vmdkbkp", ...}}
 * ```
 *
 * `state` is at a fixed offset, so that one byte changes it and no crash can leave a mixture of the old and
 * the new note.
 */

import { isAsideNameOf, isTemporaryNameOf } from "./hidden_names.ts";

/** The state of a commit, according to this lock. */
export type CommitState = keyof typeof STATES;

const STATES = {
  /** The renames may have begun. */
  p: "prepared",
  /**
   * All outputs of the commit have their final names. Only the replaced files may still have to be removed.
   */
  c: "committed",
  /** All renames of the commit have been undone. */
  u: "undone",
} as const;

/** The part of a note that describes the commit of its output. */
export interface CommitNote {
  state: CommitState;
  /** A random id, the same in the notes of all outputs of the commit: 32 hexadecimal digits. */
  id: string;
  /** The number of outputs of the commit, in all folders. */
  outputs: number;
  /** The hidden name under which the output was written. */
  temporary: string;
  /** The hidden name under which the replaced file is kept; absent if no file has the name of the output. */
  aside?: string;
  /**
   * The length and modification time of the output, which distinguish it from a file that replaces it, and from
   * itself after it was written to.
   */
  sizeBytes: number;
  changedMs: number;
}

/** The largest lock file that is read as a note. A lock file has a few hundred bytes. */
export const MAX_NOTE_BYTES = 4096;

/** The largest number of outputs of a commit. No command has more outputs, seals included. */
const MAX_OUTPUTS = 256;

/** Returns the text of a lock file without a commit. */
export function holderText(pid: number): string {
  return JSON.stringify({ pid });
}

/** Returns the text of a lock file during a commit. */
export function noteText(pid: number, note: CommitNote): string {
  const { state, id, outputs, temporary, aside, sizeBytes, changedMs } = note;
  return JSON.stringify({
    pid,
    state,
    commit: { id, outputs, temporary, aside, sizeBytes, changedMs },
  });
}

/** Returns the offset of the state in the text of a note: the one byte that changes. */
export function statePlace(pid: number): number {
  return `{"pid":${pid},"state":"`.length;
}

/**
 * Parses the text of the lock file of the output `name`. Returns an empty object if the text cannot be used.
 */
export function parseNote(text: string, name: string): { pid?: number; commit?: CommitNote } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return {};
  }
  const { pid, state, commit } = (value ?? {}) as Record<string, unknown>;
  if (!isCount(pid)) return {};
  const note = { ...(commit as CommitNote | undefined), state: state as CommitState } as CommitNote;
  // Only the exact text that the program writes is accepted, because otherwise the state could not be changed
  // at its offset.
  const isWritten = commit !== undefined && isNote(note, name) && text === noteText(pid, note);
  return isWritten ? { pid, commit: note } : { pid };
}

function isNote(note: CommitNote, name: string): boolean {
  const { state, id, outputs, temporary, aside, sizeBytes, changedMs } = note;
  return typeof state === "string" && Object.hasOwn(STATES, state) &&
    typeof id === "string" && /^[0-9a-f]{32}$/.test(id) &&
    isCount(outputs) && outputs >= 1 && outputs <= MAX_OUTPUTS &&
    typeof temporary === "string" && isTemporaryNameOf(temporary, name) &&
    (aside === undefined || (typeof aside === "string" && isAsideNameOf(aside, name))) &&
    isCount(sizeBytes) &&
    Number.isSafeInteger(changedMs);
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
