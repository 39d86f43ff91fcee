/**
 * The seal of a generation (FORMAT.md, "Seal"): a small JSON file beside its archives that describes what
 * they must be. With it a file that was cut between two records, exchanged, or left out of a chain is
 * detected without reading a block.
 */

import { fnv1a } from "../fnv1a.ts";
import { SIGNATURE_SUFFIX } from "./minisign/text.ts";
import { SECTOR_BYTES } from "../sector.ts";
import { closedJsonBytes, type ClosedJsonKind, type JsonFields, parseClosedJson } from "./closed_json.ts";
import { MAX_BLOCK_BYTES } from "./header.ts";

/** The kind of a file of a generation. */
export type Role = "dump" | "digest" | "rdiff";

/** A generation, by its time and its root. */
export interface SealedGeneration {
  /** The time, as `formatTimeStamp` writes it. */
  time: string;
  /**
   * SHA-256 in hexadecimal digits over the MD5s of all blocks in order, with 16 zero bytes for a zero block;
   * `null` if it was not computed.
   */
  root: string | null;
}

/** A file beside the seal. */
export interface SealedFile {
  /** The kind of the file. */
  role: Role;
  /** Name of the file in the folder of the seal. */
  name: string;
  /** Length of the file in bytes. */
  bytes: number;
  /** SHA-256 of the file, compressed or not, as `sha256sum` prints it. */
  sha256: string;
  /** Records with content; in a digest, with an MD5. */
  dataRecords: number;
  /** The number of records of zero blocks. */
  zeroRecords: number;
  /**
   * Nothing proved the blocks of the generation to which the file leads when the seal was made: the seal records what they
   * were, not that they were right.
   */
  unproved?: true;
  /** The newer generation at which an rdiff begins; `null` if it was not known. */
  from?: SealedGeneration | null;
  /** The older generation to which an rdiff leads. */
  to?: SealedGeneration;
}

/** The result of a sample of the blocks that a bitmap calls unchanged. */
export interface SealedAudit {
  /** Percentage that was asked for; absent for the default sample. */
  percent?: number;
  /** Blocks that the bitmap calls unchanged. */
  unchangedBlocks: number;
  /** Blocks that were read and compared. */
  sampledBlocks: number;
  /** Blocks of the sample that had changed. */
  differingBlocks: number;
  /** The first block of the sample that had changed, if one had. */
  firstDifferingBlock?: number;
  /** Seed of the sample; absent if no sample was drawn. */
  seed?: string;
  /** The sample agrees with the bitmap, differs from it, or was not taken. */
  result: "agrees" | "differs" | "skipped";
}

/** The content of a seal. */
export interface Seal extends SealedGeneration {
  /** Name and version of the program that made the seal. */
  program: string;
  /** The id of the series, 32 hexadecimal digits. */
  series: string;
  /** Size of the disk in bytes. */
  capacityBytes: number;
  /** Bytes of a block. */
  blockBytes: number;
  /** Blocks of the disk. */
  blockCount: number;
  /** The mode or command that was asked for, the one that was used, and the reason if that is another one. */
  mode: { asked: string; done: string; reason?: string };
  /** The properties that tell the disk apart from others: path, format, CID, UUID, virtual machine, snapshot, change id. */
  source: Record<string, string>;
  /** The sample of the blocks that a bitmap calls unchanged, if there was a bitmap. */
  audit?: SealedAudit;
  /** The files of the generation in the folder of the seal. */
  files: SealedFile[];
}

/** The suffix of the name of a seal, after the name of the generation. */
export const SEAL_SUFFIX = ".seal.json";
/** The largest accepted seal. A usual one takes some kilobytes. */
export const MAX_SEAL_BYTES = 256 * 1024;

/** The longest file name that file systems accept. */
const MAX_NAME_BYTES = 255;

const KIND: ClosedJsonKind = {
  what: "seal",
  versionName: "vmdkbkpSeal",
  version: 1,
  maxBytes: MAX_SEAL_BYTES,
};

const MAX_FILES = 64;
const MAX_SOURCE_FIELDS = 64;

/**
 * Returns the name of the seal of the generation to which the file `name` belongs: `mon.seal.json` for
 * `mon.dump.zst`, `mon.digest` and the like.
 */
export function sealNameOf(name: string): string {
  return fitting(name.replace(/(?<=.)\.(gz|zst)$/, "").replace(/(?<=.)\.(dump|digest|rdiff)$/, ""));
}

/**
 * Returns the names that the seal of the file `name` may have, in order of preference: from the name of the
 * generation, from the whole name of the file, and from that with the digits of `time`.
 */
export function sealNamesOf(name: string, time: string): string[] {
  const digits = time.replaceAll(/[^0-9]/g, "");
  return [...new Set([sealNameOf(name), fitting(name), fitting(`${name}.${digits}`)])];
}

/**
 * Returns whether a file with the name `companion` may be the seal of the file `name` beside it, or the
 * signature of that seal.
 */
export function isSealOf(companion: string, name: string): boolean {
  const seal = companion.endsWith(SIGNATURE_SUFFIX)
    ? companion.slice(0, -SIGNATURE_SUFFIX.length)
    : companion;
  const time = /\.([0-9]{14,})\.seal\.json$/.exec(seal)?.[1] ?? "";
  return sealNamesOf(name, time).includes(seal);
}

/** Returns the names without a time that the seal of the file `name` and the signature of that seal can have. */
export function companionsOf(name: string): string[] {
  return [sealNameOf(name), fitting(name)].flatMap((seal) => [seal, seal + SIGNATURE_SUFFIX]);
}

