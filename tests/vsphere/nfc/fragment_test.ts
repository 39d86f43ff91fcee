import { assert, assertEquals, assertThrows } from "@std/assert";
import { deflateSync } from "node:zlib";
import { ProtocolError } from "../../../cli/vsphere/errors.ts";
import {
  Coverage,
  decodeFragment,
  decodeInto,
  encodeRead,
  isAmbiguous,
} from "../../../cli/vsphere/nfc/fragment.ts";
import { decodeSkipz } from "../../../cli/vsphere/nfc/skipz.ts";
import { mixedContent, randomFrom } from "../random.ts";
import { encodeSkipz } from "./disk_peer.ts";

const REQUEST = { offsetBytes: 2 ** 40 + 512, lengthBytes: 66_048, compression: "skipz" as const };

/** The payload of a fragment, by the words of the specification. */
function payload(
  {
    status = 0,
    code = 3,
    offset = REQUEST.offsetBytes,
    length = REQUEST.lengthBytes,
    place = 512,
    size = 1024,
    extra = 100,
  } = {},
): DataView {
  const view = new DataView(new ArrayBuffer(44));
  view.setBigUint64(0, BigInt(status), true);
  view.setUint32(8, 1, true);
  view.setUint32(12, code, true);
  view.setBigUint64(16, BigInt(offset), true);
  [[24, length], [28, place], [32, size], [36, extra]].forEach(([at, word]) =>
    view.setUint32(at, word, true)
  );
  return view;
}

Deno.test("a request to read has its words where the specification has them", () => {
  const bytes = encodeRead({ ...REQUEST, handle: 0xffff_ffff_8000_0001n });
  const view = new DataView(bytes.buffer);
  assertEquals(bytes.length, 44);
  assertEquals(view.getBigUint64(0, true), 0xffff_ffff_8000_0001n);
  assertEquals([8, 12, 32, 36, 40].map((at) => view.getUint32(at, true)), [1, 3, 66_048, 66_048, 0]);
  assertEquals([16, 24].map((at) => view.getBigUint64(at, true)), [BigInt(REQUEST.offsetBytes), 66_048n]);
});

Deno.test("a fragment has to fit into its request in every field", () => {
  assertEquals(decodeFragment(payload(), REQUEST), {
    startBytes: 512,
    lengthBytes: 1024,
    compression: "skipz",
    codedBytes: 100,
  });
  assertEquals(decodeFragment(payload({ code: 0, extra: 1024 }), REQUEST).compression, "none");
  decodeFragment(payload({ place: 0, size: 65_536 }), REQUEST);
  decodeFragment(payload({ place: 66_047, size: 1, extra: 1 }), REQUEST);
  const refused: Parameters<typeof payload>[0][] = [
    { status: 1 },
    { status: Number.MAX_SAFE_INTEGER },
    { code: 1 },
    { code: 2 },
    { code: 4 },
    { code: 0 },
    { code: 0, extra: 1023 },
    { code: 0, extra: 1025 },
    { offset: REQUEST.offsetBytes + 512 },
    { offset: 512 },
    { length: 66_047 },
    { place: 66_048 },
    { place: 0xffff_ffff },
    { place: 65_537 },
    { size: 0 },
    { size: 0xffff_ffff },
    { place: 0, size: 65_537, extra: 100 },
    { extra: 0 },
    { extra: 1025 },
    { extra: 0xffff_ffff },
  ];
  for (const words of refused) {
    assertThrows(
      () => decodeFragment(payload(words), REQUEST),
      ProtocolError,
      "",
      `${JSON.stringify(words)}`,
    );
  }
});

Deno.test("a stored fragment that is marked as compressed is ambiguous", () => {
  const zlib = { ...REQUEST, compression: "zlib" as const };
  assert(isAmbiguous(decodeFragment(payload({ code: 1, extra: 1024 }), zlib)));
  assert(!isAmbiguous(decodeFragment(payload({ code: 0, extra: 1024 }), zlib)));
  assert(isAmbiguous(decodeFragment(payload({ extra: 1024 }), REQUEST)));
  assert(!isAmbiguous(decodeFragment(payload({ extra: 1023 }), REQUEST)));
  assert(!isAmbiguous(decodeFragment(payload({ code: 0, extra: 1024 }), REQUEST)));
});

