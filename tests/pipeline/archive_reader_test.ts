import { assert, assertEquals, assertRejects } from "@std/assert";
import { MAX_HEADER_BYTES } from "../../cli/archive/header.ts";
import { Core } from "../../cli/core.ts";
import { FormatError } from "../../cli/errors.ts";
import {
  DigestReader,
  DumpReader,
  openArchive,
  type ReaderOptions,
  smallWindowBytes,
} from "../../cli/pipeline/archive_reader.ts";
import { Batch } from "../../cli/pipeline/batch.ts";
import { assertSameBytes } from "../disks/helpers.ts";
import { drawDigest, drawDisk, drawDump, drawRdiff } from "./drawn_archives.ts";
import { MemoryFile, type ReadOptions } from "./memory_file.ts";

/** Lengths of reads that are no multiple of anything in the formats. */
const ODD_READS = [1, 2, 3, 7, 15, 511, 513];
const WINDOW_BYTES = 256 * 1024;
/** Those of lists of a few archives, and of as many as a list may have. */
const SMALL = smallWindowBytes(10);
const LEAST = smallWindowBytes(800);
const DRAWN = "ab..c.dddd.e";

const core = await Core.load();

Deno.test("DumpReader reads the same dump from a file that gives few bytes at once", async () => {
  const plain = drawDump(DRAWN);
  for (const file of [plain, await inContainer(plain, ".gz"), await inContainer(plain, ".zst")]) {
    for (const mostBytes of ODD_READS) {
      const { content, records, dataRecords } = await readDump(file, { mostBytes });
      assertSameBytes(content, drawDisk(DRAWN), `${file.path}, ${mostBytes} bytes at once`);
      assertEquals([records, dataRecords], [12, 8]);
    }
  }
});

Deno.test("DigestReader reads the same digest from a file that gives few bytes at once", async () => {
  const file = drawDigest(DRAWN);
  const wanted = await digestsOf(file);
  for (const mostBytes of ODD_READS) {
    assertEquals(
      await digestsOf(file, { mostBytes }),
      wanted,
      `${mostBytes} bytes at once`,
    );
  }
});

Deno.test("DumpReader reads on wherever the end of its window cuts a record", async () => {
  const drawn = "abcd.efg.".repeat(20);
  assert(drawDump(drawn).bytes.length > MAX_HEADER_BYTES);
  // The header grows by a byte a time, so that each byte of a record is the last of the window once.
  for (let shift = 0; shift < 530; shift++) {
    const metadata = new Map([["shift", "x".repeat(shift)]]);
    const file = drawDump(drawn, { metadata });
    const { content } = await readDump(file, { windowBytes: SMALL });
    assertSameBytes(content, drawDisk(drawn), `header longer by ${shift}`);
  }
});

Deno.test("DumpReader moves blocks that are larger than its window", async () => {
  for (const blockBytes of [WINDOW_BYTES - 512, WINDOW_BYTES, WINDOW_BYTES + 512, 1024 * 1024]) {
    const file = drawDump("a.bc", { blockBytes });
    for (const windowBytes of [undefined, SMALL, LEAST]) {
      const { content } = await readDump(file, { windowBytes });
      assertSameBytes(content, drawDisk("a.bc", { blockBytes }), `${blockBytes} bytes a block`);
    }
  }
});

Deno.test("DumpReader reads a batch at a time", async () => {
  await using scope = core.scope();
  const reader = await DumpReader.open(scope, await drawRdiff("a__b.__cd_").source());
  const batch = new Batch(scope, 512);
  const kinds: string[] = [];
  for (const [first, end] of [[0, 1], [1, 3], [3, 4], [4, 9], [9, 10]]) {
    batch.start(first, end);
    await reader.take(batch);
    kinds.push(kindsOf(batch));
  }
  await reader.finish();
  assertEquals(kinds, ["x", "__", "x", ".__xx", "_"]);
});

Deno.test("DumpReader passes over records of blocks that are there already", async () => {
  await using scope = core.scope();
  const reader = await DumpReader.open(scope, await drawDump("ab.c").source());
  const batch = new Batch(scope, 512);
  batch.start(0, 4);
  batch.table[1] = core.ZERO;
  batch.table[2] = batch.slotPtr(2);
  batch.slots(2, 3).fill(7);
  await reader.take(batch);
  assertEquals(kindsOf(batch), "x.xx");
  assertEquals(batch.slots(2, 3).slice(), new Uint8Array(512).fill(7));
});

Deno.test("DumpReader refuses a dump that is cut anywhere", async () => {
  const { bytes } = drawDump("a.b");
  for (let length = 0; length < bytes.length; length++) {
    const error = await assertRejects(
      () => readDump(new MemoryFile("cut", [bytes.subarray(0, length)])),
      FormatError,
      undefined,
      `${length} of ${bytes.length} bytes`,
    );
    assert((error.fault.offsetBytes ?? 0) <= length);
  }
});

Deno.test("DumpReader refuses an rdiff that is cut inside a record", async () => {
  const whole = drawRdiff("_a.").bytes;
  const headerBytes = drawRdiff("___").bytes.length;
  const ends = [headerBytes, whole.length - "2\x001\x00".length, whole.length];
  for (let length = headerBytes; length <= whole.length; length++) {
    const read = () => readDump(new MemoryFile("cut", [whole.subarray(0, length)]));
    if (ends.includes(length)) await read();
    else await assertRejects(read, FormatError, "end of the file", `${length} of ${whole.length} bytes`);
  }
});

