/** Archives that are well-formed and do not belong together (archive-format.md, sections 4.2 and 7.1). */

import { assertEquals } from "@std/assert";
import { concat, digest, dump, flipped, GENERATIONS, rdiff, token } from "./material.ts";
import { Archives, EXIT } from "./refusal.ts";

const [OLD, MIDDLE, NEW] = GENERATIONS;
const lastLine = (text: string) => text.trimEnd().split("\n").at(-1);

Deno.test("check says OK for a dump, for a chain, and for rdiffs alone", async () => {
  using archives = new Archives();
  for (
    const list of [
      "g0.dump",
      "g1.dump g0.rdiff",
      "g2.dump g1.rdiff g0.rdiff",
      "g1.rdiff g0.rdiff",
      "g0.rdiff",
    ]
  ) {
    const { stdout, stderr } = await archives.done(`check --digestin g0.digest ${list}`);
    assertEquals([lastLine(stdout), stderr], ["Check: OK", ""]);
  }
});

Deno.test("check says WRONG for the digest of another generation", async () => {
  using archives = new Archives();
  for (const list of ["g0.dump", "g1.dump g0.rdiff", "g0.rdiff"]) {
    const { stdout } = await archives.refused(`check --digestin g1.digest ${list}`, {
      code: EXIT.corrupt,
      says: ['g1.digest"', "different generations", "12:00:01", "12:00:02"],
    });
    assertEquals(lastLine(stdout), "Check: WRONG");
  }
});

Deno.test("check says WRONG for the digest of another series", async () => {
  using archives = new Archives({ "other.digest": concat(...digest({ ...OLD, series: 0xbb })) });
  const { stdout } = await archives.refused("check --digestin other.digest g0.dump", {
    code: EXIT.corrupt,
    says: ['other.digest"', 'g0.dump"', "series", "bbbb", "5e5e"],
  });
  assertEquals(lastLine(stdout), "Check: WRONG");
});

Deno.test("check says WRONG for a flipped bit and names the block", async () => {
  using archives = new Archives();
  archives.file("bad.dump", flipped(concat(...dump(OLD)), -1) as Uint8Array<ArrayBuffer>);
  const { code, stdout } = await archives.run("check --digestin g0.digest bad.dump");
  assertEquals([code, lastLine(stdout)], [EXIT.corrupt, "Check: WRONG"]);
  assertEquals(/bad: block (\d+)/.exec(stdout)?.[1], "5");
});

Deno.test("check says WRONG for a missing link", async () => {
  using archives = new Archives();
  const { code, stdout } = await archives.run("check --digestin g0.digest g2.dump g0.rdiff");
  assertEquals([code, lastLine(stdout)], [EXIT.corrupt, "Check: WRONG"]);
});

/** Lists that no command may take as a chain, with what the message must say. */
const NO_CHAINS: Record<string, { list: string; says: string[] }> = {
  "rdiffs in ascending order": {
    list: "g2.dump g0.rdiff g1.rdiff",
    says: ['g1.rdiff"', "is not older than", 'g0.rdiff"'],
  },
  "the same rdiff twice": {
    list: "g1.dump g0.rdiff g0.rdiff",
    says: ['g0.rdiff"', "is not older than"],
  },
  "a dump and an rdiff of another series": {
    list: "g1.dump series.rdiff",
    says: ['g1.dump"', 'series.rdiff"', "series"],
  },
  "archives of disks of different sizes": {
    list: "g1.dump long.rdiff",
    says: ['g1.dump"', 'long.rdiff"', "number of blocks", "6", "7"],
  },
  "archives of different block sizes": {
    list: "g1.dump blocks.rdiff",
    says: ['g1.dump"', 'blocks.rdiff"', "block size", "512", "1024"],
  },
  "a dump older than the first rdiff": {
    list: "g0.dump g1.rdiff",
    says: ['g1.rdiff"', "is not older than", 'g0.dump"'],
  },
  "two dumps": { list: "g1.dump g0.dump", says: ['g0.dump"', "is a dump"] },
  "an rdiff before a dump": { list: "g1.rdiff g0.dump", says: ['g0.dump"', "is a dump"] },
};

