import { assert, assertEquals } from "@std/assert";
import { storedBound } from "../../cli/archive/codecs.ts";
import { gzipMember } from "../../cli/archive/gzip_member.ts";
import { isIncompressible } from "../../cli/archive/incompressible.ts";
import { Random } from "../../scripts/disk_image.ts";
import { assertEqualBytes } from "../integration/same_bytes.ts";
import { concat, sharedCopy } from "./files.ts";

const MIB = 1024 * 1024;
const random = new Random(31);
const noise = random.fill(new Uint8Array(MIB));
const text = random.text(MIB);

/** Returns repetitions of `pattern`. */
function repeated(pattern: Uint8Array, len = MIB): Uint8Array {
  return Uint8Array.from({ length: len }, (_, at) => pattern[at % pattern.length]);
}

/** Returns random blocks, each after the header of its record. */
function records(blockBytes: number): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let at = 0, block = 1_000_000; at < MIB; at += blockBytes) {
    parts.push(
      new TextEncoder().encode([block++, 0, blockBytes, ""].join("\0")),
      noise.subarray(at, at + blockBytes),
    );
  }
  return concat(...parts);
}

function withPart(content: Uint8Array, part: Uint8Array, at: number): Uint8Array {
  const changed = content.slice();
  changed.set(part, at);
  return changed;
}

const COMPRESSIBLE: Record<string, Uint8Array> = {
  "nothing": new Uint8Array(0),
  "less than a window of noise": noise.subarray(0, 4095),
  "zeros": new Uint8Array(MIB),
  "text": text,
  "base64": new TextEncoder().encode(btoa(String.fromCharCode(...noise.subarray(0, 100_000)))),
  "every byte in turn": repeated(Uint8Array.from({ length: 256 }, (_, byte) => byte)),
  "noise of 2 KiB, repeated": repeated(noise.subarray(0, 2048)),
  "noise of 1000 bytes, repeated": repeated(noise.subarray(0, 1000)),
  "noise of seven bits": noise.map((byte) => byte & 0x7f),
  "32-bit numbers in a row": new Uint8Array(Uint32Array.from({ length: MIB / 4 }, (_, i) => i * 3).buffer),
  "noise and text in turn": withPart(noise, text.subarray(0, MIB / 2), MIB / 4),
  "noise, at its end a little text": withPart(noise, text.subarray(0, 4096), MIB - 4096),
  "noise, at its start a little text": withPart(noise, text.subarray(0, 4096), 0),
  "noise, 72 KiB of text in it": withPart(noise, text.subarray(0, 72 * 1024), 123_456),
  "a record for every 512 bytes of noise": records(512),
};

const INCOMPRESSIBLE: Record<string, Uint8Array> = {
  "a window of noise": noise.subarray(0, 4096),
  "one byte more": noise.subarray(0, 4097),
  "64 KiB of noise": noise.subarray(0, 64 * 1024),
  "noise": noise,
  "2 MiB of noise": random.fill(new Uint8Array(2 * MIB + 1)),
  "a record for every 4 KiB of noise": records(4096),
  "a record for every 1 MiB of noise": records(MIB),
};

for (const [name, content] of Object.entries(COMPRESSIBLE)) {
  Deno.test(`isIncompressible() returns false for ${name}`, () =>
    assertEquals(isIncompressible(content), false));
}

for (const [name, content] of Object.entries(INCOMPRESSIBLE)) {
  Deno.test(`isIncompressible() returns true for ${name}`, () =>
    assertEquals(isIncompressible(content), true));
}

Deno.test("isIncompressible() depends on the content alone", () => {
  for (const content of [noise, text, COMPRESSIBLE["noise of 2 KiB, repeated"], noise]) {
    const expected = isIncompressible(content);
    isIncompressible(text);
    assertEquals(isIncompressible(sharedCopy(content)), expected);
    assertEquals(isIncompressible(concat(Uint8Array.of(1), content).subarray(1)), expected);
  }
});

Deno.test("isIncompressible() returns true for practically all random content", () => {
  for (let seed = 0; seed < 400; seed++) {
    assertEquals(isIncompressible(new Random(seed).fill(new Uint8Array(64 * 1024))), true, `seed ${seed}`);
  }
});

Deno.test("gzipMember() stores content that looks incompressible, and with a high level content that did not shrink", () => {
  for (const level of [1, 2, 3, 4, 9]) {
    const into = new Uint8Array(storedBound(MIB));
    const memberLen = gzipMember(noise, { into, level, isLast: false });
    // 25 + 8 bytes of header and trailer, and 5 for each stored block of up to 64 KiB.
    assert(memberLen <= MIB + 1000, `level ${level}: ${memberLen}`);
    if (level > 3) continue;
    assertEquals(memberLen, MIB + 33 + 5 * 17);
    assertEqualBytes(into.subarray(30, 30 + 65_535), noise.subarray(0, 65_535), `level ${level}`);
  }
});
