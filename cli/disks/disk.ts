/**
 * The interfaces between the pipeline and the disks. Offsets and lengths are bytes, as safe integers (below
 * 2^53); sectors, grains and the extents of VMDKs stay behind these interfaces.
 */

/**
 * The adapter types, with the numbers of the archive header and of the disk library
 * (`VixDiskLibAdapterType`).
 */
export const ADAPTER = { ide: 1, busLogic: 2, lsiLogic: 3, unknown: 256 } as const;

/** The properties of a disk that go into the header of its dump. */
export interface DiskDescription {
  /** The size of the disk in bytes, at least 1. */
  capacityBytes: number;
  /** One of {@linkcode ADAPTER}. */
  adapterType: number;
  /** Keys and values of the disk data base, without the prefix `ddb.`; empty for a raw disk. */
  metadata: ReadonlyMap<string, string>;
}

/** A run of bytes of a disk that are all data, or all known to be zero. */
export interface Extent {
  /** The first byte after the run: greater than the offset that was asked for, at most the capacity. */
  endBytes: number;
  /** The run is known to read as zeros (a hole, an unallocated grain), so it need not be read. */
  zero: boolean;
}

/** A run of bytes of a disk and the place where they are stored, with the fields of `qemu-img map`. */
export interface MappedExtent {
  /** The first byte after the run. */
  endBytes: number;
  /** The number of links of the chain above the link that stores the run. */
  depth: number;
  /** A link of the chain says what the run holds. Otherwise no link does, and the run reads as zeros. */
  present: boolean;
  /** The run reads as zeros, and no file need be read for it. */
  zero: boolean;
  /** The file that stores the bytes; absent if `zero` is set. */
  path?: string;
  /** The byte of that file where the run begins; undefined for compressed data. */
  fileBytes?: number;
}

/** A disk that can be read. */
export interface ReadableDisk extends DiskDescription, Disposable {
  /** The path by which the disk was opened, for messages. */
  readonly path: string;
  /** The paths of all files of the disk. A command that reads the disk must not write to any of them. */
  readonly files: readonly string[];
  /** The kind of the disk for summaries: `raw`, `monolithicFlat`, `monolithicSparse` and so on. */
  readonly format: string;
  /**
   * The content id in the descriptor of a VMDK, a number of 32 bits. Each session that writes to the disk
   * changes it.
   */
  readonly cid?: number;
  /**
   * Returns the run that begins at `offsetBytes` (0 <= offsetBytes < capacityBytes). Two runs of the same
   * kind may follow each other.
   */
  extentAt(offsetBytes: number): Extent | Promise<Extent>;
  /**
   * Fills `into` with the bytes from `offsetBytes` on; `offsetBytes + into.length <= capacityBytes`. `into`
   * may lie in shared memory.
   * @throws {FormatError} if the image ends too early or is damaged
   */
  read(into: Uint8Array, offsetBytes: number): void | Promise<void>;
  /**
   * Returns the run that begins at `offsetBytes`, and where it is stored. Only disks that are files have this
   * method.
   */
  mapAt?(offsetBytes: number): MappedExtent;
  /**
   * Whether the caller should keep several reads under way at a time, because one read alone leaves the disk
   * idle.
   */
  readonly overlaps?: boolean;
}

/** A disk that can be written. */
export interface WritableDisk extends Disposable {
  /** The path by which the disk was opened, for messages. */
  readonly path: string;
  /** The paths of all files of the disk. A command that writes the disk must not read any of them. */
  readonly files: readonly string[];
  /** The kind of the disk for summaries, as in {@linkcode ReadableDisk}. */
  readonly format: string;
  /** The size of the disk in bytes. A disk that is larger than the one that was dumped keeps its end. */
  readonly capacityBytes: number;
  /** True if every byte that was not written reads as zero: the disk was made for this restore. */
  readonly fresh: boolean;
  /** False if disks of this kind cannot store metadata. */
  readonly keepsMetadata: boolean;
  /**
   * The present content of the disk. A restore compares it and writes only the differences. It is absent for disks
   * that are not faster to read than to write.
   */
  readonly held?: Pick<ReadableDisk, "path" | "capacityBytes" | "extentAt" | "read">;
  /** Writes all of `from` at `offsetBytes`; `offsetBytes + from.length <= capacityBytes`. */
  write(from: Uint8Array, offsetBytes: number): void | Promise<void>;
  /**
   * Makes `lenBytes` bytes from `offsetBytes` on zero, as a hole where the file system can have one. It is absent for a
   * disk without holes.
   */
  writeZeros?(offsetBytes: number, lenBytes: number): void | Promise<void>;
  /**
   * Replaces the disk data base.
   * @throws {UsageError} if disks of this kind cannot store metadata
   */
  writeMetadata(metadata: ReadonlyMap<string, string>): void | Promise<void>;
  /** Returns when everything that was written is on stable storage. */
  sync(): void | Promise<void>;
}