/** Returns the name of a seal. A name that would be too long is cut, and a hash replaces the rest. */
function fitting(stem: string): string {
  const encoder = new TextEncoder();
  const room = MAX_NAME_BYTES - SEAL_SUFFIX.length - SIGNATURE_SUFFIX.length;
  if (encoder.encode(stem).length <= room) return stem + SEAL_SUFFIX;
  const end = `~${fnv1a(stem)}`;
  let start = stem;
  while (encoder.encode(start).length > room - end.length) start = [...start].slice(0, -1).join("");
  return start + end + SEAL_SUFFIX;
}

/**
 * Returns the bytes of a seal file. They end with their own SHA-256, so that damage of the seal is not taken
 * for damage of the archives.
 */
export async function sealBytes(seal: Seal): Promise<Uint8Array<ArrayBuffer>> {
  const { program, series, time, root, capacityBytes, blockBytes, blockCount } = seal;
  const { mode, source, audit, files } = seal;
  const body = {
    program,
    series,
    time,
    capacityBytes,
    blockBytes,
    blockCount,
    root,
    mode,
    source,
    ...(audit === undefined ? {} : { audit }),
    files,
  };
  return await closedJsonBytes(KIND, body);
}

/**
 * Reads a seal.
 *
 * @param bytes the whole file, or at least its first `MAX_SEAL_BYTES + 1` bytes
 * @throws {FormatError} if `bytes` are not a seal, are damaged, or are of a later version
 */
export async function parseSeal(bytes: Uint8Array, path: string): Promise<Seal> {
  return sealOf(await parseClosedJson(KIND, bytes, path));
}

const HASH = /^[0-9a-f]{64}$/;
const SERIES = /^[0-9a-f]{32}$/;
const TIME = /^[0-9]{4,}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}( summer time)?$/;
// A file name without a folder, which is neither `.` nor `..`.
const NAME = /^(?!\.{1,2}$)[^/\0]{1,255}$/;

function sealOf(fields: JsonFields): Seal {
  const blockBytes = fields.integer("blockBytes", { min: SECTOR_BYTES, max: MAX_BLOCK_BYTES });
  if (blockBytes % SECTOR_BYTES !== 0) throw fields.fault("blockBytes", "a multiple of 512");
  const blockCount = fields.integer("blockCount", { min: 1 });
  const capacityBytes = fields.integer("capacityBytes", { min: 1 });
  if (Math.ceil(capacityBytes / blockBytes) !== blockCount) {
    throw fields.fault("capacityBytes", `the bytes of ${blockCount} blocks of ${blockBytes}`);
  }
  return {
    program: fields.text("program"),
    series: fields.text("series", { form: SERIES }),
    ...generationOf(fields),
    capacityBytes,
    blockBytes,
    blockCount,
    mode: modeOf(fields.object("mode")),
    source: fields.texts("source", { max: MAX_SOURCE_FIELDS }),
    ...(fields.has("audit") ? { audit: auditOf(fields.object("audit")) } : {}),
    files: fields.list("files", { max: MAX_FILES }).map((file) => fileOf(file, blockCount)),
  };
}

function generationOf(fields: JsonFields): SealedGeneration {
  const root = fields.isNull("root") ? null : fields.text("root", { form: HASH });
  return { time: fields.text("time", { form: TIME }), root };
}

function modeOf(fields: JsonFields): Seal["mode"] {
  const [asked, done] = [fields.text("asked"), fields.text("done")];
  return fields.has("reason") ? { asked, done, reason: fields.text("reason") } : { asked, done };
}

function auditOf(fields: JsonFields): SealedAudit {
  const unchangedBlocks = fields.integer("unchangedBlocks");
  const sampledBlocks = fields.integer("sampledBlocks", { max: unchangedBlocks });
  return {
    ...(fields.has("percent") ? { percent: fields.number("percent", { min: 0, max: 100 }) } : {}),
    unchangedBlocks,
    sampledBlocks,
    differingBlocks: fields.integer("differingBlocks", { max: sampledBlocks }),
    ...(fields.has("firstDifferingBlock")
      ? { firstDifferingBlock: fields.integer("firstDifferingBlock") }
      : {}),
    ...(fields.has("seed") ? { seed: fields.text("seed") } : {}),
    result: fields.text("result", { form: /^(agrees|differs|skipped)$/ }) as SealedAudit["result"],
  };
}

function fileOf(fields: JsonFields, blockCount: number): SealedFile {
  const role = fields.text("role", { form: /^(dump|digest|rdiff)$/ }) as Role;
  const dataRecords = fields.integer("dataRecords", { max: blockCount });
  const zeroRecords = fields.integer("zeroRecords", { max: blockCount - dataRecords });
  if (role !== "rdiff" && dataRecords + zeroRecords !== blockCount) {
    throw fields.fault("dataRecords", `${blockCount} records in all`);
  }
  return {
    role,
    name: fields.text("name", { form: NAME }),
    bytes: fields.integer("bytes", { min: 1 }),
    sha256: fields.text("sha256", { form: HASH }),
    dataRecords,
    zeroRecords,
    ...(fields.has("unproved") ? { unproved: fields.yes("unproved") } : {}),
    ...(role !== "rdiff" ? {} : {
      from: fields.isNull("from") ? null : generationOf(fields.object("from")),
      to: generationOf(fields.object("to")),
    }),
  };
}