const STRANGERS = {
  "series.rdiff": concat(...rdiff({ ...OLD, series: 0xbb }, MIDDLE)),
  "long.rdiff": concat(
    ...rdiff({ ...OLD, blocks: [...OLD.blocks, undefined] }, { ...MIDDLE, blocks: OLD.blocks }),
  ),
  "blocks.rdiff": concat(...rdiff({ ...OLD, blockBytes: 1024, blocks: MIDDLE.blocks }, MIDDLE)),
};

for (const [what, { list, says }] of Object.entries(NO_CHAINS)) {
  Deno.test(`${what} are no chain`, async (t) => {
    using archives = new Archives(STRANGERS);
    for (
      const command of [
        "check --digestin g0.digest",
        "merge --dumpout new.dump",
        "restore --create --local new.raw",
        "restore --local d2.raw",
      ]
    ) {
      await t.step(command, async () => {
        await archives.refused(`${command} ${list}`, { code: EXIT.corrupt, says });
      });
    }
  });
}

Deno.test("merge to an rdiff refuses a list that ends in a dump", async () => {
  using archives = new Archives();
  await archives.refused("merge --rdiffout new.rdiff g1.rdiff g0.dump", {
    code: EXIT.corrupt,
    says: ['g0.dump"', "is a dump"],
  });
});

Deno.test("digest refuses an rdiff", async () => {
  using archives = new Archives();
  await archives.refused("digest --dumpin g0.rdiff --digestout new.digest", {
    code: EXIT.corrupt,
    says: ['g0.rdiff"', "is an rdiff"],
  });
});

const diff = (options: string) =>
  `dump --mode diff ${options} --dumpout new.dump --digestout new.digest --rdiffout new.rdiff`;

Deno.test("diff refuses a digest that is not the dump's", async () => {
  using archives = new Archives({ "series.digest": concat(...digest({ ...OLD, series: 0xbb })) });
  await archives.refused(diff("--local d1.raw --dumpin g0.dump --digestin g1.digest"), {
    code: EXIT.corrupt,
    says: ['g0.dump"', 'g1.digest"', "different generations"],
  });
  await archives.refused(diff("--local d1.raw --dumpin g0.dump --digestin series.digest"), {
    code: EXIT.corrupt,
    says: ['g0.dump"', 'series.digest"', "series"],
  });
});

Deno.test("diff refuses an rdiff as the previous dump", async () => {
  using archives = new Archives();
  await archives.refused(diff("--local d1.raw --dumpin g0.rdiff --digestin g0.digest"), {
    code: EXIT.corrupt,
    says: ['g0.rdiff"', "is an rdiff"],
  });
});

Deno.test("diff refuses a previous dump that does not have the digest's MD5", async () => {
  using archives = new Archives({ "bad.dump": flipped(concat(...dump(OLD)), -1) });
  await archives.refused(diff("--local d1.raw --dumpin bad.dump --digestin g0.digest"), {
    code: EXIT.corrupt,
    says: ['bad.dump"', "block 5", 'g0.digest"'],
  });
});

Deno.test("diff refuses a disk that grew or shrank", async () => {
  using archives = new Archives({
    "grown.raw": new Uint8Array(7 * 512),
    "shrunk.raw": new Uint8Array(5 * 512),
  });
  for (const [disk, bytes] of [["grown.raw", 3584], ["shrunk.raw", 2560]]) {
    await archives.refused(diff(`--local ${disk} --dumpin g0.dump --digestin g0.digest`), {
      code: EXIT.corrupt,
      says: [`${disk}"`, String(bytes), "3072"],
    });
  }
});

const incr = (bitmap: string) =>
  "dump --mode incr --local d1.raw --dumpin g0.dump --digestin g0.digest " +
  `--bmpin ${bitmap} --dumpout new.dump --digestout new.digest --rdiffout new.rdiff`;

