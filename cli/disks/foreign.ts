/**
 * Recognises files that contain a disk, or are a part of one, in a format that the program does not read: images
 * of other hypervisors, archives, compressed files. As a raw disk such a file can be backed up, but the backup
 * holds the container and not the disk inside it.
 *
 * The first bytes are those that the formats document: qcow2, QED and Parallels in qemu's `docs/interop/`, VDI in
 * VirtualBox's `VDICore.h`, VHD and VHDX in Microsoft's specifications, tar in POSIX.1 (pax), the others as in the
 * data base of file(1).
 */

import type { ImageFile } from "./image_file.ts";
import { quoted } from "./refusal.ts";

/** A format that the program does not read. */
interface ForeignFormat {
  /** With its article: `a qcow2 image`. */
  name: string;
  /** The way to the disk inside. */
  advice: string;
}

const CONVERT = "convert it first (qemu-img convert -O raw)";
const UNPACK = "unpack it first";
const DECOMPRESS = "decompress it first";
const RESTORE = "restore it first (vmdkbkp restore --create)";
const JOIN = "join the parts first";
const OWN_TOOL = "restore it first with the program that made it";

const QCOW2: ForeignFormat = { name: "a qcow2 image", advice: CONVERT };
const VDI: ForeignFormat = { name: "a VDI image of VirtualBox", advice: CONVERT };
const VHD: ForeignFormat = { name: "a VHD image", advice: CONVERT };
const VHDX: ForeignFormat = { name: "a VHDX image", advice: CONVERT };
const QED: ForeignFormat = { name: "a QED image", advice: CONVERT };
const PARALLELS: ForeignFormat = { name: "an image of Parallels", advice: CONVERT };
const DMG: ForeignFormat = { name: "a disk image of macOS", advice: CONVERT };
const OVA: ForeignFormat = { name: "an OVA", advice: UNPACK };
const BOX: ForeignFormat = { name: "a Vagrant box", advice: UNPACK };
const TAR: ForeignFormat = { name: "a tar archive", advice: UNPACK };
const ZIP: ForeignFormat = { name: "a zip archive", advice: UNPACK };
const SEVEN_ZIP: ForeignFormat = { name: "a 7-Zip archive", advice: UNPACK };
const RAR: ForeignFormat = { name: "a RAR archive", advice: UNPACK };
const VMA: ForeignFormat = { name: "a backup of Proxmox", advice: OWN_TOOL };
const EWF: ForeignFormat = { name: "an EnCase image", advice: OWN_TOOL };
const OWN_ARCHIVE: ForeignFormat = { name: "an archive of vmdkbkp", advice: RESTORE };
const DESCRIPTOR: ForeignFormat = {
  name: "the descriptor of a VMDK",
  advice: "say --format vmdk to read it as a VMDK",
};
const MACHINE: ForeignFormat = {
  name: "the description of a virtual machine",
  advice: "name one of its disks",
};
const PART: ForeignFormat = { name: "one part of a split file", advice: JOIN };

function compressed(program: string): ForeignFormat {
  return { name: `compressed by ${program}`, advice: DECOMPRESS };
}

const GZIP = compressed("gzip");
const ZSTD = compressed("zstd");
const XZ = compressed("xz");
const LZ4 = compressed("lz4");
const BZIP2 = compressed("bzip2");

/** Bytes at a place of the file, one character for each byte; negative places count from the end. */
const MAGICS: readonly (readonly [at: number, bytes: string, format: ForeignFormat])[] = [
  [0, "QFI\xfb", QCOW2],
  [64, "\x7f\x10\xda\xbe", VDI],
  [0, "vhdxfile", VHDX],
  [0, "conectix", VHD],
  [-512, "conectix", VHD],
  [0, "QED\0", QED],
  [0, "WithoutFreeSpace", PARALLELS],
  [0, "WithouFreSpacExt", PARALLELS],
  [-512, "koly", DMG],
  [257, "ustar", TAR],
  [0, "PK\x03\x04", ZIP],
  [0, "7z\xbc\xaf\x27\x1c", SEVEN_ZIP],
  [0, "Rar!\x1a\x07", RAR],
  [0, "VMA\0", VMA],
  [0, "EVF\x09\x0d\x0a\xff\0", EWF],
  [0, "\x1f\x8b\x08", GZIP],
  [0, "\x28\xb5\x2f\xfd", ZSTD],
  [0, "\xfd7zXZ\0", XZ],
  [0, "\x04\x22\x4d\x18", LZ4],
  [0, "\x02\x21\x4c\x18", LZ4],
  [4, "1AY&SY", BZIP2],
  [0, "LZIP\x01", compressed("lzip")],
  [0, "\x89LZO\0\r\n\x1a\n", compressed("lzop")],
];

