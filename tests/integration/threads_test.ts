/** The pipeline must make files with the same bytes on any number of threads. */

import { assertEquals } from "@std/assert";
import { join } from "@std/path/posix/join";
import { Bitmap } from "../../cli/archive/bitmap.ts";
import { sinkFor, sourceFor } from "../../cli/archive/container.ts";
import type { DumpHeader } from "../../cli/archive/header.ts";
import { laterStamp, timeStampOf } from "../../cli/archive/time_stamp.ts";
import { Core } from "../../cli/core.ts";
import { createDisk } from "../../cli/disks/create.ts";
import { openForReading } from "../../cli/disks/open.ts";
import { DigestReader, DumpReader } from "../../cli/pipeline/archive_reader.ts";
import { Chain } from "../../cli/pipeline/chain.ts";
import { check } from "../../cli/pipeline/check.ts";
import { compareDumps, rdiffBetween } from "../../cli/pipeline/compare.ts";
import { digestOf } from "../../cli/pipeline/digest.ts";
import { dumpChanged, dumpFull } from "../../cli/pipeline/dump.ts";
import { merge } from "../../cli/pipeline/merge.ts";
import { restore } from "../../cli/pipeline/restore.ts";
import { Crew } from "../../cli/workers/crew.ts";
import { Random } from "../../scripts/disk_image.ts";
import { Folder } from "../disks/helpers.ts";
import { changed } from "./random_disk.ts";
import { assertEqualBytes } from "./same_bytes.ts";

const THREADS = [1, 2, 4];
const SEEDS = 8;
const MIB = 1024 * 1024;

/** The inputs, which are the same for all numbers of threads. */
interface Given {
  header: DumpHeader;
  older: Uint8Array;
  newer: Uint8Array;
  /** Suffix of the archives' names: "", ".gz" or ".zst". */
  suffix: string;
}

/**
 * Makes two generations of a disk of some megabytes, with zeros, noise and text in stretches that do not end
 * at the ends of blocks.
 */
function drawInputs(seed: number): Given {
  const random = new Random(seed);
  const blockBytes = [512, 4096, 65536, 256 * 1024, MIB, 4 * MIB][seed % 6];
  const sizeBytes = 3 * MIB + random.below(6 * MIB);
  const older = new Uint8Array(sizeBytes);
  for (let at = 0; at < sizeBytes;) {
    const end = Math.min(sizeBytes, at + 1 + random.below(3 * MIB));
    const kind = random.below(3);
    if (kind === 1) random.fill(older.subarray(at, end));
    if (kind === 2) older.set(random.text(end - at), at);
    at = end;
  }
  const header: DumpHeader = {
    blockCount: Math.ceil(sizeBytes / blockBytes),
    blockBytes,
    capacityBytes: sizeBytes,
    full: true,
    adapterType: 3,
    seriesId: random.fill(new Uint8Array(16)),
    time: timeStampOf(new Date(2020, 1, 2, 3)),
    metadata: new Map([["key", "value"]]),
  };
  return {
    header,
    older,
    newer: changed(older, random),
    suffix: ["", ".gz", ".zst"][Math.floor(seed / 2) % 3],
  };
}

