/**
 * Writes descriptors exactly in the shape of VMware's products: libvmdk needs the three comments, qemu-img
 * counts an extent twice if a blank line stands before it, and ESXi reads only the usual spelling.
 */

import { UsageError } from "../../../errors.ts";
import { SECTOR_BYTES } from "../../../sector.ts";
import { quoted } from "../../refusal.ts";
import { bytesOf, charsOf, encodingOf, hasByteOrderMark, type Line, linesOf } from "./text.ts";

/** The kinds of VMDKs that are made, as their descriptors call them, and the type of their one extent. */
const EXTENT_TYPES = {
  monolithicFlat: "FLAT",
  vmfs: "VMFS",
  monolithicSparse: "SPARSE",
  streamOptimized: "SPARSE",
} as const;

/** A kind of VMDK that is made. */
export type NewVmdkFormat = keyof typeof EXTENT_TYPES;

/** The description of a new disk with one extent. */
export interface NewDescriptor {
  createType: NewVmdkFormat;
  /** A number of 32 bits, neither 0xffffffff (none) nor 0xfffffffe (which VMware gives untouched disks). */
  cid: number;
  capacityBytes: number;
  /**
   * The file name of the extent without a folder. For an embedded descriptor it is the name of its own file.
   */
  extentName: string;
  /** The disk data base, with keys without `ddb.`. */
  metadata: ReadonlyMap<string, string>;
}

/**
 * Returns the descriptor of a new disk at `path`.
 * @throws {UsageError} if a name, key or value cannot be written in a descriptor
 */
export function formatDescriptor(disk: NewDescriptor, path: string): Uint8Array {
  if (!isQuotable(disk.extentName)) {
    throw new UsageError(
      `Cannot create disk "${path}": a descriptor cannot express the file name ${quoted(disk.extentName)}`,
    );
  }
  const type = EXTENT_TYPES[disk.createType];
  // qemu-img requires a start sector in FLAT lines and refuses one in VMFS lines.
  const start = type === "FLAT" ? " 0" : "";
  return new TextEncoder().encode([
    "# Disk DescriptorFile",
    "version=1",
    'encoding="UTF-8"',
    `CID=${disk.cid.toString(16).padStart(8, "0")}`,
    "parentCID=ffffffff",
    `createType="${disk.createType}"`,
    "",
    "# Extent description",
    `RW ${disk.capacityBytes / SECTOR_BYTES} ${type} "${disk.extentName}"${start}`,
    "",
    "# The Disk Data Base",
    "#DDB",
    "",
    ...metadataLines(disk.metadata, path),
    "",
  ].join("\n"));
}

/**
 * Returns the descriptor of a new disk as it is embedded in `sizeBytes` of its file, filled up with NULs.
 * @throws {UsageError} as {@linkcode formatDescriptor}, and if there is not enough room
 */
export function formatEmbeddedDescriptor(
  disk: NewDescriptor,
  { path, sizeBytes }: { path: string; sizeBytes: number },
): Uint8Array {
  const text = formatDescriptor(disk, path);
  const embedded = new Uint8Array(sizeBytes);
  // qemu-img needs a NUL behind the text.
  if (text.length >= sizeBytes) {
    throw new UsageError(
      `Cannot create disk "${path}": its metadata make a descriptor of ${text.length} bytes, ` +
        `a ${disk.createType} VMDK has room for ${sizeBytes - 1}`,
    );
  }
  embedded.set(text);
  return embedded;
}

/**
 * Returns the descriptor `bytes` with `metadata` as its disk data base. Every other line stays as it is, byte
 * for byte. NULs behind the text are dropped.
 * @throws {UsageError} if a key or value cannot be written in a descriptor
 */
export function replaceMetadata(
  bytes: Uint8Array,
  metadata: ReadonlyMap<string, string>,
  path: string,
): Uint8Array {
  const lines = linesOf(bytes, { path });
  const lineEnd = /[\r\n]+$/.exec(lines[0]?.raw ?? "")?.[0] ?? "\n";
  const written = metadataLines(metadata, path);
  if (!isUtf8(encodingOf(lines)) && !written.every(isAscii)) {
    throw new UsageError(
      `Cannot write metadata to disk "${path}": its descriptor is in ${
        encodingOf(lines)
      }, values are not ASCII`,
    );
  }
  const encoder = new TextEncoder();
  const block = written.map((line) => charsOf(encoder.encode(line + lineEnd)));

  const first = lines.findIndex(isMetadata);
  const before = first < 0 ? lines : lines.slice(0, first);
  const after = first < 0 ? [] : lines.slice(first).filter((line) => !isMetadata(line));
  const head = before.map((line) => line.raw);
  // The last line of the file may lack its end.
  if (head.length > 0 && !/[\r\n]$/.test(head.at(-1)!)) head.push(lineEnd);
  if (!lines.some((line) => /^#\s*the disk data base/i.test(line.text))) {
    head.push(`# The Disk Data Base${lineEnd}`);
  }
  return bytesOf(
    [hasByteOrderMark(bytes) ? "\xef\xbb\xbf" : "", ...head, ...block, ...after.map((line) => line.raw)].join(
      "",
    ),
  );
}

/**
 * Returns the descriptor `bytes` with another content id, in its header and at the end of its
 * `longContentID`.
 */
export function replaceContentId(bytes: Uint8Array, cid: number, path: string): Uint8Array {
  const digits = cid.toString(16).padStart(8, "0");
  const lines = linesOf(bytes, { path }).map(({ raw }) =>
    raw
      .replace(/^(\s*CID\s*=\s*)[0-9a-f]+/i, `$1${digits}`)
      .replace(/^(\s*ddb\.longContentID\s*=\s*"?[0-9a-f]{24})[0-9a-f]{8}/i, `$1${digits}`)
  );
  return bytesOf([hasByteOrderMark(bytes) ? "\xef\xbb\xbf" : "", ...lines].join(""));
}

function metadataLines(metadata: ReadonlyMap<string, string>, path: string): string[] {
  return [...metadata].map(([key, value]) => {
    if (/^[^\s"=#]+$/.test(key) && isQuotable(key) && isQuotable(value)) return `ddb.${key} = "${value}"`;
    throw new UsageError(
      `Cannot write metadata to disk "${path}": a descriptor cannot express ${quoted(key)} = ${
        quoted(value)
      }`,
    );
  });
}

/** Whether `text` can stand inside quotes: there is no escape, and a line ends at the first line break. */
function isQuotable(text: string): boolean {
  return !/["\p{Cc}]/u.test(text) && text.isWellFormed();
}

function isMetadata({ text }: Line): boolean {
  return /^ddb\./i.test(text);
}

function isAscii(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text);
}

function isUtf8(encoding: string): boolean {
  return encoding === "utf-8" || encoding === "utf8";
}
