/**
 * A VMDK of flat extents that is written in place: a descriptor, and files that store the bytes as they are
 * (`FLAT`, `VMFS`), or no file (`ZERO`). This covers monolithicFlat, twoGbMaxExtentFlat, vmfs and mixtures
 * made by hand.
 */

import { UsageError } from "../../errors.ts";
import type { Extent, WritableDisk } from "../disk.ts";
import { cannotOpen, checkRange, quoted } from "../refusal.ts";
import { replaceFile } from "./replace_file.ts";
import {
  adapterTypeOf,
  cidOf,
  drawCid,
  standingAlone,
  withDefaults,
  withoutReferences,
} from "./descriptor/ddb.ts";
import { checkEncryption } from "./descriptor/encryption.ts";
import { type Descriptor, type ExtentLine, parseDescriptor } from "./descriptor/descriptor.ts";
import { replaceContentId, replaceMetadata } from "./descriptor/write.ts";
import { ExtentFiles, type ExtentFilesOptions } from "./extents/files.ts";
import { checkExtentLine } from "./extents/open.ts";
import { formatOf } from "./link.ts";

/** A run of the disk and where it is stored. Without a file name it reads as zeros. */
interface FlatPiece {
  beginBytes: number;
  endBytes: number;
  name?: string;
  startBytes: number;
}

/** An existing flat VMDK. {@linkcode openFlatVmdk} opens it. */
class FlatVmdk implements WritableDisk {
  readonly path: string;
  readonly format: string;
  readonly capacityBytes: number;
  readonly fresh = false;
  readonly keepsMetadata = true;
  #metadata: ReadonlyMap<string, string>;
  #text: Uint8Array;
  #contentIdIsNew = false;
  #cid?: number;
  readonly #pieces: readonly FlatPiece[];
  readonly #files: ExtentFiles;
  readonly #warn?: (line: string) => void;

  constructor({ path, text, descriptor, pieces, files, warn }: {
    path: string;
    text: Uint8Array;
    descriptor: Descriptor;
    pieces: readonly FlatPiece[];
    files: ExtentFiles;
    warn?: (line: string) => void;
  }) {
    this.path = path;
    this.format = formatOf(descriptor);
    this.capacityBytes = descriptor.capacityBytes;
    this.#metadata = descriptor.metadata;
    this.#cid = descriptor.cid;
    this.#text = text;
    this.#pieces = pieces;
    this.#files = files;
    this.#warn = warn;
  }

