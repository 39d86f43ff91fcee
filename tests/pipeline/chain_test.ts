import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { Core } from "../../cli/core.ts";
import { FormatError, MismatchError } from "../../cli/errors.ts";
import { Batch } from "../../cli/pipeline/batch.ts";
import type { Chain } from "../../cli/pipeline/chain.ts";
import { drawDisk, drawDump, drawRdiff, openChain } from "./drawn_archives.ts";
import type { MemoryFile } from "./memory_file.ts";

const core = await Core.load();

Deno.test("Chain takes each block from the last archive that has it", async () => {
  await using scope = core.scope();
  const chain = await openChain(
    scope,
    drawDump("abcdef", { generation: 3 }),
    drawRdiff("__x.__", { generation: 2 }),
    drawRdiff("y__z__", { generation: 1 }),
    drawRdiff("_____.", { generation: 0 }),
  );
  assertEquals(await contentOf(chain), drawDisk("ybxze."));
});

Deno.test("Chain of rdiffs alone leaves blocks without a record absent", async () => {
  await using scope = core.scope();
  const chain = await openChain(
    scope,
    drawRdiff("a_._", { generation: 1 }),
    drawRdiff("_b__", { generation: 0 }),
  );
  const batch = new Batch(scope, 512);
  batch.start(0, 4);
  await chain.take(batch);
  const kinds = [...batch.table.subarray(0, 4)].map((entry) =>
    entry === core.ABSENT ? "_" : entry === core.ZERO ? "." : "x"
  );
  assertEquals(kinds.join(""), "xx._");
});

Deno.test("Chain has the header of its last archive and the full flag of its first", async () => {
  await using scope = core.scope();
  const metadata = new Map([["uuid", "60 00"]]);
  const chain = await openChain(
    scope,
    drawDump("ab", { generation: 9, adapterType: 1 }),
    drawRdiff("__", { generation: 4, adapterType: 2, metadata }),
  );
  assertEquals(chain.header.full, true);
  assertEquals(chain.header.time.minute, 4);
  assertEquals(chain.header.adapterType, 2);
  assertEquals(chain.header.metadata, metadata);
});

Deno.test("Chain of one archive is that archive", async () => {
  await using scope = core.scope();
  const chain = await openChain(scope, drawRdiff("a_", { generation: 1 }));
  assertEquals(chain.header, chain.readers[0].header);
});

Deno.test("Chain accepts a first rdiff of the dump's own second, which the original wrote", async () => {
  await using scope = core.scope();
  await openChain(scope, drawDump("a", { generation: 1 }), drawRdiff("b", { generation: 1 }));
});

const REFUSED: Record<string, { files: MemoryFile[]; because: string }> = {
  "a second dump": {
    files: [drawDump("ab", { generation: 1 }), drawDump("cd", { generation: 0, path: "second" })],
    because: '"second" is a dump',
  },
  "a dump behind an rdiff": {
    files: [drawRdiff("ab", { generation: 1 }), drawDump("cd", { generation: 0, path: "late" })],
    because: '"late" is a dump',
  },
  "an rdiff that is newer than the dump": {
    files: [drawDump("ab", { generation: 1 }), drawRdiff("a_", { generation: 2 })],
    because: "is not older than",
  },
  "rdiffs in ascending order": {
    files: [
      drawDump("ab", { generation: 3 }),
      drawRdiff("a_", { generation: 1 }),
      drawRdiff("a_", { generation: 2 }),
    ],
    because: "the list goes from the newest to the oldest",
  },
  "the same rdiff twice": {
    files: [drawRdiff("a_", { generation: 1 }), drawRdiff("a_", { generation: 1 })],
    because: "is not older than",
  },
  "another series": {
    files: [
      drawDump("ab", { generation: 1 }),
      drawRdiff("a_", { seriesId: new Uint8Array(16).fill(0xc4) }),
    ],
    because: `series ${"5e".repeat(16)} against ${"c4".repeat(16)}`,
  },
  "another block size": {
    files: [drawDump("ab", { generation: 1 }), drawRdiff("a_", { blockBytes: 1024 })],
    because: "block size 512 against 1024",
  },
  "another number of blocks": {
    files: [drawDump("ab", { generation: 1 }), drawRdiff("a__")],
    because: "number of blocks 2 against 3",
  },
  "another capacity in as many blocks": {
    files: [drawDump("ab", { generation: 1 }), drawRdiff("a_", { capacityBytes: 1000 })],
    because: "capacity in bytes 1024 against 1000",
  },
  "another series at the end of a long list": {
    files: [
      drawDump("ab", { generation: 3 }),
      drawRdiff("a_", { generation: 2 }),
      drawRdiff("a_", { generation: 1, seriesId: new Uint8Array(16) }),
    ],
    because: "series",
  },
};

for (const [what, { files, because }] of Object.entries(REFUSED)) {
  Deno.test(`Chain refuses ${what}`, async () => {
    await using scope = core.scope();
    const error = await assertRejects(() => openChain(scope, ...files), MismatchError);
    assertStringIncludes(error.message, because);
  });
}

const NOT_WHOLE: Record<string, MemoryFile> = {
  "a dump that ends before its last block": drawDump("ab", { generation: 1, blockCount: 3, path: "cut" }),
  "a dump that ends behind its header": drawDump("", { generation: 1, blockCount: 3, path: "cut" }),
  "a dump with surplus records": drawDump("abcd", { generation: 1, blockCount: 3, path: "cut" }),
};

for (const [what, file] of Object.entries(NOT_WHOLE)) {
  Deno.test(`Chain refuses ${what}, even where rdiffs have every block`, async () => {
    await using scope = core.scope();
    const chain = await openChain(scope, file, drawRdiff("xyz"));
    const error = await assertRejects(() => contentOf(chain), FormatError);
    assertEquals(error.fault.path, "cut");
  });
}

async function contentOf(chain: Chain): Promise<Uint8Array> {
  const { blockCount, blockBytes } = chain.header;
  using scope = core.scope();
  const batch = new Batch(scope, blockBytes);
  const content = new Uint8Array(blockCount * blockBytes);
  batch.start(0, blockCount);
  await chain.take(batch);
  await chain.finish();
  for (let block = 0; block < blockCount; block++) {
    const entry = batch.table[block];
    if (entry !== core.ZERO) content.set(core.bytes(entry, blockBytes), block * blockBytes);
  }
  return content;
}
