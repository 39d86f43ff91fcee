/**
 * Full dumps that were interrupted: whatever is left of the dump and of its journal, what `--resume` makes of it is what a run
 * that nobody interrupted would have made, byte for byte.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { createHash } from "node:crypto";
import { dumpHeaderBytes } from "../../cli/archive/header.ts";
import { Journal, journalKey } from "../../cli/archive/journal.ts";
import { stateOf } from "../../cli/commands/resume.ts";
import { Core } from "../../cli/core.ts";
import { DumpReader } from "../../cli/pipeline/archive_reader.ts";
import { openForReading } from "../../cli/disks/open.ts";
import { dumpFull } from "../../cli/pipeline/dump.ts";
import { Random } from "../../scripts/disk_image.ts";
import { Folder } from "../disks/helpers.ts";
import { MemoryDisk } from "../pipeline/memory_disk.ts";
import { MemoryFile } from "../pipeline/memory_file.ts";
import { callMain, denoArgs, runCli } from "../support/run_cli.ts";
import { equalBytes } from "./same_bytes.ts";

const KIB = 1024;
const MIB = 1024 * 1024;
const SUFFIXES = ["", ".gz", ".zst"];

/** Blocks that are written together, from where they lie, and in more than one piece; one disk is no whole number of them. */
const DISKS = [
  { blockBytes: 512, sizeBytes: 3 * MIB },
  { blockBytes: 64 * KIB, sizeBytes: 24 * MIB + 512 },
  { blockBytes: MIB, sizeBytes: 40 * MIB },
  { blockBytes: 5 * MIB, sizeBytes: 45 * MIB },
];
const CUTS = 8;

