/** Files that are something else than the command wants: another kind, another container, nothing at all. */

import { assertEquals } from "@std/assert";
import { concat, digest, dump, flipped, GENERATIONS, gzip } from "./material.ts";
import { Archives, EXIT } from "./refusal.ts";

const DUMP = concat(...dump(GENERATIONS[0]));
const DIGEST = concat(...digest(GENERATIONS[0]));

const OUT = "--dumpout new.dump --digestout new.digest --rdiffout new.rdiff";

for (
  const [line, says] of [
    ["check --digestin g0.dump g0.dump", ['g0.dump"', "a digest is expected", "a dump or rdiff is found"]],
    ["check --digestin g0.rdiff g0.dump", ['g0.rdiff"', "a digest is expected", "a dump or rdiff is found"]],
    ["check --digestin g0.digest g0.digest", [
      'g0.digest"',
      "a dump or rdiff is expected",
      "a digest is found",
    ]],
    ["digest --dumpin g0.digest --digestout new.digest", ['g0.digest"', "a digest is found"]],
    ["merge --dumpout new.dump g1.dump g0.digest", ['g0.digest"', "a digest is found"]],
    ["restore --create --local new.raw g0.digest", ['g0.digest"', "a digest is found"]],
    ["restore --local d1.raw g0.digest", ['g0.digest"', "a digest is found"]],
    ["rdiff g0.digest g1.dump --rdiffout new.rdiff", ['g0.digest"', "a digest is found"]],
    ["rdiff2bmp g0.digest --bmpout new.bmp", ['g0.digest"', "a digest is found"]],
    [`dump --mode diff --local d1.raw --dumpin g0.digest --digestin g0.digest ${OUT}`, ["a digest is found"]],
    [`dump --mode diff --local d1.raw --dumpin g0.dump --digestin g0.dump ${OUT}`, [
      "a dump or rdiff is found",
    ]],
    ["print d0.raw", ['d0.raw"']],
    ["print-bmp g0.dump", ['g0.dump"']],
    ["check --digestin g0.digest all.bmp", ['all.bmp"']],
  ] as const
) {
  Deno.test(`a file of another kind is refused: ${line}`, async () => {
    using archives = new Archives();
    await archives.refused(line, { code: EXIT.corrupt, says: [...says] });
  });
}

/** What stands in front of the name of each input. */
const READERS = [
  "print",
  "check --digestin g0.digest",
  "digest --digestout new.digest --dumpin",
  "merge --dumpout new.dump g1.dump",
  "restore --create --local new.raw",
  "restore --local d1.raw",
  "compare g0.dump",
  "rdiff --rdiffout new.rdiff g0.dump",
  "rdiff2bmp --bmpout new.bmp",
  "print-bmp",
  "check g0.dump --digestin",
  "dump --mode full --dumpout new.dump --digestout new.digest --local",
  `dump --mode diff --local d1.raw --digestin g0.digest ${OUT} --dumpin`,
  `dump --mode diff --local d1.raw --dumpin g0.dump ${OUT} --digestin`,
  `dump --mode incr --local d1.raw --dumpin g0.dump --digestin g0.digest ${OUT} --bmpin`,
];

for (const reader of READERS) {
  Deno.test(`a missing file is refused: ${reader}`, async () => {
    using archives = new Archives();
    await archives.refused(`${reader} missing.file`, { code: EXIT.environment, says: ['missing.file"'] });
    await archives.refused(`${reader} no/where.file`, { code: EXIT.environment, says: ['where.file"'] });
    await archives.refused(`${reader} g0.dump/below.file`, { code: EXIT.environment, says: ['below.file"'] });
  });

  Deno.test(`a folder is refused: ${reader}`, async () => {
    using archives = new Archives();
    Deno.mkdirSync(`${archives.path}/a.folder`);
    // check takes folders, but with no digest.
    const isCheck = reader === "check --digestin g0.digest";
    const says = [isCheck ? "digests are looked for there" : 'a.folder"'];
    await archives.refused(`${reader} a.folder`, { code: isCheck ? EXIT.usage : EXIT.environment, says });
  });

  Deno.test(`an empty file is refused: ${reader}`, async () => {
    using archives = new Archives({ "empty.file": new Uint8Array() });
    await archives.refused(`${reader} empty.file`, { code: EXIT.corrupt, says: ['empty.file"'] });
  });
}

