/** The parts of the benchmark that compare figures and decide whether targets are reached. */

import { assertEquals, assertThrows } from "@std/assert";
import { join } from "@std/path/posix/join";
import { Buffer } from "node:buffer";
import { claimsOf } from "../../scripts/bench/claims.ts";
import { figuresOf } from "../../scripts/bench/figures.ts";
import type { Result } from "../../scripts/bench/rows.ts";
import { parseOptions } from "../../scripts/bench/options.ts";
import { median } from "../../scripts/bench/statistics.ts";
import { figureTable, layOut, verdict } from "../../scripts/bench/table.ts";
import { holds } from "../../scripts/bench/targets.ts";
import { makePatternDisk, makeSparseDisk } from "../../scripts/disk_image.ts";

const MIB = 1024 * 1024;

function result(name: string, seconds: number[], { sizes = {}, ours = false } = {}): Result {
  return {
    row: { name, command: [], ours },
    samples: seconds.map((seconds) => ({ seconds, peakMib: 100 })),
    sizes,
  };
}

Deno.test("parseOptions() parses numbers, and refuses invalid values and unknown options", () => {
  const { mib, rounds, threads, only, quick } = parseOptions([
    "--mib",
    "128",
    "--threads=2",
    "--only",
    "^full",
  ]);
  assertEquals([mib, rounds, threads, only.test("full dump"), quick], [128, 5, 2, true, false]);
  for (const args of [["--mib", "63"], ["--rounds", "0"], ["--threads", "x"], ["--unknown"], ["stray"]]) {
    assertThrows(() => parseOptions(args), TypeError);
  }
});

Deno.test("median() returns the middle value, or the mean of the two middle values", () => {
  assertEquals([median([3, 1, 2]), median([4, 1, 3, 2]), median([7])], [2, 2.5, 7]);
});

Deno.test("holds() is true if one of the two ratios is reached, and undefined if none was measured", () => {
  const target = { atMost: { md5sum: 0.45, cp: 0.35 } };
  assertEquals(holds(target, { md5sum: 0.45, cp: 2 }), true);
  assertEquals(holds(target, { md5sum: 0.46, cp: 0.3 }), true);
  assertEquals(holds(target, { md5sum: 0.46, cp: 0.36 }), false);
  assertEquals(holds({ atMost: { cp: 0.5 } }, { md5sum: 0.1 }), undefined);
});

Deno.test("figuresOf() divides medians by those of md5sum and cp, and leaves out rows without runs", () => {
  const results = [
    result("md5sum", [2, 2, 9]),
    result("cp", [1, 5, 4]),
    result("full dump, plain", [0.8, 0.7, 0.9], { sizes: { "new.dump": 3, "new.digest": 1 }, ours: true }),
    result("never run", []),
  ];
  const figures = figuresOf(results, { targets: true });
  assertEquals(figures.map(({ name }) => name), ["md5sum", "cp", "full dump, plain"]);
  const { ratios, holds, outputBytes, fastest, slowest, peakMib, cpuSeconds } = figures[2];
  assertEquals(ratios, { md5sum: 0.4, cp: 0.2 });
  assertEquals([holds, outputBytes, fastest, slowest, peakMib, cpuSeconds], [
    true,
    4,
    0.7,
    0.9,
    100,
    undefined,
  ]);
  assertEquals(figuresOf(results, { targets: false })[2].target, undefined);
});

Deno.test("claimsOf() and verdict() tell claims that hold, that do not hold and that were not measured", () => {
  const mixed = figuresOf([
    result("full dump, plain", [1], { ours: true }),
    result("full dump, 64 KiB blocks", [1.25], { ours: true }),
    result("full dump, 4 KiB blocks", [2.6], { ours: true }),
    result("full dump .gz", [4], { sizes: { "new.dump.gz": 104 }, ours: true }),
    result("gzip -1", [4], { sizes: { "0.raw.gz": 100 } }),
  ], { targets: true });
  const sparse = figuresOf([
    result("full dump of a sparse disk, x1", [1]),
    result("full dump of a sparse disk, x4", [1.5]),
    result("full dump of a sparse disk, x16", [3.7]),
  ], { targets: false });
  const kernel = [{ name: "core", samples: [], mibPerSecond: 5 }, {
    name: "node:crypto",
    samples: [],
    mibPerSecond: 1,
  }];
  const claims = claimsOf({ kernel, mixed, sparse, start: [], all: mixed, mib: 512 });
  assertEquals(claims.map(({ holds }) => holds), [
    true,
    false,
    undefined,
    true,
    true,
    true,
    false,
    undefined,
  ]);
  // Seconds for half a GiB: (3.7 - 1.5) / 12 in comparison with (1.5 - 1) / 3.
  assertEquals(claims[4].measured, "1.10 x (0.367 s, 0.333 s)");
  assertEquals(
    verdict([{ name: "a", holds: true }, { name: "b", holds: false }, { name: "c" }]),
    "1 of 3 targets hold, 1 not measured, 1 missed: b",
  );
});

Deno.test("figureTable() leaves out empty columns and is at most 150 characters wide", () => {
  const long = "merge dump + rdiff, plain";
  const figures = figuresOf([result("md5sum", [222.222]), result("cp", [1.234]), result(long, [111])], {
    targets: true,
  });
  const lines = figureTable(figures).split("\n");
  assertEquals(lines[0].includes("cpu s"), false);
  assertEquals(lines[0].includes("peak MiB"), true);
  assertEquals(lines.every((line) => line.length <= 150), true);
  assertEquals(layOut([["", "b"], ["long", "1"]]), "      b\nlong  1");
});

Deno.test("makePatternDisk() and makeSparseDisk() make zeros and data in their places, the same for the same seed", () => {
  const folder = Deno.makeTempDirSync();
  try {
    const make = (pattern: "mixed" | "noise", seed: number) => {
      makePatternDisk(join(folder, "disk"), { sizeBytes: 17 * MIB, seed, pattern });
      return Deno.readFileSync(join(folder, "disk"));
    };
    const isZero = (bytes: Uint8Array) => bytes.every((byte) => byte === 0);
    const mixed = make("mixed", 1);
    assertEquals([0, 4, 8, 12, 16].map((mib) => isZero(mixed.subarray(mib * MIB, (mib + 1) * MIB))), [
      true,
      false,
      true,
      false,
      true,
    ]);
    assertEquals(Buffer.compare(mixed, make("mixed", 1)), 0);
    assertEquals(isZero(make("noise", 1).subarray(0, MIB)), false);
    makeSparseDisk(join(folder, "disk"), { sizeBytes: 32 * MIB, seed: 1 });
    const sparse = Deno.readFileSync(join(folder, "disk"));
    assertEquals([0, 1, 16, 17].map((mib) => isZero(sparse.subarray(mib * MIB, (mib + 1) * MIB))), [
      false,
      true,
      false,
      true,
    ]);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
