/** Files that are read together, and the memory of the core that reading them takes. */

import { type Bitmap, readBitmap } from "../archive/bitmap.ts";
import type { BitmapPages } from "../archive/bitmap_pages.ts";
import type { ByteSource } from "../archive/bytes.ts";
import { sourceFor, type SourceOptions } from "../archive/container.ts";
import { DamagedFile } from "../archive/damaged_file.ts";
import { PlainSource } from "../archive/plain.ts";
import type { Core } from "../core.ts";
import { UsageError } from "../errors.ts";
import { statOf } from "../files/positioned.ts";
import { type Input, isStream, openInput, STREAM } from "./input_file.ts";
import type { Work } from "./work.ts";

/** What all readings of a command share. */
export interface ReadingParts {
  /** How files are read. */
  options: SourceOptions;
  /** Hears which files are read, for the progress. */
  work: Work;
  /** Where bitmaps keep what does not fit into memory. */
  pages: BitmapPages;
  /** The regular files that are open now, as they were when they were opened. */
  inputs: Set<Input>;
  /** The paths of all regular files that were opened, in order. */
  read: Set<string>;
}

/**
 * Opens files for reading. All of them are closed when the reading is disposed, and the memory that was
 * allocated from its `core` is given back, once the reads that are under way have ended.
 */
export class Reading implements AsyncDisposable {
  /** Memory for what is read. */
  readonly core: Core;
  readonly #parts: ReadingParts;
  readonly #resources = new AsyncDisposableStack();
  /** A pipe was opened: a read of it ends only when the program at its other end writes or ends. */
  #hasStream = false;

  /** Allocates from a scope of `core`. */
  constructor(core: Core, parts: ReadingParts) {
    this.core = core.scope();
    this.#parts = parts;
  }

  /** Opens an archive or a digest. `options` add to those of all files. */
  async source(path: string, options: Partial<SourceOptions> = {}): Promise<ByteSource> {
    const reading = { ...this.#parts.options, ...options };
    if (path === STREAM) return this.#add(this.using(await sourceFor(path, Deno.stdin, reading)), undefined);
    const file = await openInput(path);
    const source = this.using(await sourceFor(path, file, reading));
    return this.#add(source, { source, file, before: statOf(file, path) });
  }

  /** Opens what an output holds so far, while it is still written under `systemPath`. */
  async sourceOfOutput(path: string, systemPath: string): Promise<ByteSource> {
    return this.using(await sourceFor(path, await openInput(systemPath), this.#parts.options));
  }

  /** Opens a regular file that may be damaged. @throws {UsageError} if it can be read only once */
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

  /** Reads a bitmap, which is plain whatever its name is. */
  async bitmap(path: string): Promise<Bitmap> {
    const file = path === STREAM ? Deno.stdin : await openInput(path);
    this.#hasStream ||= isStream(path);
    const source = this.using(new PlainSource(path, file, { pace: this.#parts.options.pace }));
    return await readBitmap(source, this.#parts.pages);
  }

  /** Disposes of `resource` when the reading is disposed, before what was opened earlier. */
  using<T extends Disposable | AsyncDisposable>(resource: T): T {
    return this.#resources.use(resource);
  }

  /** Waits for the reads that are under way, but not for those of pipes, and ends. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#hasStream) this.core[Symbol.dispose]();
    else await this.core[Symbol.asyncDispose]();
    await this.#resources.disposeAsync();
  }

  #add(source: ByteSource, input: Input | undefined): ByteSource {
    const isFile = input?.before.isFile === true;
    this.#hasStream ||= !isFile;
    this.#parts.work.addFile(source, isFile ? input.before.size : undefined);
    this.#resources.defer(() => this.#parts.work.remove(source));
    if (isFile) {
      this.#note(input);
      this.#parts.read.add(source.path);
    }
    return source;
  }

  #note(input: Input): void {
    this.#parts.inputs.add(input);
    this.#resources.defer(() => void this.#parts.inputs.delete(input));
  }
}
