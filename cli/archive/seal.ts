/**
 * The seal of a generation (FORMAT.md, "Seal"): a small JSON file beside its archives that describes what
 * they must be. With it a file that was cut between two records, exchanged, or left out of a chain is
 * detected without reading a block.
 */

import { type FormatError, formatError } from "../errors.ts";
import { fnv1a } from "../fnv1a.ts";
import { SIGNATURE_SUFFIX } from "./minisign/text.ts";
import { SECTOR_BYTES } from "../sector.ts";
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

const VERSION = 1;
const MAX_FILES = 64;
const MAX_SOURCE_FIELDS = 64;
const MAX_TEXT = 4096;

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
    vmdkbkpSeal: VERSION,
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
  return await closed(body);
}

/**
 * Reads a seal.
 *
 * @param bytes the whole file, or at least its first `MAX_SEAL_BYTES + 1` bytes
 * @throws {FormatError} if `bytes` are not a seal, are damaged, or are of a later version
 */
export async function parseSeal(bytes: Uint8Array, path: string): Promise<Seal> {
  if (bytes.length > MAX_SEAL_BYTES) {
    throw formatError("seal", { path, expected: `at most ${MAX_SEAL_BYTES} bytes`, found: "more" });
  }
  const body = parseJson(bytes, path);
  const version = body.vmdkbkpSeal;
  if (version !== VERSION) {
    throw formatError("seal", {
      path,
      expected: `version ${VERSION}`,
      found: JSON.stringify(version) ?? "none",
    });
  }
  const { sha256, ...rest } = body;
  const written = await closed(rest).catch((cause) => {
    // JSON.stringify() fails for a value that is nested a hundred thousand times.
    throw formatError("seal", { path, expected: "a seal", found: "something else" }, { cause });
  });
  // Only the exact bytes that sealBytes() makes are accepted: the same values in other bytes were not written
  // by this program.
  const at = firstDifference(bytes, written);
  if (at !== undefined) {
    const found = `"sha256": ${JSON.stringify(sha256) ?? "none"}, or another text in front of it`;
    throw formatError("seal", { path, offsetBytes: at, expected: "a seal as it was written", found });
  }
  return new SealFields(rest, path).seal();
}

function parseJson(bytes: Uint8Array, path: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (cause) {
    // The message does not contain that of the cause, which quotes the text: a link may lead to another file,
    // whose content must not be shown.
    throw formatError("seal", { path, expected: "JSON", found: "something else" }, { cause });
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw formatError("seal", { path, expected: "a JSON object", found: "another value" });
}

/** Returns `body` as JSON text, with the SHA-256 of the text in front of it as last member. */
async function closed(body: Record<string, unknown>): Promise<Uint8Array<ArrayBuffer>> {
  const encoder = new TextEncoder();
  const open = JSON.stringify(body, null, 2).replace(/\n\}$/, ",\n");
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", encoder.encode(open)));
  const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return encoder.encode(`${open}  "sha256": "${hex}"\n}\n`);
}

function firstDifference(a: Uint8Array, b: Uint8Array): number | undefined {
  const length = Math.max(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return i;
}

const HASH = /^[0-9a-f]{64}$/;
const SERIES = /^[0-9a-f]{32}$/;
const TIME = /^[0-9]{4,}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}( summer time)?$/;
// A file name without a folder, which is neither `.` nor `..`.
const NAME = /^(?!\.{1,2}$)[^/\0]{1,255}$/;

/** Reads the members of an object one by one, and checks the type and the bounds of each. */
class SealFields {
  readonly #value: Record<string, unknown>;
  readonly #path: string;
  readonly #where: string;