/** Suffixes in lower case. */
const SUFFIXES: readonly (readonly [suffixes: readonly string[], format: ForeignFormat])[] = [
  [[".qcow2", ".qcow", ".qcow3"], QCOW2],
  [[".vdi"], VDI],
  [[".vhd", ".avhd", ".vpc"], VHD],
  [[".vhdx", ".avhdx"], VHDX],
  [[".qed"], QED],
  [[".hdd", ".hds"], PARALLELS],
  [[".dmg", ".sparseimage"], DMG],
  [[".ova"], OVA],
  [[".box"], BOX],
  [[".tar"], TAR],
  [[".tgz", ".txz", ".tbz", ".tbz2", ".tzst"], { name: "a compressed tar archive", advice: UNPACK }],
  [[".zip"], ZIP],
  [[".7z"], SEVEN_ZIP],
  [[".rar"], RAR],
  [[".vma"], VMA],
  [[".e01", ".ex01"], EWF],
  [[".gho", ".tib", ".tibx", ".mrimg", ".vbk", ".vib", ".wim"], {
    name: "a backup of another program",
    advice: OWN_TOOL,
  }],
  [[".gz", ".gzip"], GZIP],
  [[".zst", ".zstd"], ZSTD],
  [[".xz"], XZ],
  [[".lz4"], LZ4],
  [[".bz2"], BZIP2],
  [[".lzma"], compressed("xz")],
  [[".lz"], compressed("lzip")],
  [[".lzo"], compressed("lzop")],
  [[".z"], compressed("compress")],
  [[".dump", ".rdiff", ".digest"], OWN_ARCHIVE],
  [[".ovf", ".vmx", ".vmtx", ".vbox"], MACHINE],
];

/**
 * An OVA and a box are tar archives, and the first part of a split file begins like the whole, so that their names
 * tell more than their first bytes.
 */
const NAMED_BY_SUFFIX: readonly ForeignFormat[] = [OVA, BOX, PART];

/**
 * Names of parts: the chunks of an OVF (DSP0243: nine digits), numbered parts of a file with a suffix of a disk or
 * an archive, and `X.part01`.
 */
const PART_NAME =
  /\.\d{9}$|\.(?:ova|vmdk|vdi|vhdx?|qcow2?|tar|zip|7z|rar|gz|xz|zst|img|raw|dump)\.\d{2,}$|\.part\d+$/i;

/** The numbers at the start of a dump, an rdiff or a digest; see FORMAT.md. */
const ARCHIVE = /^[1-9]\d{0,15}\0[1-9]\d{0,8}\0(?:\d{1,10}\0[01]\0)?16\0[^]{16}(?:\d{1,4}\0){8}-?\d\0/;

const FIRST_BYTES = 512;

/**
 * Returns what `image` is if it is in a foreign format, for a message: the name of the format, how it was
 * recognised, and the way to the disk inside. Only regular files are recognised by their names.
 */
export function foreignFormatOf(
  image: ImageFile,
  { isDescriptor }: { isDescriptor: boolean },
): (ForeignFormat & { by: string }) | undefined {
  if (isDescriptor) return { ...DESCRIPTOR, by: "by its first lines" };
  const bySuffix = formatOfName(image.path);
  const byMagic = formatOfBytes(image);
  if (bySuffix !== undefined && (byMagic === undefined || NAMED_BY_SUFFIX.includes(bySuffix))) {
    return { ...bySuffix, by: "by its name" };
  }
  return byMagic && { ...byMagic, by: "by its first bytes" };
}

/** Returns the end of a refusal of a file that should be a VMDK and is in a foreign format; empty for others. */
export function foreignHint(image: ImageFile): string {
  const found = foreignFormatOf(image, { isDescriptor: false });
  return found === undefined ? "" : `; ${found.by} it is ${found.name}, ${found.advice}`;
}

/** The warning about a raw disk in a foreign format; `action` is `read` or `written`. */
export function foreignWarning(
  image: ImageFile,
  { isDescriptor, action }: { isDescriptor: boolean; action: "read" | "written" },
): string | undefined {
  const found = foreignFormatOf(image, { isDescriptor });
  if (found === undefined) return undefined;
  const effect = action === "read"
    ? "a backup of it holds this file and not the disk inside it"
    : "the disk is written over this file and not into it";
  return `Disk ${
    quoted(image.path)
  } is ${action} as raw bytes, but ${found.by} it is ${found.name}: ${effect}; ` +
    `${found.advice}, or say --format raw if its bytes are meant`;
}

function formatOfName(path: string): ForeignFormat | undefined {
  if (path.startsWith("/dev/")) return undefined;
  const name = path.toLowerCase();
  const [, format] = SUFFIXES.find(([suffixes]) => suffixes.some((suffix) => name.endsWith(suffix))) ?? [];
  return format ?? (PART_NAME.test(path) ? PART : undefined);
}

function formatOfBytes(image: ImageFile): ForeignFormat | undefined {
  const first = charsAt(image, 0, FIRST_BYTES);
  const last = image.sizeBytes < FIRST_BYTES
    ? ""
    : charsAt(image, image.sizeBytes - FIRST_BYTES, FIRST_BYTES);
  const found = MAGICS.find(([at, bytes]) =>
    at < 0 ? last.startsWith(bytes, FIRST_BYTES + at) : first.startsWith(bytes, at)
  );
  return found?.[2] ?? (ARCHIVE.test(first) ? OWN_ARCHIVE : undefined);
}

/** Returns up to `lengthBytes` bytes of the file, one character for each byte; none if they cannot be read. */
function charsAt(image: ImageFile, offsetBytes: number, lengthBytes: number): string {
  const bytes = new Uint8Array(Math.min(lengthBytes, image.sizeBytes - offsetBytes));
  try {
    image.read(bytes, offsetBytes);
  } catch {
    // The job that reads the disk reports the error, with its place.
    return "";
  }
  return String.fromCharCode(...bytes);
}
