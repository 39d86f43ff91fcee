/**
 * Raw disks for the demo, the tests and the benchmark. They contain a real ext4 file system if e2fsprogs is
 * installed, else generated content of a similar structure. The same seed gives the same files and the same
 * generated content.
 */

import { join } from "@std/path/posix/join";

const MIB = 1024 * 1024;

/** Pseudo-random numbers (xorshift32): the same seed gives the same numbers. */
export class Random {
  #state: number;

  /** @param seed a 32-bit integer */
  constructor(seed: number) {
    // The multiplication keeps neighbouring seeds from giving similar numbers.
    this.#state = Math.imul(seed + 1, 0x9e3779b1) | 1;
  }

  /** Returns an integer from 0 to `limit - 1`; `limit` is at most 2^32. */
  below(limit: number): number {
    return Math.floor(this.#next() / 2 ** 32 * limit);
  }

  /** Fills `bytes` with random bytes, and returns them. */
  fill(bytes: Uint8Array): Uint8Array {
    for (let i = 0; i < bytes.length; i++) bytes[i] = this.#next() >>> 11;
    return bytes;
  }

  /** Returns `length` bytes of text that compresses as well as log files do. */
  text(length: number): Uint8Array {
    const words = "disk block sector grain extent backup restore digest host error info connection closed"
      .split(" ");
    const lines: string[] = [];
    for (let size = 0; size < length;) {
      const line = `${this.below(1e6)} ${words[this.below(words.length)]} ${
        words[this.below(words.length)]
      }\n`;
      lines.push(line);
      size += line.length;
    }
    return new TextEncoder().encode(lines.join("")).subarray(0, length);
  }

  #next(): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return this.#state >>> 0;
  }
}

/** Returns whether the programs that make and change an ext4 image are installed. */
export function hasExt4Tools(): boolean {
  return ["mke2fs", "debugfs"].every((program) => {
    try {
      return new Deno.Command(program, { args: ["-V"], stdout: "null", stderr: "null" }).outputSync().success;
    } catch {
      return false;
    }
  });
}

/**
 * Makes a disk with a file system, whose files are text and noise in turn, on a quarter of the disk. Returns
 * what the disk is, for a message to the user.
 *
 * @throws {Error} if e2fsprogs is installed and fails
 */
