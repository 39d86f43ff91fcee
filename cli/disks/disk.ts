/**
 * What the pipeline knows of a disk. Offsets and lengths are bytes, as safe integers (below 2^53);
 * sectors, grains and extents stay behind these interfaces.
 */

/** Numbers of the archive header and of the disk library (`VixDiskLibAdapterType`). */
export const ADAPTER = { ide: 1, busLogic: 2, lsiLogic: 3, unknown: 256 } as const;

/** What a disk says of itself; goes into the dump's header. */
export interface DiskDescription {
  /** Bytes of the disk, at least 1. */
  capacityBytes: number;
  /** One of {@linkcode ADAPTER}. */
  adapterType: number;
  /** Keys and values of the disk data base, without the prefix `ddb.`; empty for a raw disk. */
  metadata: ReadonlyMap<string, string>;
}

/** A stretch of a disk of one kind. */
export interface Extent {
  /** First byte after the stretch; above the offset that was asked for, at most the capacity. */
  endBytes: number;
  /** The stretch is known to read as zeros (a hole, an unallocated grain); it need not be read. */
  zero: boolean;
}

/** A stretch of a disk and where it comes from: what `qemu-img map` tells. */
export interface MappedExtent {
  /** First byte after the stretch. */
  endBytes: number;
  /** Links of the chain above the one that has it. */
  depth: number;
  /** A link of the chain has it; otherwise it is zeros because none has. */
  present: boolean;
  /** It reads as zeros, without being read. */
  zero: boolean;
  /** The file with its bytes, if it is not `zero`. */
  path?: string;
  /** Where in that file they begin; undefined for compressed ones. */
  fileBytes?: number;
}

/** A disk that can be read. */
export interface ReadableDisk extends DiskDescription, Disposable {
  /** The path it was opened by, for messages. */
  readonly path: string;
  /** Every file that it consists of: a command that reads the disk writes to none of them. */
  readonly files: readonly string[];
  /** `raw`, `monolithicFlat`, `monolithicSparse` ...: for summaries. */
  readonly format: string;
  /** The content id of a VMDK's descriptor, which changes with every session that writes: 32 bits. */
  readonly cid?: number;
  /** The stretch that begins at `offsetBytes` (0 <= offsetBytes < capacityBytes). Neighbouring stretches may be of one kind. */
  extentAt(offsetBytes: number): Extent | Promise<Extent>;
  /**
   * Fills `into` from `offsetBytes`; `offsetBytes + into.length <= capacityBytes`. `into` may lie in shared memory.
   * @throws {FormatError} if the image ends too early or is damaged
   */
  read(into: Uint8Array, offsetBytes: number): void | Promise<void>;
  /** As `extentAt`, with the places of the bytes; for disks that are files. */
  mapAt?(offsetBytes: number): MappedExtent;
  /** Whether many reads should be under way at a time: the disk does them in their order, and should not wait for the next. */
  readonly overlaps?: boolean;
}

/** A disk that can be written. */
export interface WritableDisk extends Disposable {
  readonly path: string;
  /** Every file that it consists of: a command that writes the disk reads none of them. */
  readonly files: readonly string[];
  readonly format: string;
  readonly capacityBytes: number;
  /** True if every byte that is not written reads as zero: a disk made for this restore. */
  readonly fresh: boolean;
  /** False for a kind of disk that has no place for metadata. */
  readonly keepsMetadata: boolean;
  /** Writes all of `from` at `offsetBytes`; `offsetBytes + from.length <= capacityBytes`. */
  write(from: Uint8Array, offsetBytes: number): void | Promise<void>;
  /**
   * Replaces the disk data base.
   * @throws {UsageError} if this kind of disk has no place for it
   */
  writeMetadata(metadata: ReadonlyMap<string, string>): void | Promise<void>;
  /** Returns when everything written is on stable storage. */
  sync(): void | Promise<void>;
}