/** Bitmaps that do not fit a disk of six blocks. */
const BITMAPS: Record<string, { bytes: Uint8Array; says: string[] }> = {
  "of fewer bits": { bytes: concat(token(5), [0]), says: ["5 bits", "6 blocks"] },
  "of more bits": { bytes: concat(token(7), [0]), says: ["7 bits", "6 blocks"] },
  "that is cut": { bytes: token(6), says: ['bad.bmp"', "the end of the file"] },
  "that goes on": { bytes: concat(token(6), [0, 0]), says: ['bad.bmp"', "more"] },
  "with a bit behind the last": { bytes: concat(token(6), [2]), says: ['bad.bmp"', "padding"] },
  "without a number": { bytes: concat(token("x"), [0]), says: ['bad.bmp"', '"x"'] },
  "of 2^41 bits": { bytes: concat(token(2 ** 41), [0]), says: ['bad.bmp"', "2199023255552"] },
  "that is empty": { bytes: new Uint8Array(), says: ['bad.bmp"', "the end of the file"] },
};

for (const [what, { bytes, says }] of Object.entries(BITMAPS)) {
  Deno.test(`incr refuses a bitmap ${what}`, async () => {
    using archives = new Archives({ "bad.bmp": bytes });
    await archives.refused(incr("bad.bmp"), { code: EXIT.corrupt, says });
  });
}

Deno.test("restore refuses a disk that is too small before it writes", async () => {
  using archives = new Archives({ "small.raw": new Uint8Array(5 * 512).fill(0xa5) });
  await archives.refused("restore --local small.raw g0.dump", {
    code: EXIT.corrupt,
    says: ['small.raw"', "2560", "3072"],
  });
});

Deno.test("restore leaves the rest of a larger disk as it is", async () => {
  using archives = new Archives({ "large.raw": new Uint8Array(7 * 512).fill(0xa5) });
  await archives.done("restore --local large.raw g0.dump");
  const disk = Deno.readFileSync(`${archives.path}/large.raw`);
  assertEquals(disk.subarray(0, 3072), Deno.readFileSync(`${archives.path}/d0.raw`));
  assertEquals(disk.subarray(3072).every((byte) => byte === 0xa5), true);
});

Deno.test("rdiff refuses dumps in the wrong order, of one generation, of other series, and rdiffs", async () => {
  using archives = new Archives({ "series.dump": concat(...dump({ ...NEW, series: 0xbb })) });
  for (
    const [pair, says] of [
      ["g1.dump g0.dump", ['g1.dump"', "is not older than", 'g0.dump"']],
      ["g0.dump g0.dump", ["is not older than"]],
      ["g0.dump series.dump", ['series.dump"', "series"]],
      ["g0.rdiff g1.dump", ['g0.rdiff"', "is an rdiff"]],
      ["g0.dump g1.rdiff", ['g1.rdiff"', "is an rdiff"]],
    ] as const
  ) {
    await archives.refused(`rdiff ${pair} --rdiffout new.rdiff`, { code: EXIT.corrupt, says: [...says] });
  }
});

Deno.test("compare refuses archives of different kinds", async () => {
  using archives = new Archives();
  for (const pair of ["g0.dump g0.rdiff", "g0.dump g0.digest", "g0.digest g0.rdiff"]) {
    const [a, b] = pair.split(" ");
    const { code, stderr, stdout } = await archives.run(`compare ${pair}`);
    assertEquals(code === EXIT.corrupt || code === EXIT.usage, true, `${pair}: ${code}`);
    assertEquals([stderr.includes(`${a}"`), stderr.includes(`${b}"`), stdout], [true, true, ""]);
  }
});

Deno.test("compare says DIFFERENT where one archive is the beginning of the other", async () => {
  using archives = new Archives({
    "short.dump": concat(...dump({ ...OLD, blocks: OLD.blocks.slice(0, 5) })),
    "short.rdiff": concat(...rdiff(OLD, MIDDLE).slice(0, -1)),
    "short.digest": concat(...digest({ ...OLD, blocks: OLD.blocks.slice(0, 5) })),
  });
  for (const kind of ["dump", "rdiff", "digest"]) {
    for (const pair of [`short.${kind} g0.${kind}`, `g0.${kind} short.${kind}`]) {
      const { code, stdout } = await archives.run(`compare ${pair}`);
      assertEquals([pair, code, lastLine(stdout)], [pair, EXIT.different, "DIFFERENT"]);
    }
  }
});
