/**
 * Disks to work on, for the demo, the tests and the benchmark: a real ext4 file system where e2fsprogs is installed, a
 * generated image with similar structure elsewhere. The same seed makes the same content.
 */

import { join } from "@std/path";

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

/** A disk that is half zero, a quarter noise, a quarter text, in stretches of 4 MiB. */
export function makeMixedDisk(path: string, { sizeBytes, seed }: { sizeBytes: number; seed: number }): void {
  const stretch = 4 * MIB;
  const random = new Random(seed);
  const noise = random.fill(new Uint8Array(stretch));
  const text = random.text(stretch);
  using file = Deno.openSync(path, { write: true, create: true, truncate: true });
  const zeros = new Uint8Array(stretch);
  for (let offset = 0, i = 0; offset < sizeBytes; offset += stretch, i++) {
    const content = [zeros, noise, zeros, text][i % 4];
    // Each stretch begins differently, so that no two blocks are alike.
    if (content !== zeros) { for (let at = 0; at < stretch; at += 4096) content[at] = random.below(256); }
    file.writeSync(content.subarray(0, Math.min(stretch, sizeBytes - offset)));
  }
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
