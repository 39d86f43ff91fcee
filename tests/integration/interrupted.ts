/** The files that a killed dump leaves, with any content that a test wants. */

import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { type DumpHeader, dumpHeaderBytes } from "../../cli/archive/header.ts";
import { Journal, journalKey } from "../../cli/archive/journal.ts";
import { DiskWatch } from "../../cli/jobs/disk_watch.ts";
import { stateOf } from "../../cli/jobs/resume.ts";
import { Core } from "../../cli/core.ts";
import { openForReading } from "../../cli/disks/open.ts";
import { DumpReader } from "../../cli/pipeline/archive_reader.ts";
import type { Random } from "../../scripts/disk_image.ts";
import { Folder } from "../disks/helpers.ts";
import { MemoryFile } from "../pipeline/memory_file.ts";
import { callMain } from "../support/run_cli.ts";
import { equalBytes } from "./same_bytes.ts";

/**
 * A disk, the complete files of its full dump, and runs that resume the dump from files which a killed run
 * could have left. Parameters named `z` are the suffix of the archives' names: "", ".gz" or ".zst".
 */
export class Interrupted extends Folder {
  /** The bytes of the disk. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Bytes of a block. */
  readonly blockBytes: number;
  /** Path at which the next run looks for the unfinished dump. */
  readonly leftPath: string;
  /** Path at which the next run looks for the journal. */
  readonly journalPath: string;
  /** The complete dump. */
  dump: Uint8Array<ArrayBuffer> = new Uint8Array();
  /** The complete digest. */
  digest: Uint8Array<ArrayBuffer> = new Uint8Array();
  /** The complete journal, as a run leaves it that is killed at its end. */
  journal: Uint8Array<ArrayBuffer> = new Uint8Array();

  constructor(bytes: Uint8Array<ArrayBuffer>, { blockBytes, z }: { blockBytes: number; z: string }) {
    super();
    this.bytes = bytes;
    this.blockBytes = blockBytes;
    this.file("disk.raw", bytes);
    this.leftPath = this.file(`.new.dump${z}.0a1b2c3d.vmdkbkp`);
    this.journalPath = this.file(`.new.dump${z}.0a1b2c3d.journal.vmdkbkp`);
  }

  /** Makes a random disk, dumps it, and makes the journal. */
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
    await journal.begin(
      await journalKey(
        dumpHeaderBytes(header),
        stateOf({ disk, watch: new DiskWatch(disk), place: [undefined, undefined] }),
      ),
    );
    for (let at = 0; at < work.bytes.length; at += blockBytes) {
      await journal.append(md5Of(work.bytes.subarray(at, at + blockBytes), blockBytes));
    }
    file.syncSync();
    work.journal = Deno.readFileSync(work.journalPath);
    return work;
  }

  /**
   * Writes an unfinished dump and its journal, resumes the dump, and checks the results: if any block was
   * kept, the files must have the bytes of an uninterrupted run. Returns how many blocks were kept. `what`
   * describes the case in messages.
   */
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
      assert(equalBytes(made, this.dump), `${what}: the dump differs`);
      assert(equalBytes(madeDigest, this.digest), `${what}: the digest differs`);
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

  /**
   * Returns the block whose record contains a byte of the plain dump. Bytes of the header count as block 0.
   */
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

/** Returns the content of a seal without the names of files. */
function sealIn(path: string): unknown {
  const { files, sha256: _, ...seal } = JSON.parse(Deno.readTextFileSync(path));
  return { ...seal, files: files.map(({ name: _, ...file }: { name: string }) => file) };
}

/** Returns the names of the hidden files in a folder. */
export function hiddenIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => name.startsWith("."));
}

/** Returns a disk with noise, zeros and text in stretches of one to six blocks. */
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

/** Reads the header of a dump. */
export async function headerIn(path: string, z: string): Promise<DumpHeader> {
  const file = new MemoryFile(`dump${z}`, [Deno.readFileSync(path)]);
  return (await DumpReader.open(await Core.load(), await file.source())).header;
}
