/** How far a command is, in bytes of what it reads: holes and zero blocks, which take no time, do not count. */

import type { ByteSource } from "../archive/bytes.ts";
import type { DataSpread } from "../pipeline/data_spread.ts";
import type { Progress } from "../pipeline/run.ts";

/** Bytes read so far, and those of all. */
export interface WorkDone {
  doneBytes: number;
  totalBytes: number;
}

/** The files and the disk that a command reads to their ends. */
export class Work {
  /** Length of each file; undefined for a stream. */
  readonly #files = new Map<object, { source?: Pick<ByteSource, "fileOffsetBytes">; lenBytes?: number }>();
  #disk?: DataSpread;

  /** Adds an archive. `lenBytes`: of its file, if it is known */
  addFile(source: Pick<ByteSource, "fileOffsetBytes">, lenBytes: number | undefined): void {
    this.#files.set(source, { source, lenBytes });
  }

  /** Adds a file that is not read from front to back. */
  addOther(file: object): void {
    this.#files.set(file, {});
  }

  /** A file that was closed does not count any more. */
  remove(file: object): void {
    this.#files.delete(file);
  }

  /** Adds the disk that is read, or another part of it. */
  set disk(spread: DataSpread) {
    this.#disk = spread;
  }

  /**
   * What was read when the pipeline had come so far. Archives count with the bytes of their files, the disk with
   * those of its data in front of the block that was reached. Where neither tells, all blocks count.
   */
  at({ doneBlocks, totalBlocks, blockBytes }: Progress): WorkDone {
    const files = [...this.#files.values()];
    const isTold = files.length > 0 && files.every(({ lenBytes }) => lenBytes !== undefined);
    if (this.#disk === undefined && !isTold) {
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
