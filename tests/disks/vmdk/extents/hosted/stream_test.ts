import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import zlib from "node:zlib";
import { openForReading } from "../../../../../cli/disks/open.ts";
import { inflateAll } from "../../../../../cli/archive/codecs.ts";
import { FormatError } from "../../../../../cli/errors.ts";
import {
  assertRandomReads,
  assertSameBytes,
  Folder,
  noise,
  patchyDisk,
  qemuRaw,
  qemuTest,
  readByExtents,
  seeded,
} from "../../../helpers.ts";
import { buildStream, type StreamImage, type StreamShape } from "../../stream_builder.ts";

const GRAIN = 65536;
const SIZES = [1, 127, 128, 129, 65535, 65536, 65537];

function shuffled(count: number, seed: number): number[] {
  const random = seeded(seed);
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = order.length - 1; i > 0; i--) {
    const other = random(i + 1);
    [order[i], order[other]] = [order[other], order[i]];
  }
  return order;
}

/** The layouts of VMware and of open-vmdk, and grains in any order. */
function shapesFor(sectors: number): StreamShape[] {
  const order = shuffled(Math.ceil(sectors / 128), sectors);
  return [{}, { layout: "front", padLast: false, version: 1 }, { order }, { layout: "front", order }];
}

Deno.test("openForReading() reads streamOptimized VMDKs of every layout and awkward size", async () => {
  using folder = new Folder();
  for (const sectors of SIZES) {
    const expected = patchyDisk(sectors, sectors);
    for (const [index, shape] of shapesFor(sectors).entries()) {
      using disk = await openForReading(folder.file("s.vmdk", buildStream(expected, shape).bytes));
      const message = `${sectors} sectors, shape ${index}`;
      assertEquals([disk.format, disk.capacityBytes], ["streamOptimized", sectors * 512], message);
      assertSameBytes(await readByExtents(disk), expected, message);
      await assertRandomReads(disk, expected, { seed: sectors, count: 20 });
    }
  }
});

Deno.test("openForReading() reads incompressible grains, on other threads as well", async () => {
  using folder = new Folder();
  const expected = noise(41 * GRAIN + 512, 1);
  const path = folder.file("s.vmdk", buildStream(expected, { order: shuffled(42, 3) }).bytes);
  let underWay = 0;
  let most = 0;
  const inflater = {
    ahead: 3,
    async inflate(grains: Parameters<typeof inflateAll>[0]) {
      most = Math.max(most, ++underWay);
      await new Promise((resolve) => setTimeout(resolve, 1));
      for (const { stored, into } of grains) {
        assertEquals(stored.buffer instanceof SharedArrayBuffer, true);
        assertEquals(into.buffer instanceof SharedArrayBuffer, true);
      }
      await inflateAll(grains);
      underWay--;
    },
  };
  using disk = await openForReading(path, { inflater });
  assertEquals(disk.overlaps, true);
  assertSameBytes(await readByExtents(disk), expected, "noise");
  const shared = new Uint8Array(new SharedArrayBuffer(expected.length));
  await disk.read(shared, 0);
  assertSameBytes(shared, expected, "shared");
  assertEquals(most, 3);
  await assertRandomReads(disk, expected, { seed: 1, count: 50 });
});

Deno.test("read() of a stream can be called many times at once", async () => {
  using folder = new Folder();
  const expected = patchyDisk(40_000, 5);
  using disk = await openForReading(folder.file("s.vmdk", buildStream(expected).bytes));
  const reads = Array.from({ length: 40 }, (_, i) => [i * 500_000, 700_001]);
  await Promise.all(reads.map(async ([at, length]) => {
    const into = new Uint8Array(new SharedArrayBuffer(Math.min(length, expected.length - at)));
    await disk.read(into, at);
    assertSameBytes(into, expected.subarray(at, at + into.length), `at ${at}`);
  }));
});

Deno.test("openForReading() finds a footer in front of padding", async () => {
  using folder = new Folder();
  const expected = patchyDisk(1000, 5);
  for (const paddingSectors of [1, 7, 1900]) {
    using disk = await openForReading(folder.file("s.vmdk", buildStream(expected, { paddingSectors }).bytes));
    assertSameBytes(await readByExtents(disk), expected, `${paddingSectors} sectors`);
  }
});

/** Damages an image of 12 grains of noise, or makes another one. */
type Damage = (image: StreamImage, view: DataView) => void | Uint8Array;

const CONTENT = noise(12 * GRAIN, 1);
const BOMB = zlib.deflateSync(new Uint8Array(64 << 20));
const withGrain9 = (deflate: (grain: Uint8Array) => Uint8Array) => () =>
  buildStream(CONTENT, { deflate: (grain, i) => i === 9 ? deflate(grain) : zlib.deflateSync(grain) }).bytes;
