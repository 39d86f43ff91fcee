/**
 * Sparse extents whose grains are stored as they are. Hosted sparse, COWD and seSparse differ only in their
 * tables.
 */

import type { ExtentFile, ExtentReader, ExtentRun } from "../extent.ts";
import { ABSENT, type GrainLayout, GrainTables, ZEROS } from "./tables.ts";
import type { TableCache } from "./table_cache.ts";

/** How a sparse extent is opened. */
export interface GrainExtentOptions {
  layout: GrainLayout;
  /** The size of the extent in bytes. Its last grain may be partly outside. */
  sizeBytes: number;
  cache: TableCache;
}

/** A sparse extent. */
export class GrainExtent implements ExtentReader {
  readonly compressed: boolean = false;
  readonly sizeBytes: number;
  readonly path: string;
  protected readonly file: ExtentFile;
  protected readonly grainBytes: number;
  protected readonly tables: GrainTables;
  /** The run that was found last, because callers walk through it in small steps. */
  #known: ExtentRun & { beginBytes: number } = { beginBytes: 0, endBytes: 0, holding: "absent" };

  constructor(file: ExtentFile, { layout, sizeBytes, cache }: GrainExtentOptions) {
    this.path = file.path;
    this.sizeBytes = sizeBytes;
    this.file = file;
    this.grainBytes = layout.grainBytes;
    const grainCount = Math.ceil(sizeBytes / layout.grainBytes);
    this.tables = new GrainTables(file, { layout, grainCount, cache });
  }

  runAt(offsetBytes: number): ExtentRun {
    const { beginBytes, endBytes } = this.#known;
    if (offsetBytes < beginBytes || offsetBytes >= endBytes) this.#known = this.#find(offsetBytes);
    const { fileBytes, holding } = this.#known;
    if (fileBytes === undefined) return { endBytes: this.#known.endBytes, holding };
    return {
      endBytes: this.#known.endBytes,
      holding,
      fileBytes: fileBytes + offsetBytes - this.#known.beginBytes,
    };
  }

  #find(offsetBytes: number): ExtentRun & { beginBytes: number } {
    const grain = Math.floor(offsetBytes / this.grainBytes);
    const beginBytes = grain * this.grainBytes;
    const place = this.tables.placeOf(grain);
    const end = this.tables.endOfRun(grain, { together: !this.compressed });
    const endBytes = Math.min(end * this.grainBytes, this.sizeBytes);
    if (place === ABSENT) return { beginBytes, endBytes, holding: "absent" };
    if (place === ZEROS) return { beginBytes, endBytes, holding: "zero" };
    return { beginBytes, endBytes, holding: "data", fileBytes: this.compressed ? undefined : place };
  }

  async read(into: Uint8Array, offsetBytes: number): Promise<void> {
    await this.file.image().readBulk(into, this.runAt(offsetBytes).fileBytes!);
  }
}
