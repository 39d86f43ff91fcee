/** Inputs that are read together, and the memory of the core that reading them takes. */

import { type Bitmap, readBitmap } from "../archive/bitmap.ts";
import type { BitmapPages } from "../archive/bitmap_pages.ts";
import type { ByteSource } from "../archive/bytes.ts";
import { sourceFor, type SourceOptions } from "../archive/container.ts";
import { DamagedFile } from "../archive/damaged_file.ts";
import { type InputFile, PlainSource } from "../archive/plain_source.ts";
import type { Core } from "../core.ts";
import { UsageError } from "../errors.ts";
import { statOf } from "../files/positioned.ts";
import { type ArchiveObject, openObject } from "./archive_input.ts";
import { type Input, isStream, openInput, STREAM } from "./input_file.ts";
import type { Work } from "./work.ts";

/** What all readings of a job share. */
export interface ReadingParts {
  /** How files are read. */
  options: SourceOptions;
  /** Counts the bytes that are read, for the progress. */
  work: Work;
  /** Store the parts of bitmaps that do not fit into memory. */
  pages: BitmapPages;
  /** The inputs that are objects, by their names. All other inputs are files. */
  objects: ReadonlyMap<string, ArchiveObject>;
  /** The regular files that are open now, with their state when they were opened. */
  inputs: Set<Input>;
  /** The paths of all regular files that were opened, in order. */
  read: Set<string>;
}

/**
 * Opens inputs of a job. When the reading is disposed, it waits for the reads under way, gives the memory
 * back that was allocated from its `core`, and closes all that it opened.
 */
export class Reading implements AsyncDisposable {
  /** A scope of the engine's core. */
  readonly core: Core;
  readonly #parts: ReadingParts;
  readonly #resources = new AsyncDisposableStack();
  /** A pipe was opened. A read of a pipe ends only when the program at its other end writes or ends. */
  #hasStream = false;

  /** Allocates from a scope of `core`. */
  constructor(core: Core, parts: ReadingParts) {
    this.core = core.scope();
    this.#parts = parts;
  }

  /**
   * Opens an archive or a digest, by its path or the name of its object. `options` add to those of all files.
   */
  async source(path: string, options: Partial<SourceOptions> = {}): Promise<ByteSource> {
    const reading = { ...this.#parts.options, ...options };
    if (this.#parts.objects.has(path)) {
      return this.#add(this.using(await sourceFor(path, await this.stored(path), reading)));
    }
    if (path === STREAM) {
      this.#hasStream = true;
      return this.#add(this.using(await sourceFor(path, Deno.stdin, reading)));
    }
    const file = await openInput(path);
    const source = this.using(await sourceFor(path, file, reading));
    const before = statOf(file, path);
    this.#hasStream ||= !before.isFile;
    return this.#add(source, before.isFile ? { source, file, before } : undefined);
  }

  /** Opens an input as it is stored, compressed or not. The caller closes it. */
  async stored(path: string): Promise<InputFile> {
    const object = this.#parts.objects.get(path);
    return object === undefined ? await openInput(path) : await openObject(object);
  }

  /**
   * Opens the content of an output that is being written. The file is at `systemPath` until it gets its name
   * `path`.
   */
  async sourceOfOutput(path: string, systemPath: string): Promise<ByteSource> {
    return this.using(await sourceFor(path, await openInput(systemPath), this.#parts.options));
  }

  /** Opens a regular file that may be damaged. @throws {UsageError} if `path` is no regular file */
  async damagedFile(path: string): Promise<DamagedFile> {
    const file = path === STREAM ? undefined : await openInput(path);
    const before = file && statOf(file, path);
    if (file === undefined || before?.isFile !== true) {
      file?.close();
      throw new UsageError(`Cannot read "${path}" more than once: a regular file is needed`);
    }
    const source = this.using(new DamagedFile(path, file, { pace: this.#parts.options.pace }));
    this.#parts.work.addOther(source);
    this.#note({ source, file, before });
    return source;
  }

  /** Reads a bitmap, which is never compressed, whatever its name is. */
  async bitmap(path: string): Promise<Bitmap> {
    const file = path === STREAM ? Deno.stdin : await openInput(path);
    this.#hasStream ||= isStream(path);
    const source = this.using(new PlainSource(path, file, { pace: this.#parts.options.pace }));
    return await readBitmap(source, this.#parts.pages);
  }

  /** Disposes of `resource` when the reading is disposed, before the resources that were opened earlier. */
  using<T extends Disposable | AsyncDisposable>(resource: T): T {
    return this.#resources.use(resource);
  }

  /** Waits for the reads under way, except if a pipe was opened, and closes everything. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#hasStream) this.core[Symbol.dispose]();
    else await this.core[Symbol.asyncDispose]();
    await this.#resources.disposeAsync();
  }

  /** Notes an open source. `input`: its file, if that is a regular one */
  #add(source: ByteSource, input?: Input): ByteSource {
    this.#parts.work.addFile(source, input?.before.size);
    this.#resources.defer(() => this.#parts.work.remove(source));
    if (input !== undefined) {
      this.#note(input);
      this.#parts.read.add(source.path);
    }
    return source;
  }

  /** Adds a regular file to the open inputs for as long as it is open. */
  #note(input: Input): void {
    this.#parts.inputs.add(input);
    this.#resources.defer(() => void this.#parts.inputs.delete(input));
  }
}
