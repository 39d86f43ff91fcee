/**
 * How far a job is, in bytes of what it reads. Holes and zero blocks do not count, because no time is spent
 * on them.
 */

import type { ByteSource } from "../archive/bytes.ts";
import type { DataSpread } from "../pipeline/data_spread.ts";
import type { Progress } from "../pipeline/run.ts";

/** How far a job is. `doneBytes / totalBytes` is the part that is done. */
export interface WorkDone {
  /** Bytes that were read so far, from 0 to `totalBytes`. */
  doneBytes: number;
  /** Bytes that are to be read, as far as that is known now. The number may change while the job runs. */
  totalBytes: number;
}

/** The files and the disk that a job reads to their ends. */
export class Work {
  /**
   * What is known of each file that is open. A file without `lenBytes` is a stream, or is not read in order.
   */
  readonly #files = new Map<object, { source?: Pick<ByteSource, "fileOffsetBytes">; lenBytes?: number }>();
  #disk?: DataSpread;

  /** Adds an archive. `lenBytes`: length of its file; undefined for a stream */
  addFile(source: Pick<ByteSource, "fileOffsetBytes">, lenBytes: number | undefined): void {
    this.#files.set(source, { source, lenBytes });
  }

  /** Adds a file that is not read from its beginning to its end. */
  addOther(file: object): void {
    this.#files.set(file, {});
  }

  /** Removes a file that was closed. */
  remove(file: object): void {
    this.#files.delete(file);
  }

  /** Adds the disk that is read, or another part of it. */
  set disk(spread: DataSpread) {
    this.#disk = spread;
  }

  /**
   * Returns what was read when the pipeline reached a block. Archives count with the bytes of their files,
   * the disk counts with the bytes of its data before that block. Where the length of an archive is not known
   * and no disk is read, all blocks count.
   */
  at({ doneBlocks, totalBlocks, blockBytes }: Progress): WorkDone {
    const files = [...this.#files.values()];
    const areLengthsKnown = files.length > 0 && files.every(({ lenBytes }) => lenBytes !== undefined);
    if (this.#disk === undefined && !areLengthsKnown) {
      return { doneBytes: doneBlocks * blockBytes, totalBytes: totalBlocks * blockBytes };
    }
    const done = {
      doneBytes: this.#disk?.bytesBefore(doneBlocks * blockBytes) ?? 0,
      totalBytes: this.#disk?.totalBytes ?? 0,
    };
    for (const { source, lenBytes } of files) {
      if (source === undefined || lenBytes === undefined) continue;
      done.doneBytes += Math.min(source.fileOffsetBytes, lenBytes);
      done.totalBytes += lenBytes;
    }
    return done;
  }
}
