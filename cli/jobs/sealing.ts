/** Makes the seals of the outputs of a job: one in each folder, beside the files. */

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
  sealNamesOf,
} from "../archive/seal.ts";
import { formatTimeStamp } from "../archive/time_stamp.ts";
import type { SecretKey } from "../archive/minisign/secret_key.ts";
import { signatureNameOf } from "../archive/minisign/text.ts";
import { FormatError, MismatchError, UsageError } from "../errors.ts";
import { isHidden } from "../files/hidden_names.ts";
import { lstatIfThere } from "../files/paths.ts";
import { VERSION } from "../version.ts";
import type { InputSeals } from "./input_seals.ts";
import type { JobOutputs } from "./job_outputs.ts";
import { existsAt, readSeal } from "./seals.ts";

/** An output that is sealed if it is a regular file. */
export interface SealedOutput {
  role: Role;
  path: string;
}

/** The properties of an output that is written to its end. */
export interface WrittenFile {
  dataRecords: number;
  zeroRecords: number;
  /** Something proves the blocks of the generation to which it leads. */
  isProved: boolean;
  /**
   * The newer generation at which an rdiff begins, `null` if it is not known, and the older one to which it
   * leads.
   */
  from?: SealedGeneration | null;
  to?: SealedGeneration;
}

/** The properties of a generation that are known when all outputs are written. */
export interface Outcome {
  root: string | null;
  mode: Seal["mode"];
  source?: Seal["source"];
  audit?: SealedAudit;
  /** The outputs, by their paths. */
  written: Record<string, WrittenFile>;
}

/** The parts of a job that sealing needs. */
interface SealingJob {
  /** Outputs may replace files that exist. */
  readonly isForced: boolean;
  readonly outputs: Pick<JobOutputs, "isFile" | "finalPath" | "stored" | "openSeal">;
  readonly seals: Pick<InputSeals, "changesOf">;
  /** The key that signs the seals. */
  readonly signingKey?: SecretKey;
}

/** An output with its folder and name. */
interface Placed extends SealedOutput {
  folder: string;
  name: string;
}

/** A seal that will be written, and is open. */
interface Planned {
  path: string;
  outputs: Placed[];
  /** The seal of the same generation that is there already. Its entries of other files are kept. */
  present?: Seal;
  write: (bytes: Uint8Array) => void;
  /** Writes the signature; absent if the seal is not signed. */
  writeSignature?: (bytes: Uint8Array) => void;
}

/**
 * The seals that will be written. `changed`: how the disk changed while it was dumped, which all of them
 * record.
 */
interface Plan {
  planned: readonly Planned[];
  changed?: string;
}

/** The seal is named after the first output in this order. */
const ORDER: readonly Role[] = ["dump", "digest", "rdiff"];

/** The seals of one job. */
export class Sealing {
  readonly #files: SealingJob;
  readonly #header: DumpHeader;
  readonly #planned: readonly Planned[];
  /** How the disk changed while the generation was dumped, if a seal beside the inputs records it. */
  readonly #changed?: string;

  private constructor(files: SealingJob, header: DumpHeader, { planned, changed }: Plan) {
    this.#files = files;
    this.#header = header;
    this.#planned = planned;
    this.#changed = changed;
  }

  /**
   * Opens the seals of the outputs that are regular files. This is done before the work begins, so that a
   * seal that cannot be written is found early.
   *
   * @param header the header of the generation
   * @throws {UsageError} if all names for a seal are in use by seals of other generations
   */
  static async begin(
    files: SealingJob,
    header: DumpHeader,
    outputs: readonly SealedOutput[],
  ): Promise<Sealing> {
    const planned: Planned[] = [];
    const placed = outputs.filter(({ path }) => files.outputs.isFile(path)).map((output) => {
      const finalPath = files.outputs.finalPath(output.path);
      return { ...output, folder: Deno.realPathSync(dirname(finalPath)), name: basename(finalPath) };
    });
    for (const folder of new Set(placed.map((output) => output.folder))) {
      const here = ORDER.flatMap((role) =>
        placed.filter((output) => output.role === role && output.folder === folder)
      );
      const { path, isThere, write } = await openPlace(here, { files, header });
      // The seal is read again under its lock, because another process may have added to it a moment ago.
      const found = isThere ? await presentSeal(path, files) : undefined;
      const present = found !== undefined && isOf(found, header) ? found : undefined;
      if (found !== undefined && present === undefined && !files.isForced) {
        throw new UsageError(
          `Cannot seal "${here[0].path}": "${path}" is the seal of another generation by now`,
        );
      }
      const writeSignature = await openSignature(files, { path, isThere });
      planned.push({ path, outputs: here, present, write, writeSignature });
    }
    const generation = { series: formatSeriesId(header.seriesId), time: formatTimeStamp(header.time) };
    const changed = placed.length === 0 ? undefined : await files.seals.changesOf(placed[0].path, generation);
    return new Sealing(files, header, { planned, changed });
  }

  /** The paths of the seals. */
  get paths(): string[] {
    return this.#planned.map(({ path }) => path);
  }

