/**
 * The descriptor of a VMDK: a short text with header keys, extent lines and the disk data base (ddb).
 *
 * ```
 * descriptor = { line }                           ; each ended by LF, CR LF, CR or the end
 * line       = blank | "#" comment | pair | extent
 * pair       = key "=" value                      ; value: "quoted", without any escape, or bare
 * extent     = access sectors type [ '"' name '"' [ start [ partition-uuid [ device-id ] ] ] ]
 * access     = "RW" | "RDONLY" | "NOACCESS"
 * ```
 *
 * Keys and keywords are read in any case, the first of equal keys wins, and unknown keys are ignored. A line
 * that is none of these is refused, because skipping it could make the disk shorter without notice. Lines that
 * begin with `ddb.` cannot do that: they are left out of the metadata, with a warning.
 *
 * Source: VMware's technical note "Virtual Disk Format 5.0". Where readers differ, the choices are listed in
 * `tests/disks/vmdk/descriptor/descriptor_test.ts`.
 */

import { FormatError } from "../../../errors.ts";
import { SECTOR_BYTES } from "../../../sector.ts";
import { type EncryptionLine, namesEncryption } from "./encryption.ts";
import { type Decode, decoderFor, type Line, linesOf } from "./text.ts";
import { cannotOpen, quoted } from "../../refusal.ts";

/** The longest descriptor that is read; qemu-img and 7-Zip have the same limit. */
export const DESCRIPTOR_LIMIT_BYTES = 1 << 20;
/** The largest VMDK, 64 TiB: more than vSphere's 62 TB, and small enough that all sums are safe integers. */
export const CAPACITY_LIMIT_BYTES = 2 ** 46;

/** The limit of extents: 64 TiB in pieces of 2 GiB are 32768. */
export const EXTENT_LIMIT = 40000;

const NO_CID = 0xffffffff;

/** One extent line. */
export interface ExtentLine {
  access: "RW" | "RDONLY" | "NOACCESS";
  sizeBytes: number;
  /** The type in capitals: `FLAT`, `SPARSE`, `ZERO`, `VMFS` and so on, or an unknown word. */
  type: string;
  /** The file name as it is written; `ZERO` lines have none. */
  name?: string;
  /** The byte of the file where the extent begins. */
  startBytes: number;
  /** Where the line begins in the descriptor's file, for messages. */
  offsetBytes: number;
}

/** The contents of a descriptor. */
export interface Descriptor {
  cid?: number;
  /** The content id of the parent; set if the disk is a snapshot or a linked clone. */
  parentCid?: number;
  /** The path of the parent as it is written. */
  parentName?: string;
  /**
   * The createType as written, empty if absent. It is only reported: the extent lines decide how the disk is
   * read.
   */
  createType: string;
  extents: readonly ExtentLine[];
  /** The size of the disk, the sum of the extents. */
  capacityBytes: number;
  /** The disk data base: keys without `ddb.`, as written and in their order. */
  metadata: ReadonlyMap<string, string>;
  /** The lines that say that the content of the disk is encrypted. */
  encryption: readonly EncryptionLine[];
}

// Lines have one character for each byte, and \s would also match 0xA0, which occurs in many UTF-8 names.
const EXTENT =
  /^(RW|RDONLY|NOACCESS)[ \t]+(\d{1,18})[ \t]+(\w+)(?:[ \t]+"([^"]*)"(?:[ \t]+(\d{1,18})(?:[ \t]+[^ \t"]+){0,2})?)?$/i;
