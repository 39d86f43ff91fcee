/** One run of a job: the files that it reads and writes, its threads, the signal that stops it, whom it tells what happens. */

import type { Bitmap } from "../archive/bitmap.ts";
import { BitmapPages } from "../archive/bitmap_pages.ts";
import type { ByteSink, ByteSource } from "../archive/bytes.ts";
import { sinkFor } from "../archive/container.ts";
import { formatSeriesId } from "../archive/header.ts";
import { ManySources } from "../archive/many_sources.ts";
import type { SecretKey } from "../archive/minisign/secret_key.ts";
import type { Begun } from "../archive/piece_sink.ts";
import { type OutputFile as ArchiveFile, PlainSink } from "../archive/plain.ts";
import { isSealOf, type Seal } from "../archive/seal.ts";
import { formatTimeStamp } from "../archive/time_stamp.ts";
import type { Core } from "../core.ts";
import type { ReadableDisk } from "../disks/disk.ts";
import type { GrainPacking } from "../disks/vmdk/create/stream.ts";
import { UsageError } from "../errors.ts";
import { DiskLock } from "../files/disk_lock.ts";
import { type OpenOptions, type OutputFile, Outputs } from "../files/outputs.ts";
import { STDOUT } from "../files/standard_streams.ts";
import { onFile } from "../files/system_errors.ts";
import { aroundCommit } from "../files/unfinished.ts";
import { UnnamedFile } from "../files/unnamed_file.ts";
import { Pace } from "../pace.ts";
import { DumpReader, SKIMMING_WINDOW_BYTES, smallWindowBytes } from "../pipeline/archive_reader.ts";
import { type ArchiveIdentity, Chain, MANY_ARCHIVES, MAX_CHAIN } from "../pipeline/chain.ts";
import { surveyData, type SurveyRange } from "../pipeline/data_spread.ts";
import type { RunOptions } from "../pipeline/run.ts";
import type { Crew } from "../workers/crew.ts";
import { BufferedSha256, type PassingSha256 } from "../workers/hashes.ts";
import { defaultThreads, Engine } from "./engine.ts";
import { hashStart } from "./file_hash.ts";
import {
  assertUnchanged,
  beginningOf,
  hasMuchToCompress,
  type Input,
  isCompressed,
  isStream,
  sizeOf,
  STREAM,
} from "./input_file.ts";
import type { JobObserver, JobOptions } from "./options.ts";
import { refuseForeignSuffix } from "./output_suffix.ts";
import { Reading } from "./reading.ts";
import {
  assertHash,
  assertIs,
  assertLinked,
  assertSealed,
  type Known,
  type KnownRoot,
  refuseCapacity,
  type Sealed,
  Seals,
  type SignedBy,
} from "./seals.ts";
import { Work } from "./work.ts";

/** Archives of a list above which each gets a small window and is decoded in a stream: memory goes with their number. */
const LONG_CHAIN = 6;

/** Threads for lists that are longer than {@linkcode MANY_ARCHIVES}: each takes memory, and most of the work is done by one. */
const THREADS_FOR_MANY = 2;

/** Bytes of each archive of a list that are read ahead. */
const LIST_PART_BYTES = 512 * 1024;

/** Characters of a long text that are written at a time. */
const TEXT_LENGTH = 64 * 1024;

/** What takes as long to hash as a worker takes to start. */
const LONG_BYTES = 128 * 1024 * 1024;

/** How long a disk is asked where its data lies before it is read, for the progress line. */
const SURVEY_MS = 250;

/** What a job reads and writes; `-` (standard input or output) at most once on each side. */
export interface JobPaths {
  inputs: readonly string[];
  outputs?: readonly (string | undefined)[];
  /** Files that are written besides: those of a new disk. */
  expected?: readonly string[];
  /** Keep outputs that are not complete, so that another run can go on with them. */
  keepsPartial?: boolean;
}

/** An output that is a regular file. */
interface WrittenOutput {
  sink: ByteSink;
  hash: PassingSha256;
  /** The hash, once it was asked for. */
  sha256?: string;
}

