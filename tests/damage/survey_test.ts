import { assert, assertEquals, assertRejects } from "@std/assert";
import { DamagedFile } from "../../cli/archive/damaged_file.ts";
import { Core } from "../../cli/core.ts";
import { FormatError } from "../../cli/errors.ts";
import { Batch } from "../../cli/pipeline/batch.ts";
import { MAX_FAULTS } from "../../cli/damage/fault_log.ts";
import { Survey } from "../../cli/damage/survey.ts";
import { assertSameBytes, noise } from "../disks/helpers.ts";
import { concat, dumpHeader, dumpRecord, token } from "../refusals/material.ts";
import { damagedFile, inContainer, type Surveyed, surveyed } from "./damaged.ts";
import {
  DAMAGE_KINDS,
  type Damaged,
  drawArchive,
  drawDamage,
  type DrawnArchive,
  type Touched,
} from "./damaged_cases.ts";

const core = await Core.load();

/** zstd.h */
const ZSTD_C_CHECKSUM_FLAG = 201;

const expectedOf = (archive: DrawnArchive) => ({
  blockBytes: archive.blockBytes,
  blockCount: archive.disk.length,
});

/** Records that no accident has touched are there with what they hold; of those of an rdiff the contents. */
function assertSurvivors(archive: DrawnArchive, touched: Touched[], found: Surveyed, message: string): void {
  for (const { block, start, end } of archive.records) {
    if (touched.some((touch) => touch.start < end && start < Math.max(touch.end, touch.start + 1))) continue;
    const wanted = archive.disk[block] ?? new Uint8Array(0);
    const content = found.blocks.get(block);
    const isThere = (bytes?: Uint8Array) => bytes !== undefined && sameBytes(bytes, wanted);
    if (isThere(content)) continue;
    const isStray = !archive.full && found.strays.some((stray) => sameBytes(stray.content, wanted));
    assert(isStray || (!archive.full && wanted.length === 0), `${message}: block ${block} is lost`);
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

async function survive(archive: DrawnArchive, damage: Damaged, message: string): Promise<void> {
  const file = damagedFile(archive.path, damage.bytes);
  const found = await surveyed(core, file, { expected: expectedOf(archive) });
  assertSurvivors(archive, [damage], found, `${message}, ${damage.kind} at ${damage.start} to ${damage.end}`);
}

for (const [blockBytes, blockCount, seeds] of [[512, 60, 60], [4096, 20, 30], [1 << 20, 5, 2]]) {
  for (const full of [true, false]) {
    const what = `${full ? "dump" : "rdiff"} with blocks of ${blockBytes} bytes`;
    Deno.test(`a survey of a plain ${what} brings back every record that an accident has not touched`, async () => {
      for (let seed = 1; seed <= seeds; seed++) {
        const archive = drawArchive({ seed, blockBytes, blockCount, full });
        for (const kind of DAMAGE_KINDS) {
          await survive(archive, drawDamage(archive.bytes, kind, seed * 100), `seed ${seed}`);
        }
      }
    });
  }
}

/** Where the pieces of a container lie in the file: each holds `pieceBytes` of the stream. */
async function piecesOf(archive: DrawnArchive, suffix: string, pieceBytes: number) {
  const whole = await inContainer(archive, suffix, pieceBytes);
  const starts: number[] = [];
  for (let at = 0; at <= archive.bytes.length; at += pieceBytes) {
    starts.push(
      (await inContainer({ ...archive, bytes: archive.bytes.slice(0, at) }, suffix, pieceBytes)).length,
    );
  }
  // The end of a container of no bytes is in each of them, with an index entry of zstd for each piece in front of it.
  const [empty] = starts;
  const entry = suffix === ".zst" ? 8 : 0;
  return { whole, pieceStart: (piece: number) => starts[piece] - empty - piece * entry };
}

for (const suffix of [".gz", ".zst"]) {
  Deno.test(`a survey of a ${suffix} dump loses no more than the pieces that an accident has touched`, async () => {
    const pieceBytes = 4000;
    for (let seed = 1; seed <= 15; seed++) {
      const drawn = drawArchive({ seed, blockBytes: 512, blockCount: 100, full: true });
      const archive = { ...drawn, path: drawn.path + suffix };
      const { whole, pieceStart } = await piecesOf(drawn, suffix, pieceBytes);
      const pieces = Math.ceil(archive.bytes.length / pieceBytes);
      for (const kind of DAMAGE_KINDS) {
        const damage = drawDamage(whole, kind, seed * 100);
        // What is added in front of a piece touches neither it nor the one before.
        const touched = Array.from({ length: pieces }, (_, piece) => piece).filter((piece) =>
          damage.start < (pieceStart(piece + 1) || whole.length) &&
          pieceStart(piece) < Math.max(damage.end, damage.start + 1)
        ).map((piece) => ({ start: piece * pieceBytes, end: (piece + 1) * pieceBytes }));
        const file = damagedFile(archive.path, damage.bytes);
        const found = await surveyed(core, file, { expected: expectedOf(archive) });
        assertSurvivors(archive, touched, found, `seed ${seed}, ${kind} at ${damage.start} to ${damage.end}`);
      }
    }
  });

  Deno.test(`a survey of a ${suffix} dump passes over a lost piece and names the file's place`, async () => {
    const drawn = drawArchive({ seed: 5, blockBytes: 512, blockCount: 100, full: true });
    const { whole, pieceStart } = await piecesOf(drawn, suffix, 4000);
    const [from, to] = [pieceStart(4), pieceStart(5)];
    const bytes = concat(whole.subarray(0, from), whole.subarray(to));
    // A piece that is gone leaves nothing that could tell: the records show it.
    const found = await surveyed(core, damagedFile("drawn.dump" + suffix, bytes));
    assertSurvivors(drawn, [{ start: 16000, end: 20000 }], found, "lost piece");
    assert(found.faults.length > 0 && found.faults.every((fault) => fault.path === "drawn.dump" + suffix));
    const records = found.faults.filter((fault) => !fault.inContainer);
    assert(records.some(({ offsetBytes }) => offsetBytes === pieceStart(3) || offsetBytes === from));
  });

  Deno.test(`a survey uses a ${suffix} piece whose checksum alone is wrong`, async () => {
    const drawn = drawArchive({ seed: 6, blockBytes: 512, blockCount: 100, full: true });
    const { whole, pieceStart } = await piecesOf(drawn, suffix, 4000);
    const end = pieceStart(5);
    const bytes = whole.slice();
    // The checksum of gzip stands in front of the length.
    bytes[suffix === ".gz" ? end - 5 : end - 1] ^= 1;
    const found = await surveyed(core, damagedFile("drawn.dump" + suffix, bytes));
    assertSurvivors(drawn, [], found, "wrong checksum");
    assertEquals(found.faults.map(({ inContainer, start, end }) => ({ inContainer, blocks: end - start })), [
      { inContainer: true, blocks: 0 },
    ]);
  });
}

/** Accidents in a row; what is returned is touched in the file as it was. */
function drawAccidents(
  bytes: Uint8Array,
  seed: number,
  count: number,
): { bytes: Uint8Array; touched: Touched[] } {
  const parts: Uint8Array[] = [];
  const touched: Touched[] = [];
  const partBytes = Math.floor(bytes.length / count);
  for (let i = 0; i < count; i++) {
    const start = i * partBytes;
    const part = bytes.subarray(start, i === count - 1 ? bytes.length : start + partBytes);
    const kind = DAMAGE_KINDS[(seed + i) % (DAMAGE_KINDS.length - 1)];
    const damage = drawDamage(part, kind, seed * 1000 + i);
    parts.push(damage.bytes);
    touched.push({ start: start + damage.start, end: start + damage.end });
  }
  return { bytes: concat(...parts), touched };
}

for (const full of [true, false]) {
  Deno.test(`a survey of a ${full ? "dump" : "rdiff"} after ten accidents offers every block that none of them has touched`, async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const archive = drawArchive({ seed, blockBytes: 512, blockCount: 100, full });
      const { bytes, touched } = drawAccidents(archive.bytes, seed, 10);
      const found = await surveyed(core, damagedFile("drawn", bytes), { expected: expectedOf(archive) });
      const contents = [...found.blocks.values(), ...found.strays.map(({ content }) => content)];
      for (const { block, start, end } of archive.records) {
        const wanted = archive.disk[block];
        // Zero blocks have no content that could be known again.
        if (wanted === undefined) continue;
        if (touched.some((touch) => touch.start < end && start < Math.max(touch.end, touch.start + 1))) {
          continue;
        }
        assert(
          contents.some((content) => sameBytes(content, wanted)),
          `seed ${seed}: block ${block} is lost`,
        );
      }
    }
  });
}

