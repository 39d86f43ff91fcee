/** One run of a job: its inputs and outputs, its threads, the signal that stops it, and its observer. */

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
import { statOf } from "../files/positioned.ts";
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
import { type ArchiveInput, type ArchiveObject, filesAmong, objectsAmong, pathOf } from "./archive_input.ts";
import { defaultThreads, Engine, partsOf } from "./engine.ts";
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

/**
 * In lists of more archives, each is decoded as a stream with a small window, because each archive takes
 * memory.
 */
const LONG_CHAIN = 6;

/**
 * Threads for lists of more than {@linkcode MANY_ARCHIVES}: each thread takes memory, and one does most of
 * the work.
 */
const THREADS_FOR_MANY = 2;

/** Bytes that are read ahead of each archive, in lists of more than two. */
const LIST_PART_BYTES = 512 * 1024;

/** Characters of a long text that are written at a time. */
const TEXT_LENGTH = 64 * 1024;

/** Hashing so many bytes takes as long as starting a worker. */
const LONG_BYTES = 128 * 1024 * 1024;

/** Milliseconds in which the data of a disk is located for the progress, before the disk is read. */
const SURVEY_MS = 250;

/**
 * The inputs and outputs of a job. `-` is standard input among the inputs and standard output among the
 * outputs.
 */
export interface JobPaths {
  inputs: readonly ArchiveInput[];
  outputs?: readonly (string | undefined)[];
  /** Further files that the job writes: those of a new disk. */
  expected?: readonly string[];
  /** Keep outputs that are not complete, so that another job can continue them. */
  keepsPartial?: boolean;
}

/** An output that is a regular file. */
interface WrittenOutput {
  sink: ByteSink;
  hash: PassingSha256;
  /** The result of `hash`, after {@linkcode Job.stored} has computed it. */
  sha256?: string;
}

/**
 * One run of a job. It opens inputs and outputs. When it is disposed, it closes them, removes outputs that
 * were not committed, and gives its memory back.
 */
export class Job implements AsyncDisposable {
  readonly #core: Core;
  readonly #crew: Crew;
  /** Inputs that are open until the job ends, and the memory that the job has until then. */
  readonly files: Reading;
  readonly #signal?: AbortSignal;
  readonly #observer: JobObserver;
  readonly #outputs: Outputs;
  readonly #work = new Work();
  /** The resources of the job. Those that were added last are disposed first. */
  readonly #resources = new AsyncDisposableStack();
  /**
   * The number of compressed inputs and outputs that the request names; at least 1. They share the memory for
   * pieces.
   */
  readonly #compressedFiles: number;
  /** The pace of all loops over the files of the job. */
  readonly pace: Pace;
  /** The pages of the bitmaps of the job. */
  readonly #pages: BitmapPages;
  /** The memory that the archives of a long list share. */
  readonly #many = new ManySources();
  /** The inputs that are objects, by their names. */
  readonly #objects: ReadonlyMap<string, ArchiveObject>;
  /** The regular files that are open now, with their state when they were opened. */
  readonly #inputs = new Set<Input>();
  /** The paths of all regular files that were opened for reading, in order. */
  readonly #read = new Set<string>();
  /** Outputs that are regular files, by their paths. */
  readonly #written = new Map<string, WrittenOutput>();
  /** Outputs may replace files that exist. */
  readonly isForced: boolean;
  readonly #seals: Seals;
  /** Signs the seals that are written. */
  readonly signingKey?: SecretKey;
  /** The number of unreadable seals of which {@linkcode Job.warnOfSeals} has warned. */
  #toldSeals = 0;
  /** The generations for which {@linkcode Job.#warnOfChanges} has warned. */
  readonly #toldChanges = new Set<string>();
  /** False if seals are not to be read. */
  readonly #goesBySeals: boolean;
  readonly #goesByKey: boolean;
  /** Bytes that the job will read, as far as that is known. */
  #expectedBytes = 0;
  /** Hashes of files may be computed by a thread of their own. */
  readonly #hashesApart: boolean;
  /** Paths of the archives of the last {@linkcode chain} that no seal names. */
  #unsealed: readonly string[] = [];
  /** The entries in seals of the other archives of the last {@linkcode chain}. */
  #sealed: readonly Sealed[] = [];
  /** The paths of disks that are changed in place. */
  readonly #changed: string[] = [];

