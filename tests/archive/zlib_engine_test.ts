import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import zlib from "node:zlib";
import { HERE, storedBound } from "../../cli/archive/codecs.ts";
import {
  deflateInto,
  hasNativeZstd,
  inflateInto,
  inflateZlibInto,
  zlibInto,
} from "../../cli/archive/zlib_engine.ts";
import { Random } from "../../scripts/disk_image.ts";
import { assertEqualBytes } from "../integration/same_bytes.ts";
import { contentOf, sharedCopy } from "./files.ts";
import { frameOf, memberOf } from "./pieces.ts";

const MIB = 1024 * 1024;
const SIZES = [0, 1, 2, 3, 511, 65_536, MIB - 1, MIB, MIB + 13, 2 * MIB, 2 * MIB + 1];

function room(len: number): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(len));
}

function deflated(content: Uint8Array, level: number): Uint8Array {
  const into = room(storedBound(content.length) + content.length);
  return into.slice(0, deflateInto(sharedCopy(content), { into, level }));
}

for (const size of SIZES) {
  Deno.test(`deflateInto() of ${size} bytes makes the bytes of deflateRawSync(), and inflateInto() reads them`, () => {
    const content = contentOf(size, size);
    for (const level of [1, 2, 3, 6, 9]) {
      const stored = deflated(content, level);
      // The output is written in one chunk, because with zlib's higher levels the bytes depend on how often
      // the output buffer is full.
      const expected = zlib.deflateRawSync(content, { level, chunkSize: 2 * size + 300 });
      assertEqualBytes(stored, expected, `level ${level}`);
      const back = room(size);
      inflateInto(sharedCopy(stored), back);
      assertEqualBytes(back, content, `level ${level}, back`);
    }
  });

  Deno.test(`members and frames of ${size} bytes come back from shared memory`, async () => {
    for (const content of [contentOf(size, size + 1), new Random(size).fill(new Uint8Array(size))]) {
      for (const isLast of [false, true]) {
        for (const level of [1, 2, 9, ...size <= 65_536 ? [19] : []]) {
          const into = room(size);
          if (level <= 9) {
            const member = await memberOf(content, { level, isLast });
            assert(member.length <= storedBound(size));
            await HERE.gunzip({ stored: sharedCopy(member), into });
            assertEqualBytes(into, content, `gzip level ${level}`);
            assertEqualBytes(zlib.gunzipSync(member), content, `gzip level ${level}, by node:zlib`);
            into.fill(0);
          }
          const frame = await frameOf(content, { level, isLast });
          assert(frame.length <= storedBound(size));
          await HERE.unzstd({ stored: sharedCopy(frame), into });
          assertEqualBytes(into, content, `zstd level ${level}`);
        }
      }
    }
  });
}

Deno.test("zlibInto() makes the bytes of deflateSync(), and stores content with level 0", () => {
  for (const content of [contentOf(70_000, 3), new Random(3).fill(new Uint8Array(65_536))]) {
    for (const level of [0, 2]) {
      const into = room(content.length + 500);
      const length = zlibInto(sharedCopy(content), { into, level });
      const stored = into.slice(0, length);
      assertEqualBytes(zlib.inflateSync(stored), content, `level ${level}`);
      if (level > 0) {
        assertEqualBytes(stored, zlib.deflateSync(content, { level, chunkSize: 1 << 20 }), "stream");
      }
      assertEquals(zlibInto(sharedCopy(content), { into: into.subarray(0, length), level }), undefined);
    }
  }
});

Deno.test("deflateInto() returns undefined if the buffer is too short", () => {
  const noise = new Random(1).fill(new Uint8Array(10_000));
  const { length } = zlib.deflateRawSync(noise, { level: 2 });
  for (const short of [1, 2, 100, length]) {
    assertEquals(deflateInto(noise, { into: room(length - short), level: 2 }), undefined);
  }
  assertEquals(deflateInto(noise, { into: room(length + 1), level: 2 }), length);
});