export function makeDisk(path: string, { sizeBytes, seed }: { sizeBytes: number; seed: number }): string {
  const random = new Random(seed);
  if (!hasExt4Tools()) {
    generate(path, { sizeBytes, random });
    return "generated image";
  }
  const folder = Deno.makeTempDirSync();
  try {
    const budget = sizeBytes / 4;
    for (let i = 0, used = 0; used < budget; i++) {
      const size = Math.min(1 + random.below(Math.ceil(budget / 8)), 4 * MIB);
      const content = i % 2 === 0 ? random.text(size) : random.fill(new Uint8Array(size));
      Deno.writeFileSync(join(folder, `file-${i}`), content);
      used += size;
    }
    run("mke2fs", ["-q", "-F", "-t", "ext4", "-d", folder, path, `${Math.floor(sizeBytes / 1024)}k`]);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
  return "ext4 file system";
}

/**
 * Changes a disk that `makeDisk` made, as a guest would: removes the file number `seed`, writes another file,
 * makes a folder. It can be called once for each seed.
 *
 * @throws {Error} if e2fsprogs is installed and fails
 */
export function changeDisk(path: string, { seed }: { seed: number }): void {
  const random = new Random(seed);
  if (!hasExt4Tools()) return regenerate(path, random);
  const source = Deno.makeTempFileSync();
  try {
    Deno.writeFileSync(source, random.text(200 + random.below(300_000)));
    const commands = [`rm /file-${seed}`, `write ${source} /new-${seed}`, `mkdir /folder-${seed}`];
    for (const command of commands) run("debugfs", ["-w", "-R", command, path]);
  } finally {
    Deno.removeSync(source);
  }
}

/** Patterns of disks: a pattern is divided into equal stretches, which have these kinds of content. */
const PATTERNS = {
  /** Half zero, a quarter noise, a quarter text. */
  mixed: ["zero", "noise", "zero", "text"],
  noise: ["noise"],
  text: ["text"],
} as const;

/** Bytes after which content recurs: more than zstd -1 (512 KiB) and gzip (32 KiB) look back. */
const PATTERN_BYTES = 16 * MIB;

/**
 * Makes a disk that repeats a pattern of 16 MiB, which is quick. The same seed gives the same bytes.
 *
 * One byte in each 4 KiB differs between the repetitions. So no two blocks are equal, and programs that look
 * for equal blocks or chunks (restic, borg) find none. Only compression with a window of more than 16 MiB
 * (`zstd --long`) could profit from the repetition.
 */
export function makePatternDisk(
  path: string,
  { sizeBytes, seed, pattern }: { sizeBytes: number; seed: number; pattern: keyof typeof PATTERNS },
): void {
  const kinds = PATTERNS[pattern];
  const stretch = PATTERN_BYTES / kinds.length;
  const random = new Random(seed);
  const zeros = new Uint8Array(stretch);
  const noise = pattern === "text" ? zeros : random.fill(new Uint8Array(stretch));
  const text = pattern === "noise" ? zeros : random.text(stretch);
  const contents = { zero: zeros, noise, text };
  using file = Deno.openSync(path, { write: true, create: true, truncate: true });
  for (let offset = 0, i = 0; offset < sizeBytes; offset += stretch, i++) {
    const content = contents[kinds[i % kinds.length]];
    if (content !== zeros) stamp(content, random);
    file.writeSync(content.subarray(0, Math.min(stretch, sizeBytes - offset)));
  }
}

/** Makes a disk that is half zero, a quarter noise and a quarter text, in stretches of 4 MiB. */
export function makeMixedDisk(path: string, { sizeBytes, seed }: { sizeBytes: number; seed: number }): void {
  makePatternDisk(path, { sizeBytes, seed, pattern: "mixed" });
}

/**
 * Makes a disk with 1 MiB of data, noise and text in turn, at the start of each 16 MiB. The rest are holes.
 */
export function makeSparseDisk(path: string, { sizeBytes, seed }: { sizeBytes: number; seed: number }): void {
  using file = Deno.openSync(path, { write: true, create: true, truncate: true });
  file.truncateSync(sizeBytes);
  overwriteBlocks(file, { everyBytes: 16 * MIB, sizeBytes, seed });
}

/** Overwrites the first mebibyte of each `everyBytes` of a disk, with noise and text in turn. */
export function changeBlocks(path: string, { everyBytes, seed }: { everyBytes: number; seed: number }): void {
  using file = Deno.openSync(path, { read: true, write: true });
  overwriteBlocks(file, { everyBytes, sizeBytes: file.statSync().size, seed });
}

function overwriteBlocks(
  file: Deno.FsFile,
  { everyBytes, sizeBytes, seed }: { everyBytes: number; sizeBytes: number; seed: number },
): void {
  const random = new Random(seed);
  const contents = [random.fill(new Uint8Array(MIB)), random.text(MIB)];
  for (let offset = 0, i = 0; offset < sizeBytes; offset += everyBytes, i++) {
    stamp(contents[i % 2], random);
    file.seekSync(offset, Deno.SeekMode.Start);
    file.writeSync(contents[i % 2].subarray(0, Math.min(MIB, sizeBytes - offset)));
  }
}

/** Changes one byte in each 4 KiB, so that equal content is different afterwards. */
function stamp(content: Uint8Array, random: Random): void {
  for (let at = 0; at < content.length; at += 4096) content[at] = random.below(256);
}

/** Makes a disk with a boot signature and stretches of text and noise in its first half. */
function generate(path: string, { sizeBytes, random }: { sizeBytes: number; random: Random }): void {
  using file = Deno.openSync(path, { write: true, create: true, truncate: true });
  file.truncateSync(sizeBytes);
  const boot = new Uint8Array(512);
  boot.set([0x55, 0xaa], 510);
  file.writeSync(boot);
  for (let offset = 4096; offset < sizeBytes / 2; offset += 4096 + random.below(sizeBytes / 16)) {
    file.seekSync(offset, Deno.SeekMode.Start);
    const length = Math.min(1 + random.below(256 * 1024), sizeBytes - offset);
    file.writeSync(random.below(2) === 0 ? random.text(length) : random.fill(new Uint8Array(length)));
  }
}

/** Changes five stretches of a generated disk: one becomes zero, four become text. */
function regenerate(path: string, random: Random): void {
  using file = Deno.openSync(path, { read: true, write: true });
  const sizeBytes = file.statSync().size;
  for (let i = 0; i < 5; i++) {
    const length = 1 + random.below(Math.min(64 * 1024, sizeBytes));
    file.seekSync(random.below(sizeBytes - length + 1), Deno.SeekMode.Start);
    file.writeSync(i === 0 ? new Uint8Array(length) : random.text(length));
  }
}

function run(program: string, args: string[]): void {
  const { success, stderr } = new Deno.Command(program, { args, stdout: "null", stderr: "piped" })
    .outputSync();
  const message = new TextDecoder().decode(stderr).trim();
  // debugfs exits with 0 even if its command fails, but prints more than the line with its version.
  const isComplaint = program === "debugfs" && message.replace(/^debugfs .*(\n|$)/, "") !== "";
  if (!success || isComplaint) throw new Error(`Cannot run "${program} ${args.join(" ")}": ${message}`);
}