const BAD_RECORDS: Record<string, { dump: MemoryFile; says: string }> = {
  "a block out of order": { dump: withRecords("0\x001\x00", "2\x001\x00"), says: "block 1" },
  "a block that comes twice": { dump: withRecords("0\x001\x00", "0\x001\x00"), says: "block 1" },
  "a block beyond the disk": { dump: withRecords("3\x001\x00"), says: "block 0" },
  "a number that is not canonical": { dump: withRecords("00\x001\x00"), says: '"00"' },
  "a zero flag of 2": { dump: withRecords("0\x002\x00"), says: "zero flag" },
  "a length that is not the block size": {
    dump: withRecords("0\x000\x00511\x00", "x".repeat(511)),
    says: "length 512",
  },
  "a record behind the last block": {
    dump: withRecords("0\x001\x00", "1\x001\x00", "2\x001\x00", "3\x001\x00"),
    says: "the end of the file",
  },
};

for (const [what, { dump, says }] of Object.entries(BAD_RECORDS)) {
  Deno.test(`DumpReader refuses ${what}`, async () => {
    await assertRejects(() => readDump(dump), FormatError, says);
  });
}

Deno.test("DigestReader refuses a digest that is cut anywhere, and one that goes on", async () => {
  const { bytes } = drawDigest("a.b");
  for (let length = 0; length < bytes.length; length++) {
    const cut = new MemoryFile("cut", [bytes.subarray(0, length)]);
    await assertRejects(() => digestsOf(cut), FormatError, undefined, `${length} bytes`);
  }
  const longer = new MemoryFile("longer", [bytes, new Uint8Array([0x31])]);
  await assertRejects(() => digestsOf(longer), FormatError, "after block 2");
});

Deno.test("openArchive() tells dumps and rdiffs from digests", async () => {
  await using scope = core.scope();
  assert(await openArchive(scope, await drawDump("a").source()) instanceof DumpReader);
  assert(await openArchive(scope, await drawRdiff("_").source()) instanceof DumpReader);
  assert(await openArchive(scope, await drawDigest("a").source()) instanceof DigestReader);
  await assertRejects(
    async () => openArchive(scope, await new MemoryFile("other", [new Uint8Array(99)]).source()),
    FormatError,
  );
});

Deno.test("openArchive() reads a header as long as one may be", async () => {
  const shortBytes = drawDump("", { metadata: new Map([["k", ""]]) }).bytes.length;
  const longest = drawDump("ab", {
    metadata: new Map([["k", "v".repeat(MAX_HEADER_BYTES - shortBytes)]]),
  });
  const at = MAX_HEADER_BYTES - 1;
  const longer = new MemoryFile("longer", [
    longest.bytes.slice(0, at),
    Uint8Array.of(0x76),
    longest.bytes.slice(at),
  ]);
  for (const windowBytes of [undefined, SMALL, LEAST]) {
    const { content } = await readDump(longest, { windowBytes });
    assertSameBytes(content, drawDisk("ab"), "the longest header");
    await using scope = core.scope();
    await assertRejects(
      async () => DumpReader.open(scope, await longer.source(), { windowBytes }),
      FormatError,
    );
  }
});

/** A dump of three blocks with these records. */
function withRecords(...records: string[]): MemoryFile {
  const header = drawDump("", { blockCount: 3 }).bytes;
  return new MemoryFile("dump", [header, new TextEncoder().encode(records.join(""))]);
}

async function inContainer(plain: MemoryFile, suffix: string): Promise<MemoryFile> {
  const file = new MemoryFile(plain.path + suffix);
  const sink = await file.sink();
  await sink.write(plain.bytes);
  await sink.finish();
  return file;
}

async function readDump(
  file: MemoryFile,
  { mostBytes, windowBytes }: ReadOptions & ReaderOptions = {},
) {
  await using scope = core.scope();
  const reader = await DumpReader.open(scope, await file.source({ mostBytes }), { windowBytes });
  const { blockCount, blockBytes } = reader.header;
  const batch = new Batch(scope, blockBytes);
  batch.start(0, blockCount);
  await reader.take(batch);
  await reader.finish();
  const content = new Uint8Array(blockCount * blockBytes);
  for (let block = 0; block < blockCount; block++) {
    const entry = batch.table[block];
    if (entry > core.ABSENT) content.set(core.bytes(entry, blockBytes), block * blockBytes);
  }
  return { content, records: reader.records, dataRecords: reader.dataRecords };
}

async function digestsOf(
  file: MemoryFile,
  options: ReadOptions = {},
): Promise<Uint8Array> {
  await using scope = core.scope();
  const reader = await DigestReader.open(scope, await file.source(options));
  const { blockCount } = reader.header;
  const digestsPtr = scope.alloc(16 * blockCount);
  await reader.take(digestsPtr, blockCount);
  await reader.finish();
  return core.bytes(digestsPtr, blockCount * 16).slice();
}

function kindsOf({ table, count, core }: Batch): string {
  return [...table.subarray(0, count)]
    .map((entry) => entry === core.ABSENT ? "_" : entry === core.ZERO ? "." : "x").join("");
}
