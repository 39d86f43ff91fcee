/**
 * A Deno with other internals of zlib and without zstd makes the same members, and frames that every reader
 * accepts.
 */

import { assertEquals, assertRejects } from "@std/assert";
import zlib from "node:zlib";
import { Random } from "../../scripts/disk_image.ts";
import { assertEqualBytes } from "../integration/same_bytes.ts";
import { contentOf, sharedCopy } from "./files.ts";
import { hasTool, runTool } from "./tools.ts";

const SIZES = [0, 1, 300, 70_000, 1024 * 1024 + 13];

/** The prototypes of the internal handles of the streams of `node:zlib`. */
function handlePrototypes(): { reset?: unknown }[] {
  const { createZstdCompress } = zlib as { createZstdCompress?: (options: object) => object };
  const streams = [zlib.createDeflateRaw({}), ...createZstdCompress ? [createZstdCompress({})] : []];
  return streams.map((stream) => Object.getPrototypeOf((stream as unknown as { _handle: object })._handle));
}

const kept = handlePrototypes().map((prototype) => ({ prototype, reset: prototype.reset }));
for (const { prototype } of kept) delete prototype.reset;
// The modules are imported only now, because the engine tests zlib once, when it is first used.
const { HERE, storedBound } = await import("../../cli/archive/codecs.ts");
const { deflateInto, hasNativeZstd, zlibInto } = await import("../../cli/archive/zlib_engine.ts");
hasNativeZstd();
deflateInto(new Uint8Array(1), { into: new Uint8Array(100), level: 1 });
for (const { prototype, reset } of kept) prototype.reset = reset;

function room(len: number): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(len));
}

for (const kind of ["gzip", "zstd"] as const) {
  const decode = kind === "gzip" ? HERE.gunzip : HERE.unzstd;

  Deno.test(`${kind} without the internals of node:zlib makes pieces that can be read`, async () => {
    assertEquals(hasNativeZstd(), false);
    for (const size of SIZES) {
      for (const content of [contentOf(size, size), new Random(size).fill(new Uint8Array(size))]) {
        for (const [level, isLast] of [[1, false], [2, true], [9, false]] as const) {
          const into = room(storedBound(size));
          const storedLen = await HERE[kind]({ content: sharedCopy(content), into, level, isLast });
          const stored = into.subarray(0, storedLen);
          const back = room(size);
          await decode({ stored, into: back });
          assertEqualBytes(back, content, `${size} bytes, level ${level}`);
          if (hasTool(kind)) {
            assertEqualBytes(await runTool([kind, "-dc"], stored.slice()), content, `by ${kind}`);
          }
        }
      }
    }
  });

  Deno.test(`${kind} without the internals of node:zlib refuses damaged pieces`, async () => {
    const content = contentOf(700, 4);
    const into = room(storedBound(content.length));
    const storedLen = await HERE[kind]({ content: sharedCopy(content), into, level: 2, isLast: false });
    const stored = into.subarray(0, storedLen);
    const checksumAt = kind === "gzip" ? storedLen - 8 : storedLen - 4;
    const wrong = sharedCopy(stored);
    wrong[checksumAt] ^= 1;
    await assertRejects(() => decode({ stored: wrong, into: room(content.length) }), Error);
    for (const len of [content.length - 1, content.length + 1]) {
      await assertRejects(() => decode({ stored: sharedCopy(stored), into: room(len) }), Error);
    }
  });
}

Deno.test("gzip without the internals of node:zlib makes the same bytes", async () => {
  const content = contentOf(300_000, 6);
  const into = room(storedBound(content.length));
  const storedLen = await HERE.gzip({ content: sharedCopy(content), into, level: 2, isLast: false });
  const expected = zlib.deflateRawSync(content, { level: 2, chunkSize: 400_000 });
  assertEqualBytes(into.subarray(25, storedLen - 8), expected, "deflate stream");
});

Deno.test("zlib without the internals of node:zlib makes streams that fit into the buffer, or none", () => {
  const content = contentOf(65_536, 6);
  for (const level of [0, 2]) {
    const into = room(66_036);
    const length = zlibInto(sharedCopy(content), { into, level });
    assertEqualBytes(zlib.inflateSync(into.slice(0, length)), content, `level ${level}`);
    assertEquals(zlibInto(sharedCopy(content), { into: into.subarray(0, length), level }), undefined);
  }
});
