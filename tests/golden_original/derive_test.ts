/** Archives that are made from archives of the original must have the bytes of the original's own. */

import { assertEquals } from "@std/assert";
import { assertSameContent, run, runJson } from "./expect.ts";
import { goldenTest, LONG_SERIES, SERIES, WITH_MERGED } from "./manifest.ts";

goldenTest("merge of the newest dump and the rdiffs makes every older dump", async (set, folder) => {
  for (const generation of set.generations().slice(0, -1)) {
    const out = folder.file(`${generation}.dump`);
    await run(["merge", "--dumpout", out, ...set.chain(generation)]);
    assertSameContent(out, set.content(`g${generation}.dump`));
  }
}, SERIES);

goldenTest("merge of rdiffs makes the same merged rdiff as the original", async (set, folder) => {
  for (const { name } of set.files.filter(({ name }) => name.startsWith("m-"))) {
    const [newer, older] = /^m-g(\d+)-g(\d+)/.exec(name)!.slice(1).map(Number);
    const rdiffs = set.generations().filter((n) => n >= older && n <= newer).reverse();
    const out = folder.file("merged.rdiff");
    await run(["merge", "--rdiffout", out, ...rdiffs.map((n) => set.path(`g${n}.rdiff`))]);
    assertSameContent(out, set.content(name));
  }
}, WITH_MERGED);

goldenTest("merge reads a merged dump as the first archive of a chain", async (set, folder) => {
  const merged = folder.file("1.dump");
  await run(["merge", "--dumpout", merged, ...set.chain(1)]);
  await run(["merge", "--dumpout", folder.file("0.dump"), merged, set.path("g0.rdiff")]);
  assertSameContent(folder.file("0.dump"), set.content("g0.dump"));
}, LONG_SERIES);

goldenTest("digest makes the digest of each dump", async (set, folder) => {
  for (const generation of set.generations()) {
    const out = folder.file(`${generation}.digest`);
    await run(["digest", "--dumpin", set.path(`g${generation}.dump`), "--digestout", out]);
    assertSameContent(out, set.content(`g${generation}.digest`));
  }
});

goldenTest("rdiff of two dumps makes the rdiff between them", async (set, folder) => {
  for (const generation of set.generations().slice(0, -1)) {
    const out = folder.file(`${generation}.rdiff`);
    const dumps = [set.path(`g${generation}.dump`), set.path(`g${generation + 1}.dump`)];
    await run(["rdiff", ...dumps, "--rdiffout", out]);
    assertSameContent(out, set.content(`g${generation}.rdiff`));
  }
}, SERIES);

goldenTest("rdiff2bmp sets the bits of the blocks of an rdiff", async (set, folder) => {
  for (const generation of set.generations().slice(0, -1)) {
    const rdiff = set.path(`g${generation}.rdiff`);
    const bitmap = folder.file(`${generation}.bmp`);
    await run(["rdiff2bmp", rdiff, "--bmpout", bitmap]);
    const { files: [{ blocks, records }] } = await runJson(["print", rdiff]);
    assertEquals(Deno.readFileSync(bitmap), bitmapOf(blocks, records.map((r: { block: number }) => r.block)));
  }
}, SERIES);

for (const suffix of ["", ".gz", ".zst"]) {
  goldenTest(`merge, digest and rdiff write the same content to "${suffix}" files`, async (set, folder) => {
    const out = (stem: string) => folder.file(`${stem}${suffix}`);
    const newest = set.path(`g${set.newest}.dump`);
    const plain = (stem: string) => folder.file(`plain.${stem}`);
    await run(["digest", "--dumpin", newest, "--digestout", out("a.digest")]);
    assertEquals(await verdict(out("a.digest"), set.path(`g${set.newest}.digest`)), "SAME");

    await run(["merge", "--dumpout", out("a.dump"), ...set.chain(0)]);
    await run(["rdiff", out("a.dump"), newest, "--rdiffout", out("a.rdiff")]);
    // Another merge, to a plain file, decompresses the archive: the test has no decompressor for zstd.
    await run(["merge", "--dumpout", plain("dump"), newest, out("a.rdiff")]);
    assertSameContent(plain("dump"), set.content("g0.dump"));
    if (suffix !== ".zst") assertSameContent(out("a.dump"), set.content("g0.dump"));
    assertEquals(await verdict(out("a.dump"), set.path("g0.dump")), "SAME");
    assertEquals(await headersAgree(out("a.dump"), set.path("g0.dump")), true);
  }, SERIES);
}

goldenTest("compare prints SAME for equal archives", async (set, folder) => {
  for (const { name, content } of set.archives) {
    const copy = folder.file(`copy-of-${name}`, Deno.readFileSync(set.path(name)));
    assertEquals(await verdict(set.path(name), copy), "SAME", content);
  }
});

goldenTest("compare prints DIFFERENT for two generations, and their first different block", async (set) => {
  for (const generation of set.generations().slice(0, -1)) {
    const disks = [generation, generation + 1].map((n) => set.content(`d${n}.raw`));
    for (const kind of ["dump", "digest"]) {
      const [older, newer] = [generation, generation + 1].map((n) => set.path(`g${n}.${kind}`));
      const { files: [{ blockSize }] } = await runJson(["print", "--headers", older]);
      const at = disks[0].findIndex((byte, i) => byte !== disks[1][i]);
      const result = await runJson(["compare", older, newer], at < 0 ? 0 : 5);
      assertEquals(result.same, at < 0);
      assertEquals(result.firstDifferentBlock, at < 0 ? undefined : Math.floor(at / blockSize));
    }
  }
}, SERIES);

async function verdict(a: string, b: string): Promise<string | undefined> {
  const { stdout } = await run(["compare", a, b]);
  return stdout.trimEnd().split("\n").at(-1);
}

async function headersAgree(a: string, b: string): Promise<boolean> {
  const { files: [{ file: _a, ...headerA }, { file: _b, ...headerB }] } = await runJson([
    "print",
    "--headers",
    a,
    b,
  ]);
  return JSON.stringify(headerA) === JSON.stringify(headerB);
}

function bitmapOf(bits: number, set: number[]): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(bits / 8));
  for (const bit of set) bytes[bit >> 3] |= 0x80 >> (bit & 7);
  return Uint8Array.of(...new TextEncoder().encode(`${bits}\0`), ...bytes);
}