/** Makes archives and disks of every kind in `folder`, and returns their names. */
async function makeAll(
  folder: string,
  { header, older, newer, suffix }: Given,
  threads: number,
): Promise<string[]> {
  const core = await Core.load();
  using crew = new Crew(core, { threads });
  await crew.start();
  const options = { crew };
  const path = (name: string) => join(folder, name);
  Deno.writeFileSync(path("older.raw"), older);
  Deno.writeFileSync(path("newer.raw"), newer);

  /** Runs one job, then closes its files and frees the memory of their readers. */
  const step = async (run: (files: Files) => Promise<unknown>): Promise<void> => {
    await using scope = core.scope();
    using files = new Files(scope, crew, path);
    await run(files);
  };
  const name = (kind: string) => `${kind}${suffix}`;
  await step(async (files) => {
    const disk = files.use(await openForReading(path("older.raw")));
    const [dumpOut, digestOut] = [await files.sink(name("0.dump")), await files.sink(name("0.digest"))];
    await dumpFull(core, { disk, header, dumpOut, digestOut }, options);
  });
  for (const mode of ["diff", "incr"]) {
    await step(async (files) => {
      const disk = files.use(await openForReading(path("newer.raw")));
      await dumpChanged(core, {
        disk,
        header: { ...header, time: laterStamp(header.time, header.time) },
        dumpIn: await files.dump(name("0.dump")),
        digestIn: await files.digest(name("0.digest")),
        changedBlocks: mode === "incr" ? bitmapOf(older, newer, header) : undefined,
        dumpOut: await files.sink(name(`${mode}.dump`)),
        digestOut: await files.sink(name(`${mode}.digest`)),
        rdiffOut: await files.sink(name(`${mode}.rdiff`)),
      }, options);
    });
  }
  await step(async (files) => {
    const chain = new Chain([await files.dump(name("diff.dump")), await files.dump(name("diff.rdiff"))]);
    await merge(core, { chain, out: await files.sink(name("merged.dump")) }, options);
  });
  await step(async (files) => {
    const dumpIn = await files.dump(name("merged.dump"));
    await digestOf(core, { dumpIn, digestOut: await files.sink(name("merged.digest")) }, options);
  });
  await step(async (files) => {
    const [older, newer] = [await files.dump(name("0.dump")), await files.dump(name("diff.dump"))];
    await rdiffBetween(core, { older, newer, out: await files.sink(name("between.rdiff")) }, options);
  });
  await step(async (files) => {
    const pair = [await files.dump(name("0.dump")), await files.dump(name("merged.dump"))] as const;
    assertEquals((await compareDumps(core, pair, options)).same, true);
  });
  await step(async (files) => {
    const chain = new Chain([await files.dump(name("incr.dump")), await files.dump(name("incr.rdiff"))]);
    const { badBlocks } = await check(core, { chain, digest: await files.digest(name("0.digest")) }, options);
    assertEquals(badBlocks, 0);
  });
  await step(async (files) => {
    const chain = new Chain([await files.dump(name("incr.dump"))]);
    const { capacityBytes, adapterType } = header;
    const open = (path: string) =>
      files.use(Deno.openSync(path, { read: true, write: true, createNew: true }));
    using disk = await createDisk(path("restored.raw"), { capacityBytes, adapterType }, open);
    await restore(core, { chain, disk }, options);
  });
  return [...Deno.readDirSync(folder)].map((entry) => entry.name).sort();
}

/** The open files of one job. */
class Files implements Disposable {
  readonly #scope = new DisposableStack();
  readonly #core: Core;
  readonly #crew: Crew;
  readonly #path: (name: string) => string;

  constructor(core: Core, crew: Crew, path: (name: string) => string) {
    this.#core = core;
    this.#crew = crew;
    this.#path = path;
  }

  use<T extends Disposable>(resource: T): T {
    return this.#scope.use(resource);
  }

  async sink(name: string) {
    const path = this.#path(name);
    const file = this.use(Deno.openSync(path, { read: true, write: true, createNew: true }));
    return this.use(await sinkFor(path, file, { codecs: this.#crew.codecs() }));
  }

  async dump(name: string) {
    return await DumpReader.open(this.#core, await this.#source(name));
  }

  async digest(name: string) {
    return await DigestReader.open(this.#core, await this.#source(name));
  }

  async #source(name: string) {
    const path = this.#path(name);
    return this.use(await sourceFor(path, Deno.openSync(path), { codecs: this.#crew.codecs() }));
  }

  [Symbol.dispose](): void {
    this.#scope.dispose();
  }
}

function bitmapOf(older: Uint8Array, newer: Uint8Array, { blockCount, blockBytes }: DumpHeader): Bitmap {
  const bitmap = new Bitmap(blockCount);
  for (let block = 0; block < blockCount; block++) {
    const [a, b] = [older, newer].map((disk) => disk.subarray(block * blockBytes, (block + 1) * blockBytes));
    if (a.some((byte, i) => byte !== b[i])) bitmap.set(block);
  }
  return bitmap;
}

for (let seed = 0; seed < SEEDS; seed++) {
  Deno.test(`the pipeline makes the same files on ${THREADS.join(", ")} threads (seed ${seed})`, async () => {
    using folder = new Folder();
    const given = drawInputs(seed);
    const made: { threads: number; folder: string; names: string[] }[] = [];
    for (const threads of THREADS) {
      const own = folder.file(`${threads}`);
      Deno.mkdirSync(own);
      made.push({ threads, folder: own, names: await makeAll(own, given, threads) });
    }
    const [alone, ...others] = made;
    for (const other of others) {
      assertEquals(other.names, alone.names);
      for (const name of alone.names) {
        const [a, b] = [alone, other].map(({ folder }) => Deno.readFileSync(join(folder, name)));
        assertEqualBytes(b, a, `seed ${seed}: "${name}" on ${other.threads} threads`);
      }
    }
    // The files are also correct: the restored disk is the disk, and archives made in two ways are the same.
    const read = (name: string) => Deno.readFileSync(join(alone.folder, name));
    assertEqualBytes(read("restored.raw"), given.newer, `seed ${seed}: restored disk`);
    for (
      const [name, other] of [["incr.dump", "diff.dump"], ["incr.rdiff", "diff.rdiff"], [
        "merged.dump",
        "0.dump",
      ]]
    ) {
      assertEqualBytes(
        read(name + given.suffix),
        read(other + given.suffix),
        `seed ${seed}: ${name} and ${other}`,
      );
    }
  });
}
