/** Checks single files of a backup. A fault of a file is a result here and not an error. */

import { walkContainer } from "../archive/container.ts";
import { FormatError, MismatchError } from "../errors.ts";
import { isMissing } from "../files/system_errors.ts";
import {
  type DigestReader,
  type DumpReader,
  openArchive,
  SKIMMING_WINDOW_BYTES,
} from "../pipeline/archive_reader.ts";
import { Chain } from "../pipeline/chain.ts";
import { check } from "../pipeline/check.ts";
import { type RecordCounts, walkDigest, walkRecords } from "../pipeline/walk.ts";
import type { Sealed } from "./seals.ts";
import { isCompressed } from "./input_file.ts";
import type { Job } from "./job.ts";

/** A sentence that says what is wrong with a file; undefined if nothing is. */
export type FaultText = string | undefined;

/** The result of the check of one file. */
export interface Finding {
  fault: FaultText;
  /** The root of the generation; null if not all blocks were read, or something is wrong. */
  root: string | null;
  /** The blocks were compared with a digest or a root that is proved. */
  isCompared: boolean;
}

/** Checks a gzip or zstd container without decompressing it. */
export async function containerFault(job: Job, path: string): Promise<FaultText> {
  return await faultIn(async () =>
    void await walkContainer(path, await job.files.stored(path), { pace: job.pace })
  );
}

/**
 * Checks the records of a plain dump or rdiff. The blocks are skipped if `reader` was opened with `skims`.
 */
export async function recordsFault(job: Job, reader: DumpReader, sealed?: Sealed): Promise<FaultText> {
  return await faultIn(async () => {
    return countFault(await walkRecords(job.core, reader, job.run), sealed);
  });
}

/** Checks a digest, and whether it is that of the generation in its seal. */
export async function digestFault(job: Job, digest: DigestReader, sealed?: Sealed): Promise<FaultText> {
  return (await examineDigest(job, digest, { sealed })).fault;
}

/**
 * As {@linkcode digestFault}. A digest without a root in its own seal must have one of `roots`, if there are
 * any.
 */
export async function examineDigest(
  job: Job,
  digest: DigestReader,
  { sealed, roots = [] }: { sealed?: Sealed; roots?: readonly string[] },
): Promise<Finding> {
  return await findingFrom(async () => {
    const hash = job.root();
    const counts = await walkDigest(job.core, { digest, root: hash }, job.run);
    const root = await hash.hex();
    const fault = rootFault(root, { sealed, roots });
    const other = fault && `"${digest.path}" is the digest of other blocks: ${fault}`;
    return {
      root,
      fault: other ?? countFault(counts, sealed),
      isCompared: isRootProved(root, { sealed, roots }),
    };
  });
}

/**
 * Compares the blocks of one dump or rdiff with a digest, and the root of a dump with the roots that seals
 * record.
 */
export async function examineBlocks(
  job: Job,
  reader: DumpReader,
  { digest, isOfDumpAlone = false, sealed, roots }: {
    digest?: DigestReader;
    /** The digest was made of the dump, so that it does not prove the dump. */
    isOfDumpAlone?: boolean;
    sealed?: Sealed;
    roots: readonly string[];
  },
): Promise<Finding> {
  const { full } = reader.header;
  const isDigestProof = digest !== undefined && !isOfDumpAlone;
  return await findingFrom(async () => {
    const hash = full ? job.root() : undefined;
    const chain = new Chain([reader]);
    const { badBlocks, badRuns } = await check(job.core, { chain, digest, root: hash }, job.run);
    if (badBlocks > 0) {
      const fault = badBlocks === 1
        ? `block ${badRuns[0].start} of "${reader.path}" does not have the MD5 recorded in "${digest!.path}"`
        : `${badBlocks} blocks of "${reader.path}" do not have the MD5 recorded in "${digest!.path}", ` +
          `block ${badRuns[0].start} is the first`;
      return { fault, root: null, isCompared: isDigestProof };
    }
    if (hash === undefined) return { fault: undefined, root: null, isCompared: isDigestProof };
    const root = await hash.hex();
    const fault = rootFault(root, { sealed, roots });
    return {
      root,
      fault: fault && `the blocks of "${reader.path}" are other ones: ${fault}`,
      isCompared: isDigestProof || isRootProved(root, { sealed, roots }),
    };
  });
}

