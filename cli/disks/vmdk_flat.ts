/**
 * A VMDK of flat extents: a descriptor, and files that hold the bytes as they are (`FLAT`, `VMFS`) or nothing (`ZERO`).
 * Covers monolithicFlat, twoGbMaxExtentFlat, vmfs and mixtures of these by hand.
 */

import { UsageError } from "../errors.ts";
import type { Extent, ReadableDisk, WritableDisk } from "./disk.ts";
import { cannotOpen, checkRange, quoted } from "./refusal.ts";
import { replaceFile } from "./replace_file.ts";
import { adapterTypeOf, cidOf, drawCid, withDefaults } from "./vmdk_ddb.ts";
import { type Descriptor, type ExtentLine, parseDescriptor, refuseChild } from "./vmdk_descriptor.ts";
import { replaceContentId, replaceMetadata } from "./vmdk_descriptor_write.ts";
import { ExtentFiles, type ExtentFilesOptions } from "./vmdk_extent_files.ts";

/** A stretch of the disk and the place of its bytes; without a name it reads as zeros. */
interface Piece {
  beginBytes: number;
  endBytes: number;
  name?: string;
  startBytes: number;
}

/** createType is only reported, and only if it is a word we know: it comes from the file and goes to a terminal. */
const FORMATS = [
  "monolithicFlat",
  "twoGbMaxExtentFlat",
  "2GbMaxExtentFlat",
  "vmfs",
  "vmfsPreallocated",
  "vmfsEagerZeroedThick",
  "vmfsThin",
  "vmfsThick",
];

/** What extents of other types are, for the refusal. */
const OTHER_TYPES: Readonly<Record<string, string>> = {
  SPARSE: "is sparse; split sparse disks are not read yet",
  VMFSSPARSE: "is a vmfsSparse snapshot (COWD), which is not read yet",
  SESPARSE: "is a seSparse snapshot, which is not read yet",
};

/** A flat VMDK that exists; {@linkcode openFlatVmdk} opens it. */
class FlatVmdk implements ReadableDisk, WritableDisk {
  readonly path: string;
  readonly format: string;
  readonly capacityBytes: number;
  readonly fresh = false;
  readonly keepsMetadata = true;
  #metadata: ReadonlyMap<string, string>;
  #text: Uint8Array;
  #contentIdIsNew = false;
  readonly #pieces: readonly Piece[];
  readonly #files: ExtentFiles;

  constructor({ path, text, descriptor, pieces, files }: {
    path: string;
    text: Uint8Array;
    descriptor: Descriptor;
    pieces: readonly Piece[];
    files: ExtentFiles;
  }) {
    this.path = path;
    const createType = descriptor.createType.toLowerCase();
    this.format = FORMATS.find((known) => known.toLowerCase() === createType) ?? "custom";
    this.capacityBytes = descriptor.capacityBytes;
    this.#metadata = descriptor.metadata;
    this.#text = text;
    this.#pieces = pieces;
    this.#files = files;
  }

  get files(): readonly string[] {
    return [this.path, ...this.#files.paths];
  }

  get metadata(): ReadonlyMap<string, string> {
    return this.#metadata;
  }

  get adapterType(): number {
    return adapterTypeOf(this.#metadata);
  }

  extentAt(offsetBytes: number): Extent {
    checkRange(offsetBytes, 1, this);
    const { name, beginBytes, endBytes, startBytes } = this.#pieceAt(offsetBytes);
    if (name === undefined) return { endBytes, zero: true };
    const shiftBytes = startBytes - beginBytes;
    const extent = this.#files.get(name).extentAt(offsetBytes + shiftBytes);
    return { endBytes: Math.min(extent.endBytes - shiftBytes, endBytes), zero: extent.zero };
  }

  async read(into: Uint8Array, offsetBytes: number): Promise<void> {
    for (const { piece, part, atBytes } of this.#split(into, offsetBytes)) {
      if (piece.name === undefined) part.fill(0);
      else await this.#files.get(piece.name).readBulk(part, atBytes);
    }
  }

  /** The first write gives the disk another content id: snapshots made on its old content must not fit any more. */
  async write(from: Uint8Array, offsetBytes: number): Promise<void> {
    if (!this.#contentIdIsNew) this.#replaceText(replaceContentId(this.#text, drawCid(), this.path));
    this.#contentIdIsNew = true;
    for (const { piece, part, atBytes } of this.#split(from, offsetBytes)) {
      if (piece.name !== undefined) {
        await this.#files.write(piece.name, part, atBytes);
      } else if (part.some((byte) => byte !== 0)) {
        throw new UsageError(
          `Cannot write disk "${this.path}": data are given for the bytes ${piece.beginBytes} to ${piece.endBytes}, ` +
            `which are an extent of type ZERO and hold none`,
        );
      }
    }
  }

  /**
   * The disk data base becomes `metadata` and what every disk needs beyond it; header and extent lines stay as they are,
   * but for the content id, which the metadata may name.
   */
  writeMetadata(metadata: ReadonlyMap<string, string>): void {
    const { capacityBytes, adapterType } = this;
    const all = withDefaults(metadata, { capacityBytes, adapterType });
    const cid = cidOf(all);
    const text = replaceMetadata(this.#text, all, this.path);
    this.#replaceText(cid === undefined ? text : replaceContentId(text, cid, this.path));
    this.#contentIdIsNew ||= cid !== undefined;
    this.#metadata = all;
  }

  #replaceText(text: Uint8Array): void {
    replaceFile(this.path, text);
    this.#text = text;
  }

  sync(): void {
    this.#files.sync();
  }

  [Symbol.dispose](): void {
    this.#files[Symbol.dispose]();
  }

  /** The parts of `bytes` that lie in one piece each, and where they lie in its file. */
  *#split(
    bytes: Uint8Array,
    offsetBytes: number,
  ): Generator<{ piece: Piece; part: Uint8Array; atBytes: number }> {
    checkRange(offsetBytes, bytes.length, this);
    for (let done = 0; done < bytes.length;) {
      const at = offsetBytes + done;
      const piece = this.#pieceAt(at);
      const part = bytes.subarray(done, done + Math.min(bytes.length - done, piece.endBytes - at));
      yield { piece, part, atBytes: at - piece.beginBytes + piece.startBytes };
      done += part.length;
    }
  }

  #pieceAt(offsetBytes: number): Piece {
    let low = 0;
    let high = this.#pieces.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#pieces[middle].endBytes <= offsetBytes) low = middle + 1;
      else high = middle;
    }
    return this.#pieces[low];
  }
}

