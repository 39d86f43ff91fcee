/** Reads the seals beside inputs, which record what each file must be and how the files belong together. */

import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { containerOfName } from "../archive/container.ts";
import { formatSeriesId } from "../archive/header.ts";
import type { PublicKey } from "../archive/minisign/public_key.ts";
import { MAX_MINISIGN_BYTES, signatureNameOf } from "../archive/minisign/text.ts";
import {
  MAX_SEAL_BYTES,
  parseSeal,
  type Role,
  type Seal,
  SEAL_SUFFIX,
  type SealedFile,
  type SealedGeneration,
  sealNameOf,
} from "../archive/seal.ts";
import type { SignedSeal } from "../archive/seal_signature.ts";
import { formatTimeStamp } from "../archive/time_stamp.ts";
import { FormatError, MismatchError } from "../errors.ts";
import type { ArchiveIdentity } from "../pipeline/chain.ts";
import { isHidden } from "../files/hidden_names.ts";
import { readSmallFile } from "../files/small_file.ts";
import { fileError } from "../files/system_errors.ts";
import { readablePath } from "../files/unfinished.ts";
import { type FileHash, hashFile } from "./file_hash.ts";

/** A file with its entry in a seal. */
export interface Sealed {
  /** Path of the file, as the request names it. */
  path: string;
  /** Path of the seal. */
  sealPath: string;
  /** The content of the seal. */
  seal: Seal;
  /** The entry of the file. */
  file: SealedFile;
  /**
   * The generation to which the file leads. If the seal does not know the root, another seal of the folder
   * may have it.
   */
  generation: SealedGeneration;
}

/** A root that a seal records for a generation. */
export interface KnownRoot {
  root: string;
  sealPath: string;
  /** The properties of the disk in that seal. */
  disk: Pick<Seal, "series" | "blockBytes" | "blockCount" | "capacityBytes">;
  /** Something proved the blocks when the seal was made. */
  isProved: boolean;
}

/** The properties of a file whose entry is looked for. They are from its header. */
export interface Known {
  role: Role;
  /** 32 hexadecimal digits. */
  series: string;
  /** As `formatTimeStamp` writes it. */
  time: string;
  /** Length of the file, if it has one. */
  bytes?: number;
}

/** A seal that the trusted key has signed. */
export interface SignedBy {
  /** Path of the seal. */
  sealPath: string;
  /** The id of the key, 16 hexadecimal digits. */
  keyId: string;
  /** When the seal was signed. */
  signedAt: Date;
}

/** Reads seals, each one once. */
export class Seals {
  /** The key that must have signed every seal; undefined if seals need no signature. */
  readonly #trustedKey?: PublicKey;
  /** The seals that were read and that the trusted key has signed. */
  readonly signed: SignedBy[] = [];
  /**
   * The errors of seals that could not be read. The entry of a file that is looked for may be in one of them.
   */
  readonly unreadable: Error[] = [];
  readonly #seals = new Map<string, Promise<Seal | undefined>>();
  /** The entries of all seals of a folder. */
  readonly #folders = new Map<string, Promise<Sealed[]>>();

  constructor({ trustedKey }: { trustedKey?: PublicKey } = {}) {
    this.#trustedKey = trustedKey;
  }

  /**
   * Reads one seal. @throws as {@linkcode readSeal}, and {@linkcode MismatchError} if the trusted key has not
   * signed it
   */
  async read(path: string): Promise<Seal> {
    const key = this.#trustedKey;
    if (key === undefined) return await readSeal(path);
    const { seal, ...signed } = await readSignedSeal(path, key);
    if (!this.signed.some(({ sealPath }) => sealPath === path)) {
      this.signed.push({ sealPath: path, ...signed });
    }
    return seal;
  }

