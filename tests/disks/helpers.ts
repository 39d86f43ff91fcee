/**
 * Shared by the tests of disks: folders that are removed, seeded bytes, and qemu-img for a second opinion.
 */

import { Buffer } from "node:buffer";
import { assertEquals } from "@std/assert";
import { join } from "@std/path/posix/join";
import type { ReadableDisk } from "../../cli/disks/disk.ts";
import { testWith } from "../support/skip.ts";

/** A folder that is removed at the end of the test. */
export class Folder implements Disposable {
  readonly path: string;

  /** @param options `dir`: where the folder lies, by default that of temporary files */
  constructor({ dir }: { dir?: string } = {}) {
    this.path = Deno.makeTempDirSync({ prefix: "vmdkbkp-disks-", dir });
  }

  /** Returns the path of a file in the folder. The file gets `contents` if they are given. */
  file(name: string, contents?: Uint8Array | string): string {
    const path = join(this.path, name);
    if (typeof contents === "string") Deno.writeTextFileSync(path, contents);
    else if (contents !== undefined) Deno.writeFileSync(path, contents);
    return path;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

/** Returns a generator of numbers from 0 to below `limit`, which depend only on the seed (mulberry32). */
export function seeded(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor(((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32 * limit);
  };
}

/** Returns random bytes. */
export function noise(length: number, seed: number): Uint8Array<ArrayBuffer> {
  const random = seeded(seed);
  const words = new Uint32Array(Math.ceil(length / 4)).map(() => random(2 ** 32));
  return new Uint8Array(words.buffer, 0, length);
}

/** Returns a disk of which about every third grain of 64 KiB has contents, with the last byte set. */
export function patchyDisk(sectors: number, seed: number): Uint8Array {
  const disk = new Uint8Array(sectors * 512);
  const random = seeded(seed);
  for (let at = 0; at < disk.length; at += 65536) {
    if (random(3) === 0) disk.subarray(at, at + 65536).set(noise(512, at + seed), 0);
  }
  disk[disk.length - 1] = 0x5a;
  return disk;
}

/**
 * Compares long arrays and reports the first byte that differs. assertEquals() is slow for them and prints
 * them whole.
 */
export function assertSameBytes(actual: Uint8Array, expected: Uint8Array, message: string): void {
  assertEquals(actual.length, expected.length, message);
  if (Buffer.compare(actual, expected) === 0) return;
  const difference = actual.findIndex((byte, index) => byte !== expected[index]);
  assertEquals(difference, -1, `${message}: byte ${difference} differs`);
}

/**
 * Reads all bytes of a disk by its extents: zero extents are not read, data are, and the bounds are checked.
 */
export async function readByExtents(disk: ReadableDisk): Promise<Uint8Array> {
  const bytes = new Uint8Array(disk.capacityBytes);
  for (let at = 0; at < disk.capacityBytes;) {
    const { endBytes, zero } = await disk.extentAt(at);
    if (endBytes <= at || endBytes > disk.capacityBytes) throw new Error(`extent ${at} to ${endBytes}`);
    if (!zero) await disk.read(bytes.subarray(at, endBytes), at);
    at = endBytes;
  }
  return bytes;
}

/** Reads at odd places and lengths, into plain and shared memory, and compares the bytes. */
export async function assertRandomReads(
  disk: ReadableDisk,
  expected: Uint8Array,
  { seed, count = 100, longest = 300_000 }: { seed: number; count?: number; longest?: number },
): Promise<void> {
  const random = seeded(seed);
  for (let i = 0; i < count; i++) {
    const at = random(disk.capacityBytes);
    const length = Math.min(1 + random(longest), disk.capacityBytes - at);
    const into = i % 2 === 0 ? new Uint8Array(length) : new Uint8Array(new SharedArrayBuffer(length));
    into.fill(0xee);
    await disk.read(into, at);
    assertSameBytes(into, expected.subarray(at, at + length), `seed ${seed}, ${length} bytes at ${at}`);
  }
}

/** Returns the content of a VMDK according to `qemu-img convert`. */
export function qemuRaw(path: string): Uint8Array {
  const raw = `${path}.raw`;
  qemuImg("convert", "-f", "vmdk", "-O", "raw", path, raw);
  const bytes = Deno.readFileSync(raw);
  Deno.removeSync(raw);
  return bytes;
}

/** Runs qemu-img; throws if it fails. */
export function qemuImg(...args: string[]): string {
  const { success, stdout, stderr } = new Deno.Command("qemu-img", { args }).outputSync();
  const text = new TextDecoder();
  if (!success) throw new Error(`qemu-img ${args.join(" ")}: ${text.decode(stderr)}`);
  return text.decode(stdout);
}

function hasQemuImg(): boolean {
  try {
    return new Deno.Command("qemu-img", { args: ["--version"], stdout: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

const MISSING_QEMU = hasQemuImg() ? undefined : "qemu-img is not installed";

/** Declares a test that needs qemu-img. If it is skipped, its name says why. */
export function qemuTest(name: string, fn: () => void | Promise<void>): void {
  testWith({ missing: MISSING_QEMU }, name, fn);
}
