/** One extent of a VMDK: what its file says of a stretch, whatever the format. An offset counts from the extent's first byte. */

import type { ImageFile } from "../../image_file.ts";

/**
 * What an extent says of a stretch: it holds its bytes, it says that they are zeros, or it says nothing, so that the parent
 * is asked, and without one they are zeros.
 */
export type Holding = "data" | "zero" | "absent";

/** A stretch of an extent of one kind. */
export interface Stretch {
  /** First byte behind the stretch. Neighbouring stretches may be of one kind. */
  endBytes: number;
  holding: Holding;
  /** Where the data lie in the extent's file, one for one; undefined for those that are compressed, and for no data. */
  fileBytes?: number;
}

/** An open extent. */
export interface ExtentReader {
  readonly sizeBytes: number;
  /** The file with the data, for maps; undefined if there is none. */
  readonly path?: string;
  /** Grains are compressed: to read them takes longer than to fetch them. */
  readonly compressed: boolean;
  /**
   * The stretch that begins at `offsetBytes` (0 <= `offsetBytes` < `sizeBytes`).
   * @throws {FormatError} if the tables are damaged there
   */
  stretchAt(offsetBytes: number): Stretch;
  /**
   * Fills `into`, which may lie in shared memory, with data of one stretch.
   * @throws {FormatError} if they are damaged
   */
  read(into: Uint8Array, offsetBytes: number): Promise<void>;
}

/** A file of a disk, and how to come by it while it is in use: not all of them stay open. */
export interface ExtentFile {
  /** For messages and maps. */
  readonly path: string;
  readonly sizeBytes: number;
  /** The open file; good until the next call of any `image()`. */
  image(): ImageFile;
}