/** Header and records of a dump without accidents. */
function partsOf(archive: DrawnArchive): { header: Uint8Array; records: Uint8Array[] } {
  const [first] = archive.records;
  return {
    header: archive.bytes.subarray(0, first.start),
    records: archive.records.map(({ start, end }) => archive.bytes.subarray(start, end)),
  };
}

Deno.test("a survey offers records that stand in another order, and says where that begins", async () => {
  const archive = drawArchive({ seed: 7, blockBytes: 512, blockCount: 30, full: true });
  const { header, records } = partsOf(archive);
  for (let at = 0; at + 1 < records.length; at++) {
    const swapped = [...records.slice(0, at), records[at + 1], records[at], ...records.slice(at + 2)];
    const found = await surveyed(core, damagedFile("swapped", concat(header, ...swapped)));
    for (const [block, wanted] of archive.disk.entries()) {
      const content = found.blocks.get(block);
      if (block < at || block > at + 1) {
        assertSameBytes(content!, wanted ?? new Uint8Array(0), `block ${block}`);
      } else if (wanted !== undefined) {
        const isOffered = found.strays.some((stray) =>
          stray.block === block && sameBytes(stray.content, wanted)
        );
        assert(isOffered || (content !== undefined && sameBytes(content, wanted)), `block ${block} at ${at}`);
      }
    }
    assertEquals(found.faults[0].offsetBytes, archive.records[at].start);
  }
});

