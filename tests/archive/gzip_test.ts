import { assert, assertEquals, assertRejects } from "@std/assert";
import zlib from "node:zlib";
import { FormatError } from "../../cli/errors.ts";
import { GzipSink, GzipSource } from "../../cli/archive/gzip.ts";
import { PIECE_MAX_BYTES } from "../../cli/archive/piece.ts";
import { PlainSource } from "../../cli/archive/plain_source.ts";
import { PlainSink } from "../../cli/archive/plain_sink.ts";
import { concat, readAll, StoredStream, streamOf } from "./files.ts";
import { memberOf } from "./pieces.ts";
import { hasTool, runTool } from "./tools.ts";

const TEXT = new TextEncoder().encode("13\0" + "some block or other ".repeat(40_000));
const OWN_HEADER_LEN = 25;

async function read(stored: Uint8Array): Promise<Uint8Array> {
  using source = new GzipSource(new PlainSource("a.gz", streamOf(stored)));
  return await readAll(source, [1 << 20]);
}

async function write(content: Uint8Array, level?: number): Promise<Uint8Array<ArrayBuffer>> {
  const file = new StoredStream();
  using sink = new GzipSink(new PlainSink("a.gz", file), { level });
  await sink.write(content);
  await sink.finish();
  return file.bytes;
}

async function assertRefused(stored: Uint8Array, message: string): Promise<void> {
  await assertRejects(() => read(stored), FormatError, message);
}

/** Returns a member whose header is made here, with `flags` and the `fields` that they announce. */
function memberWith(flags: number, fields: number[], content: Uint8Array): Uint8Array {
  const plain = zlib.gzipSync(content);
  return concat(Uint8Array.of(0x1f, 0x8b, 8, flags, 1, 2, 3, 4, 0, 3, ...fields), plain.subarray(10));
}

/** Returns the members of a file of this program, by the lengths in their headers. */
function membersOf(stored: Uint8Array<ArrayBuffer>) {
  const fields = new DataView(stored.buffer);
  const members: { at: number; contentLen: number; isLast: number }[] = [];
  for (let at = 0; at < stored.length; at += fields.getUint32(at + 16, true)) {
    members.push({ at, contentLen: fields.getUint32(at + 20, true), isLast: stored[at + 24] });
  }
  return members;
}

Deno.test("GzipSink writes the header that is drawn in gzip.ts", async () => {
  for (const [level, xfl] of [[1, 4], [2, 0], [9, 2]]) {
    const stored = await write(new Uint8Array(PIECE_MAX_BYTES + 5), level);
    const header = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, xfl, 0xff, 13, 0, 0x56, 0x42, 9, 0];
    for (const { at } of membersOf(stored)) assertEquals([...stored.subarray(at, at + 16)], header);
  }
});

Deno.test("GzipSink makes a member of each write up to 2 MiB, and an empty last one", async () => {
  for (
    const [size, ...lengths] of [[0], [1, 1], [PIECE_MAX_BYTES, PIECE_MAX_BYTES], [
      2 * PIECE_MAX_BYTES + 5,
      PIECE_MAX_BYTES,
      PIECE_MAX_BYTES,
      5,
    ]]
  ) {
    const stored = await write(new Uint8Array(size));
    const members = membersOf(stored).map(({ contentLen, isLast }) => [contentLen, isLast]);
    assertEquals(members, [...lengths.map((len) => [len, 0]), [0, 1]]);
    assertEquals(stored.length - membersOf(stored).at(-1)!.at, OWN_HEADER_LEN + 2 + 8);
  }
});

Deno.test("GzipSink accepts the levels of zlib and refuses others", async () => {
  const lengths: number[] = [];
  for (const level of [1, 6, 9]) {
    const stored = await write(TEXT, level);
    assertEquals(await read(stored), TEXT);
    lengths.push(stored.length);
  }
  assert(lengths[0] > lengths[1] && lengths[1] >= lengths[2], `${lengths}`);
});

Deno.test("GzipSource reads members of other programs of every level, and several in a row", async () => {
  const empty = zlib.gzipSync(new Uint8Array(0));
  for (const level of [0, 1, 6, 9]) {
    assertEquals(await read(zlib.gzipSync(TEXT, { level })), TEXT, `level ${level}`);
  }
  const members = [
    empty,
    zlib.gzipSync(TEXT),
    empty,
    empty,
    await write(TEXT),
    zlib.gzipSync(TEXT, { level: 0 }),
    empty,
  ];
  assertEquals(await read(concat(...members)), concat(TEXT, TEXT, TEXT));
  assertEquals((await read(empty)).length, 0);
});