const PAIR = /^([^ \t"=]+)[ \t]*=[ \t]*(?:"([^"]*)"|([^"]*))$/;
const DDB = /^ddb\./i;
const ACCESS = /^(RW|RDONLY|NOACCESS)([ \t]|$)/i;

/**
 * Reads a descriptor of at most {@linkcode DESCRIPTOR_LIMIT_BYTES}. NUL bytes may follow the text, which
 * begins at byte `beginBytes` of the file `path`.
 * @throws {FormatError} if it is not understood or exceeds a limit
 */
export function parseDescriptor(
  bytes: Uint8Array,
  { path, beginBytes = 0, warn }: { path: string; beginBytes?: number; warn?: (message: string) => void },
): Descriptor {
  const header = new Map<string, string>();
  const metadata = new Map<string, string>();
  const seen = new Set<string>();
  const extents: ExtentLine[] = [];
  const encryption: EncryptionLine[] = [];
  const leftOut: string[] = [];
  let capacityBytes = 0;

  const lines = linesOf(bytes, { path, beginBytes });
  const decode = decoderFor(lines, path);
  for (const [index, line] of lines.entries()) {
    if (line.text === "" || line.text.startsWith("#")) continue;
    if (ACCESS.test(line.text)) {
      const extent = parseExtent(line, { path, decode });
      capacityBytes += extent.sizeBytes;
      if (extents.push(extent) > EXTENT_LIMIT || capacityBytes > CAPACITY_LIMIT_BYTES) {
        throw cannotOpen(path, `more than ${EXTENT_LIMIT} extents or 64 TiB are described`, line);
      }
      continue;
    }
    const [key, value] = parsePair(line, path);
    if (namesEncryption(key, value)) {
      encryption.push({ number: index + 1, offsetBytes: line.offsetBytes, key, value });
    }
    const name = key.toLowerCase();
    if (seen.has(name)) continue;
    if (name.startsWith("ddb.")) {
      const pair = decodedPair(line, { key, value, decode });
      if (pair === undefined) {
        leftOut.push(`line ${index + 1}, ${quoted(line.text)}`);
        continue;
      }
      metadata.set(...pair);
    } else header.set(name, value);
    seen.add(name);
  }
  if (leftOut.length > 0) warn?.(leftOutWarning(leftOut, path));

  if (extents.length === 0) throw cannotOpen(path, "the descriptor has no extents");
  checkVersion(header.get("version"), path);
  const parentCid = parentCidOf(header, { path, extents });
  return {
    cid: parseCid(header.get("cid"), path),
    parentCid,
    parentName: parentCid === undefined ? undefined : decode(header.get("parentfilenamehint") ?? ""),
    // It is only reported, so its encoding does not matter.
    createType: header.get("createtype") ?? "",
    extents,
    capacityBytes,
    metadata,
    encryption,
  };
}

/**
 * Returns the content id of the parent, or undefined if the disk is not a snapshot. Some programs write 00000000
 * for no parent. Flat extents contain all of a disk, so with that number and without a hint they have none.
 */
function parentCidOf(
  header: ReadonlyMap<string, string>,
  { path, extents }: { path: string; extents: readonly ExtentLine[] },
): number | undefined {
  const cid = parseCid(header.get("parentcid"), path);
  if (cid === NO_CID) return undefined;
  const isAlone = cid === 0 && !header.get("parentfilenamehint") &&
    extents.every(({ type }) => type === "FLAT" || type === "VMFS" || type === "ZERO");
  return isAlone ? undefined : cid;
}

/** Returns where the flat extents in each file end, by the names in their lines, in bytes of the file. */
export function endsOfFlatExtents(extents: readonly ExtentLine[]): Map<string, number> {
  const ends = new Map<string, number>();
  for (const { type, name, startBytes, sizeBytes } of extents) {
    if (name === undefined || (type !== "FLAT" && type !== "VMFS")) continue;
    ends.set(name, Math.max(startBytes + sizeBytes, ends.get(name) ?? 0));
  }
  return ends;
}

/** The number of lines that the warning shows. */
const SHOWN_LINES = 3;

function leftOutWarning(lines: readonly string[], path: string): string {
  const more = lines.length > SHOWN_LINES ? `; and ${lines.length - SHOWN_LINES} more` : "";
  return `Disk "${path}": the disk data base has lines that are not understood and are left out of the ` +
    `metadata: ${lines.slice(0, SHOWN_LINES).join("; ")}${more}`;
}

/** Returns the key and the value of a line of the disk data base as text, or undefined if they are not understood. */
function decodedPair(
  line: Line,
  { key, value, decode }: { key: string; value: string; decode: Decode },
): [key: string, value: string] | undefined {
  if (!PAIR.test(line.text) || key.length <= "ddb.".length) return undefined;
  try {
    return [decode(key.slice("ddb.".length)), decode(value)];
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

function parseExtent(
  line: Line,
  { path, decode }: { path: string; decode: Decode },
): ExtentLine {
  const match = EXTENT.exec(line.text);
  const sectors = BigInt(match?.[2] ?? 0);
  const startSector = BigInt(match?.[5] ?? 0);
  const sectorLimit = BigInt(CAPACITY_LIMIT_BYTES / SECTOR_BYTES);
  const fits = sectors >= 1n && sectors <= sectorLimit && startSector <= sectorLimit;
  if (match === null || !fits) {
    throw cannotOpen(path, `extent line not understood: ${quoted(line.text)}`, line);
  }
  return {
    access: match[1].toUpperCase() as ExtentLine["access"],
    sizeBytes: Number(sectors) * SECTOR_BYTES,
    type: match[3].toUpperCase(),
    name: match[4] === undefined ? undefined : decode(match[4]),
    startBytes: Number(startSector) * SECTOR_BYTES,
    offsetBytes: line.offsetBytes,
  };
}

/**
 * Splits a pair. A line of the disk data base says nothing about the content, so one that is not a pair is split,
 * too: VirtualBox writes the description of a disk to `ddb.comment` without escaping its quotes.
 */
function parsePair(line: Line, path: string): [key: string, value: string] {
  const match = PAIR.exec(line.text);
  if (match === null && DDB.test(line.text)) {
    const end = line.text.indexOf("=");
    return end < 0 ? [line.text, ""] : [line.text.slice(0, end).trimEnd(), line.text.slice(end + 1)];
  }
  if (match === null) throw cannotOpen(path, `descriptor line not understood: ${quoted(line.text)}`, line);
  return [match[1], match[2] ?? match[3]];
}

/**
 * Checks the version. 2 came with the encryption of hosted products, 3 with change tracking; the extents of
 * both are read like those of 1.
 */
function checkVersion(version: string | undefined, path: string): void {
  if (version === undefined || /^[123]$/.test(version)) return;
  throw cannotOpen(path, `the descriptor has version ${quoted(version)}, 1 to 3 are known`);
}

function parseCid(text: string | undefined, path: string): number | undefined {
  if (text === undefined) return undefined;
  if (/^[0-9a-f]{1,8}$/i.test(text)) return parseInt(text, 16);
  throw cannotOpen(path, `the content id ${quoted(text)} is no hexadecimal number of 32 bits`);
}