/** One run of a job: opens its files, and cleans up on every way out. */
export class Job implements AsyncDisposable {
  readonly #core: Core;
  readonly #crew: Crew;
  /** Files that are open, and memory that is allocated, until the job ends. */
  readonly files: Reading;
  readonly #signal?: AbortSignal;
  readonly #observer: JobObserver;
  readonly #outputs: Outputs;
  readonly #work = new Work();
  /** What ends with the job, the last one first. */
  readonly #resources = new AsyncDisposableStack();
  /** Compressed files that the request names; at least 1. */
  readonly #compressedFiles: number;
  /** Of all loops over the files of the job. */
  readonly pace: Pace;
  /** Of the bitmaps of the job. */
  readonly #pages: BitmapPages;
  /** What the archives of long lists share. */
  readonly #many = new ManySources();
  /** Regular files that are read, as they were when they were opened. */
  readonly #inputs = new Set<Input>();
  /** The paths of all regular files that were opened for reading, in order. */
  readonly #read = new Set<string>();
  /** Outputs that are regular files, by their paths. */
  readonly #written = new Map<string, WrittenOutput>();
  /** Outputs may replace what is there. */
  readonly isForced: boolean;
  readonly #seals: Seals;
  /** Signs the seals that are written. */
  readonly signingKey?: SecretKey;
  /** Unreadable seals of which the observer knows. */
  #toldSeals = 0;
  /** The generations for which {@linkcode Job.#warnOfChanges} has warned. */
  readonly #toldChanges = new Set<string>();
  /** False if the user wants seals not to be looked at. */
  readonly #goesBySeals: boolean;
  readonly #goesByKey: boolean;
  /** Bytes that will be read, at least. */
  #expectedBytes = 0;
  readonly #hashesApart: boolean;
  #unsealed: readonly string[] = [];
  #sealed: readonly Sealed[] = [];
  /** The paths of disks that are changed in place. */
  readonly #changed: string[] = [];