Deno.test("a survey offers the block of a record whose header alone is damaged", async () => {
  const archive = drawArchive({ seed: 8, blockBytes: 512, blockCount: 30, full: true });
  for (const { block, start, end } of archive.records) {
    const wanted = archive.disk[block];
    if (wanted === undefined || block === 29) continue;
    for (let at = start; at < end - 512; at++) {
      const bytes = archive.bytes.slice();
      bytes[at] ^= 0x10;
      const found = await surveyed(core, damagedFile("flipped", bytes));
      assertEquals([...found.blocks.keys()].filter((other) => other !== block).length, 29, `byte ${at}`);
      assert(
        found.strays.some((stray) => sameBytes(stray.content, wanted)),
        `byte ${at}`,
      );
    }
  }
});

Deno.test("a survey finds nothing wrong with an intact archive, whatever its container", async () => {
  for (const full of [true, false]) {
    for (const suffix of ["", ".gz", ".zst"]) {
      const archive = drawArchive({ seed: 9, blockBytes: 512, blockCount: 200, full });
      const bytes = await inContainer(archive, suffix, 30_000);
      const found = await surveyed(core, damagedFile(archive.path + suffix, bytes));
      assertEquals(found.faults, []);
      assertEquals(found.strays, []);
      assertEquals([...found.blocks.keys()], archive.records.map(({ block }) => block));
      assertSurvivors(archive, [], found, suffix);
      assertEquals(found.survey.records, archive.records.length);
    }
  }
});

