/**
 * Disks to work on, for the demo, the tests and the benchmark: a real ext4 file system where e2fsprogs is installed, a
 * generated image with similar structure elsewhere. The same seed makes the same content.
 */

import { join } from "@std/path/posix/join";

const MIB = 1024 * 1024;

/** A stream of pseudo-random numbers (xorshift32), the same for the same seed. */
export class Random {
  #state: number;

  constructor(seed: number) {
    // Seeds that are near each other must not give streams that are.
    this.#state = Math.imul(seed + 1, 0x9e3779b1) | 1;
  }

  /** An integer from 0 to below `limit`. */
  below(limit: number): number {
    return Math.floor(this.#next() / 2 ** 32 * limit);
  }

  /** Fills `bytes` with noise. */
  fill(bytes: Uint8Array): Uint8Array {
    for (let i = 0; i < bytes.length; i++) bytes[i] = this.#next() >>> 11;
    return bytes;
  }

  /** Text of `length` bytes that compresses as logs do. */
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

/** True if the programs that make and change an ext4 image are there. */
export function hasExt4Tools(): boolean {
  return ["mke2fs", "debugfs"].every((program) => {
    try {
      return new Deno.Command(program, { args: ["-V"], stdout: "null", stderr: "null" }).outputSync().success;
    } catch {
      return false;
    }
  });
}

/** Makes a disk of `sizeBytes` with files on it. Returns what it is. */
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

/** Changes a disk as its owner would: removes the file number `seed`, writes one, makes a folder. Once a seed. */
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

/** What the stretches of a generated disk hold, in turn. */
const PATTERNS = {
  /** Half zero, a quarter noise, a quarter text. */
  mixed: ["zero", "noise", "zero", "text"],
  noise: ["noise"],
  text: ["text"],
} as const;

/** Noise and text come back after this, further than zstd -1 (512 KiB) and gzip (32 KiB) look back. */
const PATTERN_BYTES = 16 * MIB;

/**
 * Makes a disk that repeats a pattern of 16 MiB, quickly and with the same bytes for the same seed.
 *
 * One byte in each 4 KiB differs from repetition to repetition, so that no two blocks are alike, and tools that find
 * equal blocks or chunks (restic, borg) find none. Only a window of more than 16 MiB (`zstd --long`) could profit.
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

/** A disk that is half zero, a quarter noise, a quarter text, in stretches of 4 MiB. */
export function makeMixedDisk(path: string, { sizeBytes, seed }: { sizeBytes: number; seed: number }): void {
  makePatternDisk(path, { sizeBytes, seed, pattern: "mixed" });
}

/** A disk with a mebibyte of data, noise and text in turn, at the start of each 16 MiB; the rest are holes. */
export function makeSparseDisk(path: string, { sizeBytes, seed }: { sizeBytes: number; seed: number }): void {
  using file = Deno.openSync(path, { write: true, create: true, truncate: true });
  file.truncateSync(sizeBytes);
  overwriteBlocks(file, { everyBytes: 16 * MIB, sizeBytes, seed });
}

/** Overwrites one mebibyte in each `everyBytes` of a disk, with noise and text in turn. */
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

/** Changes a byte in each 4 KiB. */
function stamp(content: Uint8Array, random: Random): void {
  for (let at = 0; at < content.length; at += 4096) content[at] = random.below(256);
}

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
  const said = new TextDecoder().decode(stderr);
  // debugfs reports a failed command on standard error and exits with 0.
  const complaint = program === "debugfs" ? said.replace(/^debugfs .*\n/, "") : said;
  if (!success || (program === "debugfs" && complaint.trim() !== "")) {
    throw new Error(`Cannot run "${program} ${args.join(" ")}": ${said.trim()}`);
  }
}
