import { Buffer } from "node:buffer";
import { assert, assertEquals, assertThrows } from "@std/assert";
import zlib from "node:zlib";
import { FormatError } from "../../cli/errors.ts";
import { GzipSink, GzipSource, MEMBER_BYTES } from "../../cli/archive/gzip.ts";
import { PlainSink, PlainSource } from "../../cli/archive/plain.ts";

const TEXT = new TextEncoder().encode("13\0" + "some block or other ".repeat(40_000));
const OWN_HEADER_LEN = 25;

function read(stored: Uint8Array): Uint8Array {
  let at = 0;
  using source = new GzipSource(
    new PlainSource("a.gz", {
      readSync(into) {
        const part = stored.subarray(at, at + into.length);
        into.set(part);
        at += part.length;
        return part.length || null;
      },
      close() {},
    }),
  );
  const parts: Uint8Array[] = [];
  for (;;) {
    const into = new Uint8Array(1 << 20);
    const got = source.read(into);
    parts.push(into.subarray(0, got));
    if (got < into.length) return concat(...parts);
  }
}

function write(content: Uint8Array, level?: number): Uint8Array {
  const parts: Uint8Array[] = [];
  const file = { writeSync: (from: Uint8Array) => parts.push(from.slice()) && from.length };
  using sink = new GzipSink(new PlainSink("a.gz", file), { level });
  sink.write(content);
  sink.finish();
  return concat(...parts);
}

function concat(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

function assertRefused(stored: Uint8Array, message: string): void {
  assertThrows(() => read(stored), FormatError, message);
}

/** A member with a header made by hand: `flags` and the `fields` that they announce. */
function memberWith(flags: number, fields: number[], content: Uint8Array): Uint8Array {
  const plain = zlib.gzipSync(content);
  return concat(Uint8Array.of(0x1f, 0x8b, 8, flags, 1, 2, 3, 4, 0, 3, ...fields), plain.subarray(10));
}

function hasTool(name: string): boolean {
  try {
    return new Deno.Command(name, { args: ["--version"], stdout: "null", stderr: "null" }).outputSync()
      .success;
  } catch {
    return false;
  }
}

async function compress([name, ...args]: string[], content: Uint8Array): Promise<Uint8Array> {
  const child = new Deno.Command(name, { args, stdin: "piped", stdout: "piped" }).spawn();
  const feeding = new Blob([content as BlobPart]).stream().pipeTo(child.stdin);
  const [{ success, stdout }] = await Promise.all([child.output(), feeding]);
  assert(success, name);
  return stdout;
}

Deno.test("GzipSink writes the header that is drawn in gzip.ts", () => {
  const content = new Uint8Array(MEMBER_BYTES + 5);
  const stored = write(content);
  const fields = new DataView(stored.buffer);
  const firstLen = fields.getUint32(16, true);
  const header = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 4, 0xff, 13, 0, 0x56, 0x42, 9, 0];
  for (const [start, contentLen, isLast] of [[0, MEMBER_BYTES, 0], [firstLen, 5, 1]]) {
    assertEquals([...stored.subarray(start, start + 16)], header);
    assertEquals([fields.getUint32(start + 20, true), stored[start + 24]], [contentLen, isLast]);
  }
  assertEquals(firstLen + fields.getUint32(firstLen + 16, true), stored.length);
});

Deno.test("GzipSink makes an empty stream one empty member, and a full last one no further", () => {
  assertEquals(write(new Uint8Array(0)).length, OWN_HEADER_LEN + 2 + 8);
  const full = write(new Uint8Array(MEMBER_BYTES));
  assertEquals(new DataView(full.buffer).getUint32(16, true), full.length);
});

Deno.test("GzipSink takes zlib's levels", () => {
  const lengths = [1, 6, 9].map((level) => {
    const stored = write(TEXT, level);
    assertEquals(read(stored), TEXT);
    return stored.length;
  });
  assert(lengths[0] > lengths[1] && lengths[1] >= lengths[2], `${lengths}`);
});

Deno.test("GzipSource reads foreign members of every level, and several in a row", () => {
  const empty = zlib.gzipSync(new Uint8Array(0));
  for (const level of [0, 1, 6, 9]) {
    assertEquals(read(zlib.gzipSync(TEXT, { level })), TEXT, `level ${level}`);
  }
  const members = [
    empty,
    zlib.gzipSync(TEXT),
    empty,
    empty,
    write(TEXT),
    zlib.gzipSync(TEXT, { level: 0 }),
    empty,
  ];
  assertEquals(read(concat(...members)), concat(TEXT, TEXT, TEXT));
  assertEquals(read(empty).length, 0);
});

