/** Checks single files of a backup. */

import { walkContainer } from "../archive/container.ts";
import { createSha256 } from "../archive/sha256.ts";
import { FormatError, MismatchError } from "../errors.ts";
import { type DigestReader, type DumpReader, openArchive } from "../pipeline/archive_reader.ts";
import { Chain } from "../pipeline/chain.ts";
import { check } from "../pipeline/check.ts";
import type { RunOptions } from "../pipeline/run.ts";
import { type RecordCounts, walkDigest, walkRecords } from "../pipeline/walk.ts";
import { hashFile } from "./file_hash.ts";
import type { Sealed } from "./seals.ts";
import { isCompressed } from "./input_file.ts";
import type { Session } from "./session.ts";

/** What is wrong with a file, in words; undefined if nothing is. */
export type Fault = string | undefined;

/** Whether a sealed file is still what it was, byte for byte. */
export async function hashFault({ path, sealPath, file }: Sealed, run: RunOptions): Promise<Fault> {
  const { bytes, sha256 } = await hashFile(path, run);
  if (bytes === file.bytes && sha256 === file.sha256) return undefined;
  return `"${path}" has the SHA-256 ${sha256} (${bytes} bytes), "${sealPath}" says ${file.sha256} (${file.bytes} bytes)`;
}

/** Whether a container is whole, as far as that can be seen without decompressing it. */
export async function containerFault(path: string): Promise<Fault> {
  return await faultIn(async () => void await walkContainer(path, await Deno.open(path)));
}

/** Whether the records of a plain dump or rdiff stand where they must, without reading the blocks. */
export async function recordsFault(session: Session, reader: DumpReader, sealed?: Sealed): Promise<Fault> {
  return await faultIn(async () => {
    return countFault(await walkRecords(session.core, reader, session.run), sealed);
  });
}

/** Whether a digest is whole, and is that of the generation that was sealed. */
export async function digestFault(session: Session, digest: DigestReader, sealed?: Sealed): Promise<Fault> {
  return await faultIn(async () => {
    const root = await createSha256();
    const counts = await walkDigest(session.core, { digest, root }, session.run);
    const wanted = sealed?.generation.root;
    if (wanted && root.hex() !== wanted) {
      return `"${digest.path}" is not the digest of the blocks that "${sealed.sealPath}" was made of (another root)`;
    }
    return countFault(counts, sealed);
  });
}

/** Whether the blocks of one dump or rdiff are those of the digest and of the seal. */
export async function blocksFault(
  session: Session,
  reader: DumpReader,
  { digest, sealed }: { digest?: DigestReader; sealed?: Sealed },
): Promise<Fault> {
  return await faultIn(async () => {
    const root = await createSha256();
    const chain = new Chain([reader]);
    const { badBlocks, badRuns } = await check(session.core, { chain, digest, root }, session.run);
    if (badBlocks > 0) {
      return `${badBlocks} blocks of "${reader.path}" do not have the MD5 recorded in "${digest!.path}", ` +
        `block ${badRuns[0].start} is the first`;
    }
    const wanted = reader.header.full && sealed?.generation.root;
    if (wanted && root.hex() !== wanted) {
      return `the blocks of "${reader.path}" are not those that "${sealed.sealPath}" was made of (another root)`;
    }
  });
}

/** Opens one archive, and gives up all that it took when it was used. */
export async function usingArchive<T>(
  session: Session,
  path: string,
  use: (reader: DumpReader | DigestReader) => Promise<T>,
): Promise<T> {
  const { core } = session;
  const memory = core.mark();
  const source = await session.source(path);
  try {
    return await use(await openArchive(core, source));
  } finally {
    session.close(source);
    core.release(memory);
  }
}

/** Whether a file can be passed over without being decompressed. */
export function isPlain(path: string): boolean {
  return !isCompressed(path);
}

function countFault({ dataRecords, zeroRecords }: RecordCounts, sealed?: Sealed): Fault {
  if (sealed === undefined) return undefined;
  const { file, path, sealPath } = sealed;
  if (dataRecords === file.dataRecords && zeroRecords === file.zeroRecords) return undefined;
  return `"${path}" has ${dataRecords} records with content and ${zeroRecords} of zero blocks, ` +
    `"${sealPath}" says ${file.dataRecords} and ${file.zeroRecords}`;
}

/** Damage as a fault; what else goes wrong is no matter of the file. */
export async function faultIn(examine: () => Promise<Fault>): Promise<Fault> {
  try {
    return await examine();
  } catch (error) {
    if (error instanceof FormatError || error instanceof MismatchError) return error.message;
    throw error;
  }
}
