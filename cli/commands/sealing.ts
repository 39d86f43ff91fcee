/** Makes the seals of what a command writes: one in each folder, beside the files. */

import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { type DumpHeader, formatSeriesId } from "../archive/header.ts";
import {
  type Role,
  type Seal,
  SEAL_SUFFIX,
  sealBytes,
  type SealedAudit,
  type SealedFile,
  type SealedGeneration,
  sealNameOf,
} from "../archive/seal.ts";
import { formatTimeStamp } from "../archive/time_stamp.ts";
import { FormatError, MismatchError, UsageError } from "../errors.ts";
import { VERSION } from "../version.ts";
import { existsAt, readSeal } from "./seals.ts";

/** What a file that is written is, and where. */
export interface SealedOutput {
  role: Role;
  path: string;
}

/** What became of it. */
export interface WrittenFile {
  dataRecords: number;
  zeroRecords: number;
  /** Something proves the blocks of the generation that it leads to. */
  isProved: boolean;
  /** Of an rdiff. */
  from?: SealedGeneration | null;
  to?: SealedGeneration;
}

/** What is known when all is written. */
export interface Outcome {
  root: string | null;
  mode: Seal["mode"];
  source?: Seal["source"];
  audit?: SealedAudit;
  /** By the paths of the files. */
  written: Record<string, WrittenFile>;
}

/** What is needed of the session. */
interface Files {
  readonly isForced: boolean;
  isFile(path: string): boolean;
  /** Where an output will lie, whatever links lead there. */
  finalPath(path: string): string;
  /** Length and SHA-256 of an output that is a regular file and was written to its end. */
  stored(path: string): Promise<{ bytes: number; sha256: string } | undefined>;
  openSeal(path: string, options: { replace: boolean }): Promise<(bytes: Uint8Array) => void>;
}

/** A file that is written, and where. */
interface Placed extends SealedOutput {
  folder: string;
  name: string;
}

/** A seal to be made. */
interface Planned {
  path: string;
  outputs: Placed[];
  /** A seal of the same generation that lies there already: its other files stay in it. */
  present?: Seal;
  write: (bytes: Uint8Array) => void;
}

/** The seal has the name of the first of these. */
const ORDER: readonly Role[] = ["dump", "digest", "rdiff"];

/** The seals of one run. */
export class Sealing {
  readonly #files: Files;
  readonly #header: DumpHeader;
  readonly #planned: readonly Planned[];

  private constructor(files: Files, header: DumpHeader, planned: readonly Planned[]) {
    this.#files = files;
    this.#header = header;
    this.#planned = planned;
  }

  /**
   * Opens the seals of those of `outputs` that are regular files, before the work begins: what stands in the way is found
   * now.
   *
   * @param header of the generation
   * @throws {UsageError} if there is no name for a seal
   */
  static async begin(files: Files, header: DumpHeader, outputs: readonly SealedOutput[]): Promise<Sealing> {
    const planned: Planned[] = [];
    const placed = outputs.filter(({ path }) => files.isFile(path)).map((output) => {
      const finalPath = files.finalPath(output.path);
      return { ...output, folder: Deno.realPathSync(dirname(finalPath)), name: basename(finalPath) };
    });
    for (const folder of new Set(placed.map((output) => output.folder))) {
      const here = ORDER.flatMap((role) =>
        placed.filter((output) => output.role === role && output.folder === folder)
      );
      const { path, present, isThere } = await placeFor(here, { files, header });
      const write = await files.openSeal(path, { replace: isThere });
      planned.push({ path, outputs: here, present, write });
    }
    return new Sealing(files, header, planned);
  }

  /** The seals, for the report. */
  get paths(): string[] {
    return this.#planned.map(({ path }) => path);
  }

