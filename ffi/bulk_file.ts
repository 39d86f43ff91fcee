/**
 * Large reads, writes and copies on other threads: `pread`, `pwrite` and `copy_file_range` as nonblocking
 * calls.
 *
 * Deno's own asynchronous reads and writes do not accept shared memory, and its synchronous ones block
 * everything else. These calls read and write the core's memory directly on the runtime's threads, several at
 * a time, and cost about 25 µs each. An error number belongs to the thread on which the call failed, and
 * cannot be read here. So a call that does less than requested is not an error but an end: the caller goes on
 * with Deno's functions, which fail with the same error and name it.
 */

import { isNameOf, type Libc, O_RDONLY, O_WRONLY, openDescriptor, useLibc } from "./libc.ts";

/** The most bytes that Linux moves in one call, rounded down. */
const CALL_BYTES = 2 ** 30;

/** `IOV_MAX` of Linux and macOS. */
const PARTS_MAX = 1024;

/** A second descriptor of an open file; {@linkcode openBulkFile} makes it. */
export class BulkFile implements Disposable {
  readonly #libc: Libc;
  readonly #fd: number;
  #underWay = 0;
  #disposed = false;

  /** Takes ownership of `libc` and `fd`. */
  constructor(libc: Libc, fd: number) {
    this.#libc = libc;
    this.#fd = fd;
  }

  /**
   * Fills `into` with the bytes from `offsetBytes` on. Returns the number of bytes read, which is lower at
   * the end of the file and after an error.
   */
  read(into: Uint8Array, offsetBytes: number): Promise<number> {
    return this.#repeat(into.length, (doneBytes, lenBytes) => {
      const part = into.subarray(doneBytes, doneBytes + lenBytes) as Uint8Array<ArrayBuffer>;
      return this.#libc.calls.pread(this.#fd, part, BigInt(lenBytes), BigInt(offsetBytes + doneBytes));
    });
  }

  /**
   * Writes `parts` one behind the other from `offsetBytes` on. Returns the number of bytes written, which is
   * lower after an error. On some machines a call costs more than writing a mebibyte, so each call takes as
   * many parts as possible.
   */
  async write(parts: readonly Uint8Array[], offsetBytes: number): Promise<number> {
    let done = 0;
    for (let first = 0; first < parts.length; first += PARTS_MAX) {
      const group = parts.slice(first, first + PARTS_MAX);
      const lenBytes = group.reduce((sum, part) => sum + part.length, 0);
      const went = await this.#writeGroup(group, offsetBytes + done);
      done += went;
      if (went < lenBytes) break;
    }
    return done;
  }

  async #writeGroup(group: readonly Uint8Array[], offsetBytes: number): Promise<number> {
    const { pwrite, pwritev } = this.#libc.calls;
    if (group.length === 1) {
      return await this.#repeat(group[0].length, (doneBytes, lenBytes) => {
        const part = group[0].subarray(doneBytes, doneBytes + lenBytes) as Uint8Array<ArrayBuffer>;
        return pwrite(this.#fd, part, BigInt(lenBytes), BigInt(offsetBytes + doneBytes));
      });
    }
    // macOS 10 does not have it.
    if (!pwritev) return 0;
    // struct iovec { void *iov_base; size_t iov_len; }
    const vector = new BigUint64Array(2 * group.length);
    for (const [i, part] of group.entries()) {
      vector[2 * i] = BigInt(
        Deno.UnsafePointer.value(Deno.UnsafePointer.of(part as Uint8Array<ArrayBuffer>)),
      );
      vector[2 * i + 1] = BigInt(part.length);
    }
    return await this.#repeat(1, () => pwritev(this.#fd, vector, group.length, BigInt(offsetBytes)));
  }

  /**
   * Lets the system copy `lenBytes` from `fromBytes` of `source` to `toBytes` of this file. The bytes do not
   * pass through this program, and file systems that can do so share the blocks. Returns the number of bytes
   * copied, which is 0 if the system cannot copy between these two files.
   */
  async copyFrom(
    source: BulkFile,
    { fromBytes, toBytes, lenBytes }: { fromBytes: number; toBytes: number; lenBytes: number },
  ): Promise<number> {
    const copyFileRange = this.#libc.calls.copyFileRange;
    if (!copyFileRange || source.#disposed) return 0;
    // The call advances both offsets.
    const from = BigInt64Array.of(BigInt(fromBytes));
    const to = BigInt64Array.of(BigInt(toBytes));
    source.#underWay++;
    try {
      return await this.#repeat(
        lenBytes,
        (_, partBytes) => copyFileRange(source.#fd, from, this.#fd, to, BigInt(partBytes), 0),
      );
    } finally {
      source.#leave();
    }
  }

  /**
   * Closes the file when the last call on it has ended, because its number may belong to another file right
   * after.
   */
  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#underWay++;
    this.#leave();
  }

  /** Repeats the call until `lenBytes` are done or a call does nothing. */
  async #repeat(
    lenBytes: number,
    call: (doneBytes: number, lenBytes: number) => Promise<bigint | number>,
  ): Promise<number> {
    if (this.#disposed) return 0;
    this.#underWay++;
    try {
      let done = 0;
      while (done < lenBytes && !this.#disposed) {
        const count = Number(await call(done, Math.min(lenBytes - done, CALL_BYTES)));
        if (count <= 0) break;
        done += count;
      }
      return done;
    } finally {
      this.#leave();
    }
  }

  #leave(): void {
    if (--this.#underWay > 0 || !this.#disposed) return;
    this.#libc.calls.close(this.#fd);
    this.#libc[Symbol.dispose]();
  }
}

/**
 * Opens `file`, a regular file or block device that was opened by `path`, a second time for reading or for
 * writing. Returns undefined if that is not possible. Never asks for a permission.
 */
export function openBulkFile(
  path: string,
  file: Pick<Deno.FsFile, "statSync">,
  { write }: { write: boolean },
): BulkFile | undefined {
  let opened: BulkFile | undefined;
  try {
    // The kind of file is checked first, because opening a pipe waits for its other end, possibly for ever.
    const { isFile, isBlockDevice } = file.statSync();
    if (!isFile && !isBlockDevice || !isNameOf(path, file)) return undefined;
    const libc = useLibc();
    if (libc === undefined) return undefined;
    const fd = openDescriptor(libc, path, write ? O_WRONLY : O_RDONLY);
    if (fd < 0) {
      libc[Symbol.dispose]();
      return undefined;
    }
    opened = new BulkFile(libc, fd);
    if (isNameOf(path, file)) return opened;
  } catch {
    // Deno's own functions do the same, more slowly.
  }
  opened?.[Symbol.dispose]();
  return undefined;
}