Deno.test("inflateInto() refuses a stream that ends before or after its input or its output", () => {
  for (const content of [contentOf(5000, 1), contentOf(0, 1), contentOf(1, 2), new Uint8Array(70_000)]) {
    const stored = deflated(content, 2);
    const refused = (bytes: Uint8Array, len: number) => {
      assertThrows(
        () => inflateInto(sharedCopy(bytes), room(len)),
        Error,
        undefined,
        `${bytes.length} to ${len}`,
      );
      // A refused stream does not affect the next one.
      inflateInto(sharedCopy(stored), room(content.length));
    };
    refused(stored, content.length + 1);
    if (content.length > 0) refused(stored, content.length - 1);
    refused(Uint8Array.of(...stored, 0), content.length);
    for (let len = 0; len < stored.length; len++) refused(stored.subarray(0, len), content.length);
  }
  assertThrows(() => inflateInto(Uint8Array.of(7, 7, 7), room(9)), Error, "invalid block type");
});

Deno.test("hasNativeZstd() is true on Deno 2.9", () => {
  assertEquals(hasNativeZstd(), "createZstdCompress" in zlib);
});

Deno.test("a member or a frame with a changed byte is refused, or has the same content", async () => {
  const content = contentOf(700, 9);
  for (const [make, read] of [[memberOf, HERE.gunzip], [frameOf, HERE.unzstd]] as const) {
    const piece = await make(content, { isLast: false });
    // The header is verified by the code that finds the piece. In a frame, libzstd also verifies the
    // descriptor and the bytes after it.
    const bodyAt = make === memberOf ? 25 : 4;
    let harmless = 0;
    for (let at = bodyAt; at < piece.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const into = room(content.length);
        try {
          await read({ stored: sharedCopy(piece.with(at, piece[at] ^ (1 << bit))), into });
        } catch (error) {
          assert(error instanceof Error && error.message !== "", `byte ${at}, bit ${bit}`);
          continue;
        }
        assertEqualBytes(into, content, `byte ${at}, bit ${bit}`);
        harmless++;
      }
    }
    assert(harmless < piece.length / 20, `${harmless} of ${piece.length} bytes`);
  }
});

Deno.test("a member or a frame with a changed checksum is refused", async () => {
  const content = new Random(5).fill(new Uint8Array(MIB));
  const into = room(MIB);
  const member = await memberOf(content, { isLast: false });
  const frame = await frameOf(content, { isLast: false });
  for (let bit = 0; bit < 32; bit++) {
    const flip = (piece: Uint8Array, fromEnd: number) => {
      const at = piece.length - fromEnd + (bit >> 3);
      return sharedCopy(piece.with(at, piece[at] ^ (1 << (bit & 7))));
    };
    await assertRejects(() => HERE.gunzip({ stored: flip(member, 8), into }), Error, "checksum");
    await assertRejects(() => HERE.gunzip({ stored: flip(member, 4), into }), Error, "length");
    await assertRejects(() => HERE.unzstd({ stored: flip(frame, 4), into }), Error);
  }
});

Deno.test("inflateZlibInto() requires a whole stream with its checksum, and nothing after it", () => {
  const content = Uint8Array.from({ length: 5000 }, (_, i) => (i * i) >> 5);
  const stored = new Uint8Array(zlib.deflateSync(content));
  const into = room(content.length + 1);
  assertEquals(inflateZlibInto(sharedCopy(stored), into), content.length);
  assertEquals(into.slice(0, content.length), content);
  assertEquals(inflateZlibInto(sharedCopy(stored), room(content.length)), content.length);

  assertEquals(inflateZlibInto(sharedCopy(stored), room(content.length - 1)), undefined);

  const damaged = stored.slice();
  damaged[damaged.length - 1] ^= 1;
  const behind = new Uint8Array([...stored, 0]);
  for (
    const [bytes, len, message] of [
      [damaged, content.length + 1, "incorrect data check"],
      [damaged, content.length, "incorrect data check"],
      [behind, content.length, "1 bytes behind the stream"],
      [behind, content.length + 9, "1 bytes behind the stream"],
      [stored.subarray(0, -1), content.length + 1, "unexpected end of file"],
      [stored.subarray(0, -1), content.length, "unexpected end of file"],
      [stored.subarray(0, 100), content.length, "unexpected end of file"],
      [stored.subarray(2), content.length, "incorrect header check"],
    ] as const
  ) assertThrows(() => inflateZlibInto(sharedCopy(bytes), room(len)), Error, message);
});
