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
 * Keys and keywords count in any case, the first of equal keys wins, unknown keys are kept and ignored. A line that
 * is none of these is refused: to skip it could make the disk shorter without a word.
 * Source: VMware's technical note "Virtual Disk Format 5.0"; where readers differ, the table of choices is in
 * `tests/disks/vmdk/descriptor/descriptor_test.ts`.
 */

import { SECTOR_BYTES } from "../../../sector.ts";
import { decoderFor, type Line, linesOf } from "./text.ts";
import { cannotOpen, quoted } from "../../refusal.ts";

/** Longest descriptor that is read; the limit of qemu-img and 7-Zip. */
export const DESCRIPTOR_LIMIT_BYTES = 1 << 20;
/** Largest VMDK, 64 TiB: above vSphere's 62 TB, and low enough that no sum leaves the safe integers. */
export const CAPACITY_LIMIT_BYTES = 2 ** 46;

/** 64 TiB in pieces of 2 GiB are 32768. */
export const EXTENT_LIMIT = 40000;

const NO_CID = 0xffffffff;

/** One extent line. */
export interface ExtentLine {
  access: "RW" | "RDONLY" | "NOACCESS";
  sizeBytes: number;
  /** In capitals: `FLAT`, `SPARSE`, `ZERO`, `VMFS` ... or a type nobody knows. */
  type: string;
  /** As it is written; no name in `ZERO` lines. */
  name?: string;
  /** Where the extent begins in its file. */
  startBytes: number;
  /** The line in the file, for messages. */
  offsetBytes: number;
}

/** What a descriptor says. */
export interface Descriptor {
  cid?: number;
  /** Set if the disk is a child: a snapshot or linked clone. */
  parentCid?: number;
  /** Where the parent is said to be, as it is written. */
  parentName?: string;
  /** As written; empty if absent. It is reported only: the extent lines decide how the disk is read. */
  createType: string;
  extents: readonly ExtentLine[];
  /** Sum of the extents. */
  capacityBytes: number;
  /** Keys of the disk data base without `ddb.`, as written and in their order. */
  metadata: ReadonlyMap<string, string>;
}

// Lines have one character a byte, where \s would also match 0xA0, a part of many a UTF-8 name.
const EXTENT =
  /^(RW|RDONLY|NOACCESS)[ \t]+(\d{1,18})[ \t]+(\w+)(?:[ \t]+"([^"]*)"(?:[ \t]+(\d{1,18})(?:[ \t]+[^ \t"]+){0,2})?)?$/i;
const PAIR = /^([^ \t"=]+)[ \t]*=[ \t]*(?:"([^"]*)"|([^"]*))$/;
const ACCESS = /^(RW|RDONLY|NOACCESS)([ \t]|$)/i;

/**
 * Reads a descriptor of at most {@linkcode DESCRIPTOR_LIMIT_BYTES}; NUL bytes may follow the text. It begins at byte
 * `beginBytes` of the file `path`.
 * @throws {FormatError} if it is not understood or beyond a limit
 */
export function parseDescriptor(
  bytes: Uint8Array,
  { path, beginBytes = 0 }: { path: string; beginBytes?: number },
): Descriptor {
  const header = new Map<string, string>();
  const metadata = new Map<string, string>();
  const seen = new Set<string>();
  const extents: ExtentLine[] = [];
  let capacityBytes = 0;

  const lines = linesOf(bytes, { path, beginBytes });
  const decode = decoderFor(lines, path);
  for (const line of lines) {
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
    const name = key.toLowerCase();
    if (seen.has(name)) continue;
    seen.add(name);
    if (name.startsWith("ddb.")) metadata.set(decode(key.slice("ddb.".length)), decode(value));
    else header.set(name, value);
  }

  if (extents.length === 0) throw cannotOpen(path, "the descriptor has no extents");
  checkVersion(header.get("version"), path);
  const parentCid = parseCid(header.get("parentcid"), path);
  return {
    cid: parseCid(header.get("cid"), path),
    parentCid: parentCid === NO_CID ? undefined : parentCid,
    parentName: parentCid === NO_CID || parentCid === undefined
      ? undefined
      : decode(header.get("parentfilenamehint") ?? ""),
    createType: decode(header.get("createtype") ?? ""),
    extents,
    capacityBytes,
    metadata,
  };
}

function parseExtent(
  line: Line,
  { path, decode }: { path: string; decode: (text: string) => string },
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

function parsePair(line: Line, path: string): [key: string, value: string] {
  const match = PAIR.exec(line.text);
  if (match === null) throw cannotOpen(path, `descriptor line not understood: ${quoted(line.text)}`, line);
  return [match[1], match[2] ?? match[3]];
}

/** 2 came with encryption of hosted products, 3 with change tracking; their extents are read as those of 1. */
function checkVersion(version: string | undefined, path: string): void {
  if (version === undefined || /^[123]$/.test(version)) return;
  throw cannotOpen(path, `the descriptor has version ${quoted(version)}, 1 to 3 are known`);
}

function parseCid(text: string | undefined, path: string): number | undefined {
  if (text === undefined) return undefined;
  if (/^[0-9a-f]{1,8}$/i.test(text)) return parseInt(text, 16);
  throw cannotOpen(path, `the content id ${quoted(text)} is no hexadecimal number of 32 bits`);
}
