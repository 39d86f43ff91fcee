/** One run of a job: its inputs and outputs, its threads, the signal that stops it, and its observer. */

import { BitmapPages } from "../archive/bitmap_pages.ts";
import type { ByteSource } from "../archive/bytes.ts";
import { ManySources } from "../archive/many_sources.ts";
import type { SecretKey } from "../archive/minisign/secret_key.ts";
import { formatSeriesId } from "../archive/header.ts";
import { companionsOf, isSealOf } from "../archive/seal.ts";
import { formatTimeStamp } from "../archive/time_stamp.ts";
import type { Core } from "../core.ts";
import type { ReadableDisk } from "../disks/disk.ts";
import type { GrainPacking } from "../disks/vmdk/create/stream.ts";
import { UsageError } from "../errors.ts";
import { DiskLock } from "../files/disk_lock.ts";
import { Outputs } from "../files/outputs.ts";
import { onFile } from "../files/system_errors.ts";
import { aroundCommit } from "../files/unfinished.ts";
import { UnnamedFile } from "../files/unnamed_file.ts";
import { Pace } from "../pace.ts";
import {
  DumpReader,
  openArchive,
  SKIMMING_WINDOW_BYTES,
  smallWindowBytes,
} from "../pipeline/archive_reader.ts";
import { Chain, MANY_ARCHIVES, MAX_CHAIN } from "../pipeline/chain.ts";
import { surveyData, type SurveyRange } from "../pipeline/data_spread.ts";
import type { RunOptions } from "../pipeline/run.ts";
import type { Crew } from "../workers/crew.ts";
import { BufferedSha256, type PassingSha256 } from "../workers/hashes.ts";
import { type ArchiveInput, type ArchiveObject, filesAmong, objectsAmong, pathOf } from "./archive_input.ts";
import { defaultThreads, Engine, partsOf } from "./engine.ts";
import {
  assertUnchanged,
  hasMuchToCompress,
  type Input,
  isCompressed,
  isStream,
  sizeOf,
  STREAM,
} from "./input_file.ts";
import type { JobObserver, JobOptions } from "./options.ts";
import { refuseForeignSuffix } from "./output_suffix.ts";
import { InputSeals } from "./input_seals.ts";
import { JobOutputs } from "./job_outputs.ts";
import { Reading } from "./reading.ts";
import { assertHash, assertIs, assertLinked, type Sealed } from "./seals.ts";
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
  /** The number of compressed files that are open together, if the inputs and outputs do not tell. */
  compressedFiles?: number;
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
  /** Outputs may replace files that exist. */
  readonly isForced: boolean;
  /** The seals beside the inputs. */
  readonly seals: InputSeals;
  /** The outputs, which get their names with {@linkcode commit}. */
  readonly outputs: JobOutputs;
  /** Signs the seals that are written. */
  readonly signingKey?: SecretKey;
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
    const { observer = {}, signal, signingKey } = options;
    if (options.engine === undefined) this.#resources.use(engine);
    ({ core: this.#core, crew: this.#crew } = partsOf(engine));
    this.signingKey = signingKey;
    this.#objects = objects;
    const warn = (line: string) => this.warn(line);
    this.seals = new InputSeals({ inputs: this.#inputs, read: this.#read, objects, warn }, options);
    const compressed = [...inputs.map(pathOf), ...outputs].filter(isCompressed).length;
    this.#compressedFiles = Math.max(1, paths.compressedFiles ?? compressed);
    // Compressing keeps all processors busy, and its small results are hashed quickly.
    this.#hashesApart = compressed === 0;
    this.isForced = options.force === true;
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
      companionsOf,
      keepPartial: paths.keepsPartial ? true : undefined,
      warn,
    });
    this.outputs = new JobOutputs(this.#outputs, {
      crew: this.#crew,
      pace: this.pace,
      signal,
      isForced: this.isForced,
      compressedFiles: this.#compressedFiles,
      scratch: (path) => this.scratch(path),
      using: (resource) => this.using(resource),
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

  /** Returns the generation in the header of an archive; undefined if `path` is none that can be read. */
  async generationIn(path: string): Promise<{ series: string; time: string } | undefined> {
    try {
      await using reading = this.reading();
      const { header } = await openArchive(reading.core, await reading.source(path, { skims: true }), {
        windowBytes: SKIMMING_WINDOW_BYTES,
      });
      return { series: formatSeriesId(header.seriesId), time: formatTimeStamp(header.time) };
    } catch {
      this.#signal?.throwIfAborted();
      return undefined;
    }
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

  /**
   * Opens a list of archives, newest first. They are closed with `files`. With `skims` their blocks are
   * skipped.
   *
   * @throws {MismatchError} if they do not form a chain, or are not the ones that were sealed
   */
  async chain(
    paths: readonly string[],
    { files = this.files, skims = false }: { files?: Reading; skims?: boolean } = {},
  ): Promise<Chain<DumpReader>> {
    if (paths.length > MAX_CHAIN) {
      throw new UsageError(
        `Cannot read ${paths.length} archives at a time: at most ${MAX_CHAIN} are accepted; merge some of them first`,
      );
    }
    const readers = await this.openArchives(paths, { files, skims });
    const links = [];
    for (const reader of readers) {
      links.push({ path: reader.path, header: reader.header, sealed: await this.seals.sealed(reader) });
    }
    const chain = new Chain(readers);
    assertLinked(links);
    this.#unsealed = links.filter(({ sealed }) => sealed === undefined).map(({ path }) => path);
    this.#sealed = links.flatMap(({ sealed }) => sealed ?? []);
    return chain;
  }

  /**
   * Opens archives of a list, newest first. They are closed with `files`. `before`: the number of disks or
   * archives of the list that are in front of them.
   */
  async openArchives(
    paths: readonly string[],
    { files, skims = false, before = 0 }: { files: Reading; skims?: boolean; before?: number },
  ): Promise<DumpReader[]> {
    const readers: DumpReader[] = [];
    const count = before + paths.length;
    const isLong = count > LONG_CHAIN;
    const windowBytes = skims ? SKIMMING_WINDOW_BYTES : isLong ? smallWindowBytes(count) : undefined;
    const ahead = count > 2 ? { partBytes: LIST_PART_BYTES } : {};
    for (const path of paths) {
      const many = isLong && before + readers.length > 0 ? this.#many : undefined;
      const source = await files.source(path, { many, skims });
      const reader = await DumpReader.open(files.core, source, {
        windowBytes,
        // The metadata of the last archive are those of the generation.
        dropsMetadata: readers.length < paths.length - 1,
        ...ahead,
      });
      readers.push(reader);
    }
    return readers;
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
    this.using(this.lock(files, { write }));
  }

  /** Locks files as {@linkcode lockDisk} does, until the result is disposed. */
  lock(files: readonly string[], { write = false } = {}): Disposable {
    return DiskLock.take(files, { write });
  }

  /**
   * Opens a file of a new disk. Its mode is the user's for new files, because a hypervisor is to read the
   * disk. `isNamed`: the request names this file, and a link in its place is followed.
   */
  openOutput(path: string, { isNamed }: { isNamed: boolean }): Promise<Deno.FsFile> {
    return this.#outputs.open(path, { mode: 0o666, follow: isNamed });
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
      const { bytes = sizeOf([path]), sha256 } = this.outputs.known(path);
      this.#observer.file?.({ path, bytes, sha256 });
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