  get files(): readonly string[] {
    return [this.path, ...this.#files.paths];
  }

  /**
   * Writes bytes. The first write gives the disk another content id, so that snapshots of its old content do
   * not fit any more.
   */
  async write(from: Uint8Array, offsetBytes: number): Promise<void> {
    this.#renewContentId();
    for (const { piece, doneBytes, lenBytes, atBytes } of this.#split(offsetBytes, from.length)) {
      const part = from.subarray(doneBytes, doneBytes + lenBytes);
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

  /** Makes bytes zero, as holes where the file system can have them. The content id changes as with `write`. */
  async writeZeros(offsetBytes: number, lenBytes: number): Promise<void> {
    this.#renewContentId();
    for (const { piece, atBytes, ...part } of this.#split(offsetBytes, lenBytes)) {
      if (piece.name !== undefined) await this.#files.writeZeros(piece.name, atBytes, part.lenBytes);
    }
  }

  #renewContentId(): void {
    if (!this.#contentIdIsNew) {
      this.#cid = drawCid();
      this.#replaceText(replaceContentId(this.#text, this.#cid, this.path));
    }
    this.#contentIdIsNew = true;
  }

  /** The disk itself: its files are open for reading as well. */
  get held(): WritableDisk["held"] {
    return this;
  }

  /** Returns the run that begins at `offsetBytes`, as `extentAt` of a readable disk. */
  extentAt(offsetBytes: number): Extent {
    const { beginBytes, endBytes, name, startBytes } = this.#pieceAt(offsetBytes);
    if (name === undefined) return { endBytes, zero: true };
    const inFileBytes = beginBytes - startBytes;
    const run = this.#files.get(name).extentAt(offsetBytes - inFileBytes);
    return { endBytes: Math.min(endBytes, run.endBytes + inFileBytes), zero: run.zero };
  }

  /** Fills `into` with the bytes from `offsetBytes` on. */
  async read(into: Uint8Array, offsetBytes: number): Promise<void> {
    for (const { piece, doneBytes, lenBytes, atBytes } of this.#split(offsetBytes, into.length)) {
      const part = into.subarray(doneBytes, doneBytes + lenBytes);
      if (piece.name === undefined) part.fill(0);
      else await this.#files.get(piece.name).readBulk(part, atBytes);
    }
  }

  /**
   * Replaces the disk data base by `metadata`, without references to other things and with the keys that every
   * disk needs. The header and the extent
   * lines stay as they are, except for the content id, which the metadata may state.
   */
  writeMetadata(metadata: ReadonlyMap<string, string>): void {
    const { capacityBytes } = this;
    const adapterType = adapterTypeOf(this.#metadata);
    const disk = { capacityBytes, adapterType };
    const stated = cidOf(metadata);
    const cid = stated ?? this.#cid;
    const all = cid === undefined
      ? withDefaults(withoutReferences(metadata), disk)
      : standingAlone(metadata, { ...disk, cid });
    const text = replaceMetadata(this.#text, all, this.path);
    this.#replaceText(stated === undefined ? text : replaceContentId(text, stated, this.path));
    this.#contentIdIsNew ||= stated !== undefined;
    this.#cid = cid;
    this.#metadata = all;
  }

  #replaceText(text: Uint8Array): void {
    replaceFile(this.path, text, { warn: this.#warn });
    this.#text = text;
  }

  sync(): void {
    this.#files.sync();
  }

  [Symbol.dispose](): void {
    this.#files[Symbol.dispose]();
  }

  /**
   * Splits a range into parts that lie in one piece each. Yields them with the number of bytes of the range before them and
   * with their offsets in the files.
   */
  *#split(
    offsetBytes: number,
    lenBytes: number,
  ): Generator<{ piece: FlatPiece; doneBytes: number; lenBytes: number; atBytes: number }> {
    checkRange(offsetBytes, lenBytes, this);
    for (let doneBytes = 0; doneBytes < lenBytes;) {
      const at = offsetBytes + doneBytes;
      const piece = this.#pieceAt(at);
      const partBytes = Math.min(lenBytes - doneBytes, piece.endBytes - at);
      yield { piece, doneBytes, lenBytes: partBytes, atBytes: at - piece.beginBytes + piece.startBytes };
      doneBytes += partBytes;
    }
  }

  #pieceAt(offsetBytes: number): FlatPiece {
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
 * Opens the flat VMDK whose descriptor has the bytes `text` for writing. All files are found, opened once and
 * measured.
 * @throws {FormatError} if the descriptor is damaged, or its files are not as it says
 * @throws {UsageError} if disks of this kind are not written in place
 */
export function openFlatVmdk(
  text: Uint8Array,
  options: Omit<ExtentFilesOptions, "write" | "images"> & { allowEncrypted?: boolean },
): WritableDisk {
  const { path, allowOutside, warn } = options;
  const descriptor = parseDescriptor(text, { path, warn });
  checkEncryption(descriptor.encryption, options);
  for (const line of descriptor.extents) checkExtentLine(line, path);
  if (descriptor.parentCid !== undefined) {
    throw new UsageError(
      `Cannot open disk "${path}" for writing: it is a snapshot of another disk, which is not written in place`,
    );
  }
  for (const line of descriptor.extents) checkWritable(line, path);

  using scope = new DisposableStack();
  const files = scope.use(new ExtentFiles({ path, allowOutside, warn, write: true }));
  const pieces = locate(descriptor.extents, files);
  refuseOverlap(pieces, path);
  scope.move();
  return new FlatVmdk({ path, text, descriptor, pieces, files, warn });
}

function checkWritable({ access, type, name }: ExtentLine, path: string): void {
  if (access !== "RW") {
    throw new UsageError(`Cannot open disk "${path}" for writing: an extent has the access ${access}`);
  }
  if (type === "FLAT" || type === "VMFS" || type === "ZERO") return;
  throw new UsageError(
    `Cannot open disk "${path}" for writing: the extent ${quoted(name ?? "")} is of type ${type}, ` +
      `only raw disks and flat VMDKs are written in place`,
  );
}

/** A piece, and the identity of its file. */
type LocatedFlatPiece = FlatPiece & { file?: string };

function locate(lines: readonly ExtentLine[], files: ExtentFiles): LocatedFlatPiece[] {
  let beginBytes = 0;
  return lines.map(({ name, startBytes, sizeBytes }) => {
    const file = name === undefined ? undefined : files.add(name, startBytes + sizeBytes);
    const piece = { name, file, startBytes, beginBytes, endBytes: beginBytes + sizeBytes };
    beginBytes = piece.endBytes;
    return piece;
  });
}

/**
 * Refuses pieces that overlap. Two lines may refer to one file, but a write through one must not change the
 * other.
 */
function refuseOverlap(pieces: readonly LocatedFlatPiece[], path: string): void {
  const reached = new Map<string, number>();
  for (const piece of pieces.toSorted((a, b) => a.startBytes - b.startBytes)) {
    if (piece.file === undefined) continue;
    if (piece.startBytes < (reached.get(piece.file) ?? 0)) {
      throw cannotOpen(path, `two extents share bytes of the file ${quoted(piece.name!)}`);
    }
    reached.set(piece.file, piece.startBytes + piece.endBytes - piece.beginBytes);
  }
}
