/**
 * Memory that two processes share: a file without a name (`memfd_create`, Linux), which one process makes and
 * both map. The creator copies bytes between it and the core's memory on other threads.
 */

import { type Libc, O_RDWR, openDescriptor, useLibc } from "./libc.ts";

const MFD_CLOEXEC = 1;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
/** `MAP_FAILED` is -1. */
const MAP_FAILED = 2n ** 64n - 1n;

/** The memory in the process that makes it. */
export class SharedMemory implements Disposable {
  readonly lenBytes: number;
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #pointer: Deno.PointerObject;
  #underWay = 0;
  #disposed = false;

  /**
   * Makes the memory.
   * @throws {Error} if the system cannot share memory in this way
   */
  constructor(lenBytes: number) {
    const libc = useLibc();
    const fd = libc?.calls.memfdCreate?.(new TextEncoder().encode("vmdkbkp\0"), MFD_CLOEXEC) ?? -1;
    if (libc === undefined || fd < 0) {
      libc?.[Symbol.dispose]();
      throw new Error("Cannot share memory with another process: Linux and --allow-ffi are needed");
    }
    const isLongEnough = libc.calls.ftruncate(fd, BigInt(lenBytes)) === 0;
    const pointer = isLongEnough ? map(libc, fd, lenBytes) : null;
    if (pointer === null) {
      libc.calls.close(fd);
      libc[Symbol.dispose]();
      throw new Error(`Cannot share memory with another process: the system does not give ${lenBytes} bytes`);
    }
    this.lenBytes = lenBytes;
    this.#libc = libc;
    this.#fd = fd;
    this.#pointer = pointer;
  }

  /** The path by which the other process opens the memory while this one keeps it. */
  get path(): string {
    return `/proc/${Deno.pid}/fd/${this.#fd}`;
  }

  /** Copies the bytes at `offsetBytes` to `into`, which must not move in the meantime. */
  async read(into: Uint8Array, offsetBytes: number): Promise<void> {
    await this.#copy(
      into,
      offsetBytes,
      (bytes, pointer, len) => this.#libc.calls.copyIn(bytes, pointer, len),
    );
  }

  /** Copies `from` to `offsetBytes`. */
  async write(from: Uint8Array, offsetBytes: number): Promise<void> {
    await this.#copy(
      from,
      offsetBytes,
      (bytes, pointer, len) => this.#libc.calls.copyOut(pointer, bytes, len),
    );
  }

  /** Frees the memory when the last copy has ended. */
  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#underWay++;
    this.#leave();
  }

  async #copy(
    bytes: Uint8Array,
    offsetBytes: number,
    copy: (bytes: Uint8Array<ArrayBuffer>, pointer: Deno.PointerValue, len: bigint) => Promise<unknown>,
  ): Promise<void> {
    if (this.#disposed || offsetBytes < 0 || offsetBytes + bytes.length > this.lenBytes) {
      throw new RangeError(`Cannot copy ${bytes.length} bytes at byte ${offsetBytes} of ${this.lenBytes}`);
    }
    this.#underWay++;
    try {
      const pointer = Deno.UnsafePointer.offset(this.#pointer, offsetBytes);
      await copy(bytes as Uint8Array<ArrayBuffer>, pointer, BigInt(bytes.length));
    } finally {
      this.#leave();
    }
  }

  #leave(): void {
    if (--this.#underWay > 0 || !this.#disposed) return;
    this.#libc.calls.munmap(this.#pointer, BigInt(this.lenBytes));
    this.#libc.calls.close(this.#fd);
    this.#libc[Symbol.dispose]();
  }
}

/** Maps the memory that `path` of {@linkcode SharedMemory} names, until the process ends. */
export function mapSharedMemory(path: string, lenBytes: number): Deno.PointerObject {
  const libc = useLibc();
  const fd = libc === undefined ? -1 : openDescriptor(libc, path, O_RDWR);
  if (libc === undefined || fd < 0) throw new Error(`Cannot open the shared memory "${path}"`);
  const pointer = map(libc, fd, lenBytes);
  libc.calls.close(fd);
  if (pointer === null) throw new Error(`Cannot map the ${lenBytes} bytes of the shared memory "${path}"`);
  return pointer;
}

function map({ calls }: Libc, fd: number, lenBytes: number): Deno.PointerValue {
  const pointer = calls.mmap(null, BigInt(lenBytes), PROT_READ_WRITE, MAP_SHARED, fd, 0n);
  return Deno.UnsafePointer.value(pointer) === MAP_FAILED ? null : pointer;
}