  /**
   * Writes the seals. They get their names together with the outputs.
   *
   * @throws {MismatchError} if a seal that is there already records another root of the generation
   */
  async complete({ root, mode, source = {}, audit, written }: Outcome): Promise<void> {
    const { seriesId, time, capacityBytes, blockBytes, blockCount } = this.#header;
    const changed = source.changed ?? this.#changed;
    for (const { path, outputs, present, write, writeSignature } of this.#planned) {
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
        source: {
          ...present?.source ?? source,
          ...(changed === undefined ? {} : { changed }),
        },
        ...(audit ?? present?.audit ? { audit: audit ?? present?.audit } : {}),
        files: [...files, ...kept],
      };
      const bytes = await sealBytes(seal);
      write(bytes);
      writeSignature?.(await signatureOf(bytes, { path, key: this.#files.signingKey! }));
    }
  }

  async #file(
    { role, path, name }: Placed,
    { dataRecords, zeroRecords, isProved, from = null, to }: WrittenFile,
  ): Promise<SealedFile> {
    const { bytes, sha256 } = (await this.#files.outputs.stored(path))!;
    const doubt = isProved ? {} : { unproved: true } as const;
    const file = { role, name, bytes, sha256, dataRecords, zeroRecords, ...doubt };
    return role === "rdiff" ? { ...file, from, to } : file;
  }
}

/**
 * Opens the signature of a seal; returns undefined if the seal is not signed.
 *
 * @throws {UsageError} if the seal that is there is signed and there is no key: adding to it makes the
 *   signature wrong
 */
async function openSignature(
  files: SealingJob,
  { path, isThere }: { path: string; isThere: boolean },
): Promise<((bytes: Uint8Array) => void) | undefined> {
  const signature = signatureNameOf(path);
  if (files.signingKey !== undefined) return await files.outputs.openSeal(signature, { replace: isThere });
  if (isThere && existsAt(signature)) {
    throw new UsageError(`Cannot add to the seal "${path}": it is signed ("${signature}"), --sign is needed`);
  }
}

async function signatureOf(
  bytes: Uint8Array,
  { path, key }: { path: string; key: SecretKey },
): Promise<Uint8Array> {
  const { signSeal } = await import("../archive/seal_signature.ts");
  return await signSeal(bytes, { name: basename(path), key, now: new Date() });
}

/**
 * Opens the seal of `outputs`. If another process makes a seal of this name at the same moment, it tries
 * again.
 */
async function openPlace(
  outputs: readonly Placed[],
  { files, header }: { files: SealingJob; header: DumpHeader },
): Promise<Place & { write: (bytes: Uint8Array) => void }> {
  for (;;) {
    const place = await placeFor(outputs, { files, header });
    const isThere = existsAt(place.path);
    try {
      return { ...place, write: await files.outputs.openSeal(place.path, { replace: place.isThere }) };
    } catch (error) {
      if (!(error instanceof UsageError) || isThere || !existsAt(place.path)) throw error;
    }
  }
}

/** The path of a seal. */
interface Place {
  path: string;
  /**
   * A file has this path: a seal of the same generation, to which the outputs are added, or one that may be
   * replaced.
   */
  isThere: boolean;
}

/**
 * Chooses the path of a seal: the name of the generation; if the seal of another generation has it, the whole
 * name of the file; or that name with the time. Names that are symbolic links are passed over. The seal of another generation is replaced only with `force`,
 * and only if its files are gone, because rdiffs may still lead to a generation whose root it records.
 *
 * @throws {UsageError} if all of these names are in use
 */
async function placeFor(
  outputs: readonly Placed[],
  { files, header }: { files: SealingJob; header: DumpHeader },
): Promise<Place> {
  const [{ folder, name: first, path: given }] = outputs;
  for (const name of sealNamesOf(first, formatTimeStamp(header.time))) {
    const path = join(shown(folder, given), name);
    // What a link leads to is nobody's seal of these outputs, and may be any file of the user.
    if (lstatIfThere(path)?.isSymlink) continue;
    const present = await presentSeal(path, files);
    if (present === undefined) return { path, isThere: existsAt(path) };
    if (isOf(present, header)) return { path, isThere: true };
    if (!files.isForced) continue;
    if (await fileInUse(present.files, { folder, sealName: name, outputs }) === undefined) {
      return { path, isThere: true };
    }
  }
  const own = join(shown(folder, given), sealNameOf(first));
  throw new UsageError(
    `Cannot seal "${given}": "${own}" is the seal of another generation, as are the other names that it could have; ` +
      "choose another name for the output",
  );
}

/**
 * Returns a sealed file that still exists, if there is one. A file was renamed if another file has its length
 * and no other seal names that file.
 */
async function fileInUse(
  sealed: readonly SealedFile[],
  { folder, sealName, outputs }: { folder: string; sealName: string; outputs: readonly Placed[] },
): Promise<SealedFile | undefined> {
  const isOutput = (name: string) => outputs.some((output) => output.name === name);
  const there = sealed.find(({ name }) => !isOutput(name) && existsAt(join(folder, name)));
  if (there !== undefined) return there;
  const names = [...Deno.readDirSync(folder)].filter(({ name, isFile }) => isFile && !isHidden(name))
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

/** Returns the folder as the request names it, unless a link leads to it. */
function shown(folder: string, path: string): string {
  const given = dirname(path);
  return Deno.realPathSync(given) === folder ? given : folder;
}

/**
 * Reads the seal at `path`. Returns undefined if there is none, or if it is damaged and may be replaced.
 *
 * @throws {FormatError} if the file is no seal and may not be replaced
 */
async function presentSeal(path: string, { isForced }: SealingJob): Promise<Seal | undefined> {
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