Deno.test("GzipSource reads headers with every optional field", async () => {
  const name = [0x61, 0x2e, 0x64, 0];
  const extra = [6, 0, 0x42, 0x43, 2, 0, 1, 2];
  const comment = [0xe9, 0];
  assertEquals(await read(memberWith(1, [], TEXT)), TEXT);
  assertEquals(await read(memberWith(4, extra, TEXT)), TEXT);
  assertEquals(await read(memberWith(8, name, TEXT)), TEXT);
  assertEquals(await read(memberWith(16, comment, TEXT)), TEXT);
  assertEquals(await read(memberWith(4 | 8 | 16, [...extra, ...name, ...comment], TEXT)), TEXT);

  const header = [0x1f, 0x8b, 8, 2 | 8, 1, 2, 3, 4, 0, 3, ...name];
  const crc = zlib.crc32(Uint8Array.from(header));
  assertEquals(await read(memberWith(2 | 8, [...name, crc & 0xff, (crc >> 8) & 0xff], TEXT)), TEXT);
  await assertRefused(
    memberWith(2 | 8, [...name, (crc & 0xff) ^ 1, (crc >> 8) & 0xff], TEXT),
    "header crc mismatch",
  );
  await assertRefused(memberWith(0x20, [], TEXT), "unknown header flags");
});

for (
  const tool of [["gzip", "-1"], ["gzip", "-9"], ["pigz", "-p", "3", "-b", "128"], [
    "pigz",
    "-i",
    "-b",
    "128",
  ]]
) {
  Deno.test({
    name: `GzipSource reads what ${tool.join(" ")} writes (skipped without the tool)`,
    ignore: !hasTool(tool[0]),
    fn: async () => {
      const stored = await runTool([...tool, "-c"], TEXT);
      assertEquals(await read(stored), TEXT);
      await assertRefused(stored.subarray(0, -1), "the end of the file is found");
    },
  });
}

Deno.test("GzipSource refuses every cut of another program's file except those between members", async () => {
  const content = TEXT.subarray(0, 200);
  const first = memberWith(4 | 8, [2, 0, 1, 2, 0x61, 0], content);
  const stored = concat(first, zlib.gzipSync(content));
  for (let len = 0; len < stored.length; len++) {
    const cut = stored.subarray(0, len);
    if (len === first.length) assertEquals(await read(cut), content);
    else await assertRefused(cut, "is found");
  }
});

Deno.test("GzipSource refuses another program's file with a changed byte, or reads the same content", async () => {
  const content = TEXT.subarray(0, 200);
  const stored = concat(zlib.gzipSync(content));
  let harmlessCount = 0;
  for (let at = 2; at < stored.length; at++) {
    for (const mask of [1, 0x10, 0x80, 0xff]) {
      const changed = stored.slice();
      changed[at] ^= mask;
      try {
        assertEquals(await read(changed), content, `byte ${at} changed by ${mask}`);
        harmlessCount++;
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
      }
    }
  }
  // MTIME, XFL, OS, FTEXT, and a few bits of deflate that have no effect here.
  assert(harmlessCount >= 25 && harmlessCount < 50, `${harmlessCount}`);
});

Deno.test("GzipSource refuses a wrong checksum or length, and reports its offset", async () => {
  for (const member of [await write(TEXT), zlib.gzipSync(TEXT)]) {
    for (const fromEnd of [8, 4]) {
      const changed = concat(member);
      changed[changed.length - fromEnd] ^= 1;
      await assertRefused(changed, 'Cannot read gzip file "a.gz": at byte ');
    }
  }
});

Deno.test("GzipSource refuses data after the last member that is not a member", async () => {
  for (const member of [await write(TEXT), zlib.gzipSync(TEXT)]) {
    const expected = `at byte ${member.length} another gzip member or the end of the file is expected, `;
    await assertRefused(concat(member, new Uint8Array(1)), expected + "byte 00 is found");
    await assertRefused(concat(member, new Uint8Array(70_000)), expected + "byte sequence 00 00 is found");
    await assertRefused(concat(member, TEXT), expected);
    await assertRefused(concat(member, Uint8Array.of(0x1f, 0x8b)), "the rest of the member");
  }
});

Deno.test("GzipSource refuses a cut between two of its own members", async () => {
  const stored = await write(new Uint8Array(PIECE_MAX_BYTES + 5));
  for (const { at } of membersOf(stored).slice(1)) {
    const message = `at byte ${at} a gzip member is expected, the end of the file is found`;
    await assertRefused(stored.subarray(0, at), message);
  }
});

Deno.test("GzipSource refuses a member of this program with wrong lengths, and reads one with implausible lengths", async () => {
  const stored = concat(await memberOf(TEXT, { isLast: true }));
  const withLength = (at: number, value: number) => {
    const changed = concat(stored);
    new DataView(changed.buffer).setUint32(at, value, true);
    return changed;
  };
  await assertRefused(withLength(16, stored.length + 1), "the rest of the member that begins at byte 0");
  await assertRefused(withLength(16, stored.length - 1), "damage (");
  await assertRefused(concat(withLength(16, stored.length + 4), new Uint8Array(4)), "damage (");
  await assertRefused(withLength(20, TEXT.length + 1), "damage (");
  await assertRefused(withLength(20, TEXT.length - 1), "damage (");
  // No memory is allocated for an implausible length. The member is read as one without lengths.
  assertEquals(await read(withLength(20, 0xffff_ffff)), TEXT);
  assertEquals(await read(withLength(16, 0xffff_ffff)), TEXT);
  assertEquals(await read(withLength(16, 0)), TEXT);
});
