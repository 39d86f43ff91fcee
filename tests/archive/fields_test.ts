import { assertEquals, assertThrows } from "@std/assert";
import { FieldReader, FieldWriter } from "../../cli/archive/fields.ts";
import { compareText, decodeText, encodeText } from "../../cli/archive/text.ts";
import { FormatError } from "../../cli/errors.ts";

const ASCII = new TextEncoder();
const reader = (text: string) => new FieldReader(ASCII.encode(text), "dump", "a.dump");
const number = { name: "number", min: 0, max: 1000 };

Deno.test("integer() reads canonical decimals only", () => {
  assertEquals(reader("0\0").integer(number), 0);
  assertEquals(reader("1000\0").integer(number), 1000);
  for (
    const text of ["0008", "+8", " 8", "8x", "", "-1", "1001", "1e2", "0x8", "8.0", "99999999999999999999"]
  ) {
    assertThrows(() => reader(`${text}\0`).integer(number), FormatError, "number", `text "${text}"`);
  }
  assertEquals(reader("-1\0").integer({ name: "flag", min: -1, max: 1 }), -1);
  assertThrows(() => reader("-0\0").integer({ name: "flag", min: -1, max: 1 }), FormatError);
});

Deno.test("FieldReader distinguishes a cut file from a field that is too long", () => {
  const cut = assertThrows(() => reader("12").integer(number), FormatError);
  assertEquals(cut.fault.found, "the end of the file");
  const long = assertThrows(() => reader("x".repeat(50) + "\0").string("key", 10), FormatError);
  assertEquals(long.fault.found, "a field of more than 10 bytes");
});

Deno.test("byteArray() requires its exact length and all of its bytes", () => {
  assertEquals(reader("3\0abc").byteArray("id", 3), ASCII.encode("abc"));
  assertThrows(() => reader("4\0abcd").byteArray("id", 3), FormatError, "length of the id");
  assertThrows(() => reader("3\0ab").byteArray("id", 3), FormatError, "id of 3 bytes");
});

Deno.test("FieldWriter writes what FieldReader reads", () => {
  const bytes = new FieldWriter().integer(17).boolean(true).byteArray(Uint8Array.of(0, 1)).string("ü\n=")
    .bytes();
  const fields = new FieldReader(bytes, "dump", "a");
  assertEquals(fields.integer(number), 17);
  assertEquals(fields.boolean("flag"), true);
  assertEquals(fields.byteArray("id", 2), Uint8Array.of(0, 1));
  assertEquals(fields.string("text", 10), "ü\n=");
  assertEquals(fields.offset, bytes.length);
});

Deno.test("FieldWriter refuses values that no reader could read", () => {
  assertThrows(() => new FieldWriter().string("a\0b"), RangeError);
  assertThrows(() => new FieldWriter().integer(2 ** 53), RangeError);
});

Deno.test("decodeText() and encodeText() keep every byte sequence", () => {
  const samples: number[][] = [
    [],
    [0x61],
    [0xff],
    [0xc3, 0xbc],
    [0xc3],
    [0xe2, 0x82],
    [0xf0, 0x9f, 0x98, 0x80],
    [
      0xed,
      0xa0,
      0x80,
    ],
    [0xef, 0xbb, 0xbf, 0x41],
    [0x80, 0xc3, 0xbc, 0xfe],
  ];
  for (let a = 0x70; a < 0x100; a += 3) {
    for (let b = 0x70; b < 0x100; b += 5) samples.push([a, b, 0x41, b, a]);
  }
  for (const sample of samples) {
    assertEquals([...encodeText(decodeText(Uint8Array.from(sample)))], sample, `bytes ${sample}`);
  }
});

Deno.test("compareText() orders by bytes", () => {
  const keys = ["line.utf8", "b key", "Zeta", "equals", "alpha", "", "ü", "\u{1f600}", "\uffff"];
  assertEquals([...keys].sort(compareText), [
    "",
    "Zeta",
    "alpha",
    "b key",
    "equals",
    "line.utf8",
    "ü",
    "\uffff",
    "\u{1f600}",
  ]);
});
