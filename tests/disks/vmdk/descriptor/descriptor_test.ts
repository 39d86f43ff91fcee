import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { type Descriptor, parseDescriptor } from "../../../../cli/disks/vmdk/descriptor/descriptor.ts";
import { formatDescriptor, replaceMetadata } from "../../../../cli/disks/vmdk/descriptor/write.ts";
import { adapterTypeOf, withDefaults } from "../../../../cli/disks/vmdk/descriptor/ddb.ts";
import { FormatError, UsageError } from "../../../../cli/errors.ts";
import { descriptorText } from "../builder.ts";

const EXAMPLE = descriptorText(['RW 196608 FLAT "disk-flat.vmdk" 0'], {
  ddb: [
    'ddb.adapterType = "lsilogic"',
    'ddb.geometry.cylinders = "12"',
    'ddb.uuid = "60 00 C2 99 d3 f5 dc ad-9e 25 3e 89 48 2c 3f de"',
  ],
});

function parse(text: string | Uint8Array): Descriptor {
  return parseDescriptor(typeof text === "string" ? new TextEncoder().encode(text) : text, {
    path: "x.vmdk",
  });
}

function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

Deno.test("parseDescriptor() reads the usual text", () => {
  assertEquals(parse(EXAMPLE), {
    cid: 0x3f2a90c1,
    parentCid: undefined,
    parentName: undefined,
    createType: "monolithicFlat",
    extents: [{
      access: "RW",
      sizeBytes: 100663296,
      type: "FLAT",
      name: "disk-flat.vmdk",
      startBytes: 0,
      offsetBytes: EXAMPLE.indexOf("RW "),
    }],
    capacityBytes: 100663296,
    metadata: new Map([
      ["adapterType", "lsilogic"],
      ["geometry.cylinders", "12"],
      ["uuid", "60 00 C2 99 d3 f5 dc ad-9e 25 3e 89 48 2c 3f de"],
    ]),
    encryption: [],
  });
});

