import { assertEquals } from "@std/assert";
import type { Core } from "../../cli/core.ts";
import { Random } from "../../scripts/disk_image.ts";
import { testBuilds } from "./builds.ts";
import { fromText, toText } from "./records.ts";

/** Allocates random digests, about every third of them that of a zero block. Returns their address. */
function randomDigests(core: Core, count: number, random: Random): number {
  const ptr = core.alloc(count * 16);
  for (let i = 0; i < count; i++) {
    const digest = random.fill(core.bytes(ptr + i * 16, 16));
    digest[random.below(16)] |= 1;
    if (random.below(3) === 0) digest.fill(0);
  }
  return ptr;
}

/**
 * Reads the records with one regular expression. The status is `more` if the rest can begin another record.
 */
function readDigest(bytes: Uint8Array): { digests: string[]; consumed: number; status: "more" | "bad" } {
  const text = toText(bytes);
  const records = text.match(/1\0|0\0(?:16)\0(?!\0{16})[^]{16}/gy) ?? [];
  const consumed = records.reduce((sum, record) => sum + record.length, 0);
  const rest = text.slice(consumed);
  const possible = "1\0".startsWith(rest) || (rest.length < 21 && "0\x0016\0".startsWith(rest.slice(0, 5)));
  const digests = records.map((record) => record === "1\0" ? "\0".repeat(16) : record.slice(5));
  return { digests, consumed, status: possible ? "more" : "bad" };
}

testBuilds("packDigest() writes the records of the format", (core) => {
  const ptr = core.alloc(48);
  const outPtr = core.alloc(3 * core.DIGEST_RECORD_MAX);
  core.bytes(ptr, 48).fill(0);
  core.bytes(ptr + 16, 1).fill(0x41);
  core.bytes(ptr + 47, 1).fill(0x42);
  const lenBytes = core.packDigest(ptr, 3, outPtr);
  const expected = "1\0" + "0\x0016\0A" + "\0".repeat(15) + "0\x0016\0" + "\0".repeat(15) + "B";
  assertEquals(toText(core.bytes(outPtr, lenBytes)), expected);
});

testBuilds("takeDigest() takes the digests that packDigest() packed, in windows of any size", (core) => {
  for (const step of [1, 2, 3, 7, 15, 511, 513]) {
    using scope = core.scope();
    const random = new Random(step);
    const count = 200;
    const ptr = randomDigests(scope, count, random);
    const outPtr = scope.alloc(count * core.DIGEST_RECORD_MAX);
    const lenBytes = core.packDigest(ptr, count, outPtr);
    const takenPtr = scope.alloc(count * 16);
    core.bytes(takenPtr, count * 16).fill(0xee);
    const cursor = core.digestCursor();
    let [start, end, taken, status] = [0, 0, 0, "more"];
    while (status === "more") {
      end = Math.min(end + step, lenBytes);
      const window = { ptr: outPtr + start, length: end - start, count: count - taken };
      status = cursor.take(takenPtr + taken * 16, window);
      start += cursor.consumed;
      taken += cursor.records;
    }
    assertEquals([status, taken, start], ["reached", count, lenBytes], `seed ${step}`);
    assertEquals(core.bytes(takenPtr, count * 16), core.bytes(ptr, count * 16), `seed ${step}`);
  }
});

testBuilds("takeDigest() takes as many digests as the caller asks for, and writes no others", (core) => {
  const stream = fromText("1\0".repeat(5));
  const ptr = core.alloc(stream.length);
  const digestsPtr = core.alloc(5 * 16);
  core.bytes(ptr, stream.length).set(stream);
  core.bytes(digestsPtr, 5 * 16).fill(0xee);
  const cursor = core.digestCursor();
  assertEquals(cursor.take(digestsPtr, { ptr, length: stream.length, count: 3 }), "reached");
  assertEquals([cursor.consumed, cursor.records], [6, 3]);
  assertEquals(core.bytes(digestsPtr + 3 * 16, 1)[0], 0xee);
});

testBuilds("takeDigest() agrees with a second reader on cut records and on every changed byte", (core) => {
  const stream = fromText(
    "1\0" + "0\x0016\0" + "0123456789abcdef" + "1\0" + "0\x0016\0" + "\0".repeat(15) + "1",
  );
  const ptr = core.alloc(stream.length);
  const digestsPtr = core.alloc(64 * 16);
  const cursor = core.digestCursor();
  const check = (bytes: Uint8Array, where: string) => {
    core.bytes(ptr, bytes.length).set(bytes);
    const status = cursor.take(digestsPtr, { ptr, length: bytes.length, count: 64 });
    const digests = Array.from(
      { length: cursor.records },
      (_, i) => toText(core.bytes(digestsPtr + i * 16, 16)),
    );
    assertEquals({ digests, consumed: cursor.consumed, status }, readDigest(bytes), where);
  };
  for (let length = 0; length <= stream.length; length++) {
    check(stream.subarray(0, length), `cut after ${length} bytes`);
  }
  for (let position = 0; position < stream.length; position++) {
    for (let value = 0; value < 256; value++) {
      check(stream.with(position, value), `byte ${position} is ${value}`);
    }
  }
});
