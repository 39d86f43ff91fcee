import { assertEquals, assertThrows } from "@std/assert";
import {
  archiveKind,
  digestHeaderBytes,
  type DumpHeader,
  dumpHeaderBytes,
  MAX_BLOCK_BYTES,
  parseDigestHeader,
  parseDumpHeader,
} from "../../cli/archive/header.ts";
import { FormatError } from "../../cli/errors.ts";

const HEADER: DumpHeader = {
  blockCount: 13,
  blockBytes: 65536,
  adapterType: 3,
  full: true,
  seriesId: Uint8Array.from("c412e682c0c5b08b4403f2acba24baf3".match(/../g)!, (hex) => parseInt(hex, 16)),
  time: {
    second: 0,
    minute: 0,
    hour: 12,
    dayOfMonth: 15,
    month: 6,
    year: 112,
    dayOfWeek: 0,
    dayOfYear: 196,
    summerTime: 1,
  },
  metadata: new Map([["geometry.heads", "255"], ["adapterType", "lsilogic"], ["Zeta", ""]]),
  capacityBytes: 13 * 65536,
};

/** Returns bytes as text, one character per byte. */
const text = (bytes: Uint8Array) => String.fromCharCode(...bytes);
const bytes = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));
const ID = text(HEADER.seriesId);
const DUMP_TEXT = `13\x0065536\x003\x001\x0016\0${ID}` + "0\x000\x0012\x0015\x006\x00112\x000\x00196\x001\0" +
  "3\0Zeta\0\0adapterType\0lsilogic\0geometry.heads\x00255\0";

Deno.test("dumpHeaderBytes() writes the fields of the original, keys in the order of their bytes", () => {
  assertEquals(text(dumpHeaderBytes(HEADER)), DUMP_TEXT);
});

Deno.test("parseDumpHeader() reads what dumpHeaderBytes() writes", () => {
  const { header, headerBytes } = parseDumpHeader(bytes(DUMP_TEXT + "records"), "a.dump");
  assertEquals({ ...header, metadata: new Map([...header.metadata].sort()) }, {
    ...HEADER,
    metadata: new Map([...HEADER.metadata].sort()),
  });
  assertEquals(headerBytes, DUMP_TEXT.length);
});

Deno.test("parseDumpHeader() keeps the last value of a repeated key", () => {
  const { header } = parseDumpHeader(bytes(DUMP_TEXT.replace("Zeta\0\0", "adapterType\0ide\0")), "a.dump");
  assertEquals(header.metadata.get("adapterType"), "lsilogic");
});

Deno.test("digestHeaderBytes() and parseDigestHeader() agree with the original", () => {
  const written = digestHeaderBytes(HEADER);
  assertEquals(
    text(written),
    `13\x0065536\x0016\0${ID}` + "0\x000\x0012\x0015\x006\x00112\x000\x00196\x001\0",
  );
  const { header, headerBytes } = parseDigestHeader(written, "a.digest");
  const { blockCount, blockBytes, seriesId, time } = HEADER;
  assertEquals(header, { blockCount, blockBytes, seriesId, time });
  assertEquals(headerBytes, written.length);
});

Deno.test("the exact capacity is kept in the metadata where the last block is padded", () => {
  const padded = { ...HEADER, capacityBytes: 12 * 65536 + 512 };
  const written = dumpHeaderBytes(padded);
  assertEquals(text(written).includes("vmdkbkp.capacityBytes\x00786944\0"), true);
  const { header } = parseDumpHeader(written, "a.dump");
  assertEquals(header.capacityBytes, padded.capacityBytes);
  assertEquals(header.metadata.has("vmdkbkp.capacityBytes"), false);
});

Deno.test("parseDumpHeader() refuses a capacity that does not end in the last block", () => {
  const written = text(dumpHeaderBytes({ ...HEADER, capacityBytes: 12 * 65536 + 512 }));
  for (const wrong of ["786432", "851969", "0786944", "-1", "x", ""]) {
    assertThrows(
      () => parseDumpHeader(bytes(written.replace("786944", wrong)), "a"),
      FormatError,
      "capacity",
    );
  }
});