  /**
   * Returns the entry of `path` in a seal of its folder. The header of the file decides before its name does,
   * because the file may have been renamed or copied, and an earlier file may have had the name. If only the
   * name of an entry fits, the file was exchanged. Without `known`, for a file whose header cannot be read,
   * the name alone decides.
   */
  async of(path: string, known?: Known): Promise<Sealed | undefined> {
    const place = placeOf(path);
    const folder = dirname(place);
    const own = await this.#entriesIn(join(folder, sealNameOf(basename(place))));
    const exact = own.find((entry) =>
      basename(place) === entry.file.name && isOf(entry, known) && hasLength(entry, known)
    );
    // The entry is nearly always in the seal that is named after the file. Then the other seals need not be
    // read.
    const found = exact ?? choose(await this.#entriesOf(folder), place, known);
    return found && await this.#withRoot({ ...found, path });
  }

  /**
   * Returns the roots that the seals in the folders of `paths` record for a generation: one, unless two
   * generations were made in the same second.
   */
  async rootsOf(
    paths: readonly string[],
    { series, time }: { series: string; time: string },
  ): Promise<KnownRoot[]> {
    const found: KnownRoot[] = [];
    for (const folder of new Set(paths.map((path) => dirname(placeOf(path))))) {
      for (const { seal, sealPath } of await this.#entriesOf(folder)) {
        if (seal.series !== series) continue;
        for (const { generation, isProved } of generationsIn(seal)) {
          if (generation.time !== time || generation.root === null) continue;
          const known = found.find(({ root }) => root === generation.root);
          if (known === undefined) found.push({ root: generation.root, sealPath, disk: seal, isProved });
          else if (isProved) Object.assign(known, { sealPath, disk: seal, isProved });
        }
      }
    }
    return found;
  }

  /**
   * Returns how the disk of a generation changed while it was dumped, as a seal in the folders of `paths`
   * records it; undefined if no seal does.
   */
  async changedOf(
    paths: readonly string[],
    { series, time }: { series: string; time: string },
  ): Promise<string | undefined> {
    for (const folder of new Set(paths.map((path) => dirname(placeOf(path))))) {
      const marked = (await this.#entriesOf(folder)).find(({ seal }) =>
        seal.series === series && seal.time === time && seal.source.changed !== undefined
      );
      if (marked !== undefined) return marked.seal.source.changed;
    }
    return undefined;
  }

  /**
   * Returns a seal beside `path` of the same series in which the disk has another capacity: then the file is
   * of another disk.
   */
  async otherCapacity(
    path: string,
    { series, capacityBytes }: { series: string; capacityBytes: number },
  ): Promise<{ sealPath: string; seal: Seal } | undefined> {
    const entries = await this.#entriesOf(dirname(placeOf(path)));
    return entries.find(({ seal }) => seal.series === series && seal.capacityBytes !== capacityBytes);
  }

  /** Adds the root that another seal of the folder records, if the own seal does not know it. */
  async #withRoot(sealed: Sealed): Promise<Sealed> {
    const { seal: { series }, generation: { time, root } } = sealed;
    if (root !== null) return sealed;
    const known = await this.rootsOf([sealed.path], { series, time });
    // If two generations were made in the same second, it is not known which of them this is.
    return known.length === 1 ? { ...sealed, generation: { time, root: known[0].root } } : sealed;
  }

  #entriesOf(folder: string): Promise<Sealed[]> {
    let entries = this.#folders.get(folder);
    if (entries === undefined) {
      entries = this.#entriesInAll(this.#sealsIn(folder));
      this.#folders.set(folder, entries);
    }
    return entries;
  }

  /** The paths of the seals of a folder, sorted. */
  #sealsIn(folder: string): string[] {
    try {
      return [...Deno.readDirSync(folder)].map(({ name }) => name)
        .filter((name) => name.endsWith(SEAL_SUFFIX) && !isHidden(name)).sort()
        .map((name) => join(folder, name));
    } catch (cause) {
      if (isShortage(cause)) throw cause;
      this.unreadable.push(fileError("look for seals in", folder, cause));
      return [];
    }
  }

  /** Reads the entries of seals, one seal after the other because a folder may have thousands of them. */
  async #entriesInAll(sealPaths: readonly string[]): Promise<Sealed[]> {
    const entries: Sealed[] = [];
    for (const path of sealPaths) entries.push(...await this.#entriesIn(path));
    return entries;
  }

  async #entriesIn(sealPath: string): Promise<Sealed[]> {
    let read = this.#seals.get(sealPath);
    if (read === undefined) this.#seals.set(sealPath, read = this.#read(sealPath));
    const seal = await read;
    if (seal === undefined) return [];
    return seal.files.map((file) => {
      const generation = file.to ?? { time: seal.time, root: seal.root };
      return { path: join(dirname(sealPath), file.name), sealPath, seal, file, generation };
    });
  }

  async #read(sealPath: string): Promise<Seal | undefined> {
    try {
      return await this.read(sealPath);
    } catch (error) {
      if (isShortage(error)) throw error;
      if (!(error instanceof Deno.errors.NotFound)) this.unreadable.push(error as Error);
    }
  }
}