  constructor(value: unknown, path: string, where = "") {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw fault(path, where, "an object", value);
    }
    this.#value = value as Record<string, unknown>;
    this.#path = path;
    this.#where = where;
  }

  seal(): Seal {
    const blockBytes = this.integer("blockBytes", { min: SECTOR_BYTES, max: MAX_BLOCK_BYTES });
    if (blockBytes % SECTOR_BYTES !== 0) throw this.#fault("blockBytes", "a multiple of 512");
    const blockCount = this.integer("blockCount", { min: 1 });
    const capacityBytes = this.integer("capacityBytes", { min: 1 });
    if (Math.ceil(capacityBytes / blockBytes) !== blockCount) {
      throw this.#fault("capacityBytes", `the bytes of ${blockCount} blocks of ${blockBytes}`);
    }
    return {
      program: this.text("program"),
      series: this.text("series", SERIES),
      ...this.generation(),
      capacityBytes,
      blockBytes,
      blockCount,
      mode: this.object("mode").mode(),
      source: this.object("source").texts(),
      ...(this.has("audit") ? { audit: this.object("audit").audit() } : {}),
      files: this.list("files").map((fields) => fields.file(blockCount)),
    };
  }

  generation(): SealedGeneration {
    const root = this.#value.root === null ? null : this.text("root", HASH);
    return { time: this.text("time", TIME), root };
  }

  mode(): Seal["mode"] {
    const { asked, done } = { asked: this.text("asked"), done: this.text("done") };
    return this.has("reason") ? { asked, done, reason: this.text("reason") } : { asked, done };
  }

  audit(): SealedAudit {
    const unchangedBlocks = this.integer("unchangedBlocks");
    const sampledBlocks = this.integer("sampledBlocks", { max: unchangedBlocks });
    const percent = this.#value.percent;
    if (this.has("percent") && !(typeof percent === "number" && percent >= 0 && percent <= 100)) {
      throw this.#fault("percent", "a number from 0 to 100");
    }
    return {
      ...(this.has("percent") ? { percent: percent as number } : {}),
      unchangedBlocks,
      sampledBlocks,
      differingBlocks: this.integer("differingBlocks", { max: sampledBlocks }),
      ...(this.has("firstDifferingBlock")
        ? { firstDifferingBlock: this.integer("firstDifferingBlock") }
        : {}),
      ...(this.has("seed") ? { seed: this.text("seed") } : {}),
      result: this.text("result", /^(agrees|differs|skipped)$/) as SealedAudit["result"],
    };
  }

  file(blockCount: number): SealedFile {
    const role = this.text("role", /^(dump|digest|rdiff)$/) as Role;
    const dataRecords = this.integer("dataRecords", { max: blockCount });
    const zeroRecords = this.integer("zeroRecords", { max: blockCount - dataRecords });
    if (role !== "rdiff" && dataRecords + zeroRecords !== blockCount) {
      throw this.#fault("dataRecords", `${blockCount} records in all`);
    }
    return {
      role,
      name: this.text("name", NAME),
      bytes: this.integer("bytes", { min: 1 }),
      sha256: this.text("sha256", HASH),
      dataRecords,
      zeroRecords,
      ...(this.has("unproved") ? { unproved: this.yes("unproved") } : {}),
      ...(role !== "rdiff" ? {} : {
        from: this.#value.from === null ? null : this.object("from").generation(),
        to: this.object("to").generation(),
      }),
    };
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#value, name);
  }

  text(name: string, form: RegExp = /^/): string {
    const value = this.#value[name];
    if (typeof value !== "string" || value.length > MAX_TEXT || !form.test(value)) {
      throw this.#fault(name, form.source === "^" ? `a text of at most ${MAX_TEXT} characters` : `${form}`);
    }
    return value;
  }

  integer(name: string, { min = 0, max = Number.MAX_SAFE_INTEGER } = {}): number {
    const value = this.#value[name];
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < min || value > max) {
      throw this.#fault(name, `an integer from ${min} to ${max}`);
    }
    return value;
  }

  yes(name: string): true {
    if (this.#value[name] !== true) throw this.#fault(name, "true, or no such member");
    return true;
  }

  texts(): Record<string, string> {
    const names = Object.keys(this.#value);
    if (names.length > MAX_SOURCE_FIELDS) {
      throw fault(this.#path, this.#where, `${MAX_SOURCE_FIELDS} texts`, names);
    }
    return Object.fromEntries(names.map((name) => [name, this.text(name)]));
  }

  object(name: string): SealFields {
    return new SealFields(this.#value[name], this.#path, `${this.#where}${name}.`);
  }

  list(name: string): SealFields[] {
    const value = this.#value[name];
    if (!Array.isArray(value) || value.length > MAX_FILES) {
      throw this.#fault(name, `a list of at most ${MAX_FILES}`);
    }
    return value.map((item, i) => new SealFields(item, this.#path, `${this.#where}${name}[${i}].`));
  }

  #fault(name: string, expected: string): FormatError {
    return fault(this.#path, this.#where + name, expected, this.#value[name]);
  }
}

function fault(path: string, where: string, expected: string, value: unknown): FormatError {
  const text = JSON.stringify(value) ?? "nothing";
  return formatError("seal", {
    path,
    expected: `${where.replace(/\.$/, "")}: ${expected}`,
    found: text.length > 80 ? `${text.slice(0, 80)}...` : text,
  });
}
