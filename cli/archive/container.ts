/**
 * The container of a file: plain, gzip or zstd. As in the original program, the name of the file determines
 * it, and the first bytes must agree. An archive begins with a decimal digit, so the first bytes distinguish
 * the three. The modules that compress are loaded when the first compressed file is opened, because loading
 * them takes longer than all other work on a small disk.
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
  PlainSource,
  type PlainSourceOptions,
  SHORT_READ_AHEAD_BYTES,
} from "./plain_source.ts";
import { type OutputFile, PlainSink } from "./plain_sink.ts";
import type { OpenScratch } from "./scratch.ts";

/** The container in which the bytes of an archive are stored. */
export type Container = "plain" | "gzip" | "zstd";

const SUFFIX = { gzip: ".gz", zstd: ".zst" } as const;

/** The path that stands for standard input or output. */
const STANDARD_STREAM = "-";

/**
 * Returns the container that the name of a file determines. The suffix must be in lower case, after at least
 * one character of the name.
 */
export function containerOfName(path: string): Container {
  if (/[^/]\.gz$/.test(path)) return "gzip";
  if (/[^/]\.zst$/.test(path)) return "zstd";
  return "plain";
}

/** Returns the container that the first four bytes of a file show. `first` may be shorter if the file is. */
export function containerOfBytes(first: Uint8Array): Container {
  if (isGzip(first)) return "gzip";
  if (isZstd(first)) return "zstd";
  return "plain";
}

/** Options of {@linkcode sourceFor}. */
export interface SourceOptions {
  /** Decompresses the pieces, several at a time; by default this thread does, one by one. */
  codecs?: Codecs;
  /**
   * What this source shares with many others that are open at the same time. Such a source is slower and
   * takes little memory.
   */
  many?: ManySources;
  /** Whether most of the file is skipped. Such a file is read in small parts, without a large read-ahead. */
  skims?: boolean;
  /** Decides when loops over this source pause, so that signal handlers and timers run. */
  pace?: Pace;
}

/** Options for files of which little is read at a time. */
const SMALL: PlainSourceOptions = { bulk: false, aheadBytes: SHORT_READ_AHEAD_BYTES };

/**
 * Returns a source of the bytes in `file`. The source owns `file` and closes it when disposed; if this
 * function fails, it closes `file`. The name determines the container; for `-` the first bytes determine it,
 * and this function waits for them.
 *
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
 * Walks through the container in `file` by the lengths of its pieces, without decompressing them, and closes
 * `file`. Returns false if there are no lengths to go by: in a plain file, and in gzip members of other
 * programs.
 *
 * @throws {FormatError} if the container is cut, or continues with other data
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

/** Options of {@linkcode sinkFor}. */
export interface SinkOptions {
  /**
   * The compression level: 1 to 9 for gzip, 1 to 19 for zstd, ignored for a plain file. With a level, all
   * content is compressed with it. Without one, pieces that were read from a container of the same kind are
   * copied in their stored form.
   */
  level?: number;
  /** Compresses the pieces, several at a time; by default this thread does, one by one. */
  codecs?: Codecs;
  /** What the file contains in front of its position, if an unfinished file is continued. */
  begun?: Begun;
  /** Computes a hash of all bytes that are written to the file, in order. */
  hash?: PassingHash;
  /** Opens a scratch file for tables that grow with the file. Without it they stay in memory. */
  scratch?: OpenScratch;
}

/**
 * Returns a sink that writes to `file` in the container that the name determines; `-` is plain. The caller
 * closes `file`.
 *
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
