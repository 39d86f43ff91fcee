/**
 * Opens the extent that an extent line describes. The type in the line decides, and the file must be of that
 * type.
 */

import { OBJECT_ADVICE } from "../inside_folder.ts";
import { detectKind, type FileKind, SNIFF_BYTES } from "../detect.ts";
import { cannotOpen, quoted } from "../../refusal.ts";
import type { ExtentLine } from "../descriptor/descriptor.ts";
import type { ExtentFile, ExtentReader } from "./extent.ts";
import type { ExtentFiles } from "./files.ts";
import { openCowdExtent } from "./cowd.ts";
import { FlatExtent } from "./flat.ts";
import { openHostedExtent, readHostedHeader } from "./hosted/open.ts";
import { openSeSparseExtent } from "./sesparse.ts";
import type { ExtentPool } from "./pool.ts";
import { ZeroExtent } from "./zero.ts";
import type { InflateRoom } from "./hosted/inflate.ts";
import type { TableCache } from "./grains/table_cache.ts";

/** The resources that all extents of a disk share. */
export interface Shared {
  cache: TableCache;
  room: InflateRoom;
  extents: ExtentPool;
  /** Called with one sentence for each oddity that does not stop the reading. */
  warn?: (message: string) => void;
}

/**
 * The limit of sparse extents: 16 TiB in pieces of 2 GiB, twice as much as Workstation makes. Each one is
 * opened, and its header takes memory.
 */
const SPARSE_LIMIT = 8192;

/**
 * The types of lines with sparse files, and the files that they may name. COWD files are read for SPARSE
 * lines, too, as qemu-img does.
 */
const SPARSE_TYPES: Readonly<Record<string, readonly FileKind[]>> = {
  SPARSE: ["sparse", "cowd"],
  VMFSSPARSE: ["cowd"],
  SESPARSE: ["seSparse"],
};

/**
 * Opens the extent of a line in the descriptor `path`.
 * @throws {FormatError} if it cannot be read
 */
export function openExtent(
  line: ExtentLine,
  { path, files, shared }: { path: string; files: ExtentFiles; shared: Shared },
): ExtentReader {
  checkExtentLine(line, path);
  const { name, type, startBytes, sizeBytes } = line;
  if (name === undefined) return new ZeroExtent(sizeBytes);
  if (!Object.hasOwn(SPARSE_TYPES, type)) {
    files.add(name, startBytes + sizeBytes);
    return new FlatExtent(files.file(name), { startBytes, sizeBytes });
  }
  files.add(name, 0);
  const file = files.file(name);
  if (shared.extents.count >= SPARSE_LIMIT) {
    throw cannotOpen(path, `it and its parents have more than ${SPARSE_LIMIT} sparse extents`, {
      offsetBytes: line.offsetBytes,
    });
  }
  const key = `${type} ${sizeBytes} ${file.path}`;
  return shared.extents.add(key, () => openSparseExtent(line, { path, file, shared }));
}

/** Only sparse extents go through the pool, because the readers of the others are small. */
function openSparseExtent(
  line: ExtentLine,
  { path, file, shared }: { path: string; file: ExtentFile; shared: Shared },
): ExtentReader {
  const { type, sizeBytes } = line;
  const kind = kindOf(file);
  if (kind === undefined || !SPARSE_TYPES[type].includes(kind)) {
    throw cannotOpen(path, `the extent ${quoted(line.name!)} is not what its type ${type} says`, {
      offsetBytes: line.offsetBytes,
    });
  }
  switch (kind) {
    case "cowd":
      return openCowdExtent(file, { ...shared, sizeBytes });
    case "seSparse":
      return openSeSparseExtent(file, { ...shared, sizeBytes });
    default: {
      const header = readHostedHeader(file);
      if (header.uncleanShutdown) warnOfUncleanShutdown(file.path, shared);
      return openHostedExtent(file, header, { ...shared, sizeBytes });
    }
  }
}

/** Warns of a hosted sparse file that its writer did not close. Such a file can usually be read. */
export function warnOfUncleanShutdown(path: string, { warn }: Shared): void {
  warn?.(`Disk "${path}" was not closed by its last writer, it may be incomplete`);
}

/**
 * Checks whether a line can be read.
 * @throws {FormatError} if it cannot
 */
export function checkExtentLine(
  { access, type, name, startBytes, offsetBytes }: ExtentLine,
  path: string,
): void {
  const refuse = (reason: string) => cannotOpen(path, reason, { offsetBytes });
  if (access === "NOACCESS") throw refuse("an extent has the access NOACCESS");
  const isSparse = Object.hasOwn(SPARSE_TYPES, type);
  if (isSparse || type === "FLAT" || type === "VMFS" || type === "ZERO") {
    const wantsName = type !== "ZERO";
    if (wantsName !== (name !== undefined)) {
      throw refuse(`an extent of type ${type} ${wantsName ? "lacks" : "has"} a file name`);
    }
    if (isSparse && startBytes !== 0) throw refuse(`an extent of type ${type} has a start in its file`);
    return;
  }
  if (type === "VMFSRDM" || type === "VMFSRAW") throw refuse(`the extent type "${type}" names a device`);
  const store = /^VSAN/.test(type) ? "vSAN" : /^VVOL/.test(type) ? "virtual volumes (VVol)" : undefined;
  if (store !== undefined) throw refuse(`the extent type "${type}" is one of ${store}; ${OBJECT_ADVICE}`);
  throw refuse(`the extent type ${quoted(type)} is unknown`);
}

function kindOf(file: ExtentFile): FileKind | undefined {
  const first = new Uint8Array(Math.min(SNIFF_BYTES, file.sizeBytes));
  file.image().read(first, 0);
  return detectKind(first);
}