/**
 * Opens the flat VMDK whose descriptor has the bytes `text`. All files are found, opened once and measured here.
 * @throws {FormatError} if the descriptor is damaged, of another kind, or its files are not as it says
 */
export function openFlatVmdk(text: Uint8Array, options: ExtentFilesOptions): ReadableDisk & WritableDisk {
  const { path, write = false } = options;
  const descriptor = parseDescriptor(text, { path });
  refuseChild(descriptor, path);
  for (const line of descriptor.extents) checkExtent(line, { path, write });

  using scope = new DisposableStack();
  const files = scope.use(new ExtentFiles(options));
  const pieces = locate(descriptor.extents, files);
  if (write) refuseOverlap(pieces, path);
  scope.move();
  return new FlatVmdk({ path, text, descriptor, pieces, files });
}

function checkExtent(
  { access, type, name, offsetBytes }: ExtentLine,
  { path, write }: { path: string; write: boolean },
): void {
  if (access === "NOACCESS") throw cannotOpen(path, "an extent has the access NOACCESS", { offsetBytes });
  if (write && access !== "RW") {
    throw new UsageError(`Cannot open disk "${path}" for writing: an extent has the access ${access}`);
  }
  if (type === "ZERO" && name === undefined) return;
  if ((type === "FLAT" || type === "VMFS") && name !== undefined) return;
  if (type === "FLAT" || type === "VMFS" || type === "ZERO") {
    throw cannotOpen(path, `an extent of type ${type} ${name === undefined ? "lacks" : "has"} a file name`, {
      offsetBytes,
    });
  }
  if (type === "VMFSRDM" || type === "VMFSRAW") {
    throw cannotOpen(path, `the extent type "${type}" names a device`, { offsetBytes });
  }
  const other = OTHER_TYPES[type];
  if (other === undefined) {
    throw cannotOpen(path, `the extent type ${quoted(type)} is unknown`, { offsetBytes });
  }
  throw cannotOpen(path, `the extent ${quoted(name ?? "")} ${other}`, { offsetBytes });
}

/** A piece, and the identity of its file. */
type LocatedPiece = Piece & { file?: string };

function locate(lines: readonly ExtentLine[], files: ExtentFiles): LocatedPiece[] {
  let beginBytes = 0;
  return lines.map(({ name, startBytes, sizeBytes }) => {
    const file = name === undefined ? undefined : files.add(name, startBytes + sizeBytes);
    const piece = { name, file, startBytes, beginBytes, endBytes: beginBytes + sizeBytes };
    beginBytes = piece.endBytes;
    return piece;
  });
}

/** Two lines may lie in one file, but what is written through one must not change the other. */
function refuseOverlap(pieces: readonly LocatedPiece[], path: string): void {
  const reached = new Map<string, number>();
  for (const piece of pieces.toSorted((a, b) => a.startBytes - b.startBytes)) {
    if (piece.file === undefined) continue;
    if (piece.startBytes < (reached.get(piece.file) ?? 0)) {
      throw cannotOpen(path, `two extents share bytes of the file ${quoted(piece.name!)}`);
    }
    reached.set(piece.file, piece.startBytes + piece.endBytes - piece.beginBytes);
  }
}
