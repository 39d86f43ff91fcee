/** The seals beside files that are read: what each file must be, and how those of a list belong together. */

import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { formatSeriesId } from "../archive/header.ts";
import {
  MAX_SEAL_BYTES,
  parseSeal,
  type Seal,
  SEAL_SUFFIX,
  type SealedFile,
  type SealedGeneration,
  sealNameOf,
} from "../archive/seal.ts";
import { formatTimeStamp } from "../archive/time_stamp.ts";
import { FormatError, MismatchError } from "../errors.ts";
import type { Named } from "../pipeline/chain.ts";

/** A file, the seal that names it, and its place there. */
export interface Sealed {
  /** The file as the user named it. */
  path: string;
  sealPath: string;
  seal: Seal;
  file: SealedFile;
  /** What the file leads to; the root from whatever seal of the folder knows it. */
  generation: SealedGeneration;
}

/** Reads seals, each once. */
export class Seals {
  /** Seals that could not be read: none of their files is known to have one. */
  readonly damaged: FormatError[] = [];
  readonly #seals = new Map<string, Promise<Seal | undefined>>();

  /** The entry of `path` in a seal of its folder: in the one with its name, if that has it. */
  async of(path: string): Promise<Sealed | undefined> {
    const folder = dirname(path);
    const own = sealNameOf(basename(path));
    const sealed = await this.#entry(path, join(folder, own)) ??
      await this.#entryAmong(path, namesOf(folder));
    if (sealed === undefined || sealed.generation.root !== null) return sealed;
    const { series } = sealed.seal;
    const { time } = sealed.generation;
    for (const name of namesOf(folder)) {
      const seal = await this.read(join(folder, name));
      if (seal?.series === series && seal.time === time && seal.root !== null) {
        return { ...sealed, generation: { time, root: seal.root } };
      }
    }
    return sealed;
  }

  async #entryAmong(path: string, names: readonly string[]): Promise<Sealed | undefined> {
    for (const name of names) {
      const sealed = await this.#entry(path, join(dirname(path), name));
      if (sealed !== undefined) return sealed;
    }
  }

  /** The seal of a path; undefined if there is none, or it is damaged. */
  read(sealPath: string): Promise<Seal | undefined> {
    let seal = this.#seals.get(sealPath);
    if (seal === undefined) this.#seals.set(sealPath, seal = this.#read(sealPath));
    return seal;
  }

  async #entry(path: string, sealPath: string): Promise<Sealed | undefined> {
    const seal = await this.read(sealPath);
    const file = seal?.files.find(({ name }) => name === basename(path));
    return file &&
      { path, sealPath, seal: seal!, file, generation: file.to ?? { time: seal!.time, root: seal!.root } };
  }

  async #read(sealPath: string): Promise<Seal | undefined> {
    try {
      return await readSeal(sealPath);
    } catch (error) {
      if (error instanceof FormatError) this.damaged.push(error);
      else if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

/** Reads one seal. @throws {FormatError} if it is none or was damaged */
export async function readSeal(path: string): Promise<Seal> {
  using file = await Deno.open(path);
  const bytes = new Uint8Array(MAX_SEAL_BYTES + 1);
  let length = 0;
  for (;;) {
    const got = await file.read(bytes.subarray(length));
    if (got === null || got === 0) break;
    length += got;
  }
  return await parseSeal(bytes.subarray(0, length), path);
}

/** What is said of archives without a seal: the line of a report, if there are such. */
export function unsealedText(paths: readonly string[]): string[] {
  if (paths.length === 0) return [];
  return [
    `  no seal: ${
      paths.join(", ")
    }: that their metadata changed, or that an rdiff was cut between two records, ` +
    "cannot be seen",
  ];
}

/** The seals of a folder, sorted; none if it cannot be listed. */
function namesOf(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => name.endsWith(SEAL_SUFFIX))
      .sort();
  } catch {
    return [];
  }
}

/**
 * Compares what is known of an open archive without reading it.
 *
 * @param storedBytes length of the file; undefined for what has none
 * @throws {FormatError} if it has another length
 * @throws {MismatchError} if it is another file
 */
export function assertSealed(
  { path, sealPath, seal, file, generation }: Sealed,
  { header }: Named,
  storedBytes?: number,
): void {
  const wrong = (what: string, wanted: string | number, found: string | number) =>
    `Cannot use "${path}": it is not the file that "${sealPath}" was made for; ${what} ${wanted} is expected, ` +
    `${found} is found`;
  if (storedBytes !== undefined && storedBytes !== file.bytes) {
    const message = wrong("a length in bytes of", file.bytes, storedBytes);
    throw new FormatError(message, { path, expected: `${file.bytes} bytes`, found: `${storedBytes} bytes` });
  }
  const differs = (what: string, wanted: string | number, found: string | number) => {
    if (wanted !== found) throw new MismatchError(wrong(what, wanted, found));
  };
  differs("the series", seal.series, formatSeriesId(header.seriesId));
  differs("the time", generation.time, formatTimeStamp(header.time));
  differs("the number of blocks", seal.blockCount, header.blockCount);
  differs("the block size", seal.blockBytes, header.blockBytes);
  differs("the capacity", seal.capacityBytes, header.capacityBytes ?? seal.capacityBytes);
}

/**
 * A list of archives, newest first, as far as they have seals.
 *
 * @throws {MismatchError} if an rdiff does not begin where the archive in front of it leads to
 */
export function assertLinked(
  list: readonly { path: string; header: Named["header"]; sealed?: Sealed }[],
): void {
  for (let i = 1; i < list.length; i++) {
    const [newer, older] = [list[i - 1], list[i]];
    const from = older.sealed?.file.from;
    if (from === undefined || from === null) continue;
    const reached = newer.sealed?.generation ?? { time: formatTimeStamp(newer.header.time), root: null };
    if (from.time === reached.time && isSameRoot(from.root, reached.root)) continue;
    throw new MismatchError(
      `Cannot combine archives: "${older.path}" leads back from the generation of ${describe(from)}, ` +
        `"${newer.path}" is of ${
          describe(reached)
        }; an archive between them is missing, or one is of another disk`,
    );
  }
}

/** @throws {MismatchError} if blocks that were read are not those of the generation that a seal tells of */
export function assertRoot(sealed: Sealed | undefined, root: string): void {
  const wanted = sealed?.generation.root;
  if (!wanted || wanted === root) return;
  throw new MismatchError(
    `Cannot use "${sealed.path}": the blocks of its generation were sealed with the root ${wanted}, ${root} is found`,
  );
}

function isSameRoot(a: string | null, b: string | null): boolean {
  return a === null || b === null || a === b;
}

function describe({ time, root }: SealedGeneration): string {
  return root === null ? time : `${time} (root ${root.slice(0, 12)})`;
}