// Readers differ in the spellings that they accept. The example, changed in one place as follows, means the
// same.
const SAME: [string, (text: string) => string][] = [
  ["CR LF", (text) => text.replaceAll("\n", "\r\n")],
  ["CR alone", (text) => text.replaceAll("\n", "\r")],
  ["no last newline", (text) => text.trimEnd()],
  ["NUL bytes behind", (text) => text + "\0".repeat(1000)],
  ["indented lines", (text) => text.replaceAll("\n", "\n \t")],
  ["blanks at the end of lines", (text) => text.replaceAll("\n", " \t\n")],
  ["unknown keys", (text) => text.replace("CID", "isNativeSnapshot=no\nfoo=bar baz\nCID")],
  ["upper-case CID", (text) => text.replace("3f2a90c1", "3F2A90C1")],
  ["no encoding line", (text) => text.replace('encoding="UTF-8"\n', "")],
  ["ddb without blanks", (text) => text.replaceAll(" = ", "=")],
  ["blank line before the extent", (text) => text.replace("RW ", "\nRW ")],
  ["byte order mark first", (text) => `\ufeff${text}`],
  ["blank line first", (text) => `\n${text}`],
  ["no comments at all", (text) => text.replaceAll(/#.*\n/g, "")],
  ["blanks around =", (text) => text.replace("createType=", "createType = ")],
  ["value not quoted", (text) => text.replace('"monolithicFlat"', "monolithicFlat")],
  ["keys in other case", (text) => text.replace("createType", "CREATETYPE").replace("ddb.ad", "DDB.ad")],
  ["no parentCID", (text) => text.replace("parentCID=ffffffff\n", "")],
  ["parentCID in capitals", (text) => text.replace("ffffffff", "FFFFFFFF")],
  ["several blanks and tabs", (text) => text.replace('RW 196608 FLAT "', 'RW  196608\tFLAT \t "')],
  ["keywords in lower case", (text) => text.replace("RW", "rw").replace("FLAT", "flat")],
  ["no start sector", (text) => text.replace('.vmdk" 0', '.vmdk"')],
  ["partition UUID and device id", (text) => text.replace('.vmdk" 0', '.vmdk" 0 1-2-3 4-5')],
  ["comment before the extent", (text) => text.replace("RW ", "  # RW 5 ZERO\nRW ")],
  ["10 KiB of comments first", (text) => "# x\n".repeat(2560) + text],
  ["unknown encoding", (text) => text.replace("UTF-8", "klingon")],
  ["no version", (text) => text.replace("version=1\n", "")],
  [
    "version 3 and change tracking",
    (text) => text.replace("version=1", 'version=3\nchangeTrackPath="x-ctk.vmdk"'),
  ],
  ["repeated keys: the first wins", (text) => `${text}\nCID=1\nddb.ADAPTERTYPE = "ide"\nddb.uuid = "2"\n`],
];

Deno.test("parseDescriptor() accepts other spellings", () => {
  const expected = parse(EXAMPLE);
  for (const [name, change] of SAME) {
    const text = change(EXAMPLE);
    if (text === EXAMPLE) throw new Error(`${name}: nothing changed`);
    const actual = parse(text);
    const extents = actual.extents.map((extent) => ({
      ...extent,
      offsetBytes: expected.extents[0].offsetBytes,
    }));
    assertEquals({ ...actual, extents }, expected, name);
  }
});

const REFUSED: [string, (text: string) => string, string][] = [
  [
    "version 9",
    (text) => text.replace("version=1", "version=9"),
    'the descriptor has version "9", 1 to 3 are known',
  ],
  [
    "CID beyond 32 bits",
    (text) => text.replace("3f2a", "13f2a"),
    'the content id "13f2a90c1" is no hexadecimal',
  ],
  ["no extents", (text) => text.replace(/RW.*\n/, ""), "the descriptor has no extents"],
  ["negative size", (text) => text.replace("196608", "-2048"), 'extent line not understood: "RW -2048 FLAT'],
  ["size 0", (text) => text.replace("196608", "0"), "extent line not understood"],
  ["hexadecimal size", (text) => text.replace("196608", "0x10"), "extent line not understood"],
  ["19 digits", (text) => text.replace("196608", "1".padEnd(19, "0")), "extent line not understood"],
  ["above 64 TiB", (text) => text.replace("196608", "137438953473"), "extent line not understood"],
  ["start above 64 TiB", (text) => text.replace('" 0', '" 137438953473'), "extent line not understood"],
  ["name without its end", (text) => text.replace('.vmdk" 0', ".vmdk"), "extent line not understood"],
  ["quote in a name", (text) => text.replace("disk-", 'a"b-'), "extent line not understood"],
  ["text behind a name", (text) => text.replace('.vmdk" 0', '.vmdk" zero'), "extent line not understood"],
  ["sum above 64 TiB", (text) => text.replace(/RW.*\n/, "RW 137438953472 ZERO\nRW 1 ZERO\n"), "or 64 TiB"],
  [
    "too many extents",
    (text) => text.replace(/RW.*\n/, "RW 1 ZERO\n".repeat(40001)),
    "more than 40000 extents",
  ],
  ["unknown access", (text) => text.replace("RW ", "WO "), 'descriptor line not understood: "WO 196608 FLAT'],
  [
    "unknown access, = in the name",
    (text) => text.replace('RW 196608 FLAT "', 'WO 1 FLAT "a='),
    "not understood",
  ],
  [
    "header value with a quote",
    (text) => text.replace('"monolithicFlat"', '"mono"Flat"'),
    "descriptor line not understood",
  ],
  ["NUL inside", (text) => text.replace("CID", "\0CID"), "the descriptor holds binary bytes"],
  ["text behind a NUL", (text) => `${text}\0lsilogic`, "the descriptor holds binary bytes"],
  ["control characters behind a NUL", (text) => `${text}\0\x01\0`, "the descriptor holds binary bytes"],
  ["escape sequence", (text) => text.replace("disk-", "\x1b[2J-"), "the descriptor holds binary bytes"],
  [
    "unknown encoding, name that is not ASCII",
    (text) => text.replace("UTF-8", "klingon").replace("disk-flat", "Kühe"),
    'the encoding "klingon" of the descriptor is not known, and "K',
  ],
  ["encoding that is not ASCII", (text) => text.replace("UTF-8", "UTF-16LE"), 'the encoding "utf-16le"'],
];

Deno.test("parseDescriptor() refuses text that could mean another disk", () => {
  for (const [name, change, message] of REFUSED) {
    const error = assertThrows(() => parse(change(EXAMPLE)), FormatError, undefined, name);
    assertStringIncludes(error.message, `Cannot open disk "x.vmdk": `, name);
    assertStringIncludes(error.message, message, name);
  }
});

Deno.test("parseDescriptor() reads hostile text in a time that grows linearly with its length", () => {
  const hostile = (length: number) => {
    for (const text of [" ", "\t x", '"', "=", "RW ", "RW 1", "ddb.", "\n"]) {
      try {
        parse(`# Disk DescriptorFile\nkey ${text.repeat(length / text.length)}x`);
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
      }
    }
  };
  const timed = (length: number) => {
    const began = performance.now();
    hostile(length);
    return performance.now() - began;
  };
  timed(1 << 14);
  // Sixteen times the length: quadratic time would be 256 times as long. Of three tries at least one is
  // undisturbed.
  const ratios = [0, 1, 2].map(() => timed(1 << 20) / timed(1 << 16));
  assert(Math.min(...ratios) < 100, `${ratios}`);
});

Deno.test("parseDescriptor() escapes control characters of the file in its errors", () => {
  const error = assertThrows(() => parse(EXAMPLE.replace("RW ", "\u009b2J\u202e ")), FormatError);
  assertEquals(/[\u0080-\u009f\u202e]/.test(error.message), false);
});

Deno.test("parseDescriptor() decodes names by the encoding of the text", () => {
  const cases: [string, string, string][] = [
    ["windows-1252", "K\xfche", "Kühe"],
    ["GBK", "\xb4\xc5\xc5\xcc", "磁盘"],
    ["cp936", "\xb4\xc5\xc5\xcc", "磁盘"],
    ["Big5", "\xba\xcf\xba\xd0", "磁碟"],
    ["Shift_JIS", "\x83\x66\x83\x42", "ディ"],
    ["UTF-8", "\xc3\xa0\xe7\xa3\x81", "à磁"],
  ];
  for (const [encoding, bytes, name] of cases) {
    const text = EXAMPLE.replace("UTF-8", encoding).replace("disk-flat", bytes);
    assertEquals(parse(latin1(text)).extents[0].name, `${name}.vmdk`, encoding);
  }
  const wrong = latin1(EXAMPLE.replace("disk-flat", "K\xfche"));
  assertThrows(() => parse(wrong), FormatError, "the descriptor holds bytes that are not utf-8");
});

Deno.test("replaceMetadata() changes the disk data base and nothing else", () => {
  const encode = (text: string) => new TextEncoder().encode(text);
  const text = EXAMPLE.replace("# The", "# K\u00fche\nfoo=bar\n# The").replaceAll("\n", "\r\n") + "tail=1";
  const metadata = new Map([["adapterType", "ide"], ["comment", "für alle"]]);
  const written = new TextDecoder().decode(replaceMetadata(encode(`${text}\0\0`), metadata, "x.vmdk"));
  const expected = text.replace(/(ddb\..*\r\n)+/, 'ddb.adapterType = "ide"\r\nddb.comment = "für alle"\r\n');
  assertEquals(written, expected);
  assertEquals(parse(written).metadata, metadata);
  const back = replaceMetadata(encode(written), parse(text).metadata, "x.vmdk");
  assertEquals(new TextDecoder().decode(back), text);
});

Deno.test("replaceMetadata() adds the section if there is none", () => {
  const bare = new TextEncoder().encode('version=1\nRW 8 FLAT "a" 0');
  const written = replaceMetadata(bare, new Map([["uuid", "1"]]), "x.vmdk");
  assertEquals(
    new TextDecoder().decode(written),
    'version=1\nRW 8 FLAT "a" 0\n# The Disk Data Base\nddb.uuid = "1"\n',
  );
});

Deno.test("replaceMetadata() refuses keys and values that a descriptor cannot express", () => {
  const bytes = new TextEncoder().encode(EXAMPLE);
  const pairs = [["a", 'b"c'], ["a", "b\nRW 1 ZERO"], ["a b", "c"], ["", "c"], ["a=b", "c"], ["a", "\ud800"]];
  for (const [key, value] of pairs) {
    assertThrows(
      () => replaceMetadata(bytes, new Map([[key, value]]), "x.vmdk"),
      UsageError,
      'Cannot write metadata to disk "x.vmdk": a descriptor cannot express',
    );
  }
  const other = latin1(EXAMPLE.replace("UTF-8", "windows-1252"));
  assertThrows(() => replaceMetadata(other, new Map([["a", "ü"]]), "x.vmdk"), UsageError, "windows-1252");
});

Deno.test("formatDescriptor() writes the text that all readers accept", () => {
  const text = formatDescriptor({
    createType: "monolithicFlat",
    cid: 0x00abcdef,
    capacityBytes: 100663296,
    extentName: "disk-flat.vmdk",
    metadata: withDefaults(new Map([["uuid", "1 2"]]), { capacityBytes: 100663296, adapterType: 3 }),
  }, "disk.vmdk");
  assertEquals(
    new TextDecoder().decode(text),
    `# Disk DescriptorFile
version=1
encoding="UTF-8"
CID=00abcdef
parentCID=ffffffff
createType="monolithicFlat"

# Extent description
RW 196608 FLAT "disk-flat.vmdk" 0

# The Disk Data Base
#DDB

ddb.uuid = "1 2"
ddb.adapterType = "lsilogic"
ddb.geometry.cylinders = "12"
ddb.geometry.heads = "255"
ddb.geometry.sectors = "63"
ddb.virtualHWVersion = "4"
`,
  );
});

Deno.test("withDefaults() adds the geometry that VMware computes", () => {
  const geometry = (sectors: number, adapterType: number) => {
    const all = withDefaults(new Map(), { capacityBytes: sectors * 512, adapterType });
    const parts = ["cylinders", "heads", "sectors"].map((part) => all.get(`geometry.${part}`));
    return [all.get("adapterType"), ...parts].join(" ");
  };
  assertEquals(geometry(10485760, 1), "ide 10402 16 63");
  assertEquals(geometry(83886080, 3), "lsilogic 5221 255 63");
  assertEquals(geometry(1, 2), "buslogic 1 255 63");
  assertEquals(geometry(2 ** 37, 1), "ide 16383 16 63");
  assertEquals(geometry(2 ** 37, 256), "legacyESX 8555179 255 63");
});

Deno.test("withDefaults() keeps existing keys", () => {
  const given = new Map([["ADAPTERTYPE", "ide"], ["geometry.heads", "7"], ["virtualHWVersion", "13"]]);
  assertEquals(withDefaults(given, { capacityBytes: 512, adapterType: 3 }), given);
});

Deno.test("adapterTypeOf() knows the names of the disk library", () => {
  const numbers = ["ide", "BusLogic", "lsilogic", "legacyESX", "pvscsi"]
    .map((name) => adapterTypeOf(new Map([["adaptertype", name]])));
  assertEquals(numbers, [1, 2, 3, 256, 256]);
  assertEquals(adapterTypeOf(new Map()), 256);
});

Deno.test("parseDescriptor() ignores the residue that qemu-img leaves behind a shorter CID", () => {
  const usual = parse(EXAMPLE);
  // The last bytes of the former text, between the NUL that ends the new one and the padding of the file.
  for (const residue of ["\n", '7"\n', '83647"\n']) {
    for (const padding of ["", "\0\0\0\0"]) {
      assertEquals(parse(`${EXAMPLE}\0${residue}${padding}`).extents, usual.extents, JSON.stringify(residue));
    }
  }
});
