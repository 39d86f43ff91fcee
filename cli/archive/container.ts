/**
 * Which container a file is: its name says so, as with the original, and its first bytes must agree. An archive begins
 * with a decimal digit, so they tell the three apart. What compresses is loaded when the first such file is opened: it takes
 * longer than all else does for a small disk.
 */

import { FormatError } from "../errors.ts";
import type { ByteSink, ByteSource, PassingHash } from "./bytes.ts";
import type { Pace } from "../pace.ts";
import type { Codecs } from "./codecs.ts";
import { isGzip, isZstd } from "./magic.ts";
import type { ManySources } from "./many_sources.ts";
import type { Begun } from "./piece_sink.ts";
import {
  type InputFile,
  type OutputFile,
  PlainSink,
  PlainSource,
  type PlainSourceOptions,
  SHORT_READ_AHEAD_BYTES,
} from "./plain.ts";
import type { OpenScratch } from "./scratch.ts";

/** How the bytes of an archive are wrapped. */
export type Container = "plain" | "gzip" | "zstd";

const SUFFIX = { gzip: ".gz", zstd: ".zst" } as const;

/** The path that means standard input or output. */
const STANDARD_STREAM = "-";

/** What the name of a file promises: a suffix in lower case, behind at least one character of the name. */
export function containerOfName(path: string): Container {
  if (/[^/]\.gz$/.test(path)) return "gzip";
  if (/[^/]\.zst$/.test(path)) return "zstd";
  return "plain";
}

/** What the first four bytes of a file show; fewer if it is shorter. */
export function containerOfBytes(first: Uint8Array): Container {
  if (isGzip(first)) return "gzip";
  if (isZstd(first)) return "zstd";
  return "plain";
}

/** How a source is read. */
export interface SourceOptions {
  /** Who decompresses, and how many pieces at a time; this thread if not given. */
  codecs?: Codecs;
  /** The source is one of many that are open together: slower, in little memory. */
  many?: ManySources;
  /** Most of the file is passed over: it is read in small parts, and not ahead of what is asked for. */
  skims?: boolean;
  /** The pace of the loops over it. */
  pace?: Pace;
}

/** For files of which little is read at a time. */
const SMALL: PlainSourceOptions = { bulk: false, aheadBytes: SHORT_READ_AHEAD_BYTES };

/**
 * Opens the bytes that `file` holds and takes it over: it is closed with the source, or here if that fails. The container goes
 * by the name; for `-` by the first bytes, which this waits for.
 * @throws {FormatError} if the first bytes contradict the name
 */
export async function sourceFor(
  path: string,
  file: InputFile,
  options: SourceOptions = {},
): Promise<ByteSource> {
  const { many, skims = false, pace } = options;
  const plain = new PlainSource(path, file, { ...many === undefined && !skims ? {} : SMALL, pace });
  try {
    const first = await plain.peek(4);
    const held = containerOfBytes(first);
    const named = path === STANDARD_STREAM ? held : containerOfName(path);
    if (named !== held && first.length > 0) throw contradiction(path, named, held);
    if (named === "gzip") return new (await import("./gzip.ts")).GzipSource(plain, options);
    if (named === "zstd") return new (await import("./zstd.ts")).ZstdSource(plain, options);
    return plain;
  } catch (error) {
    plain[Symbol.dispose]();
    throw error;
  }
}

/**
 * Goes through the container that `file` is by its lengths alone, without decompressing; closes it. False for what has none:
 * a plain file, and gzip members that other programs wrote.
 *
 * @throws {FormatError} if the container is cut, or goes on with something else
 */
export async function walkContainer(
  path: string,
  file: InputFile,
  { pace }: Pick<SourceOptions, "pace"> = {},
): Promise<boolean> {
  using plain = new PlainSource(path, file, { ...SMALL, pace });
  switch (containerOfBytes(await plain.peek(4))) {
    case "gzip":
      return await (await import("./gzip.ts")).walkGzip(plain);
    case "zstd":
      await (await import("./zstd.ts")).walkZstd(plain);
      return true;
    case "plain":
      return false;
  }
}

/** How a sink compresses. */
export interface SinkOptions {
  /**
   * Of the container that the name chooses: gzip 1 to 9, zstd 1 to 19; a plain file has none and ignores it. If given, all is
   * compressed with it; if not, what was read from a container of the same kind is copied as it lies there.
   */
  level?: number;
  /** Who compresses, and how many pieces at a time; this thread if not given. */
  codecs?: Codecs;
  /** What stands in front of the position of the file already, if the file is gone on with. */
  begun?: Begun;
  /** Hears all bytes that are written, in order. */
  hash?: PassingHash;
  /** For what grows with the file, and stays in memory without it. */
  scratch?: OpenScratch;
}

/**
 * Opens a sink that writes to `file` in the container that the name asks for; `-` is plain. The file stays the caller's.
 * @throws {RangeError} if the container has no such level
 */
export async function sinkFor(path: string, file: OutputFile, options: SinkOptions = {}): Promise<ByteSink> {
  const { hash, begun } = options;
  const plain = new PlainSink(path, file, { hash, doneBytes: begun?.storedBytes });
  switch (containerOfName(path)) {
    case "gzip":
      return new (await import("./gzip.ts")).GzipSink(plain, options);
    case "zstd":
      return new (await import("./zstd.ts")).ZstdSink(plain, options);
    case "plain":
      return plain;
  }
}

function contradiction(path: string, named: Container, held: Container): FormatError {
  const expected = named === "plain" ? "a plain archive" : `${named} data`;
  const found = held === "plain" ? `something else than ${named} data` : `${held} data`;
  const state = named === "plain"
    ? `holds ${held} data, its name should end in "${SUFFIX[held as "gzip" | "zstd"]}"`
    : `is not ${named} although its name ends in "${SUFFIX[named]}"`;
  return new FormatError(`Cannot read "${path}": it ${state}`, { path, offsetBytes: 0, expected, found });
}