  private constructor(
    engine: Engine,
    options: JobOptions,
    paths: JobPaths & { objects: ReadonlyMap<string, ArchiveObject> },
  ) {
    const { inputs, outputs = [], expected = [], objects } = paths;
    const { observer = {}, signal, trustedKey, signingKey } = options;
    if (options.engine === undefined) this.#resources.use(engine);
    ({ core: this.#core, crew: this.#crew } = partsOf(engine));
    this.signingKey = signingKey;
    this.#seals = new Seals({ trustedKey });
    this.#objects = objects;
    const compressed = [...inputs.map(pathOf), ...outputs].filter(isCompressed).length;
    this.#compressedFiles = Math.max(1, compressed);
    // Compressing keeps all processors busy, and its small results are hashed quickly.
    this.#hashesApart = compressed === 0;
    this.isForced = options.force === true;
    this.#goesBySeals = options.withoutSeal !== true;
    this.#goesByKey = trustedKey !== undefined;
    this.#observer = observer;
    this.#signal = signal;
    this.pace = new Pace({ signal });
    this.#outputs = new Outputs({
      force: this.isForced,
      inputs: filesAmong(inputs),
      expected: [...outputs, ...expected].filter((path) => path !== undefined).filter((path) =>
        path !== STREAM
      ),
      isCompanion: isSealOf,
      keepPartial: paths.keepsPartial ? true : undefined,
      warn: (line) => this.warn(line),
    });
    // Scratch files lie beside an output. A job that only reads makes them where the system keeps temporary
    // files.
    const output = outputs.find((path) => path !== undefined && path !== STREAM) ?? STREAM;
    this.#pages = new BitmapPages({ scratch: () => this.scratch(output) });
    this.files = this.#resources.use(this.reading());
    // A job that waits for a pipe may never get to its own clean-up.
    const onAbort = () => this.#outputs[Symbol.dispose]();
    signal?.addEventListener("abort", onAbort);
    this.#resources.defer(() => signal?.removeEventListener("abort", onAbort));
  }

  /**
   * Starts a job, calls `work` with it, and ends it.
   *
   * @throws the reason of the signal, if it is aborted before the job is done: the errors that follow from
   *   that, such as writing to an output that is closed by now, are of no interest
   * @throws {UsageError} as {@linkcode Job.start}
   */
  static async run<T>(options: JobOptions, paths: JobPaths, work: (job: Job) => Promise<T>): Promise<T> {
    try {
      await using job = await Job.start(options, paths);
      return await work(job);
    } catch (error) {
      options.signal?.throwIfAborted();
      throw error;
    }
  }

  /** Starts a job. @throws {UsageError} if the options contradict each other, or the inputs and outputs do */
  static async start(options: JobOptions, paths: JobPaths): Promise<Job> {
    options.signal?.throwIfAborted();
    const { outputs = [] } = paths;
    const inputs = filesAmong(paths.inputs);
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
    const objects = objectsAmong(paths.inputs);
    const engine = options.engine ?? await startEngine(options, paths);
    const job = new Job(engine, options, { ...paths, objects });
    try {
      for (const path of inputs) await job.warnOfCommit(path);
      if (options.startsThreads) await job.#crew.start();
    } catch (error) {
      await job[Symbol.asyncDispose]();
      throw error;
    }
    if (hasMuchToCompress({ inputs, outputs })) job.#crew.expectWork();
    job.expectBytes(sizeOf(inputs));
    return job;
  }

  /**
   * Warns if a run was killed while it gave `path` its name. Returns whether there is a file that can be read
   * as `path`.
   */
  async warnOfCommit(path: string): Promise<boolean> {
    const around = path === STREAM ? undefined : await aroundCommit(path);
    if (around !== undefined) this.warn(around.text);
    return around === undefined || around.path !== undefined;
  }