Deno.test("skipz gives back what was coded, and zeros in all gaps", () => {
  for (let seed = 0; seed < 100; seed++) {
    const random = randomFrom(seed);
    const length = 1 + Math.floor(random() * 65_536);
    const content = mixedContent(length, seed);
    const into = new Uint8Array(new SharedArrayBuffer(length)).fill(0xee);
    decodeSkipz(encodeSkipz(content), into);
    assertEquals(into.findIndex((byte, i) => byte !== content[i]), -1, `seed ${seed}`);
  }
  // The most segments that can pay.
  const content = new Uint8Array(65_536).map((_, i) => i % 9 === 0 ? 1 : 0);
  const into = new Uint8Array(65_536);
  decodeSkipz(encodeSkipz(content), into);
  assertEquals(into, content);
});

Deno.test("skipz with a wrong length, place or order is refused", () => {
  const words = (...values: number[]) => new Uint8Array(new Uint32Array(values).buffer);
  const streams: [string, Uint8Array][] = [
    ["empty", words()],
    ["no zero", words(16)],
    ["another length", words(17, 0)],
    ["a mark", words(16, 1)],
    ["half a header", words(16, 0, 0)],
    ["an empty segment", words(16, 0, 0, 0)],
    ["bytes that are missing", words(16, 0, 0, 5, 0)],
    ["behind the end", words(16, 0, 13, 4, 0)],
    ["far behind the end", words(16, 0, 0xffff_ffff, 4, 0)],
    ["a length that wraps", words(16, 0, 4, 0xffff_fffe, 0)],
    ["backwards", words(16, 0, 8, 4, 0x01010101, 4, 4, 0x01010101)],
    ["twice", words(16, 0, 8, 4, 0x01010101, 8, 4, 0x01010101)],
  ];
  for (const [what, stream] of streams) {
    assertThrows(() => decodeSkipz(stream, new Uint8Array(16)), ProtocolError, "skipz", what);
  }
});

Deno.test("zlib has to inflate to exactly the fragment, with its checksum and nothing behind it", () => {
  const content = new Uint8Array(5000).map((_, i) => i % 7);
  const coded = new Uint8Array(deflateSync(content));
  const into = new Uint8Array(5000);
  decodeInto(coded, into, "zlib");
  assertEquals(into, content);
  const refused: [string, Uint8Array, number][] = [
    ["too short", coded, 5001],
    ["too long", coded, 4999],
    ["far too long", new Uint8Array(deflateSync(new Uint8Array(1 << 24))), 5000],
    ["cut", coded.subarray(0, -1), 5000],
    ["more behind it", new Uint8Array([...coded, 0]), 5000],
    ["a wrong checksum", coded.map((byte, i) => i === coded.length - 1 ? byte ^ 1 : byte), 5000],
    ["no zlib", new Uint8Array(100), 5000],
  ];
  for (const [what, bytes, length] of refused) {
    assertThrows(() => decodeInto(bytes, new Uint8Array(length), "zlib"), ProtocolError, "", what);
  }
});

Deno.test("a coverage is whole when every byte has come once, in any order", () => {
  for (let seed = 0; seed < 300; seed++) {
    const random = randomFrom(seed);
    const total = 1 + Math.floor(random() * 60);
    const cuts: [number, number][] = [];
    for (let at = 0; at < total;) {
      const length = Math.min(total - at, 1 + Math.floor(random() * 9));
      cuts.push([at, length]);
      at += length;
    }
    cuts.sort(() => random() - 0.5);
    const coverage = new Coverage();
    const seen = new Uint8Array(total);
    cuts.forEach(([start, length], i) => {
      assert(!coverage.isWhole(total), `seed ${seed}`);
      coverage.add(start, length);
      seen.fill(1, start, start + length);
      // Any part that touches a byte that came is refused, and changes nothing.
      const probe = Math.floor(random() * total);
      const probeLength = Math.min(total - probe, 1 + Math.floor(random() * 4));
      if (seen.subarray(probe, probe + probeLength).includes(1)) {
        assertThrows(() => coverage.add(probe, probeLength), ProtocolError, "twice", `seed ${seed}`);
      }
      assertEquals(coverage.isWhole(total), i === cuts.length - 1, `seed ${seed}`);
    });
  }
});

Deno.test("a coverage of single bytes that lie apart is bounded", () => {
  const coverage = new Coverage();
  assertThrows(
    () => {
      for (let at = 0; at < 1 << 20; at += 2) coverage.add(at, 1);
    },
    ProtocolError,
    "too many",
  );
});