Deno.test("parseDumpHeader() reports the offset of a wrong capacity, and offset 0 for another kind of file", () => {
  const written = text(dumpHeaderBytes({ ...HEADER, capacityBytes: 12 * 65536 + 512 })).replace(
    "786944",
    "786432",
  );
  const at = written.indexOf("786432");
  for (const [bytesOf, offsetBytes] of [[bytes(written), at], [digestHeaderBytes(HEADER), 0]] as const) {
    const error = assertThrows(() => parseDumpHeader(bytesOf, "a"), FormatError);
    assertEquals(error.fault.offsetBytes, offsetBytes);
  }
});

Deno.test("archiveKind() distinguishes dumps and digests, and the parsers refuse the other kind", () => {
  assertEquals(archiveKind(dumpHeaderBytes(HEADER)), "dump");
  assertEquals(archiveKind(digestHeaderBytes(HEADER)), "digest");
  assertEquals(archiveKind(bytes("hello")), undefined);
  assertThrows(() => parseDumpHeader(digestHeaderBytes(HEADER), "a"), FormatError, "a digest is found");
  assertThrows(
    () => parseDigestHeader(dumpHeaderBytes(HEADER), "a"),
    FormatError,
    "a dump or rdiff is found",
  );
});

Deno.test("parseDumpHeader() and parseDigestHeader() refuse a header with any cut", () => {
  for (let length = 0; length < DUMP_TEXT.length; length++) {
    assertThrows(
      () => parseDumpHeader(bytes(DUMP_TEXT.slice(0, length)), "a"),
      FormatError,
      undefined,
      `${length}`,
    );
  }
  const digest = digestHeaderBytes(HEADER);
  for (let length = 0; length < digest.length; length++) {
    assertThrows(
      () => parseDigestHeader(digest.subarray(0, length), "a"),
      FormatError,
      undefined,
      `${length}`,
    );
  }
});

Deno.test("sizes out of range are refused", () => {
  const replaced = (from: string, to: string) => () =>
    parseDumpHeader(bytes(DUMP_TEXT.replace(from, to)), "a");
  for (const size of ["0", "511", "513", "1000", String(MAX_BLOCK_BYTES + 512), "-512"]) {
    assertThrows(replaced("65536", size), FormatError, "block size", size);
  }
  assertThrows(replaced("13\0", "0\0"), FormatError, "number of blocks");
  assertThrows(replaced("13\0", "9007199254740991\0"), FormatError, "more than 2^53");
  assertThrows(replaced("3\x001\x0016", "3\x002\x0016"), FormatError, "full flag");
  assertThrows(replaced("16\0", "17\0"), FormatError, "series id");
  assertThrows(replaced("3\0Zeta", "99999\0Zeta"), FormatError, "metadata pairs");
  assertThrows(replaced("\x006\x00112", "\x0012\x00112"), FormatError, "month");
});

Deno.test("parseDumpHeader() without metadata returns all other fields, and refuses the same headers", () => {
  const metadata = new Map([["adapterType", "lsilogic"], ["vmdkbkp.capacity", "1"], ["z", ""]]);
  for (const capacityBytes of [HEADER.capacityBytes, HEADER.capacityBytes - 7]) {
    const header = { ...HEADER, metadata, capacityBytes };
    const bytes = dumpHeaderBytes(header);
    const dropped = parseDumpHeader(bytes, "a.dump", { dropsMetadata: true });
    assertEquals(dropped, {
      header: { ...parseDumpHeader(bytes, "a.dump").header, metadata: new Map() },
      headerBytes: bytes.length,
    });
    assertEquals(dropped.header.capacityBytes, capacityBytes);
    for (let length = 0; length < bytes.length; length++) {
      const cut = bytes.subarray(0, length);
      const whole = assertThrows(() => parseDumpHeader(cut, "a.dump"), FormatError);
      const other = assertThrows(() => parseDumpHeader(cut, "a.dump", { dropsMetadata: true }), FormatError);
      assertEquals(other.message, whole.message, `cut behind ${length} bytes`);
    }
  }
});