/**
 * The number of files that share the memory for decompressed pieces when a folder is checked: an archive, its digest, and
 * the file before them, whose memory the garbage collector may not have freed yet.
 */
const FILES_TOGETHER = 3;

/** Opens one archive, calls `use`, and closes it. With `skims` most of it is skipped. */
export async function usingArchive<T>(
  job: Job,
  path: string,
  use: (reader: DumpReader | DigestReader) => Promise<T>,
  { skims = false }: { skims?: boolean } = {},
): Promise<T> {
  await using files = job.reading({ files: FILES_TOGETHER });
  const windowBytes = skims ? SKIMMING_WINDOW_BYTES : undefined;
  return await use(await openArchive(files.core, await files.source(path, { skims }), { windowBytes }));
}

/** Returns whether a file is not compressed, so that parts of it can be skipped. */
export function isPlain(path: string): boolean {
  return !isCompressed(path);
}

/** Compares the numbers of records of a file with those in its seal. */
function countFault({ dataRecords, zeroRecords }: RecordCounts, sealed?: Sealed): FaultText {
  if (sealed === undefined) return undefined;
  const { file, path, sealPath } = sealed;
  if (dataRecords === file.dataRecords && zeroRecords === file.zeroRecords) return undefined;
  return `"${path}" has ${dataRecords} records with content and ${zeroRecords} of zero blocks, ` +
    `"${sealPath}" says ${file.dataRecords} and ${file.zeroRecords}`;
}

/**
 * Compares a root with that of the file's own seal, or else with the roots that other seals record for the
 * same second.
 */
function rootFault(
  root: string,
  { sealed, roots }: { sealed?: Sealed; roots: readonly string[] },
): FaultText {
  const wanted = sealed?.generation.root;
  if (wanted) {
    if (root === wanted) return undefined;
    return `"${sealed.sealPath}" was made of blocks with the root ${wanted}, ${root} is found`;
  }
  if (roots.length === 0 || roots.includes(root)) return undefined;
  return `seals tell the root ${roots.join(" or ")} of its generation, ${root} is found`;
}

/** Returns whether a root was proved when it was sealed. */
function isRootProved(
  root: string,
  { sealed, roots }: { sealed?: Sealed; roots: readonly string[] },
): boolean {
  return roots.includes(root) || (sealed?.generation.root === root && !sealed.file.unproved);
}

/** Returns the result of `examine`; if it throws because of damage, the damage as a fault. */
async function findingFrom(examine: () => Promise<Finding>): Promise<Finding> {
  let finding: Finding = { fault: undefined, root: null, isCompared: false };
  const fault = await faultIn(async () => {
    finding = await examine();
    return finding.fault;
  });
  return fault === undefined ? finding : { ...finding, root: null, fault };
}

/** Returns damage that is thrown as a fault. Other errors are thrown: they do not concern the file. */
export async function faultIn(examine: () => Promise<FaultText>): Promise<FaultText> {
  try {
    return await examine();
  } catch (error) {
    if (error instanceof FormatError || error instanceof MismatchError) return error.message;
    throw error;
  }
}

/**
 * As {@linkcode faultIn}; a file that the system refuses to read has a fault, too, so that the check goes on
 * with the others.
 *
 * @param refused receives such faults, unless the file is missing
 */
export async function faultInFile(
  examine: () => Promise<FaultText>,
  refused?: Set<string>,
): Promise<FaultText> {
  try {
    return await faultIn(examine);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    if (!isMissing(error)) refused?.add(error.message);
    return error.message;
  }
}

/**
 * Returns whether an error is about one file, and not about a shortage of memory, descriptors or space in the
 * system.
 */
export function isRefusal(error: unknown): error is Error {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: unknown };
  if (typeof code !== "string") return cause !== undefined && isRefusal(cause) && error instanceof Error;
  return /^E[A-Z0-9]+$/.test(code) && !["EMFILE", "ENFILE", "ENOMEM", "EINTR", "ENOSPC"].includes(code);
}
