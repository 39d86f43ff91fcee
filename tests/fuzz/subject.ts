/** What is fuzzed, and what may come of a case. */

import type { InputFile } from "../../cli/archive/plain_source.ts";
import { FormatError, MismatchError } from "../../cli/errors.ts";
import { seeded } from "../disks/helpers.ts";

/** The program read the case and said what the oracle says, or it said clearly why it does not. */
export type Outcome = "accepted" | "refused";

/** One kind of file, in cases that have numbers: the same number is the same case, on every machine. */
export interface Subject extends Disposable {
  /** A word for the command line. */
  readonly name: string;
  /** Makes a case and has the program read it. @throws {Error} if what comes of it is not right */
  run(number: number): Promise<Outcome>;
}

/** Numbers from 0 to below the limit. */
export type Random = (limit: number) => number;

/** The numbers that case `number` is made from. */
export function randomOf(number: number): Random {
  return seeded(Math.imul(number, 0x9e3779b1));
}

/** One of several. */
export function oneOf<T>(random: Random, list: readonly T[]): T {
  return list[random(list.length)];
}

/** A file of a case. */
export interface CaseFile {
  path: string;
  bytes: Uint8Array;
}

/** What a case holds, by the oracle. */
export interface Truth {
  /** All that the program may read out of it, as text; undefined if it must refuse the case. */
  content?: string;
  /** It may refuse it nevertheless. */
  refusable?: boolean;
  /** Whatever it reads, it is not known whether it is right. */
  isUnknown?: boolean;
}

/** Has the program read a case, and holds what it reads, or how it refuses, against the truth. */
export async function judge(
  files: readonly CaseFile[],
  truth: Truth,
  read: () => Promise<string>,
): Promise<Outcome> {
  let content: string;
  try {
    content = await read();
  } catch (error) {
    assertClear(error, files);
    if (truth.content === undefined || truth.refusable) return "refused";
    throw new Error(`a good file is refused: ${(error as Error).message}`, { cause: error });
  }
  if (truth.isUnknown) return "accepted";
  if (truth.content === undefined) throw new Error(`a bad file is read, as\n${content.slice(0, 1000)}`);
  if (content !== truth.content) {
    const at = [...content].findIndex((char, i) => char !== truth.content![i]);
    const from = Math.max(0, at - 100);
    throw new Error(
      `read wrongly from character ${at} on:\n${content.slice(from, at + 200)}\ninstead of\n` +
        truth.content.slice(from, at + 200),
    );
  }
  return "accepted";
}

/**
 * An error of the kinds that are for bad files, which names the file and where in it the fault lies, or the block where that is
 * of a list as a whole.
 */
function assertClear(error: unknown, files: readonly CaseFile[]): void {
  const isMismatch = error instanceof MismatchError;
  if (!isMismatch && !(error instanceof FormatError)) {
    throw new Error(`no refusal but a failure: ${error}`, { cause: error });
  }
  const { message } = error;
  if (!files.some(({ path }) => message.includes(path))) {
    throw new Error(`a refusal without a file: ${message}`, { cause: error });
  }
  if (isMismatch) return;
  const { path, offsetBytes = NaN } = error.fault;
  const isPlace = Number.isSafeInteger(offsetBytes) && offsetBytes >= 0 &&
    files.some((file) => file.path === path);
  const isBlock = / in block \d+ /.test(message);
  // Of a seal the member is named, or its text is no JSON; it is a page of text.
  const isSeal = message.startsWith(`Cannot read seal "${path}": `);
  if (!isPlace && !isBlock && !isSeal) {
    throw new Error(`a refusal that does not say where: ${message}`, { cause: error });
  }
}

/** Reads beyond this many for each byte, and beyond these in all, are a loop that does not end. */
const READS_PER_BYTE = 4;
const LEAST_READS = 10_000;

/** A long file in reads of a few bytes takes seconds, and shows nothing that a short one does not. */
const PATIENT_READS = 200;

/**
 * Opens the bytes of a case; reads give `mostBytes` at the most, as a pipe might, more if the file is long. Who reads without
 * end is stopped.
 */
export function openCase({ bytes }: CaseFile, mostBytes: number, { isRegular = false } = {}): InputFile {
  const atOnce = Math.max(mostBytes, Math.ceil(bytes.length / PATIENT_READS));
  let at = 0;
  let readsLeft = LEAST_READS + READS_PER_BYTE * bytes.length;
  const readSync = (into: Uint8Array) => {
    if (readsLeft-- === 0) throw new TypeError("The file is read without end");
    const part = bytes.subarray(at, at + Math.min(into.length, atOnce));
    into.set(part);
    at += part.length;
    return part.length > 0 ? part.length : null;
  };
  const stream: InputFile = { readSync, read: (into) => Promise.resolve(readSync(into)), close() {} };
  if (!isRegular) return stream;
  return {
    ...stream,
    statSync: () => ({ isFile: true, size: bytes.length }) as Deno.FileInfo,
    seekSync: (offset, whence) => at = Number(offset) + (whence === Deno.SeekMode.Current ? at : 0),
  };
}