Deno.test("GzipSource reads headers with every optional field", () => {
  const name = [0x61, 0x2e, 0x64, 0];
  const extra = [6, 0, 0x42, 0x43, 2, 0, 1, 2];
  const comment = [0xe9, 0];
  assertEquals(read(memberWith(1, [], TEXT)), TEXT);
  assertEquals(read(memberWith(4, extra, TEXT)), TEXT);
  assertEquals(read(memberWith(8, name, TEXT)), TEXT);
  assertEquals(read(memberWith(16, comment, TEXT)), TEXT);
  assertEquals(read(memberWith(4 | 8 | 16, [...extra, ...name, ...comment], TEXT)), TEXT);

  const header = [0x1f, 0x8b, 8, 2 | 8, 1, 2, 3, 4, 0, 3, ...name];
  const crc = zlib.crc32(Uint8Array.from(header));
  assertEquals(read(memberWith(2 | 8, [...name, crc & 0xff, (crc >> 8) & 0xff], TEXT)), TEXT);
  assertRefused(
    memberWith(2 | 8, [...name, (crc & 0xff) ^ 1, (crc >> 8) & 0xff], TEXT),
    "header crc mismatch",
  );
  assertRefused(memberWith(0x20, [], TEXT), "unknown header flags");
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
      const stored = await compress(tool, TEXT);
      assertEquals(read(stored), TEXT);
      assertRefused(stored.subarray(0, -1), "the end of the file is found");
    },
  });
}

Deno.test("GzipSource refuses every cut of a foreign file but those between its members", () => {
  const content = TEXT.subarray(0, 200);
  const first = memberWith(4 | 8, [2, 0, 1, 2, 0x61, 0], content);
  const stored = concat(first, zlib.gzipSync(content));
  for (let len = 0; len < stored.length; len++) {
    if (len === first.length) assertEquals(read(stored.subarray(0, len)), content);
    else assertThrows(() => read(stored.subarray(0, len)), FormatError, "is found", `cut after ${len} bytes`);
  }
});

Deno.test("GzipSource refuses changed bytes of a foreign file or reads the same", () => {
  const content = TEXT.subarray(0, 200);
  const stored = concat(zlib.gzipSync(content));
  let harmlessCount = 0;
  for (let at = 2; at < stored.length; at++) {
    for (const mask of [1, 0x10, 0x80, 0xff]) {
      const changed = stored.slice();
      changed[at] ^= mask;
      try {
        assertEquals(read(changed), content, `byte ${at} changed by ${mask}`);
        harmlessCount++;
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
      }
    }
  }
  // MTIME, XFL and OS, FTEXT; and a few bits of deflate that code the same.
  assert(harmlessCount >= 25 && harmlessCount < 50, `${harmlessCount}`);
});

Deno.test("GzipSource refuses a wrong checksum or length, saying where", () => {
  for (const member of [write(TEXT), zlib.gzipSync(TEXT)]) {
    for (const fromEnd of [8, 4]) {
      const changed = concat(member);
      changed[changed.length - fromEnd] ^= 1;
      assertRefused(changed, 'Cannot read gzip file "a.gz": at byte ');
    }
  }
});

Deno.test("GzipSource refuses what is no member behind the last one", () => {
  for (const member of [write(TEXT), zlib.gzipSync(TEXT)]) {
    const expected = `at byte ${member.length} another gzip member or the end of the file is expected, `;
    assertRefused(concat(member, new Uint8Array(1)), expected + "byte 00 is found");
    assertRefused(concat(member, new Uint8Array(70_000)), expected + "byte sequence 00 00 is found");
    assertRefused(concat(member, TEXT), expected);
    assertRefused(concat(member, Uint8Array.of(0x1f, 0x8b)), "the rest of the member");
  }
});

Deno.test("GzipSource refuses a cut between two of its own members", () => {
  const stored = write(new Uint8Array(MEMBER_BYTES + 5));
  const firstLen = new DataView(stored.buffer).getUint32(16, true);
  const message = `at byte ${firstLen} a gzip member is expected, the end of the file is found`;
  assertRefused(stored.subarray(0, firstLen), message);
});

Deno.test("GzipSource believes the lengths of its own members only as far as they are true", () => {
  const stored = write(TEXT);
  const withLength = (at: number, value: number) => {
    const changed = concat(stored);
    new DataView(changed.buffer).setUint32(at, value, true);
    return changed;
  };
  assertRefused(withLength(16, stored.length + 1), "the rest of the member that begins at byte 0");
  assertRefused(withLength(16, stored.length - 1), "damage (");
  assertRefused(concat(withLength(16, stored.length + 4), new Uint8Array(4)), "damage (");
  assertRefused(withLength(20, TEXT.length + 1), "damage (");
  assertRefused(withLength(20, TEXT.length - 1), "damage (");
  // Nothing is allocated for a promise out of all proportion; the member is read as if it made none.
  assertEquals(read(withLength(20, 0xffff_ffff)), TEXT);
  assertEquals(read(withLength(16, 0xffff_ffff)), TEXT);
  assertEquals(read(withLength(16, 0)), TEXT);
});
