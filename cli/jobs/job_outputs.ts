/** The outputs of a job: archives and digests, which are hashed while they are written, seals, bitmaps and texts. */

import type { Bitmap } from "../archive/bitmap.ts";
import type { ByteSink } from "../archive/bytes.ts";
import { sinkFor } from "../archive/container.ts";
import type { Begun } from "../archive/piece_sink.ts";
import { type OutputFile as ArchiveFile, PlainSink } from "../archive/plain_sink.ts";
import type { Scratch } from "../archive/scratch.ts";
import { UsageError } from "../errors.ts";
import type { OpenOptions, OutputFile, Outputs } from "../files/outputs.ts";
import { statOf } from "../files/positioned.ts";
import { STDOUT } from "../files/standard_streams.ts";
import { onFile } from "../files/system_errors.ts";
import type { Pace } from "../pace.ts";
import type { Crew } from "../workers/crew.ts";
import type { PassingSha256 } from "../workers/hashes.ts";
import { hashStart } from "./file_hash.ts";
import { beginningOf, STREAM } from "./input_file.ts";

/** Characters of a long text that are written at a time. */
const TEXT_LENGTH = 64 * 1024;

/** The parts of a job that its outputs need. */
export interface JobOutputsParts {
  crew: Crew;
  pace: Pace;
  signal?: AbortSignal;
  /** Outputs may replace files that exist. */
  isForced: boolean;
  /** The number of compressed inputs and outputs, which share the memory for pieces. */
  compressedFiles: number;
  /** Opens a file without a name beside `path`. */
  scratch(path: string): Scratch;
  /** Disposes of a resource when the job ends. */
  using<T extends Disposable>(resource: T): T;
}

/** An output that is a regular file. */
interface WrittenOutput {
  sink: ByteSink;
  hash: PassingSha256;
  /** The result of `hash`, after {@linkcode JobOutputs.stored} has computed it. */
  sha256?: string;
}

/** Opens and writes the outputs of a job. They get their names when the job is committed. */
export class JobOutputs {
  readonly #outputs: Outputs;
  readonly #parts: JobOutputsParts;
  /** Archives and digests that are regular files, by their paths. */
  readonly #written = new Map<string, WrittenOutput>();

  /** Writes to `outputs`, which stay the caller's: it commits and disposes of them. */
  constructor(outputs: Outputs, parts: JobOutputsParts) {
    this.#outputs = outputs;
    this.#parts = parts;
  }

  /** Opens a new archive or digest. It gets its name when the job is committed. */
  async sink(path: string, options: { level?: number } = {}): Promise<ByteSink> {
    const file = path === STREAM ? Deno.stdout : await this.open(path);
    return await this.sinkTo(path, file, options);
  }

  /** Opens the file of an output, for {@linkcode sinkTo}. */
  async open(path: string, options?: OpenOptions): Promise<OutputFile> {
    return await this.#outputs.open(path, options);
  }

  /** Writes an archive to `file`, after the part that an earlier job has `begun`. */
  async sinkTo(
    path: string,
    file: ArchiveFile,
    options: { level?: number; begun?: Begun },
  ): Promise<ByteSink> {
    const { begun } = options;
    const hash = file !== Deno.stdout && statOf(file as Deno.FsFile, path).isFile
      ? this.#parts.crew.sha256()
      : undefined;
    if (hash !== undefined && begun !== undefined) {
      await hashStart(file as Deno.FsFile, {
        path,
        lenBytes: begun.storedBytes,
        hash,
        signal: this.#parts.signal,
      });
    }
    try {
      const sink = this.#parts.using(
        await sinkFor(path, file, {
          level: options.level,
          codecs: this.#parts.crew.codecs(this.#parts.compressedFiles),
          hash,
          begun,
          scratch: () => this.#parts.scratch(path),
        }),
      );
      if (hash !== undefined) this.#written.set(path, { sink, hash });
      return sink;
    } catch (cause) {
      if (cause instanceof RangeError) {
        throw new UsageError(
          `Cannot use --level ${options.level} for "${path}": ${cause.message} (gzip has 1 to 9, zstd 1 to 19)`,
        );
      }
      throw cause;
    }
  }

  /** Returns whether the output `path` is an archive in a regular file: neither a stream nor a device. */
  isFile(path: string): boolean {
    return this.#written.has(path);
  }

  /** Returns the path that an output will have, with all links resolved. */
  finalPath(path: string): string {
    return this.#outputs.finalPathOf(path);
  }

  /**
   * Returns length and SHA-256 of an output that was written to its end; undefined if it is no regular file.
   */
  async stored(path: string): Promise<{ bytes: number; sha256: string } | undefined> {
    const written = this.#written.get(path);
    if (written === undefined) return undefined;
    written.sha256 ??= await written.hash.hex();
    return { bytes: written.sink.storedBytes, sha256: written.sha256 };
  }

  /** Opens a seal, which may `replace` another one, and returns the function that writes it. */
  async openSeal(path: string, { replace }: { replace: boolean }): Promise<(bytes: Uint8Array) => void> {
    const mayReplace = replace || this.#parts.isForced;
    const file = await this.#outputs.open(path, { replace: mayReplace, follow: false });
    return (bytes) => {
      for (let at = 0; at < bytes.length;) {
        at += onFile("write", path, () => file.writeSync(bytes.subarray(at)));
      }
    };
  }

  /**
   * Writes a text of any length to standard output, or to a plain file that gets its name with {@linkcode
   * commit}.
   */
  async writeLines(lines: Iterable<string>, { path = STREAM } = {}): Promise<void> {
    using sink = path === STREAM
      ? new PlainSink(STDOUT.name, Deno.stdout)
      : new PlainSink(path, await this.#outputs.open(path));
    let text = "";
    for (const line of lines) {
      text += line;
      if (text.length < TEXT_LENGTH) continue;
      await sink.write(new TextEncoder().encode(text));
      text = "";
      if (this.#parts.pace.isDueNow()) await this.#parts.pace.rest();
    }
    await sink.write(new TextEncoder().encode(text));
    await sink.finish();
  }

  /** Writes a bitmap, which gets its name when the job is committed. */
  async writeBitmap(path: string, bitmap: Bitmap): Promise<void> {
    using sink = new PlainSink(path, path === STREAM ? Deno.stdout : await this.#outputs.open(path));
    await bitmap.writeTo(sink);
    await sink.finish();
  }

  /**
   * Writes a report as a plain file that other users may read. It replaces a file whose beginning `isReport`
   * accepts as that of an earlier report.
   */
  async writeReport(
    path: string,
    bytes: Uint8Array,
    { isReport }: { isReport: (beginning: string) => boolean },
  ): Promise<void> {
    const replace = isReport(beginningOf(path));
    const file = path === STREAM ? Deno.stdout : await this.#outputs.open(path, { replace, mode: 0o666 });
    using sink = new PlainSink(path, file);
    await sink.write(bytes);
    await sink.finish();
  }

  /** Returns length and SHA-256 of an output as far as they are known without {@linkcode stored}. */
  known(path: string): { bytes?: number; sha256?: string } {
    const written = this.#written.get(path);
    return { bytes: written?.sink.storedBytes, sha256: written?.sha256 };
  }
}