  private constructor(engine: Engine, options: JobOptions, paths: JobPaths) {
    const { inputs, outputs = [], expected = [] } = paths;
    const { observer = {}, signal, trustedKey, signingKey } = options;
    if (options.engine === undefined) this.#resources.use(engine);
    this.#core = engine.core;
    this.#crew = engine.crew;
    this.signingKey = signingKey;
    this.#seals = new Seals({ trustedKey });
    const compressed = [...inputs, ...outputs].filter(isCompressed).length;
    this.#compressedFiles = Math.max(1, compressed);
    // Those who compress keep all cores busy, and what they make is soon hashed.
    this.#hashesApart = compressed === 0;
    this.isForced = options.force === true;
    this.#goesBySeals = options.withoutSeal !== true;
    this.#goesByKey = trustedKey !== undefined;
    this.#observer = observer;
    this.#signal = signal;
    this.pace = new Pace(options);
    this.#outputs = new Outputs({
      force: this.isForced,
      inputs: [...inputs],
      expected: [...outputs, ...expected].filter((path) => path !== undefined).filter((path) =>
        path !== STREAM
      ),
      isCompanion: isSealOf,
      keepPartial: paths.keepsPartial ? true : undefined,
      warn: (line) => this.warn(line),
    });
    // A job that only reads has no other folder for it.
    const output = outputs.find((path) => path !== undefined && path !== STREAM) ?? STREAM;
    this.#pages = new BitmapPages({ scratch: () => this.scratch(output) });
    this.files = this.#resources.use(this.reading());
    // The job may be waiting for a pipe and never come to its own clean-up.
    const onAbort = () => this.#outputs[Symbol.dispose]();
    signal?.addEventListener("abort", onAbort);
    this.#resources.defer(() => signal?.removeEventListener("abort", onAbort));
  }

  /** Starts a job that reads and writes `paths`. @throws {UsageError} if the options or the paths cannot be meant */
  static async start(options: JobOptions, paths: JobPaths): Promise<Job> {
    const { inputs, outputs = [] } = paths;
    for (const list of [inputs, outputs]) {
      if (list.filter((path) => path === STREAM).length > 1) {
        throw new UsageError('"-" can be used only once');
      }
    }
    for (const path of outputs) if (path !== undefined) refuseForeignSuffix(path);
    if (options.trustedKey !== undefined && options.withoutSeal) {
      throw new UsageError(
        "Cannot use --trusted-key and --without-seal together: one goes by seals, one by none",
      );
    }
    const job = new Job(options.engine ?? await startEngine(options, paths), options, paths);
    for (const path of inputs) await job.warnOfCommit(path);
    if (options.startsThreads) await job.#crew.start();
    else if (hasMuchToCompress(paths)) job.#crew.expectWork();
    job.expectBytes(sizeOf(inputs));
    return job;
  }

  /** Warns if a killed run was about to write `path`, which is read. Returns whether there is a file to be read. */
  async warnOfCommit(path: string): Promise<boolean> {
    const around = path === STREAM ? undefined : await aroundCommit(path);
    if (around !== undefined) this.warn(around.text);
    return around === undefined || around.path !== undefined;
  }

  /**
   * Begins to read files that are closed before the job ends. `files`: how many compressed ones are open together, if the
   * request does not name all of them; they share the memory for pieces.
   */
  reading({ files = 1 } = {}): Reading {
    const codecs = this.#crew.codecs(Math.max(this.#compressedFiles, files));
    const options = { codecs, pace: this.pace };
    return new Reading(this.#core, {
      options,
      work: this.#work,
      pages: this.#pages,
      inputs: this.#inputs,
      read: this.#read,
    });
  }

  /** The core, with memory that is given back when the command ends. */
  get core(): Core {
    return this.files.core;
  }

  /** Stops the job. */
  get signal(): AbortSignal | undefined {
    return this.#signal;
  }

  /** Signal and progress for the pipeline. */
  get run(): RunOptions {
    return {
      crew: this.#crew,
      pages: this.#pages,
      signal: this.#signal,
      onProgress: (progress) => this.#observer.progress?.(this.#work.at(progress)),
    };
  }

  /** Has the progress count the data of a disk that will be read. */
  async expectDisk(disk: ReadableDisk, range: Omit<SurveyRange, "goesOn"> = {}): Promise<void> {
    if (this.#observer.progress === undefined) return;
    const end = performance.now() + SURVEY_MS;
    this.#work.disk = await surveyData(disk, { ...range, goesOn: () => performance.now() < end });
  }

  /** What a disk is opened with: who inflates its grains, and who hears of its oddities. */
  get diskHelp(): { inflater: Crew["inflater"]; warn: (line: string) => void } {
    return { inflater: this.#crew.inflater, warn: (line) => this.warn(line) };
  }

  /** Tells that so many bytes will be read: of many, hashes have a thread of their own. */
  expectBytes(bytes: number): void {
    this.#expectedBytes += bytes;
    if (this.#hashesApart && this.#expectedBytes >= LONG_BYTES) this.#crew.expectHashes();
  }

  /** Begins the root of a generation: a hash of all MD5s of its blocks. */
  root(): PassingSha256 {
    return new BufferedSha256(this.#crew.sha256());
  }

  /** Has a worker start while this thread waits for something else. */
  expectWork(): void {
    this.#crew.expectWork();
  }

  /** Names more files that the command reads: those of a disk. No output may be one of them. */
  addInputs(paths: readonly string[]): void {
    this.#outputs.addInputs(paths);
  }

  /** Says `line` if the command is stopped or fails from now on. Returns how to take that back. */
  warnUnlessDone(line: string): Disposable {
    const onAbort = () => this.warn(line);
    this.#signal?.addEventListener("abort", onAbort);
    return { [Symbol.dispose]: () => this.#signal?.removeEventListener("abort", onAbort) };
  }

  /** Closes `resource` when the command ends. */
  using<T extends Disposable | AsyncDisposable>(resource: T): T {
    return this.files.using(resource);
  }

  /** Opens an archive or a digest that is read until the command ends. */
  source(path: string): Promise<ByteSource> {
    return this.files.source(path);
  }

  /**
   * Has a file with a seal hashed while it is read. Returns what reads the rest of it, and throws a {@linkcode FormatError} if
   * the file is not what was sealed, byte for byte.
   */
  proveWhileRead({ source }: { source: ByteSource }, sealed: Sealed): () => Promise<void> {
    const hash = this.#crew.sha256();
    source.tell(hash);
    return async () => assertIs(sealed, { bytes: await source.finishFile(), sha256: await hash.hex() });
  }

  /** A file that goes away with the session, for what does not fit into memory, in the folder of `path`. */
  scratch(path: string): UnnamedFile {
    return this.using(UnnamedFile.open(isStream(path) ? undefined : path));
  }

  /**
   * The entry of an open archive in the seal beside it, if there is one.
   *
   * @throws {MismatchError} if the file is not the one that was sealed, as far as that can be seen without reading it
   */
  async sealed(reader: ArchiveIdentity): Promise<Sealed | undefined> {
    const { sealed, assertIsIt } = await this.entryOf(reader);
    assertIsIt();
    return sealed;
  }

  /** The same; whether the file is the one that was sealed is asserted apart. */
  async entryOf(reader: ArchiveIdentity): Promise<{ sealed?: Sealed; assertIsIt: () => void }> {
    const input = [...this.#inputs].find(({ source }) => source.path === reader.path);
    if (input === undefined) return { assertIsIt: () => {} };
    const { path, header: { full, seriesId, time } } = reader;
    const bytes = input.before.size;
    const role = full === undefined ? "digest" : full ? "dump" : "rdiff";
    const known = { role, series: formatSeriesId(seriesId), time: formatTimeStamp(time), bytes } as const;
    const sealed = await this.sealOf(path, known);
    if (sealed !== undefined) {
      const assertIsIt = () => {
        assertSealed(sealed, reader, bytes);
        if (role !== "rdiff") this.#warnOfChanges(path, sealed.seal);
      };
      return { sealed, assertIsIt };
    }
    const { capacityBytes } = reader.header;
    const other = capacityBytes !== undefined && this.#goesBySeals
      ? await this.#seals.otherCapacity(path, { series: known.series, capacityBytes })
      : undefined;
    return { assertIsIt: () => void (other && refuseCapacity(reader, other)) };
  }

  /**
   * Returns the changes of the disk while a generation was read, as the seals beside the inputs record them, and warns of
   * them with the name of `path`; undefined if there are none.
   */
  async changesOf(
    path: string,
    generation: { series: string; time: string },
  ): Promise<string | undefined> {
    const changed = this.#goesBySeals ? await this.#seals.changedOf([...this.#read], generation) : undefined;
    if (changed !== undefined) this.#warnOfChanges(path, { ...generation, source: { changed } });
    return changed;
  }

  /** Warns, once for each generation, if its disk changed while the dump read it. */
  #warnOfChanges(path: string, { source, series, time }: Pick<Seal, "source" | "series" | "time">): void {
    const generation = `${series} ${time}`;
    if (source.changed === undefined || this.#toldChanges.has(generation)) return;
    this.#toldChanges.add(generation);
    this.warn(
      `"${path}" is of a disk that changed while it was read (${source.changed}), and may be of no use as a whole`,
    );
  }

  /** The entry of a file in a seal of its folder; without what is `known` of it, by its name alone. */
  async sealOf(path: string, known?: Known): Promise<Sealed | undefined> {
    return this.#goesBySeals ? await this.#seals.of(path, known) : undefined;
  }

  /** The roots that the seals beside `paths` tell for a generation. */
  async rootsOf(
    paths: readonly string[],
    generation: { series: string; time: string },
  ): Promise<KnownRoot[]> {
    return this.#goesBySeals ? await this.#seals.rootsOf(paths, generation) : [];
  }

  /** Tells the user which seals could not be read, each once: for a command that goes on without them. */
  warnOfSeals(): void {
    for (const { message } of this.#seals.unreadable.slice(this.#toldSeals)) this.warn(message);
    this.#toldSeals = this.#seals.unreadable.length;
  }

  /**
   * Reads the archives of the last {@linkcode chain} that have seals, to their ends: for what is made of them without knowing
   * what its blocks must be.
   *
   * @throws {FormatError} if one is not what was sealed
   */
  async proveSealed(): Promise<void> {
    for (const sealed of this.#sealed) await assertHash(sealed, { signal: this.#signal });
  }

  /** Archives of the last {@linkcode chain} that no seal tells of. */
  get unsealed(): readonly string[] {
    return this.#unsealed;
  }

  /** Reads one seal. @throws as {@linkcode Seals.read} */
  readSeal(path: string): Promise<Seal> {
    return this.#seals.read(path);
  }

  /** The seals that were read and are signed with the trusted key. */
  get signedSeals(): readonly SignedBy[] {
    return this.#seals.signed;
  }

  /** Whether only signed seals count, and nothing that is not sealed. */
  get goesByKey(): boolean {
    return this.#goesByKey;
  }

  /** Why seals in the folders of the inputs could not be read. */
  get unreadableSeals(): readonly Error[] {
    return this.#seals.unreadable;
  }

  /**
   * Opens a list of archives, newest first, which are closed with `files`; `skims` if their blocks are passed over.
   *
   * @throws {MismatchError} if they are no chain, or not those that were sealed
   */
  async chain(
    paths: readonly string[],
    { files = this.files, skims = false }: { files?: Reading; skims?: boolean } = {},
  ): Promise<Chain> {
    if (paths.length > MAX_CHAIN) {
      throw new UsageError(
        `Cannot read ${paths.length} archives at a time: at most ${MAX_CHAIN} are accepted; merge some of them first`,
      );
    }
    const readers = [];
    const links = [];
    const isLong = paths.length > LONG_CHAIN;
    const windowBytes = skims ? SKIMMING_WINDOW_BYTES : isLong ? smallWindowBytes(paths.length) : undefined;
    const ahead = paths.length > 2 ? { partBytes: LIST_PART_BYTES } : {};
    for (const path of paths) {
      const many = isLong && readers.length > 0 ? this.#many : undefined;
      const source = await files.source(path, { many, skims });
      const reader = await DumpReader.open(files.core, source, {
        windowBytes,
        // Those of the last one count.
        dropsMetadata: readers.length < paths.length - 1,
        ...ahead,
      });
      readers.push(reader);
      links.push({ path, header: reader.header, sealed: await this.sealed(reader) });
    }
    const chain = new Chain(readers);
    assertLinked(links);
    this.#unsealed = links.filter(({ sealed }) => sealed === undefined).map(({ path }) => path);
    this.#sealed = links.flatMap(({ sealed }) => sealed ?? []);
    return chain;
  }

  /** Opens an archive or a digest for writing; complete with {@linkcode commit}. */
  async sink(path: string, options: { level?: number } = {}): Promise<ByteSink> {
    const file = path === STREAM ? Deno.stdout : await this.output(path);
    return await this.sinkTo(path, file, options);
  }

  /** Opens the file of an output, for {@linkcode sinkTo}. */
  async output(path: string, options?: OpenOptions): Promise<OutputFile> {
    return await this.#outputs.open(path, options);
  }

  /** Writes an archive to `file`, behind what is `begun`. */
  async sinkTo(
    path: string,
    file: ArchiveFile,
    options: { level?: number; begun?: Begun },
  ): Promise<ByteSink> {
    const { begun } = options;
    const hash = file !== Deno.stdout && (file as Deno.FsFile).statSync().isFile
      ? this.#crew.sha256()
      : undefined;
    if (hash !== undefined && begun !== undefined) {
      await hashStart(file as Deno.FsFile, { lenBytes: begun.storedBytes, hash, signal: this.#signal });
    }
    try {
      const sink = this.using(
        await sinkFor(path, file, {
          level: options.level,
          codecs: this.#crew.codecs(this.#compressedFiles),
          hash,
          begun,
          scratch: () => this.scratch(path),
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

  /** Whether an output of this path is a regular file: neither a stream nor a device. */
  isFile(path: string): boolean {
    return this.#written.has(path);
  }

  /** Where an output will lie, whatever links lead there. */
  finalPath(path: string): string {
    return this.#outputs.finalPathOf(path);
  }

  /** Length and SHA-256 of an output that is a regular file and was written to its end. */
  async stored(path: string): Promise<{ bytes: number; sha256: string } | undefined> {
    const written = this.#written.get(path);
    if (written === undefined) return undefined;
    written.sha256 ??= await written.hash.hex();
    return { bytes: written.sink.storedBytes, sha256: written.sha256 };
  }

  /** Opens a seal, which may `replace` another one; returns what writes it. */
  async openSeal(path: string, { replace }: { replace: boolean }): Promise<(bytes: Uint8Array) => void> {
    const file = await this.#outputs.open(path, { replace: replace || this.isForced });
    return (bytes) => {
      for (let at = 0; at < bytes.length;) {
        at += onFile("write", path, () => file.writeSync(bytes.subarray(at)));
      }
    };
  }

  /** Writes a text of any length to standard output or to a plain file; this is complete with {@linkcode commit}. */
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
      if (this.pace.isDueNow()) await this.pace.rest();
    }
    await sink.write(new TextEncoder().encode(text));
    await sink.finish();
  }

  /** Writes a bitmap; complete with {@linkcode commit}. */
  async writeBitmap(path: string, bitmap: Bitmap): Promise<void> {
    using sink = new PlainSink(path, path === STREAM ? Deno.stdout : await this.#outputs.open(path));
    await bitmap.writeTo(sink);
    await sink.finish();
  }

  /**
   * Writes a small plain file whole, as {@linkcode writeLines}, for a report, which is no secret. It replaces an earlier one: a file that begins as `isReport`
   * says.
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

  /** @throws {UsageError} if the command reads `path`, by whatever name */
  refuseInput(path: string): void {
    this.#outputs.refuseInput(path);
  }

  /** Opens a file to which lines are appended. @throws {UsageError} if the command reads it */
  openLog(path: string): Deno.FsFile {
    this.#outputs.refuseInput(path);
    return onFile("write", path, () => Deno.openSync(path, { append: true, create: true, mode: 0o600 }));
  }

  /** Packs the grains of a disk on all threads. */
  get packing(): GrainPacking {
    return { ahead: this.#crew.ahead(), pack: (given) => this.#crew.run({ kind: "packGrains", given }) };
  }

  /** Keeps other processes from replacing a disk that is changed in place. */
  hold(path: string): Promise<void> {
    this.#changed.push(path);
    return this.#outputs.hold(path);
  }

  /**
   * Keeps other processes from writing the files of a disk, and with `write` from reading them, until the session ends.
   *
   * @throws {Error} if another process is at it
   */
  lockDisk({ files }: { files: readonly string[] }, { write = false } = {}): void {
    this.using(DiskLock.take(files, { write }));
  }

  /** Opens a file that becomes a disk: its mode is what the user gives new files, since a hypervisor is to read it. */
  openOutput(path: string): Promise<Deno.FsFile> {
    return this.#outputs.open(path, { mode: 0o666 });
  }

  /** Gives the outputs their names, and tells the observer. */
  commit(): void {
    this.#signal?.throwIfAborted();
    for (const input of this.#inputs) assertUnchanged(input);
    this.#outputs.commit();
    for (const path of [...this.#outputs.paths, ...this.#changed]) {
      const written = this.#written.get(path);
      const bytes = written?.sink.storedBytes ?? sizeOf([path]);
      this.#observer.file?.({ path, bytes, sha256: written?.sha256 });
    }
  }

  /** Tells the observer what the user should know, whatever the result. */
  warn(line: string): void {
    this.#observer.warning?.(line);
  }

  /** Ends the job: waits for the reads under way, closes all files, and removes outputs that are not complete. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#resources.disposeAsync();
    } finally {
      this.#outputs[Symbol.dispose]();
    }
  }
}

/** The engine of a job that is given none. */
async function startEngine(
  { threads = defaultThreads() }: JobOptions,
  { inputs }: JobPaths,
): Promise<Engine> {
  const isMany = inputs.length > MANY_ARCHIVES;
  return await Engine.start({ threads: isMany ? Math.min(threads, THREADS_FOR_MANY) : threads });
}