  /**
   * Begins to read inputs that are closed before the job ends. `files`: the number of compressed files that
   * will be open together, if the request does not name all of them; they share the memory for pieces.
   */
  reading({ files = 1 } = {}): Reading {
    const codecs = this.#crew.codecs(Math.max(this.#compressedFiles, files));
    const options = { codecs, pace: this.pace };
    return new Reading(this.#core, {
      options,
      work: this.#work,
      pages: this.#pages,
      objects: this.#objects,
      inputs: this.#inputs,
      read: this.#read,
    });
  }

  /** A scope of the engine's core that ends with the job. */
  get core(): Core {
    return this.files.core;
  }

  /** The signal that stops the job. */
  get signal(): AbortSignal | undefined {
    return this.#signal;
  }

  /** The options for functions of the pipeline. */
  get run(): RunOptions {
    return {
      crew: this.#crew,
      pages: this.#pages,
      signal: this.#signal,
      onProgress: (progress) => this.#observer.progress?.(this.#work.at(progress)),
    };
  }

  /** Locates the data of a disk that will be read, so that the progress can count it. */
  async expectDisk(disk: ReadableDisk, range: Omit<SurveyRange, "goesOn"> = {}): Promise<void> {
    if (this.#observer.progress === undefined) return;
    const end = performance.now() + SURVEY_MS;
    this.#work.disk = await surveyData(disk, { ...range, goesOn: () => performance.now() < end });
  }

  /** Options for opening a disk: the threads inflate its grains, and the observer gets its warnings. */
  get diskHelp(): { inflater: Crew["inflater"]; warn: (line: string) => void } {
    return { inflater: this.#crew.inflater, warn: (line) => this.warn(line) };
  }

  /** Announces that `bytes` more bytes will be read. If they are many, a thread for hashes is started. */
  expectBytes(bytes: number): void {
    this.#expectedBytes += bytes;
    if (this.#hashesApart && this.#expectedBytes >= LONG_BYTES) this.#crew.expectHashes();
  }

  /** Begins the root of a generation: the SHA-256 over the MD5s of all its blocks. */
  root(): PassingSha256 {
    return new BufferedSha256(this.#crew.sha256());
  }

  /** Starts a worker now, because this thread will wait for something else. */
  expectWork(): void {
    this.#crew.expectWork();
  }

  /**
   * Names further files that the job reads, such as those of a disk. Outputs that are one of them are
   * refused.
   */
  addInputs(paths: readonly string[]): void {
    this.#outputs.addInputs(paths);
  }

  /** Warns with `line` if the job is stopped before the result is disposed. */
  warnUnlessDone(line: string): Disposable {
    const onAbort = () => this.warn(line);
    this.#signal?.addEventListener("abort", onAbort);
    return { [Symbol.dispose]: () => this.#signal?.removeEventListener("abort", onAbort) };
  }

  /** Disposes of `resource` when the job ends. */
  using<T extends Disposable | AsyncDisposable>(resource: T): T {
    return this.files.using(resource);
  }

  /** Opens an archive or a digest until the job ends. */
  source(path: string): Promise<ByteSource> {
    return this.files.source(path);
  }

  /**
   * Hashes a sealed file while it is read. The function that is returned reads the rest of the file, and
   * throws a {@linkcode FormatError} if the file is not, byte for byte, the one that was sealed.
   */
  proveWhileRead({ source }: { source: ByteSource }, sealed: Sealed): () => Promise<void> {
    const hash = this.#crew.sha256();
    source.tell(hash);
    return async () => assertIs(sealed, { bytes: await source.finishFile(), sha256: await hash.hex() });
  }

  /**
   * Opens a file without a name for data that does not fit into memory. It lies beside `path` and ends with
   * the job.
   */
  scratch(path: string): UnnamedFile {
    return this.using(UnnamedFile.open(isStream(path) ? undefined : path));
  }

  /**
   * Returns the entry of an open archive in a seal beside it; undefined if no seal names it.
   *
   * @throws {FormatError | MismatchError} if length or header show that the file is not the one that was
   *   sealed
   */
  async sealed(reader: ArchiveIdentity): Promise<Sealed | undefined> {
    const { sealed, assertIsIt } = await this.entryOf(reader);
    assertIsIt();
    return sealed;
  }

  /** As {@linkcode sealed}, but the file is compared with its entry only when `assertIsIt` is called. */
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
   * Returns how the disk of a generation changed while it was dumped, as the seals beside the inputs record
   * it, and warns that `path` is of this generation. Returns undefined if the disk did not change, or no seal
   * says so.
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

  /** Returns the entry of a file in a seal of its folder. Without `known`, the name of the file decides. */
  async sealOf(path: string, known?: Known): Promise<Sealed | undefined> {
    return this.#goesBySeals ? await this.#seals.of(path, known) : undefined;
  }

  /** Returns the roots that the seals beside `paths` record for a generation. Nothing lies beside objects. */
  async rootsOf(
    paths: readonly string[],
    generation: { series: string; time: string },
  ): Promise<KnownRoot[]> {
    if (!this.#goesBySeals) return [];
    return await this.#seals.rootsOf(paths.filter((path) => !this.#objects.has(path)), generation);
  }

  /** Warns of seals that could not be read, once for each: the job continues without them. */
  warnOfSeals(): void {
    for (const { message } of this.#seals.unreadable.slice(this.#toldSeals)) this.warn(message);
    this.#toldSeals = this.#seals.unreadable.length;
  }

  /**
   * Reads the sealed archives of the last {@linkcode chain} to their ends. This is needed where no root
   * proves the blocks that are made of them.
   *
   * @throws {FormatError} if one is not, byte for byte, the file that was sealed
   */
  async proveSealed(): Promise<void> {
    for (const sealed of this.#sealed) await assertHash(sealed, { signal: this.#signal });
  }

  /** Paths of the archives of the last {@linkcode chain} that no seal names. */
  get unsealed(): readonly string[] {
    return this.#unsealed;
  }

  /** Reads one seal. @throws as {@linkcode Seals.read} */
  readSeal(path: string): Promise<Seal> {
    return this.#seals.read(path);
  }

  /** The seals that were read and that the trusted key has signed. */
  get signedSeals(): readonly SignedBy[] {
    return this.#seals.signed;
  }

  /**
   * A trusted key was given: only seals that it has signed count, and inputs without such a seal are refused.
   */
  get goesByKey(): boolean {
    return this.#goesByKey;
  }

  /** The errors of seals in the folders of the inputs that could not be read. */
  get unreadableSeals(): readonly Error[] {
    return this.#seals.unreadable;
  }

  /**
   * Opens a list of archives, newest first. They are closed with `files`. With `skims` their blocks are
   * skipped.
   *
   * @throws {MismatchError} if they do not form a chain, or are not the ones that were sealed
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
        // The metadata of the last archive are those of the generation.
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

  /** Opens a new archive or digest. It gets its name with {@linkcode commit}. */
  async sink(path: string, options: { level?: number } = {}): Promise<ByteSink> {
    const file = path === STREAM ? Deno.stdout : await this.output(path);
    return await this.sinkTo(path, file, options);
  }

  /** Opens the file of an output, for {@linkcode sinkTo}. */
  async output(path: string, options?: OpenOptions): Promise<OutputFile> {
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
    const file = await this.#outputs.open(path, { replace: replace || this.isForced });
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
      if (this.pace.isDueNow()) await this.pace.rest();
    }
    await sink.write(new TextEncoder().encode(text));
    await sink.finish();
  }

  /** Writes a bitmap, which gets its name with {@linkcode commit}. */
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

  /** @throws {UsageError} if the job reads `path`, whatever links lead to it */
  refuseInput(path: string): void {
    this.#outputs.refuseInput(path);
  }

  /** Opens a file to which lines are appended. @throws {UsageError} if the job reads it */
  openLog(path: string): Deno.FsFile {
    this.#outputs.refuseInput(path);
    return onFile("write", path, () => Deno.openSync(path, { append: true, create: true, mode: 0o600 }));
  }

  /** Compresses the grains of a new disk on all threads. */
  get packing(): GrainPacking {
    return { ahead: this.#crew.ahead(), pack: (given) => this.#crew.run({ kind: "packGrains", given }) };
  }

  /** Locks a disk that is changed in place, so that no other process replaces it. */
  hold(path: string): Promise<void> {
    this.#changed.push(path);
    return this.#outputs.hold(path);
  }

  /**
   * Locks the files of a disk until the job ends: other processes of this program cannot write them, and with
   * `write` not read them either.
   *
   * @throws {Error} if another process has locked one
   */
  lockDisk({ files }: { files: readonly string[] }, { write = false } = {}): void {
    this.using(DiskLock.take(files, { write }));
  }

  /**
   * Opens a file of a new disk. Its mode is the user's for new files, because a hypervisor is to read the
   * disk.
   */
  openOutput(path: string): Promise<Deno.FsFile> {
    return this.#outputs.open(path, { mode: 0o666 });
  }

  /**
   * Gives the outputs their names and tells the observer.
   *
   * @throws {Error} if an input changed while it was read
   */
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

  /** Reports a sentence to the observer, whatever the result of the job. */
  warn(line: string): void {
    this.#observer.warning?.(line);
  }

  /**
   * Ends the job: waits for the reads under way, closes all files, and removes outputs that were not
   * committed.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#resources.disposeAsync();
    } finally {
      this.#outputs[Symbol.dispose]();
    }
  }
}

/** Starts the engine of a job that has none in its options. */
async function startEngine(
  { threads = defaultThreads() }: JobOptions,
  { inputs }: JobPaths,
): Promise<Engine> {
  const isMany = inputs.length > MANY_ARCHIVES;
  return await Engine.start({ threads: isMany ? Math.min(threads, THREADS_FOR_MANY) : threads });
}