Deno.test("a survey of a single gzip or zstd stream brings back what stands before the damage", async () => {
  const archive = drawArchive({ seed: 10, blockBytes: 4096, blockCount: 200, full: true });
  const { gzipSync, zstdCompressSync } = await import("node:zlib") as typeof import("node:zlib") & {
    zstdCompressSync?: (bytes: Uint8Array, options: { params: Record<number, number> }) => Uint8Array;
  };
  const streams: [string, Uint8Array | undefined][] = [
    [".gz", gzipSync(archive.bytes)],
    // Deno 2.4 has no zstd of its own: the program's frames are tested above.
    [".zst", zstdCompressSync?.(archive.bytes, { params: { [ZSTD_C_CHECKSUM_FLAG]: 1 } })],
  ];
  for (const [suffix, stored] of streams) {
    if (stored === undefined) continue;
    const intact = await surveyed(core, damagedFile("foreign" + suffix, stored));
    assertEquals(intact.faults, []);
    assertSurvivors(archive, [], intact, suffix);
    const bytes = new Uint8Array(stored);
    bytes.fill(0xff, bytes.length / 2, bytes.length / 2 + 64);
    const found = await surveyed(core, damagedFile("foreign" + suffix, bytes));
    const good = archive.records.filter(({ block }) =>
      sameBytes(found.blocks.get(block) ?? new Uint8Array(1), archive.disk[block] ?? new Uint8Array(0))
    ).length;
    assert(good >= 50, `${suffix}: ${good} of 200 blocks came before the damage in the middle`);
    assert(found.faults.some(({ inContainer }) =>
      inContainer
    ));
  }
});

Deno.test("a survey needs a header or something in its place", async () => {
  const { bytes } = drawArchive({ seed: 11, blockBytes: 512, blockCount: 10, full: true });
  const damaged = bytes.slice().fill(0xff, 0, 10);
  const open = () => surveyed(core, damagedFile("no header", damaged));
  await assertRejects(open, FormatError, `Cannot read dump "no header"`);
});

Deno.test("a survey trusts the expected block size more than a header, and the larger number of blocks", async () => {
  const archive = drawArchive({ seed: 12, blockBytes: 512, blockCount: 20, full: true });
  const { records } = partsOf(archive);
  for (const [blocks, blockBytes] of [[20, 1024], [10, 512]]) {
    const wrong = dumpHeader({ second: 1, blocks: Array(blocks), blockBytes }, { full: true });
    const file = damagedFile("wrong header", concat(wrong, ...records));
    const found = await surveyed(core, file, { expected: expectedOf(archive) });
    assertSurvivors(archive, [], found, `${blocks} x ${blockBytes}`);
    assertEquals(found.faults.length, blockBytes === 512 ? 0 : 1);
  }
});

Deno.test("a survey reads around sectors that the system cannot read", async () => {
  for (const suffix of ["", ".gz", ".zst"]) {
    const archive = drawArchive({ seed: 13, blockBytes: 512, blockCount: 200, full: true });
    const bytes = await inContainer(archive, suffix, 3000);
    const unreadable = [{ start: 20_480, end: 24_576 }];
    const found = await surveyed(core, damagedFile("disk" + suffix, bytes, { unreadable }));
    const whole = archive.records.filter(({ block }) =>
      sameBytes(found.blocks.get(block) ?? new Uint8Array(1), archive.disk[block] ?? new Uint8Array(0))
    ).length;
    assert(whole > 150, `${suffix}: ${whole} of 200 blocks`);
    assert(found.faults.some(({ found, offsetBytes }) =>
      found.includes("Input/output") && offsetBytes === 20_480
    ));
  }
});

Deno.test("a survey tells a limited number of faults and counts all", async () => {
  const blocks = 3 * MAX_FAULTS;
  const records = Array.from({ length: blocks }, (_, i) => dumpRecord(i, noise(512, i)));
  const broken = records.map((record, i) => i % 2 === 0 ? record : concat(record, token("rubbish")));
  const header = dumpHeader({ second: 1, blocks: Array(blocks) }, { full: true });
  const found = await surveyed(core, damagedFile("many", concat(header, ...broken)));
  assertEquals(found.faults.length, MAX_FAULTS);
  assertEquals(found.survey.faultCount, blocks / 2);
  assertEquals(found.blocks.size, blocks);
});