/** A disk, its full dump by an uninterrupted run, and what a run that was killed might have left of that. */
class Interrupted extends Folder {
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
    for (const name of [`new.dump${z}`, `new.digest${z}`]) Deno.removeSync(this.file(name));
    return resumedBlocks;
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

for (const disk of DISKS) {
  for (const z of SUFFIXES) {
    const seed = disk.blockBytes + z.length;
    Deno.test(`--resume goes on with what is left, blocks of ${disk.blockBytes} bytes, "${z}" (seed ${seed})`, async () => {
      const random = new Random(seed);
      using work = await Interrupted.of(random, { ...disk, z });
      const { dump, journal } = work;
      const blocks = Math.ceil(disk.sizeBytes / disk.blockBytes);
      const go = (left: { dump?: Uint8Array; journal?: Uint8Array; what: string }) =>
        work.resumed({ dump, journal, z, threads: random.below(2) === 0 ? 1 : 4, ...left });

      assertEquals(await go({ what: "all is there" }), blocks);
      assertEquals(await go({ dump: dump.subarray(0, 0), what: "no dump" }), 0);
      for (let i = 0; i < CUTS; i++) {
        const at = random.below(dump.length);
        const kept = await go({ dump: dump.subarray(0, at), what: `dump cut at byte ${at}` });
        assert(kept <= blocks);
        const recorded = random.below(blocks + 1);
        const spare = random.below(16);
        const what = `journal cut in block ${recorded}`;
        const cut = journal.subarray(0, 48 + recorded * 16 + spare);
        assert(await go({ journal: cut, what }) <= recorded, what);
        await go({ dump: dump.subarray(0, at), journal: cut, what: `dump cut at byte ${at}, ${what}` });
      }
      for (let i = 0; i < CUTS; i++) {
        const at = dump.length >> 1 | random.below(dump.length >> 2);
        const damaged = dump.slice();
        damaged[at] ^= 1 << random.below(8);
        const kept = await go({
          dump: damaged,
          what: `a bit of byte ${at} of ${dump.length} is another one`,
        });
        assert(kept < blocks, `${kept}`);
        // A third of the file is in front of the damage, but for what is read with it.
        if (dump.length > 16 * MIB) assert(kept > 0, `byte ${at} of ${dump.length}`);
        const block = random.below(blocks);
        const wrong = journal.slice();
        wrong[48 + block * 16 + random.below(16)] ^= 1 << random.below(8);
        const what = `the journal is wrong in block ${block}`;
        assert(await go({ journal: wrong, what }) <= block, what);
      }
    });
  }
}

const KILLS = 12;

for (
  const [dumpZ, digestZ] of [["", ""], ["", ".gz"], [".gz", ""], [".gz", ".gz"], [".zst", ""], [
    ".zst",
    ".zst",
  ]]
) {
  for (const threads of [1, 4]) {
    const seed = threads + dumpZ.length * 10 + digestZ.length * 100;
    Deno.test(`a dump "${dumpZ}" with a digest "${digestZ}" on ${threads} threads is killed until it is done (seed ${seed})`, async () => {
      const random = new Random(seed);
      const sizeBytes = 96 * MIB;
      const blockBytes = 256 * KIB;
      using folder = new Folder();
      const bytes = mixedDisk(random, { sizeBytes, blockBytes });
      const diskPath = folder.file("disk.raw", bytes);
      const args = [
        ...["dump", "--mode", "full", "--local", diskPath, "--blocksize", `${blockBytes}`],
        ...["--dumpout", folder.file(`o.dump${dumpZ}`), "--digestout", folder.file(`o.digest${digestZ}`)],
        ...["--resume", "--threads", `${threads}`, "--json"],
      ];
      let kills = 0;
      let leftBytes = 0;
      let done: { resumedBlocks: number } | undefined;
      while (done === undefined) {
        const untilBytes = leftBytes + random.below(sizeBytes / 8);
        const ended = kills < KILLS
          ? await killedAt(args, { folder: folder.path, untilBytes })
          : await runCli(args);
        if (ended === undefined) kills++;
        else {
          assertEquals(ended.code, 0, ended.stderr);
          done = JSON.parse(ended.stdout);
        }
        leftBytes = dumpLeftIn(folder.path);
      }
      console.log(`killed ${kills} times; the last run found ${done.resumedBlocks} blocks`);
      assert(kills > 0 && done.resumedBlocks > 0, `${kills} kills, ${done.resumedBlocks} blocks`);
      const header = await headerIn(folder.file(`o.dump${dumpZ}`), dumpZ);
      const [dump, digest] = [new MemoryFile(`dump${dumpZ}`), new MemoryFile(`digest${digestZ}`)];
      await dumpFull(await Core.load(), {
        disk: new MemoryDisk(bytes),
        header,
        dumpOut: await dump.sink(),
        digestOut: await digest.sink(),
      });
      assert(equalBytes(Deno.readFileSync(folder.file(`o.dump${dumpZ}`)), dump.bytes), "the dump");
      assert(equalBytes(Deno.readFileSync(folder.file(`o.digest${digestZ}`)), digest.bytes), "the digest");
      assertEquals(hiddenIn(folder.path), []);
    });
  }
}

/** Kills the program when its unfinished dump is longer than that; returns its end if it is done before. */
async function killedAt(
  args: string[],
  { folder, untilBytes }: { folder: string; untilBytes: number },
): Promise<{ code: number; stdout: string; stderr: string } | undefined> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...denoArgs(), ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let ended = false;
  const output = child.output().finally(() => ended = true);
  while (!ended && dumpLeftIn(folder) <= untilBytes) await new Promise((resolve) => setTimeout(resolve, 1));
  if (!ended) child.kill("SIGKILL");
  const { code, signal, stdout, stderr } = await output;
  if (signal === "SIGKILL") return undefined;
  const text = new TextDecoder();
  return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
}

/** Bytes of the unfinished dump. */
function dumpLeftIn(folder: string): number {
  const names = hiddenIn(folder).filter((name) => /^\.o\.dump.*\.[0-9a-f]{8}\.vmdkbkp$/.test(name));
  assert(names.length <= 1, `${names}`);
  try {
    return names.length === 0 ? 0 : Deno.statSync(`${folder}/${names[0]}`).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}

function hiddenIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => name.startsWith("."));
}

/** Noise, zeros and what compresses, in stretches of some blocks. */
function mixedDisk(
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

async function headerIn(path: string, z: string) {
  const file = new MemoryFile(`dump${z}`, [Deno.readFileSync(path)]);
  return (await DumpReader.open(await Core.load(), await file.source())).header;
}
