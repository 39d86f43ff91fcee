/**
 * The encodings that descriptors name. VMware's products write the names of ICU, such as `windows-949-2000` on a
 * Korean Windows or `ibm-943_P15A-2003` on a Japanese one; the Encoding Standard (https://encoding.spec.whatwg.org),
 * whose decoders the runtime has, knows other names.
 *
 * Source of the names: ICU's `convrtrs.txt`.
 */

/**
 * Code pages by the numbers of Windows and of IBM, which ICU uses for converters that differ from those of the
 * standard only in characters that do not occur in file names.
 */
const CODE_PAGES: Readonly<Record<number, string>> = {
  367: "us-ascii",
  813: "iso-8859-7",
  819: "iso-8859-1",
  866: "ibm866",
  874: "windows-874",
  878: "koi8-r",
  912: "iso-8859-2",
  913: "iso-8859-3",
  914: "iso-8859-4",
  915: "iso-8859-5",
  916: "iso-8859-8",
  920: "iso-8859-9",
  921: "iso-8859-13",
  923: "iso-8859-15",
  932: "shift_jis",
  936: "gbk",
  943: "shift_jis",
  949: "euc-kr",
  950: "big5",
  954: "euc-jp",
  970: "euc-kr",
  1089: "iso-8859-6",
  1168: "koi8-u",
  1208: "utf-8",
  1250: "windows-1250",
  1251: "windows-1251",
  1252: "windows-1252",
  1253: "windows-1253",
  1254: "windows-1254",
  1255: "windows-1255",
  1256: "windows-1256",
  1257: "windows-1257",
  1258: "windows-1258",
  1363: "euc-kr",
  1373: "big5",
  1375: "big5-hkscs",
  1383: "gbk",
  1386: "gbk",
  1392: "gb18030",
  4909: "iso-8859-7",
  5012: "iso-8859-8",
  5346: "windows-1250",
  5347: "windows-1251",
  5348: "windows-1252",
  5349: "windows-1253",
  5350: "windows-1254",
  5351: "windows-1255",
  5352: "windows-1256",
  5353: "windows-1257",
  5354: "windows-1258",
  9005: "iso-8859-7",
  9067: "iso-8859-8",
  9447: "windows-1255",
  9448: "windows-1256",
  9449: "windows-1257",
  10000: "macintosh",
  10007: "x-mac-cyrillic",
  20127: "us-ascii",
  20866: "koi8-r",
  20932: "euc-jp",
  20936: "gbk",
  20949: "euc-kr",
  21866: "koi8-u",
  28591: "iso-8859-1",
  28592: "iso-8859-2",
  28593: "iso-8859-3",
  28594: "iso-8859-4",
  28595: "iso-8859-5",
  28596: "iso-8859-6",
  28597: "iso-8859-7",
  28598: "iso-8859-8",
  28599: "iso-8859-9",
  28603: "iso-8859-13",
  28605: "iso-8859-15",
  33722: "euc-jp",
  51932: "euc-jp",
  51936: "gbk",
  51949: "euc-kr",
  54936: "gb18030",
  65001: "utf-8",
};

/** A code page in a name: `windows-949-2000`, `cp949`, `ms936`, `x-cp20949`, `ibm-943_P15A-2003`, `936`. */
const CODE_PAGE_NAME =
  /^(?:x-)?(?:windows|win|cp|ms|ms-cp|mswin|ibm|cpibm|ccsid|dos|oem)?[-_ ]?(\d{3,5})[a-z]?(?:[-_,].*)?$/;

/** Other names of ICU, of Java and of macOS. */
const OTHER_NAMES: readonly (readonly [pattern: RegExp, label: string])[] = [
  [/^(?:x-)?mac[-_ ]?(?:os[-_ ]?)?roman$|^macos-0_2-|^mac$/, "macintosh"],
  [/^(?:x-)?mac[-_ ]?(?:os[-_ ]?)?cyrillic$|^macos-7_3-|^maccy$/, "x-mac-cyrillic"],
  [/^utf[-_ ]?8(?:[-_].*)?$/, "utf-8"],
  [/^euc[-_ ]?jp(?:[-_].*)?$|^ujis$/, "euc-jp"],
  [/^euc[-_ ]?kr(?:[-_].*)?$|^uhc$/, "euc-kr"],
  [/^euc[-_ ]?cn(?:[-_].*)?$|^gb[-_ ]?2312(?:[-_].*)?$|^gbk(?:[-_].*)?$/, "gbk"],
  [/^gb[-_ ]?18030(?:[-_].*)?$/, "gb18030"],
  [/^big[-_ ]?5[-_ ]?hkscs(?:[-_].*)?$/, "big5-hkscs"],
  [/^big[-_ ]?5(?:[-_].*)?$/, "big5"],
  [/^s(?:hift)?[-_ ]?jis(?:[-_].*)?$/, "shift_jis"],
  [/^koi8[-_ ]?r$/, "koi8-r"],
  [/^koi8[-_ ]?u$/, "koi8-u"],
  [/^tis[-_ ]?620(?:[-_].*)?$/, "windows-874"],
  [/^ascii|^us[-_ ]?ascii|^ansi_x3\./, "us-ascii"],
];

/**
 * Returns the name in the Encoding Standard of the encoding `name`, in lower case, or undefined if no decoder
 * exists for it.
 */
export function encodingLabelOf(name: string): string | undefined {
  if (isLabel(name)) return name;
  const iso = /^iso[-_ ]?8859[-_ ]?(\d{1,2})$/.exec(name);
  const number = CODE_PAGE_NAME.exec(name)?.[1];
  const label = OTHER_NAMES.find(([pattern]) => pattern.test(name))?.[1] ??
    (number === undefined ? undefined : CODE_PAGES[Number(number)]) ??
    (iso === null ? undefined : `iso-8859-${iso[1]}`);
  return label !== undefined && isLabel(label) ? label : undefined;
}

function isLabel(label: string): boolean {
  try {
    new TextDecoder(label);
    return true;
  } catch {
    // RangeError: the Encoding Standard does not have the name.
    return false;
  }
}
