/** Checks single files of a backup. */

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
import { isCompressed, openInput } from "./input_file.ts";
import type { Job } from "./job.ts";

/** What is wrong with a file, in words; undefined if nothing is. */
export type Fault = string | undefined;

/** What a file turned out to be. */
export interface Finding {
  fault: Fault;
  /** Of the blocks of its generation, if all of them were met and nothing was wrong. */
  root: string | null;
  /** Something that is proved told what the blocks must be. */
  isCompared: boolean;
}

/** Whether a container is whole, as far as that can be seen without decompressing it. */
export async function containerFault(job: Job, path: string): Promise<Fault> {
  return await faultIn(async () => void await walkContainer(path, await openInput(path), { pace: job.pace }));
}

/**
 * Whether the records of a plain dump or rdiff stand where they must. The blocks are passed over, if `reader` was opened as
 * one that skims.
 */
export async function recordsFault(job: Job, reader: DumpReader, sealed?: Sealed): Promise<Fault> {
  return await faultIn(async () => {
    return countFault(await walkRecords(job.core, reader, job.run), sealed);
  });
}

/** Whether a digest is whole, and is that of the generation that was sealed. */
export async function digestFault(job: Job, digest: DigestReader, sealed?: Sealed): Promise<Fault> {
  return (await examineDigest(job, digest, { sealed })).fault;
}

/** The same, and for one without an own root in its seal whether it is that of one of the generations with `roots`. */
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

/** Whether the blocks of one dump or rdiff are those of the digest, and those of a dump the ones that were sealed. */
export async function examineBlocks(
  job: Job,
  reader: DumpReader,
  { digest, isOfDumpAlone = false, sealed, roots }: {
    digest?: DigestReader;
    /** The digest was made of the dump and proves nothing of it. */
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

/** Files of a folder that are open together: an archive and its digest. */
const FILES_TOGETHER = 2;

/** Opens one archive and closes it after `use`; `skims` if most of it is passed over. */
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

/** A root must be the one of the file's own seal, or else one of those that other seals tell of its second. */
function rootFault(
  root: string,
  { sealed, roots }: { sealed?: Sealed; roots: readonly string[] },
): Fault {
  const wanted = sealed?.generation.root;
  if (wanted) {
    if (root === wanted) return undefined;
    return `"${sealed.sealPath}" was made of blocks with the root ${wanted}, ${root} is found`;
  }
  if (roots.length === 0 || roots.includes(root)) return undefined;
  return `seals tell the root ${roots.join(" or ")} of its generation, ${root} is found`;
}

/** Whether a root is one that was proved when it was sealed. */
function isRootProved(
  root: string,
  { sealed, roots }: { sealed?: Sealed; roots: readonly string[] },
): boolean {
  return roots.includes(root) || (sealed?.generation.root === root && !sealed.file.unproved);
}

async function findingFrom(examine: () => Promise<Finding>): Promise<Finding> {
  let finding: Finding = { fault: undefined, root: null, isCompared: false };
  const fault = await faultIn(async () => {
    finding = await examine();
    return finding.fault;
  });
  return fault === undefined ? finding : { ...finding, root: null, fault };
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

/**
 * The same where one bad file must not keep the others from being checked: what the system refuses is a fault, too.
 *
 * @param refused receives such faults, unless the file is missing
 */
export async function faultInFile(examine: () => Promise<Fault>, refused?: Set<string>): Promise<Fault> {
  try {
    return await faultIn(examine);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    if (!isMissing(error)) refused?.add(error.message);
    return error.message;
  }
}

/** Whether the system refused a file or could not read it; what it is short of is no matter of the file. */
export function isRefusal(error: unknown): error is Error {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: unknown };
  if (typeof code !== "string") return cause !== undefined && isRefusal(cause) && error instanceof Error;
  return /^E[A-Z0-9]+$/.test(code) && !["EMFILE", "ENFILE", "ENOMEM", "EINTR", "ENOSPC"].includes(code);
}