const withMarker9 = (marker: { sector?: number; size?: number }) => () =>
  buildStream(CONTENT, {
    marker: (grain, sector, size) => ({ sector, size, ...grain === 9 ? marker : {} }),
  }).bytes;

/** Where the usual stream ends. */
const END_BYTES = buildStream(CONTENT).bytes.length;

function appended(bytes: Uint8Array, more: Uint8Array): Uint8Array {
  return new Uint8Array([...bytes, ...more]);
}

const HOSTILE: [string, Damage, string][] = [
  ["marker of another grain", withMarker9({ sector: 1280 }), "grain 9 is marked as sector 1280"],
  ["marker size 0", withMarker9({ size: 0 }), "grain 9 has 0 compressed bytes"],
  ["marker size 4 GiB", withMarker9({ size: 4294967280 }), "grain 9 has 4294967280 compressed bytes"],
  ["marker size 2 grains", withMarker9({ size: 131073 }), "grain 9 has 131073 compressed bytes"],
  ["bytes behind the stream", withMarker9({ size: 65559 + 64 }), "bytes behind the stream"],
  ["bomb", withGrain9(() => BOMB), "grain 9 inflates to more than 65536 bytes"],
  [
    "one byte too many",
    withGrain9(() => zlib.deflateSync(new Uint8Array(65537))),
    "grain 9 inflates to more than 65536 bytes",
  ],
  [
    "short",
    withGrain9(() => zlib.deflateSync(new Uint8Array(60000))),
    "grain 9 inflates to 60000 of 65536 bytes",
  ],
  ["raw deflate", withGrain9((grain) => zlib.deflateRawSync(grain)), "grain 9 does not inflate: "],
  ["cut", withGrain9((grain) => zlib.deflateSync(grain).subarray(0, 60000)), "grain 9 does not inflate: "],
  ["noise", withGrain9(() => noise(60000, 5)), "grain 9 does not inflate: "],
  ["one byte", withGrain9(() => Uint8Array.of(0x78)), "grain 9 does not inflate: "],
  [
    "Adler-32",
    withGrain9((grain) => {
      const stored = zlib.deflateSync(grain);
      stored[stored.length - 1] ^= 1;
      return stored;
    }),
    "grain 9 does not inflate: ",
  ],
  ["grain beyond the end", (image, view) => {
    view.setUint32(image.entryBytes(9), 2 ** 30, true);
  }, "grain 9 lies at sector 1073741824, the file has"],
  ["grain half beyond the end", (image, view) => {
    view.setUint32(image.entryBytes(9), image.bytes.length / 512 - 1, true);
  }, "grain 9 is marked as sector 0"],
  ["grain in the metadata", (image, view) => {
    view.setUint32(image.entryBytes(9), 100, true);
  }, "grain 9 lies in the metadata, at sector 100"],
  ["table beyond the end", (image, view) => {
    view.setUint32(image.directoryBytes, 2 ** 31, true);
  }, "grain table 0 lies at sector 2147483648"],
  ["no footer", ({ bytes, footerBytes }) => {
    bytes.fill(0, footerBytes! - 512);
  }, "the footer is missing, the file may be incomplete"],
  ["no footer marker", ({ bytes, footerBytes }) => {
    bytes[footerBytes! - 500] = 2;
  }, "the footer is missing, the file may be incomplete"],
  ["no end of stream", ({ bytes }) => bytes.subarray(0, -512), "the footer is missing"],
  ["an odd length", ({ bytes }) => bytes.subarray(0, -1), "the footer is missing"],
  ["cut in the middle", ({ bytes }) => bytes.subarray(0, 300 * 512), "the footer is missing"],
  [
    "a byte behind the end",
    ({ bytes }) => appended(bytes, Uint8Array.of(1)),
    `the stream is complete and ends at byte ${END_BYTES}, 1 bytes are behind it; to read it, cut a copy there ` +
    `(truncate -s ${END_BYTES})`,
  ],
  [
    "noise behind the end",
    ({ bytes }) => appended(bytes, noise(5000, 7)),
    `ends at byte ${END_BYTES}, 5000 bytes are behind it`,
  ],
  [
    "zeros that are no whole sectors behind the end",
    ({ bytes }) => appended(bytes, new Uint8Array(100)),
    `ends at byte ${END_BYTES}, 100 bytes are behind it`,
  ],
  [
    "more than 1 MiB of zeros behind the end",
    ({ bytes }) => appended(bytes, new Uint8Array((1 << 20) + 512)),
    `ends at byte ${END_BYTES}, ${(1 << 20) + 512} bytes are behind it`,
  ],
  [
    "another stream behind the end, cut",
    ({ bytes }) => appended(bytes, bytes.subarray(0, 100_000)),
    `ends at byte ${END_BYTES}, 100000 bytes are behind it`,
  ],
  [
    "cut, with noise behind",
    ({ bytes }) => appended(bytes.subarray(0, -1024), noise(5000, 7)),
    "the footer is missing, the file may be incomplete",
  ],
  ["footer of zeros", ({ bytes, footerBytes }) => {
    bytes.fill(0, footerBytes!);
  }, "the footer is missing"],
  ["footer: capacity", ({ footerBytes }, view) => {
    view.setBigUint64(footerBytes! + 12, 1n, true);
  }, "the footer contradicts the header: capacityBytes 512 and 786432"],
  ["footer: grain size", ({ footerBytes }, view) => {
    view.setBigUint64(footerBytes! + 20, 64n, true);
  }, "the footer contradicts the header: grainBytes 32768 and 65536"],
  ["footer: version", ({ footerBytes }, view) => {
    view.setUint32(footerBytes! + 4, 4, true);
  }, "in the footer, the header has version 4"],
  ["footer: -1 again", ({ footerBytes }, view) => {
    view.setBigUint64(footerBytes! + 56, 2n ** 64n - 1n, true);
  }, "the footer does not say where the grain directory is"],
  ["footer: directory", ({ footerBytes }, view) => {
    view.setBigUint64(footerBytes! + 56, 1n << 40n, true);
  }, "in the footer, the grain directory at sector 1099511627776 needs 4 bytes"],
  ["no markers", (_image, view) => {
    view.setUint32(8, 0x10001, true);
  }, "the header has the flags 0x10001, compression and markers go together"],
  ["algorithm", (_image, view) => {
    view.setUint16(77, 2, true);
  }, "the compression algorithm is 2, 1 (deflate) is wanted"],
];

