/** A file that lives in memory: what the tests of the pipeline write archives to and read them from. */

import type { ByteSink, ByteSource } from "../../cli/archive/bytes.ts";
import { sinkFor, sourceFor } from "../../cli/archive/container.ts";
import type { InputFile } from "../../cli/archive/plain_source.ts";
import type { OutputFile } from "../../cli/archive/plain_sink.ts";

/** How a file hands out its bytes. */
export interface ReadOptions {
  /** Most bytes that one read gives, as a pipe might. */
  mostBytes?: number;
}

/** Its name chooses the container, as that of a real file does. */
export class MemoryFile implements OutputFile {
  readonly path: string;
  #parts: Uint8Array[];

  /** Holds `parts` from the start. */
  constructor(path: string, parts: readonly Uint8Array[] = []) {
    this.path = path;
    this.#parts = [...parts];
  }

  /** All that was written, as it lies in the file. */
  get bytes(): Uint8Array<ArrayBuffer> {
    const all = new Uint8Array(this.#parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of this.#parts) {
      all.set(part, at);
      at += part.length;
    }
    this.#parts = [all];
    return all;
  }

  writeSync(part: Uint8Array): number {
    this.#parts.push(part.slice());
    return part.length;
  }

  write(part: Uint8Array): Promise<number> {
    return Promise.resolve(this.writeSync(part));
  }

  /** Reads from the start. */
  open({ mostBytes = Infinity }: ReadOptions = {}): InputFile {
    const { bytes } = this;
    let at = 0;
    const readSync = (into: Uint8Array) => {
      const part = bytes.subarray(at, at + Math.min(into.length, mostBytes));
      into.set(part);
      at += part.length;
      return part.length > 0 ? part.length : null;
    };
    return { readSync, read: (into) => Promise.resolve(readSync(into)), close() {} };
  }

  /** The bytes that the container holds. */
  source(options?: ReadOptions): Promise<ByteSource> {
    return sourceFor(this.path, this.open(options));
  }

  sink(): Promise<ByteSink> {
    return sinkFor(this.path, this);
  }

  /** All bytes that the container holds. */
  async content(): Promise<Uint8Array> {
    using source = await this.source();
    const plain = new MemoryFile("content");
    const buffer = new Uint8Array(64 * 1024);
    for (let got; (got = await source.read(buffer)) > 0;) plain.writeSync(buffer.subarray(0, got));
    return plain.bytes;
  }
}
