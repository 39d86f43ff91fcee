/**
 * The note in the lock file of an output: which process holds the lock, and, from the moment at which outputs begin to get
 * their names, what the next run must know to finish or undo that.
 *
 * A note lies in a folder that may come from elsewhere, so it is a stranger's text. It names no path. The files that it
 * names are hidden ones in its own folder, which the program itself makes for the output that the lock belongs to; a note
 * with any other name in it is no note.
 *
 * ```
 * {"pid":4711,"state":"p","commit":{"id":"32 hex digits","outputs":3,"temporary":".mon.dump.0a1b2c3d.vmdkbkp", ...}}
 * ```
 *
 * `state` stands at a fixed place, so that one byte changes it and no crash can leave a note that is half the old one and
 * half the new.
 */

import { isAsideNameOf, isTemporaryNameOf } from "./hidden_names.ts";

/** What a commit has reached, as far as this lock knows. */
export type CommitState = keyof typeof STATES;

const STATES = {
  /** The renames may have begun. */
  p: "prepared",
  /** All outputs of the commit have their names; only the replaced files are still there. */
  c: "committed",
  /** All outputs of the commit have given their names back. */
  u: "undone",
} as const;

/** What a lock file says of the commit that its output is part of. */
export interface CommitNote {
  state: CommitState;
  /** Random, the same in the notes of all outputs of the commit: 32 hexadecimal digits. */
  id: string;
  /** Number of outputs of the commit, in all folders. */
  outputs: number;
  /** The hidden name under which the output was written. */
  temporary: string;
  /** The hidden name under which the file is kept that has the name of the output; absent if there is no such file. */
  aside?: string;
  /** Length, inode and time of change of the output, which tell it from a file that somebody else puts in its place. */
  sizeBytes: number;
  /** Decimal; empty where the file system has none. */
  inode: string;
  changedMs: number;
}

/** A lock file holds a few hundred bytes; what is longer is no note. */
export const MAX_NOTE_BYTES = 4096;

/** Outputs of one command and their seals; more cannot be. */
const MAX_OUTPUTS = 256;

/** The text of a lock file without a commit. */
export function holderText(pid: number): string {
  return JSON.stringify({ pid });
}

/** The text of a lock file during a commit. */
export function noteText(pid: number, note: CommitNote): string {
  const { state, id, outputs, temporary, aside, sizeBytes, inode, changedMs } = note;
  return JSON.stringify({
    pid,
    state,
    commit: { id, outputs, temporary, aside, sizeBytes, inode, changedMs },
  });
}

/** Where in the text of a note its state stands: the byte that changes when the state does. */
export function statePlace(pid: number): number {
  return `{"pid":${pid},"state":"`.length;
}

/** What the text of the lock file of the output `name` says; an empty object if it says nothing that can be used. */
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
  // Only the very text that the program writes counts: what is not where it must be could not be changed in place.
  const isWritten = commit !== undefined && isNote(note, name) && text === noteText(pid, note);
  return isWritten ? { pid, commit: note } : { pid };
}

function isNote(note: CommitNote, name: string): boolean {
  const { state, id, outputs, temporary, aside, sizeBytes, inode, changedMs } = note;
  return typeof state === "string" && Object.hasOwn(STATES, state) &&
    typeof id === "string" && /^[0-9a-f]{32}$/.test(id) &&
    isCount(outputs) && outputs >= 1 && outputs <= MAX_OUTPUTS &&
    typeof temporary === "string" && isTemporaryNameOf(temporary, name) &&
    (aside === undefined || (typeof aside === "string" && isAsideNameOf(aside, name))) &&
    isCount(sizeBytes) && typeof inode === "string" && /^[0-9]{0,20}$/.test(inode) &&
    Number.isSafeInteger(changedMs);
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
