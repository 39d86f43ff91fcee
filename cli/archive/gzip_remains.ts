/**
 * Recovery of damaged gzip files: all members that are intact, and the content of the others up to their
 * damage.
 */

import type { DamagedFile } from "./damaged_file.ts";
import { plausibleHeader } from "./gzip.ts";
import { ForeignInflater } from "./gzip_foreign.ts";
import { gunzipMember, HEADER_LEN, type OwnHeader, readOwnHeader } from "./gzip_member.ts";
import { isGzip } from "./magic.ts";
import {
  faultOf,
  type PieceEnd,
  type PiecePart,
  piecesRemains,
  type RemainsOptions,
  type Remnant,
} from "./piece_remains.ts";
import { SharedBuffer } from "./shared_buffer.ts";

const DEFLATE = 8;
/** Bits of FLG that are 0 in every member. RFC 1952, 2.3.1.2. */
const RESERVED_FLAGS = 0b1110_0000;

/** Yields all content of the stream in `file` that can be recovered. */
export function gzipRemains(file: DamagedFile, options: RemainsOptions): AsyncGenerator<Remnant, void> {
  const stored = new SharedBuffer();
  const content = new SharedBuffer();
  /**
   * Set after the first intact member of this program. From then on only members of this program are
   * searched, because blocks of a disk may contain gzip files.
   */
  let isOurs = false;
  let inflater: ForeignInflater | undefined;

  async function* decode(atBytes: number): AsyncGenerator<PiecePart, PieceEnd> {
    const own = ownMemberAt(file, atBytes);
    if (own !== undefined) {
      const member = stored.ofLength(own.memberLen);
      const into = content.ofLength(own.contentLen);
      if (file.readSync(member, atBytes) === member.length && inflates(member, into)) {
        isOurs = true;
        yield { bytes: into, isVerified: true };
        const nextBytes = atBytes + own.memberLen;
        const fault = own.isLast || nextBytes < file.sizeBytes ? undefined : {
          offsetBytes: nextBytes,
          expected: "another gzip member",
          found: "the end of the file",
        };
        return { nextBytes, whole: true, fault, effortBytes: 0 };
      }
    }
    inflater ??= await ForeignInflater.create();
    return yield* inflateSome(file, { atBytes, own, inflater });
  }

  return piecesRemains(file, {
    name: "a gzip member",
    firstByte: 0x1f,
    beginLen: HEADER_LEN,
    mayBegin: (bytes) =>
      isOurs
        ? readOwnHeader(bytes) !== undefined
        : isGzip(bytes) && bytes[2] === DEFLATE && (bytes[3] & RESERVED_FLAGS) === 0,
    decode,
  }, options);
}

function ownMemberAt(file: DamagedFile, atBytes: number): OwnHeader | undefined {
  const header = new Uint8Array(HEADER_LEN);
  return plausibleHeader(readOwnHeader(header.subarray(0, file.readSync(header, atBytes))));
}

function inflates(member: Uint8Array, into: Uint8Array): boolean {
  try {
    gunzipMember(member, into);
    return true;
  } catch {
    return false;
  }
}

/**
 * Decompresses a member of another program, or the part of a member of this program in front of its damage.
 */
async function* inflateSome(
  file: DamagedFile,
  { atBytes, own, inflater }: { atBytes: number; own?: OwnHeader; inflater: ForeignInflater },
): AsyncGenerator<PiecePart, PieceEnd> {
  const source = file.from(atBytes);
  let contentBytes = 0;
  let fault: PieceEnd["fault"];
  try {
    for await (const part of inflater.inflate(source, { isTolerant: true })) {
      // Content beyond the length in the header does not belong to this member.
      const wanted = own === undefined ? part : part.subarray(0, Math.max(0, own.contentLen - contentBytes));
      contentBytes += part.length;
      yield { bytes: wanted, isVerified: false };
      if (wanted.length < part.length) break;
    }
  } catch (error) {
    fault = faultOf(error, atBytes);
  }
  const effortBytes = source.offsetBytes + contentBytes;
  if (own === undefined) {
    return fault === undefined
      ? { nextBytes: atBytes + source.offsetBytes, whole: true, effortBytes }
      : { whole: false, fault, effortBytes };
  }
  const nextBytes = atBytes + own.memberLen;
  const hasSuccessor = nextBytes === file.sizeBytes || ownMemberAt(file, nextBytes) !== undefined;
  return {
    nextBytes: hasSuccessor ? nextBytes : undefined,
    whole: hasSuccessor && contentBytes >= own.contentLen,
    fault: fault ??
      { offsetBytes: atBytes, expected: "an intact gzip member", found: "lengths that do not agree" },
    effortBytes,
  };
}