/** Returns the path of a file with links resolved: its seal lies beside the file and not beside the link. */
function placeOf(path: string): string {
  try {
    return Deno.lstatSync(path).isSymlink ? Deno.realPathSync(path) : path;
  } catch {
    return path;
  }
}

/** Chooses the entry of the file at `place` among the entries of all seals of its folder. */
function choose(entries: readonly Sealed[], place: string, known?: Known): Sealed | undefined {
  const named = entries.filter(({ file }) => file.name === basename(place));
  if (known === undefined) return named[0];
  const exact = named.filter((entry) => isOf(entry, known));
  // If the file of an entry is gone, this may be that file under another name. If it is there, this may be a
  // copy of it. But if nothing proved that file, this may be an original of its own with the same content.
  const [gone, there] = partition(
    entries.filter((entry) => isOf(entry, known)),
    ({ path }) => !existsAt(path),
  );
  const isLong = (entry: Sealed) => hasLength(entry, known);
  // An rdiff that was cut between two records is found only by its length. A longer one is another one that
  // leads to the same generation, such as merge makes. A dump of another length may have been made again; its
  // root proves its blocks.
  const isCut = ({ file }: Sealed) =>
    file.role === "rdiff" && containerOfName(file.name) === containerOfName(place) &&
    (known.bytes === undefined || known.bytes < file.bytes);
  return exact.find(isLong) ?? gone.find(isLong) ??
    there.find((entry) => isLong(entry) && !entry.file.unproved) ??
    exact[0] ?? gone.find(isCut) ?? named[0];
}

/** Returns whether an entry is of a file of the same kind that leads to the same generation. */
export function isOf({ seal, file, generation }: Sealed, known?: Known): boolean {
  return known === undefined ||
    (file.role === known.role && seal.series === known.series && generation.time === known.time);
}

function hasLength({ file }: Sealed, known?: Known): boolean {
  return known?.bytes === undefined || file.bytes === known.bytes;
}

/** Splits a list into the elements for which `holds` is true and the others. */
function partition<T>(all: readonly T[], holds: (one: T) => boolean): [T[], T[]] {
  return [all.filter(holds), all.filter((one) => !holds(one))];
}

/** Returns whether a file, a folder or a link has this path. */
export function existsAt(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/**
 * Reads one seal.
 *
 * @throws {FormatError} if it is none, or was damaged
 * @throws {Deno.errors.NotFound} if it is not there
 * @throws {Error} if it cannot be read
 */
export async function readSeal(path: string): Promise<Seal> {
  return await parseSeal(await bytesOf("seal", path, MAX_SEAL_BYTES), path);
}

async function readSignedSeal(path: string, key: PublicKey): Promise<SignedSeal> {
  const bytes = await bytesOf("seal", path, MAX_SEAL_BYTES);
  const signaturePath = signatureNameOf(path);
  const { readSignature } = await import("../archive/minisign/signature.ts");
  const { verifySeal } = await import("../archive/seal_signature.ts");
  try {
    const signature = readSignature(
      await bytesOf("signature", signaturePath, MAX_MINISIGN_BYTES),
      signaturePath,
    );
    return await verifySeal(bytes, { path, signature, key });
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new MismatchError(`Cannot trust seal "${path}": it is not signed, there is no "${signaturePath}"`, {
      cause,
    });
  }
}

async function bytesOf(what: string, path: string, maxBytes: number): Promise<Uint8Array> {
  try {
    return await readSmallFile(await readablePath(path), maxBytes);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) throw cause;
    throw fileError(`read ${what}`, path, cause);
  }
}

