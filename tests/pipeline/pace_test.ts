/** Loops of the pipeline that do not wait for input or output let the event loop run now and then. */

import { Bitmap } from "../../cli/archive/bitmap.ts";
import { sourceFor } from "../../cli/archive/container.ts";
import { dumpHeaderBytes } from "../../cli/archive/header.ts";
import { Journal } from "../../cli/archive/journal.ts";
import { Core } from "../../cli/core.ts";
import { Batch } from "../../cli/pipeline/batch.ts";
import { auditSample } from "../../cli/pipeline/audit.ts";
import { DumpReader } from "../../cli/pipeline/archive_reader.ts";
import { dumpFull } from "../../cli/pipeline/dump.ts";
import { JournalDigests } from "../../cli/pipeline/partial.ts";
import { drawSample, SeededRandom } from "../../cli/pipeline/sample.ts";
import { assertGivesWay } from "../archive/busy_loops.ts";
import { Folder } from "../disks/helpers.ts";
import { headerOf } from "./drawn_archives.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { MemoryFile } from "./memory_file.ts";

const core = await Core.load();

/** Blocks of a disk that no batch holds. */
const BLOCKS = 20_000;
const BLOCK_BYTES = 512;

for (
  const [way, options] of [["at random", {}], ["in the order of the blocks", { mostAtRandom: 0 }]] as const
) {
  Deno.test(`drawSample() draws a large sample ${way} and lets the event loop run`, async () => {
    const random = await SeededRandom.of("pace");
    await assertGivesWay(({ options: run }) =>
      drawSample(new Bitmap(BLOCKS), { ...run, ...options, random, sampleBlocks: BLOCKS / 2 })
    );
  });
}

Deno.test("drawSample() passes over what is excluded and lets the event loop run", async () => {
  const excluded = new Bitmap(BLOCKS);
  for (let block = 0; block < BLOCKS; block += 2) excluded.set(block);
  const random = await SeededRandom.of("pace");
  await assertGivesWay(({ options }) => drawSample(excluded, { ...options, random, sampleBlocks: 0 }));
});

/** A journal with as many blocks, in a file. */
async function journalIn(folder: Folder): Promise<{ file: Deno.FsFile; journal: Journal }> {
  const file = Deno.openSync(folder.file("journal"), { read: true, write: true, create: true });
  const journal = new Journal("dump", file);
  await journal.begin(new Uint8Array(32));
  await journal.append(new Uint8Array(BLOCKS * 16));
  return { file, journal };
}

Deno.test("auditSample() passes over a journal and lets the event loop run", async () => {
  using folder = new Folder();
  const { file, journal } = await journalIn(folder);
  using _file = file;
  const header = { blockCount: BLOCKS, blockBytes: BLOCK_BYTES };
  const sample = new Bitmap(BLOCKS);
  await assertGivesWay(({ options }) => {
    const digestIn = new JournalDigests(core, journal, header);
    return auditSample(core, { disk: new MemoryDisk(new Uint8Array(512)), digestIn, sample }, options);
  });
});

Deno.test("dumpFull() takes over the digests of a journal and lets the event loop run", async () => {
  using folder = new Folder();
  const { file, journal } = await journalIn(folder);
  using _file = file;
  // Nothing is left to be dumped.
  const header = headerOf("", { blockCount: BLOCKS, blockBytes: BLOCK_BYTES });
  const disk = new MemoryDisk(new Uint8Array(BLOCKS * BLOCK_BYTES));
  using dumpOut = await new MemoryFile("dump").sink();
  using digestOut = await new MemoryFile("digest").sink();
  await dumpOut.write(new Uint8Array(1));
  await assertGivesWay(({ options }) =>
    dumpFull(core, { disk, header, dumpOut, digestOut, journal }, options)
  );
});

Deno.test("DumpReader passes over records that are not wanted and lets the event loop run", async () => {
  const header = { ...headerOf("", { blockCount: BLOCKS, blockBytes: BLOCK_BYTES }), full: false };
  const records = Array.from({ length: BLOCKS - 1 }, (_, block) => `${block}\x001\0`).join("");
  const file = new MemoryFile("a.rdiff", [dumpHeaderBytes(header), new TextEncoder().encode(records)]);
  await assertGivesWay(async ({ pace }) => {
    using source = await sourceFor(file.path, file.open({ mostBytes: 4096 }), { pace });
    await using scope = core.scope();
    const reader = await DumpReader.open(scope, source);
    const batch = new Batch(scope, BLOCK_BYTES);
    batch.start(BLOCKS - 1, BLOCKS);
    await reader.take(batch);
  });
});
