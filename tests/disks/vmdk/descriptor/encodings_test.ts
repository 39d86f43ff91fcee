import { assertEquals } from "@std/assert";
import { encodingLabelOf } from "../../../../cli/disks/vmdk/descriptor/encodings.ts";
import { parseDescriptor } from "../../../../cli/disks/vmdk/descriptor/descriptor.ts";
import { descriptorText } from "../builder.ts";

/** A name in an encoding, its bytes and its text; the bytes come from the tables of the code pages. */
const KOREAN: [bytes: number[], text: string] = [[0xb5, 0xf0, 0xbd, 0xba, 0xc5, 0xa9], "디스크"];
const CHINESE: typeof KOREAN = [[0xb4, 0xc5, 0xc5, 0xcc], "磁盘"];
const TRADITIONAL: typeof KOREAN = [[0xba, 0xcf, 0xba, 0xd0], "磁碟"];
const JAPANESE: typeof KOREAN = [[0x83, 0x66, 0x83, 0x42], "ディ"];
const EUC_JAPANESE: typeof KOREAN = [[0xa5, 0xc7, 0xa5, 0xa3], "ディ"];
const MAC: typeof KOREAN = [[0x4b, 0x9f, 0x68, 0x65], "Kühe"];
const WESTERN: typeof KOREAN = [[0x4b, 0xfc, 0x68, 0x65], "Kühe"];
const CYRILLIC: typeof KOREAN = [[0xe4, 0xe8, 0xf1, 0xea], "диск"];
const KOI8: typeof KOREAN = [[0xc4, 0xc9, 0xd3, 0xcb], "диск"];
const THAI: typeof KOREAN = [[0xb4, 0xd4], "ดิ"];

const NAMES: [name: string, sample: typeof KOREAN][] = [
  ["windows-949-2000", KOREAN],
  ["windows-949", KOREAN],
  ["cp949", KOREAN],
  ["MS949", KOREAN],
  ["x-windows-949", KOREAN],
  ["ibm-1363_P110-1997", KOREAN],
  ["ibm-970_P110_P110-2006_U2", KOREAN],
  ["EUC-KR", KOREAN],
  ["windows-936", CHINESE],
  ["windows-936-2000", CHINESE],
  ["CP936", CHINESE],
  ["GBK", CHINESE],
  ["ibm-1386_P100-2001", CHINESE],
  ["ibm-1383_P110-1999", CHINESE],
  ["gb18030-2022", CHINESE],
  ["windows-950-2000", TRADITIONAL],
  ["cp950", TRADITIONAL],
  ["ibm-1373_P100-2002", TRADITIONAL],
  ["Big5", TRADITIONAL],
  ["ibm-943_P15A-2003", JAPANESE],
  ["ibm-943_P130-1999", JAPANESE],
  ["x-IBM943C", JAPANESE],
  ["windows-932", JAPANESE],
  ["Shift_JIS", JAPANESE],
  ["ibm-33722_P12A_P12A-2009_U2", EUC_JAPANESE],
  ["ibm-954_P101-2007", EUC_JAPANESE],
  ["MacRoman", MAC],
  ["x-MacRoman", MAC],
  ["macos-0_2-10.2", MAC],
  ["macintosh", MAC],
  ["windows-1252", WESTERN],
  ["ibm-5348_P100-1997", WESTERN],
  ["ISO8859_1", WESTERN],
  ["ISO8859_15", WESTERN],
  ["ibm-923_P100-1998", WESTERN],
  ["ibm-5347_P100-1998", CYRILLIC],
  ["cp1251", CYRILLIC],
  ["ibm-878_P100-1996", KOI8],
  ["KOI8-R", KOI8],
  ["ibm-5346_P100-1998", [[0xb9, 0xe6], "ąć"]],
  ["ibm-874_P100-1995", THAI],
  ["TIS-620", THAI],
  ["UTF-8", [[0x4b, 0xc3, 0xbc], "Kü"]],
  ["utf8", [[0x4b, 0xc3, 0xbc], "Kü"]],
  ["ibm-912_P100-1995", [[0xb1, 0xe6], "ąć"]],
];

function parse(encoding: string, name: Iterable<number>) {
  const text = descriptorText(['RW 1 FLAT "@.vmdk" 0']).replace("UTF-8", encoding);
  const [before, after] = text.split("@").map((part) => [...new TextEncoder().encode(part)]);
  return parseDescriptor(Uint8Array.of(...before, ...name, ...after), { path: "x.vmdk" });
}

Deno.test("parseDescriptor() decodes names by the encodings of Windows, IBM, ICU, Java and macOS", () => {
  for (const [encoding, [bytes, text]] of NAMES) {
    assertEquals(parse(encoding, bytes).extents[0].name, `${text}.vmdk`, encoding);
  }
});

Deno.test("parseDescriptor() reads ASCII names in any encoding, known or not", () => {
  for (const encoding of ["ibm-437_P100-1995", "cp850", "macos-6_2-10.4", "klingon", "x-", "949", ""]) {
    assertEquals(parse(encoding, new TextEncoder().encode("disk")).extents[0].name, "disk.vmdk", encoding);
  }
});

Deno.test("encodingLabelOf() returns undefined for encodings without a decoder", () => {
  for (
    const name of ["klingon", "cp437", "ibm-850_p100-1995", "windows-1", "iso-8859-99", "constructor", ""]
  ) {
    assertEquals(encodingLabelOf(name), undefined, name);
  }
});
