/**
 * Recovery of damaged files: all bytes of the stream that can still be read, in their order, and reports of
 * the damage in between. The strict readers (`gzip.ts`, `zstd.ts`) stop at the first damage; this reader
 * continues after it.
 *
 *     file     [ piece ][ pi?ce ][ piece ][ piece ]
 *     remnants  ───────► ──►      ───────► ───────►
 *               joined   joined   not      joined
 *
 * The content of the second piece may be wrong from the damage on.
 *
 * Nothing that is recovered here is proved to be right. Content is returned even if its checksum is wrong:
 * one wrong byte costs one block, and the other blocks can be verified with their MD5s.
 */

import { type Container, containerOfBytes, containerOfName } from "./container.ts";
import type { DamagedFile } from "./damaged_file.ts";
import type { RemainsOptions, Remnant } from "./piece_remains.ts";

export type { Remnant } from "./piece_remains.ts";

/** The length of the parts in which a plain file is read. */
const PART_BYTES = 256 * 1024;

/**
 * Returns the container of a file whose first bytes may be damaged: the one that they show, or else the one
 * that the name of the file determines.
 */
export function likelyContainer(file: DamagedFile): Container {
  const first = new Uint8Array(4);
  const held = containerOfBytes(first.subarray(0, file.readSync(first, 0)));
  return held === "plain" ? containerOfName(file.path) : held;
}

/** Yields all bytes of the stream in `file` that can be recovered. */
export async function* remainsOf(file: DamagedFile, options: RemainsOptions): AsyncGenerator<Remnant, void> {
  const reportedSectors = new Set<number>();
  for await (const remnant of remainsIn(file, options)) {
    if (file.pace.isDue()) await file.pace.rest();
    for (const { offsetBytes, reason } of file.unreadable.values()) {
      if (reportedSectors.has(offsetBytes)) continue;
      reportedSectors.add(offsetBytes);
      options.onFault({ offsetBytes, expected: "bytes that can be read", found: `an error (${reason})` });
    }
    yield remnant;
  }
}

async function* remainsIn(file: DamagedFile, options: RemainsOptions): AsyncGenerator<Remnant, void> {
  switch (likelyContainer(file)) {
    case "gzip":
      return yield* (await import("./gzip_remains.ts")).gzipRemains(file, options);
    case "zstd":
      return yield* (await import("./zstd_remains.ts")).zstdRemains(file, options);
    case "plain":
      return yield* plainRemains(file);
  }
}

function* plainRemains(file: DamagedFile): Generator<Remnant, void> {
  const bytes = new Uint8Array(PART_BYTES);
  for (let fileOffsetBytes = 0;;) {
    const got = file.readSync(bytes, fileOffsetBytes);
    if (got === 0) return;
    yield { bytes: bytes.subarray(0, got), fileOffsetBytes, joined: true, isVerified: false };
    fileOffsetBytes += got;
  }
}