Deno.test("openForReading() refuses damaged and hostile streams", async () => {
  using folder = new Folder();
  for (const [name, damage, message] of HOSTILE) {
    for (const inflater of [undefined, { ahead: 2, inflate: inflateAll }]) {
      const image = buildStream(CONTENT);
      const bytes = damage(image, new DataView(image.bytes.buffer)) ?? image.bytes;
      const path = folder.file("s.vmdk", bytes);
      const began = performance.now();
      const error = await assertRejects(
        async () => {
          using disk = await openForReading(path, { inflater });
          await disk.read(new Uint8Array(new SharedArrayBuffer(CONTENT.length)), 0);
        },
        FormatError,
        undefined,
        name,
      );
      assertStringIncludes(error.message, message, name);
      assertStringIncludes(error.message, `disk "${path}": `, name);
      assertEquals(performance.now() - began < 2000, true, name);
    }
  }
});

Deno.test("openForReading() reads a stream that is cut at the byte that its refusal names", async () => {
  using folder = new Folder();
  const path = folder.file("s.vmdk", appended(buildStream(CONTENT).bytes, noise(777, 3)));
  const { message } = await assertRejects(() => openForReading(path), FormatError);
  Deno.truncateSync(path, Number(/truncate -s (\d+)/.exec(message)![1]));
  using disk = await openForReading(path);
  assertSameBytes(await readByExtents(disk), CONTENT, "after the cut");
});

Deno.test("read() of a stream reads the grains around a damaged one", async () => {
  using folder = new Folder();
  const path = folder.file("s.vmdk", withMarker9({ size: 0 })());
  using disk = await openForReading(path);
  await assertRejects(async () => await disk.read(new Uint8Array(12 * GRAIN), 0), FormatError, "grain 9");
  const before = new Uint8Array(9 * GRAIN);
  await disk.read(before, 0);
  assertSameBytes(before, CONTENT.subarray(0, 9 * GRAIN), "before");
  await assertRejects(async () => await disk.read(new Uint8Array(1), 9 * GRAIN + 5), FormatError, "grain 9");
  await assertRejects(async () => await disk.read(new Uint8Array(1), 9 * GRAIN + 6), FormatError, "grain 9");
  const behind = new Uint8Array(100);
  await disk.read(behind, 10 * GRAIN);
  assertSameBytes(behind, CONTENT.subarray(10 * GRAIN, 10 * GRAIN + 100), "behind");
});

qemuTest("openForReading() reads the builder's streams as qemu-img does", async () => {
  using folder = new Folder();
  for (const sectors of [1, 129, 65537]) {
    const expected = patchyDisk(sectors, sectors + 1);
    for (const [index, shape] of shapesFor(sectors).entries()) {
      const path = folder.file("s.vmdk", buildStream(expected, shape).bytes);
      using disk = await openForReading(path);
      const message = `${sectors} sectors, shape ${index}`;
      assertSameBytes(qemuRaw(path), expected, message);
      assertSameBytes(await readByExtents(disk), expected, message);
    }
  }
});