  /**
   * Writes the seals; they get their names together with the files.
   *
   * @throws {MismatchError} if a seal that is there already says that the generation was another one
   */
  async complete({ root, mode, source = {}, audit, written }: Outcome): Promise<void> {
    const { seriesId, time, capacityBytes, blockBytes, blockCount } = this.#header;
    for (const { path, outputs, present, write } of this.#planned) {
      if (present?.root != null && root !== null && present.root !== root && !this.#files.isForced) {
        throw new MismatchError(
          `Cannot seal "${
            outputs[0].path
          }": "${path}" says that the blocks of this generation have the root ` +
            `${present.root}, ${root} is found`,
        );
      }
      const files: SealedFile[] = [];
      for (const output of outputs) files.push(await this.#file(output, written[output.path]));
      const kept = (present?.files ?? []).filter(({ name }) =>
        !files.some((file) => file.name === name) && existsAt(join(dirname(path), name))
      );
      const seal: Seal = {
        program: `vmdkbkp ${VERSION}`,
        series: formatSeriesId(seriesId),
        time: formatTimeStamp(time),
        root: root ?? present?.root ?? null,
        capacityBytes,
        blockBytes,
        blockCount,
        mode: present?.mode ?? mode,
        source: present?.source ?? source,
        ...(audit ?? present?.audit ? { audit: audit ?? present?.audit } : {}),
        files: [...files, ...kept],
      };
      write(await sealBytes(seal));
    }
  }

  async #file(
    { role, path, name }: Placed,
    { dataRecords, zeroRecords, isProved, from = null, to }: WrittenFile,
  ): Promise<SealedFile> {
    const { bytes, sha256 } = (await this.#files.stored(path))!;
    const doubt = isProved ? {} : { unproved: true } as const;
    const file = { role, name, bytes, sha256, dataRecords, zeroRecords, ...doubt };
    return role === "rdiff" ? { ...file, from, to } : file;
  }
}

/** Where a seal goes. */
interface Place {
  path: string;
  /** Something is there, which may go. */
  isThere: boolean;
  present?: Seal;
}

/**
 * The name of the generation, or, where the seal of another one has that name, the whole name of the file, or that with the
 * time.
 *
 * @throws {UsageError} if that is in use as well
 */
async function placeFor(
  outputs: readonly Placed[],
  { files, header }: { files: Files; header: DumpHeader },
): Promise<Place> {
  const [{ folder, name: first, path: given }] = outputs;
  const own = sealNameOf(first);
  const time = formatTimeStamp(header.time).replaceAll(/[^0-9]/g, "");
  let inTheWay = "";
  for (const name of new Set([own, first + SEAL_SUFFIX, `${first}.${time}${SEAL_SUFFIX}`])) {
    const path = join(shown(folder, given), name);
    const present = await presentSeal(path, files);
    if (present === undefined) return { path, isThere: existsAt(path) };
    if (isOf(present, header)) return { path, isThere: true, present };
    const used = await fileInUse(present.files, { folder, sealName: name, outputs });
    // A seal may go when the files that it was made for are gone, or are those that are replaced.
    if (used === undefined) return { path, isThere: true };
    inTheWay ||= `"${path}" is the seal of "${used.name}", which is of another generation`;
  }
  throw new UsageError(`Cannot seal "${given}": ${inTheWay}; choose another name for the output`);
}

/** A sealed file that is still there, or was renamed: then a file has its length that no other seal tells of. */
async function fileInUse(
  sealed: readonly SealedFile[],
  { folder, sealName, outputs }: { folder: string; sealName: string; outputs: readonly Placed[] },
): Promise<SealedFile | undefined> {
  const isOutput = (name: string) => outputs.some((output) => output.name === name);
  const there = sealed.find(({ name }) => !isOutput(name) && existsAt(join(folder, name)));
  if (there !== undefined) return there;
  const names = [...Deno.readDirSync(folder)].filter(({ name, isFile }) => isFile && !name.startsWith("."))
    .map(({ name }) => name);
  const told = new Set<string>();
  for (const name of names) {
    if (!name.endsWith(SEAL_SUFFIX) || name === sealName) continue;
    const seal = await readSeal(join(folder, name)).catch(() => undefined);
    for (const file of seal?.files ?? []) told.add(file.name);
  }
  const others = names.filter((name) => !isOutput(name) && !name.endsWith(SEAL_SUFFIX) && !told.has(name));
  const sizes = new Set(others.map((name) => sizeOf(join(folder, name))));
  return sealed.find(({ bytes }) => sizes.has(bytes));
}

function sizeOf(path: string): number | undefined {
  try {
    return Deno.statSync(path).size;
  } catch {
    return undefined;
  }
}

/** The folder as the user named it, unless a link led there. */
function shown(folder: string, path: string): string {
  const given = dirname(path);
  return Deno.realPathSync(given) === folder ? given : folder;
}

/** A seal that can be read; one that cannot is in the way like any other file, unless it may be replaced. */
async function presentSeal(path: string, { isForced }: Files): Promise<Seal | undefined> {
  try {
    return await readSeal(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || (error instanceof FormatError && isForced)) return undefined;
    throw error;
  }
}

function isOf(seal: Seal, header: DumpHeader): boolean {
  return seal.series === formatSeriesId(header.seriesId) && seal.time === formatTimeStamp(header.time);
}