/** Returns the generations that a seal names: its own one, and those at both ends of its rdiffs. */
export function generationsIn(seal: Seal): { generation: SealedGeneration; isProved: boolean }[] {
  const { time, root, files } = seal;
  // An rdiff that merge or rdiff has made is in the seal of the generation to which it leads.
  const leadsToOwn = ({ role, to }: SealedFile) => role !== "rdiff" || to?.time === time;
  const isOwnProved = !files.some((file) => file.unproved && leadsToOwn(file));
  return [
    { generation: { time, root }, isProved: isOwnProved },
    ...files.flatMap(({ from, to, unproved }) => [
      ...(from ? [{ generation: from, isProved: isOwnProved }] : []),
      ...(to ? [{ generation: to, isProved: unproved === undefined }] : []),
    ]),
  ];
}

/**
 * Returns whether an error is a shortage of memory or descriptors in the system, and not a property of the
 * file.
 */
function isShortage(error: unknown): boolean {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: unknown };
  return ["EMFILE", "ENFILE", "ENOMEM"].includes(code as string) ||
    (cause !== undefined && isShortage(cause));
}

/**
 * Compares header and length of an open archive with its entry.
 *
 * @param storedBytes length of the file; undefined if the archive is a stream
 * @throws {FormatError} if it has another length
 * @throws {MismatchError} if it is another file
 */
export function assertSealed(
  { path, sealPath, seal, file, generation }: Sealed,
  { header }: ArchiveIdentity,
  storedBytes?: number,
): void {
  const wrong = (what: string, wanted: string | number, found: string | number) =>
    `Cannot use "${path}": it is not the file that "${sealPath}" was made for; ${what} ${wanted} is expected, ` +
    `${found} is found (in dump, restore, merge, digest and rdiff --without-seal goes by no seal)`;
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
 * @throws {MismatchError} always: the disk of the series has another capacity in a seal than in the archive
 */
export function refuseCapacity(
  { path, header }: ArchiveIdentity,
  { sealPath, seal }: { sealPath: string; seal: Seal },
): never {
  throw new MismatchError(
    `Cannot use "${path}": it is no file of the disk that "${sealPath}" tells of; the capacity ` +
      `${seal.capacityBytes} is expected, ${header.capacityBytes} is found (in dump, restore, merge, digest and rdiff --without-seal goes by no seal)`,
  );
}

/**
 * Compares the generations at the ends of the rdiffs of a list, newest first, as far as the archives have
 * seals.
 *
 * @throws {MismatchError} if an rdiff does not begin where the archive in front of it leads to
 */
export function assertLinked(
  list: readonly { path: string; header: ArchiveIdentity["header"]; sealed?: Sealed }[],
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

/**
 * Reads a sealed file to its end.
 *
 * @throws {FormatError} if it is not what was sealed, byte for byte
 */
export async function assertHash(sealed: Sealed, run: { signal?: AbortSignal }): Promise<void> {
  assertIs(sealed, await hashFile(sealed.path, run));
}

/** @throws {FormatError} if a file that was read to its end is not what was sealed, byte for byte */
export function assertIs({ path, sealPath, file }: Sealed, { bytes, sha256 }: FileHash): void {
  if (bytes === file.bytes && sha256 === file.sha256) return;
  throw new FormatError(
    `Cannot use "${path}": it has the SHA-256 ${sha256} (${bytes} bytes), "${sealPath}" says ${file.sha256} ` +
      `(${file.bytes} bytes)`,
    { path, expected: file.sha256, found: sha256 },
  );
}

/** @throws {MismatchError} if blocks that were read are not those of the generation that seals tell of */
export function assertRoot(path: string, known: readonly KnownRoot[], root: string): void {
  if (known.length === 0 || known.some((one) => one.root === root)) return;
  const told = known.map(({ root, sealPath }) => `${root} by "${sealPath}"`).join(" or ");
  throw new MismatchError(
    `Cannot use "${path}": the root of the blocks of its generation is ${told}, ${root} is found`,
  );
}

function isSameRoot(a: string | null, b: string | null): boolean {
  return a === null || b === null || a === b;
}

function describe({ time, root }: SealedGeneration): string {
  return root === null ? time : `${time} (root ${root.slice(0, 12)})`;
}