/** A file of `size` bytes that repeats `unit` and takes no memory. */
function endlessFile(path: string, unit: Uint8Array, size: number): DamagedFile {
  let at = 0;
  const tile = new Uint8Array(unit.length + (1 << 20)).map((_, i) => unit[i % unit.length]);
  return new DamagedFile(path, {
    readSync(into) {
      const lenBytes = Math.min(into.length, size - at, 1 << 20);
      if (lenBytes <= 0) return null;
      const from = at % unit.length;
      into.set(tile.subarray(from, from + lenBytes));
      at += lenBytes;
      return lenBytes;
    },
    seekSync: (offset) => at = Number(offset),
    statSync: () => ({ size, isFile: true }) as Deno.FileInfo,
    close() {},
  });
}

/** Seconds for a survey, and the most core memory that it took. */
async function measured(
  file: DamagedFile,
  blockBytes: number,
): Promise<{ seconds: number; coreBytes: number }> {
  const usedBytes = core.usedBytes;
  await using scope = core.scope();
  const start = performance.now();
  const expected = { blockBytes, blockCount: 1_000_000_000 };
  const survey = await Survey.open(scope, file, { expected, onStray() {} });
  const coreBytes = core.usedBytes - usedBytes;
  const batch = new Batch(scope, blockBytes, blockBytes);
  for (let first = 0; batch.start(first, survey.blockCount); first = Math.max(batch.end, survey.nextBlock)) {
    await survey.take(batch);
  }
  await survey.finish();
  return { seconds: (performance.now() - start) / 1000, coreBytes };
}

Deno.test("a survey of 300 MiB of rubbish takes little memory and no more time than it takes to read them", async () => {
  for (const unit of [new Uint8Array(16), noise(1 << 20, 1)]) {
    const { seconds, coreBytes } = await measured(endlessFile("rubbish.dump", unit, 300 << 20), 1 << 20);
    assert(coreBytes < 5 << 20, `${coreBytes} bytes`);
    assert(seconds < 60, `${seconds} s`);
  }
});

Deno.test("a survey of bytes that are made to keep it busy ends after a time that goes with their number", async () => {
  const text = (unit: string) => new TextEncoder().encode(unit);
  const ownMember = new Uint8Array(25);
  ownMember.set([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, 13, 0, 0x56, 0x42, 9, 0]);
  ownMember.set([0, 0, 0x40, 0, 0, 0, 0x40, 0], 16);
  const cases: [string, string, Uint8Array, number][] = [
    ["headers of data records", "plain", text("5\x000\x001048576\x00"), 1 << 20],
    ["headers of small data records", "plain", text("5\x000\x00512\x00"), 512],
    ["zero records", "plain", text("5\x001\x00"), 1 << 20],
    [
      "ascending zero records",
      "plain",
      text(Array.from({ length: 50_000 }, (_, i) => `${i}\x001\x00`).join("")),
      1 << 20,
    ],
    ["long numbers", "plain", text("1111111111111111\x001\x00"), 512],
    ["begins of gzip members", "x.gz", Uint8Array.of(0x1f, 0x8b, 8, 0), 1 << 20],
    ["headers of gzip members", "x.gz", ownMember, 1 << 20],
    ["begins of zstd frames", "x.zst", Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd), 1 << 20],
    [
      "zstd frames of empty blocks",
      "x.zst",
      Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0, 0x58, 0, 0, 0),
      1 << 20,
    ],
    [
      "a zstd frame and zeros",
      "x.zst",
      concat([0x28, 0xb5, 0x2f, 0xfd, 0, 0x58], new Uint8Array(1 << 22)),
      1 << 20,
    ],
  ];
  for (const [name, path, unit, blockBytes] of cases) {
    const { seconds } = await measured(endlessFile(path, unit, 6 << 20), blockBytes);
    assert(seconds < 60, `${name}: ${seconds} s`);
  }
});
