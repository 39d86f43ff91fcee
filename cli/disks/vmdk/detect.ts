/** Recognises files by their first bytes; `open.ts` decides how they may be used. */

/** The kinds of files of VMDKs that are recognised by their first bytes. */
export type FileKind = "descriptor" | "sparse" | "cowd" | "seSparse" | "changeTracking" | "unfinished";

/** The number of bytes that are examined. */
export const SNIFF_BYTES = 512;

/** The number of bytes in which a descriptor with an unusual first line must come to its version. */
export const COMMENT_BYTES = 16 * 1024;

const MAGICS: readonly (readonly [FileKind, readonly number[]])[] = [
  ["sparse", [0x4b, 0x44, 0x4d, 0x56]], // KDMV
  ["cowd", [0x43, 0x4f, 0x57, 0x44]], // COWD
  ["seSparse", [0xbe, 0xba, 0xfe, 0xca, 0, 0, 0, 0]],
  ["changeTracking", [0xa2, 0x72, 0x19, 0xf6]],
  ["unfinished", [0x6b, 0x64, 0x6d, 0x76]], // kdmv: open-vmdk replaces it by KDMV when the file is complete
];

/** A byte order mark and blank lines may come first: qemu-img takes such files for VMDKs as well. */
const DESCRIPTOR = /^(\xef\xbb\xbf)?\s*#[ \t]*disk[ \t]*descriptorfile/i;

/**
 * Returns the kind of the file that begins with `first` (up to {@linkcode SNIFF_BYTES}), or undefined if it
 * is not known.
 */
export function detectKind(first: Uint8Array): FileKind | undefined {
  for (const [kind, magic] of MAGICS) {
    if (magic.every((byte, index) => first[index] === byte)) return kind;
  }
  const text = String.fromCharCode(...first.subarray(0, SNIFF_BYTES));
  return DESCRIPTOR.test(text) ? "descriptor" : undefined;
}

/**
 * Whether a file that begins with `first` (up to {@linkcode COMMENT_BYTES}) reads like a descriptor, whatever its
 * first line: comments, then `version=`. Programs write `# Disk Descriptor File`, `#Disk Descriptor File` and other
 * lines; qemu-img goes by the version as well.
 */
export function readsLikeDescriptor(first: Uint8Array): boolean {
  const text = new TextDecoder("latin1").decode(first).replace(/^\u00ef\u00bb\u00bf/, "");
  let hasComment = false;
  for (const line of text.split(/[\r\n]/)) {
    const words = line.replace(/^[ \t]+/, "");
    if (words.startsWith("#")) hasComment = true;
    else if (words !== "") return hasComment && /^version[ \t]*=/i.test(words);
  }
  return false;
}
