/**
 * The interface of the extents of a VMDK, whatever their format. Offsets count from the first byte of the
 * extent.
 */

import type { ImageFile } from "../../image_file.ts";

/**
 * What an extent says of a run: `data`, it stores the bytes; `zero`, the bytes are zeros; `absent`, it says
 * nothing, so that the parent is asked, and without a parent the bytes are zeros.
 */
export type Holding = "data" | "zero" | "absent";

/** A run of bytes of an extent of which the extent says the same. */
export interface ExtentRun {
  /** The first byte behind the run. Two runs of the same kind may follow each other. */
  endBytes: number;
  holding: Holding;
  /**
   * The byte of the extent's file where the data begin. Undefined if they are compressed, and if there are no
   * data.
   */
  fileBytes?: number;
}

/** An open extent. */
export interface ExtentReader {
  readonly sizeBytes: number;
  /** The file with the data, for maps. Undefined if there is none. */
  readonly path?: string;
  /** Whether grains are compressed. Such an extent takes longer to inflate than to read from its file. */
  readonly compressed: boolean;
  /**
   * Returns the run that begins at `offsetBytes` (0 <= `offsetBytes` < `sizeBytes`).
   * @throws {FormatError} if the tables are damaged there
   */
  runAt(offsetBytes: number): ExtentRun;
  /**
   * Fills `into`, which may lie in shared memory, with data of one run.
   * @throws {FormatError} if the data are damaged
   */
  read(into: Uint8Array, offsetBytes: number): Promise<void>;
}

/** A file of a disk. Not all files of a disk are held open, so it is opened again when it is needed. */
export interface ExtentFile {
  /** The path, for messages and maps. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Returns the open file, which is valid until the next call of any `image()`. */
  image(): ImageFile;
}
