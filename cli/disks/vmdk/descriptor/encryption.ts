/**
 * Recognises descriptors of encrypted disks. The extents of such a disk contain ciphertext, and the keys to it are
 * in the descriptor, wrapped by a key that a key server or a password protects.
 *
 * - vSphere: the header keys `keyID` and `encryptionKeys`, and an I/O filter that encrypts (`vmwarevmcrypt`) in
 *   `ddb.iofilters`.
 * - Workstation, Fusion: keys such as `encryption.keySafe`, `encryption.data`.
 *
 * VMware does not document these keys, so any key that speaks of encryption counts; the descriptor of a plain disk
 * has none.
 */

import { cannotOpen, quoted } from "../../refusal.ts";

/** A line of a descriptor that says that the disk is encrypted. */
export interface EncryptionLine {
  /** The number of the line, from 1. */
  number: number;
  /** Where the line begins in the file. */
  offsetBytes: number;
  /** The key as it is written, with `ddb.` if it has it. */
  key: string;
  value: string;
}

const HEADER_KEY = /crypt|keysafe|^keyid$/i;
const DDB_KEY = /^ddb\..*(crypt|keysafe)|^ddb\.keyid$/i;
const FILTER_KEY = /^ddb\.io-?filters?\b/i;
/** Values of a disk that is not encrypted. */
const NO = /^\s*(none|no|false|off|0)?\s*$/i;

/** Whether a line with this key and value says that the disk is encrypted. */
export function namesEncryption(key: string, value: string): boolean {
  if (FILTER_KEY.test(key)) return /crypt/i.test(value);
  return (key.toLowerCase().startsWith("ddb.") ? DDB_KEY : HEADER_KEY).test(key) && !NO.test(value);
}

/** The prefix of the header keys of encrypted disks in an archive's metadata. */
export const HEADER_PREFIX = "vmdkbkp.header.";

/**
 * Checks that the content of a disk is not encrypted, or that this is allowed; then `warn` is called.
 * @throws {FormatError} if it is encrypted
 */
export function checkEncryption(
  lines: readonly EncryptionLine[],
  { path, allowEncrypted, warn }: {
    path: string;
    allowEncrypted?: boolean;
    warn?: (message: string) => void;
  },
): void {
  if (lines.length === 0) return;
  const [first] = lines;
  const shown = FILTER_KEY.test(first.key) ? `${first.key} = ${quoted(first.value)}` : first.key;
  const says =
    `line ${first.number} of the descriptor (${shown.replace(/[^\x20-\x7e]/g, "?")}) says that its ` +
    "content is encrypted";
  if (!allowEncrypted) {
    throw cannotOpen(
      path,
      `${says}, and without the keys the bytes are of no use; decrypt the disk, or back the machine up through ` +
        "VMware's library (--remote), or say --allow-encrypted to take the encrypted bytes as they are",
      { offsetBytes: first.offsetBytes },
    );
  }
  warn?.(
    `Disk "${path}": ${says}: the bytes are taken as they are, encrypted. The keys of the descriptor are kept ` +
      `in the metadata of a dump (${HEADER_PREFIX}*); the key that protects them is not`,
  );
}

/**
 * Returns the header keys of encryption of the links of a disk, the top one first, as metadata of its dump. Equal
 * keys of several links are kept once; others have the number of their link in their name.
 */
export function encryptionMetadata(links: readonly (readonly EncryptionLine[])[]): Map<string, string> {
  const kept = new Map<string, string>();
  for (const [depth, lines] of links.entries()) {
    for (const { key, value } of lines) {
      if (key.toLowerCase().startsWith("ddb.") || kept.get(`${HEADER_PREFIX}${key}`) === value) continue;
      kept.set(`${HEADER_PREFIX}${depth === 0 ? "" : `${depth}.`}${key}`, value);
    }
  }
  return kept;
}