Deno.test("content and suffix that contradict each other are refused", async (t) => {
  const zstd = await zstdOf(DUMP);
  using archives = new Archives({
    "gzip.dump": gzip(DUMP),
    "zstd.dump": zstd,
    "plain.dump.gz": DUMP,
    "plain.dump.zst": DUMP,
    "zstd.dump.gz": zstd,
    "gzip.dump.zst": gzip(DUMP),
    "gzip.digest": gzip(DIGEST),
    "plain.digest.gz": DIGEST,
  });
  for (
    const [name, says] of [
      ["gzip.dump", ["gzip", '".gz"']],
      ["zstd.dump", ["zstd", '".zst"']],
      ["plain.dump.gz", ["is not gzip", '".gz"']],
      ["plain.dump.zst", ["is not zstd", '".zst"']],
      ["zstd.dump.gz", ["is not gzip", '".gz"']],
      ["gzip.dump.zst", ["is not zstd", '".zst"']],
    ] as const
  ) {
    for (
      const command of [
        "check --digestin g0.digest",
        "restore --create --local new.raw",
        "restore --local d1.raw",
        "digest --digestout new.digest --dumpin",
        "merge --dumpout new.dump g1.dump",
        "print",
      ]
    ) {
      await t.step(`${command} ${name}`, async () => {
        await archives.refused(`${command} ${name}`, { code: EXIT.corrupt, says: [`${name}"`, ...says] });
      });
    }
  }
  for (const [name, says] of [["gzip.digest", '".gz"'], ["plain.digest.gz", "is not gzip"]]) {
    await t.step(`check --digestin ${name}`, async () => {
      await archives.refused(`check --digestin ${name} g0.dump`, {
        code: EXIT.corrupt,
        says: [`${name}"`, says],
      });
    });
  }
});

/** Damage of a gzip member that the original passed over, and some that it found. */
const GZIP_DAMAGE: Record<string, Uint8Array> = {
  "a cut stream": gzip(DUMP).subarray(0, -20),
  "no trailer": gzip(DUMP).subarray(0, -8),
  "a cut trailer": gzip(DUMP).subarray(0, -1),
  "a wrong CRC": flipped(gzip(DUMP), -8),
  "a wrong length": flipped(gzip(DUMP), -4),
  "garbage behind it": concat(gzip(DUMP), [1, 2, 3]),
  "zeros behind it": concat(gzip(DUMP), new Uint8Array(512)),
  "half a member behind it": concat(gzip(DUMP), gzip(DUMP).subarray(0, 40)),
};

for (const [damage, bytes] of Object.entries(GZIP_DAMAGE)) {
  Deno.test(`a gzip archive with ${damage} is refused`, async () => {
    using archives = new Archives({ "bad.dump.gz": bytes });
    for (
      const command of [
        "check --digestin g0.digest",
        "restore --create --local new.raw",
        "restore --local d1.raw",
        "digest --digestout new.digest --dumpin",
      ]
    ) {
      await archives.refused(`${command} bad.dump.gz`, { code: EXIT.corrupt, says: ['bad.dump.gz"'] });
    }
  });
}

Deno.test("a zstd archive that is cut, changed or followed by something else is refused", async () => {
  const zstd = await zstdOf(DUMP);
  for (
    const bytes of [zstd.subarray(0, -1), flipped(zstd, -1), flipped(zstd, -100), concat(zstd, [1, 2, 3])]
  ) {
    using archives = new Archives({ "bad.dump.zst": bytes });
    for (
      const command of [
        "check --digestin g0.digest",
        "restore --create --local new.raw",
        "restore --local d1.raw",
      ]
    ) {
      await archives.refused(`${command} bad.dump.zst`, { code: EXIT.corrupt, says: ['bad.dump.zst"'] });
    }
  }
});

/** A list of one file and merge cannot make it, so the program's own dump serves. */
async function zstdOf(bytes: Uint8Array): Promise<Uint8Array> {
  using archives = new Archives({ "again.dump": bytes });
  await archives.done("merge --dumpout back.dump.zst g1.dump g0.rdiff");
  await archives.done("compare again.dump g0.dump");
  const zstd = Deno.readFileSync(`${archives.path}/back.dump.zst`);
  assertEquals([...zstd.subarray(0, 4)], [0x28, 0xb5, 0x2f, 0xfd]);
  return zstd;
}

Deno.test("rdiff2bmp of a dump is refused", async () => {
  using archives = new Archives();
  await archives.refused("rdiff2bmp g0.dump --bmpout new.bmp", {
    code: EXIT.corrupt,
    says: ["g0.dump", "it is a dump, an rdiff is needed"],
  });
});
