/** What a killed dump leaves, made to measure. */

import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { type DumpHeader, dumpHeaderBytes } from "../../cli/archive/header.ts";
import { Journal, journalKey } from "../../cli/archive/journal.ts";
import { stateOf } from "../../cli/commands/resume.ts";
import { Core } from "../../cli/core.ts";
import { openForReading } from "../../cli/disks/open.ts";
import { DumpReader } from "../../cli/pipeline/archive_reader.ts";
import type { Random } from "../../scripts/disk_image.ts";
import { Folder } from "../disks/helpers.ts";
import { MemoryFile } from "../pipeline/memory_file.ts";
import { callMain } from "../support/run_cli.ts";
import { equalBytes } from "./same_bytes.ts";

/** A disk, its full dump by an uninterrupted run, and what a run that was killed might have left of that. */
export class Interrupted extends Folder {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly blockBytes: number;
  /** Where the next run finds the dump and its journal. */
  readonly leftPath: string;
  readonly journalPath: string;
  dump: Uint8Array<ArrayBuffer> = new Uint8Array();
  digest: Uint8Array<ArrayBuffer> = new Uint8Array();
  journal: Uint8Array<ArrayBuffer> = new Uint8Array();

  constructor(bytes: Uint8Array<ArrayBuffer>, { blockBytes, z }: { blockBytes: number; z: string }) {
    super();
    this.bytes = bytes;
    this.blockBytes = blockBytes;
    this.file("disk.raw", bytes);
    this.leftPath = this.file(`.new.dump${z}.0a1b2c3d.vmdkbkp`);
    this.journalPath = this.file(`.new.dump${z}.0a1b2c3d.journal.vmdkbkp`);
  }

  static async of(
    random: Random,
    { blockBytes, sizeBytes, z }: { blockBytes: number; sizeBytes: number; z: string },
  ): Promise<Interrupted> {
    const work = new Interrupted(mixedDisk(random, { sizeBytes, blockBytes }), { blockBytes, z });
    await work.#run("whole", z);
    work.dump = Deno.readFileSync(work.file(`whole.dump${z}`));
    work.digest = Deno.readFileSync(work.file(`whole.digest${z}`));
    using disk = await openForReading(work.file("disk.raw"), {});
    const header = await headerIn(work.file(`whole.dump${z}`), z);
    using file = Deno.openSync(work.journalPath, { read: true, write: true, create: true });
    const journal = new Journal("journal", file);
    await journal.begin(await journalKey(dumpHeaderBytes(header), stateOf(disk, [undefined, undefined])));
    for (let at = 0; at < work.bytes.length; at += blockBytes) {
      await journal.append(md5Of(work.bytes.subarray(at, at + blockBytes), blockBytes));
    }
    file.syncSync();
    work.journal = Deno.readFileSync(work.journalPath);
    return work;
  }

  /** Puts down what is left, goes on with it and compares. Returns how many blocks were there. */
  async resumed(
    { dump, journal, z, threads, what }: {
      dump: Uint8Array;
      journal: Uint8Array;
      z: string;
      threads: number;
      what: string;
    },
  ): Promise<number> {
    Deno.writeFileSync(this.leftPath, dump);
    Deno.writeFileSync(this.journalPath, journal);
    const { resumedBlocks, series } = await this.#run("new", z, "--resume", "--threads", String(threads));
    const [made, madeDigest] = [`new.dump${z}`, `new.digest${z}`].map((name) =>
      Deno.readFileSync(this.file(name))
    );
    if (resumedBlocks > 0) {
      assert(equalBytes(made, this.dump), `${what}: the dump is another one`);
      assert(equalBytes(madeDigest, this.digest), `${what}: the digest is another one`);
      assertEquals(sealIn(this.file("new.seal.json")), sealIn(this.file("whole.seal.json")), what);
    } else {
      assertEquals(series.length, 32);
      const checked = await callMain([
        "check",
        "--digestin",
        this.file(`new.digest${z}`),
        this.file(`new.dump${z}`),
      ]);
      assertEquals(checked.code, 0, what);
    }
    assertEquals(hiddenIn(this.path), [], what);
    for (const name of [`new.dump${z}`, `new.digest${z}`, "new.seal.json"]) Deno.removeSync(this.file(name));
    return resumedBlocks;
  }

  /** The block whose record holds a byte of the plain dump; the header is counted with the first one. */
  blockAt(byte: number): number {
    let endBytes = this.dump.length - this.#recordsBytes();
    for (let block = 0;; block++) if (byte < (endBytes += this.#recordBytes(block))) return block;
  }

  #recordsBytes(): number {
    const blocks = Math.ceil(this.bytes.length / this.blockBytes);
    return Array.from({ length: blocks }, (_, block) => this.#recordBytes(block))
      .reduce((sum, lenBytes) => sum + lenBytes);
  }

  #recordBytes(block: number): number {
    const at = block * this.blockBytes;
    const isZero = this.bytes.subarray(at, at + this.blockBytes).every((byte) => byte === 0);
    return `${block}|0|`.length + (isZero ? 0 : `${this.blockBytes}|`.length + this.blockBytes);
  }

  async #run(name: string, z: string, ...more: string[]): Promise<{ resumedBlocks: number; series: string }> {
    const { code, stdout, stderr } = await callMain([
      ...["dump", "--mode", "full", "--local", this.file("disk.raw"), "--blocksize", `${this.blockBytes}`],
      ...["--dumpout", this.file(`${name}.dump${z}`), "--digestout", this.file(`${name}.digest${z}`)],
      ...more,
      "--json",
    ]);
    assertEquals(code, 0, stderr);
    return JSON.parse(stdout);
  }
}

/** What a seal says, but for the names of files. */
function sealIn(path: string): unknown {
  const { files, sha256: _, ...seal } = JSON.parse(Deno.readTextFileSync(path));
  return { ...seal, files: files.map(({ name: _, ...file }: { name: string }) => file) };
}

/** Names of hidden files. */
export function hiddenIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => name.startsWith("."));
}

/** Noise, zeros and what compresses, in stretches of some blocks. */
export function mixedDisk(
  random: Random,
  { sizeBytes, blockBytes }: { sizeBytes: number; blockBytes: number },
): Uint8Array<ArrayBuffer> {
  const disk = new Uint8Array(sizeBytes);
  for (let at = 0; at < sizeBytes;) {
    const end = Math.min(sizeBytes, at + blockBytes * (1 + random.below(6)));
    const kind = random.below(8);
    if (kind === 1) disk.set(random.text(end - at), at);
    else if (kind > 1) random.fill(disk.subarray(at, end));
    at = end;
  }
  return disk;
}

function md5Of(block: Uint8Array, blockBytes: number): Uint8Array {
  if (block.every((byte) => byte === 0)) return new Uint8Array(16);
  const padding = new Uint8Array(blockBytes - block.length);
  return createHash("md5").update(block).update(padding).digest();
}

/** The header of a dump file. */
export async function headerIn(path: string, z: string): Promise<DumpHeader> {
  const file = new MemoryFile(`dump${z}`, [Deno.readFileSync(path)]);
  return (await DumpReader.open(await Core.load(), await file.source())).header;
}
