/** `vmdkbkp restore`: write a generation back to a disk. */

import type { WritableDisk } from "../disks/disk.ts";
import { UsageError } from "../errors.ts";
import { assertNoInput } from "../files/outputs.ts";
import { DigestReader } from "../pipeline/archive_reader.ts";
import { assertSameGeneration, type Chain } from "../pipeline/chain.ts";
import {
  assertRoom,
  proveReadable,
  restore,
  type RestoreOptions,
  type RestoreResult,
} from "../pipeline/restore.ts";
import { verifyDisk } from "../pipeline/verify.ts";
import { LIBRARY_OPTIONS, passwordStreams } from "./library_options.ts";
import type { ValuesOf } from "./options.ts";
import { openTarget, refuseFormat, type RestoreTarget, TARGET_FORMATS } from "./restore_target.ts";
import { isStream, STREAM } from "./input_file.ts";
import { newCommand, WITHOUT_SEAL } from "./common.ts";
import { assertProved, type Proof, proofOf, unprovedText } from "./proof.ts";
import { TRUSTED_KEY } from "./signing.ts";
import { Session } from "./session.ts";
import { unsealedText } from "./seals.ts";
import { blocksText, headerJson, secondsSince, speedText } from "./summary.ts";
import { formatTimeStamp } from "../archive/time_stamp.ts";

export const command = newCommand("restore", {
  description: `Restore a disk from archives, newest first: a dump, then rdiffs back to the wanted generation.

Without --create the disk exists and is overwritten where it differs; holes stay, and what becomes zero
becomes a hole where the file system can have it. The archives are read once to their end before the first
byte is written. With --create a new disk is made: a flat VMDK if the name ends in .vmdk, a raw image for .raw
or .img, or what --format says: vmfs is a flat VMDK for ESXi, monolithicSparse one file without what is zero,
streamOptimized one that is compressed too, for ovftool and for import to vSphere.
Rdiffs without a dump turn a disk that is at the newer generation into the older one.`,
  examples: `
vmdkbkp restore --create --local disk.vmdk --metadata 2.dump.zst
vmdkbkp restore --create --local old.raw 2.dump.zst 1.rdiff.zst 0.rdiff.zst
vmdkbkp restore --create --local web.vmdk --format streamOptimized --metadata 2.dump.zst
vmdkbkp restore --local /dev/sdx 2.dump.zst
vmdkbkp restore --server vc1.example --username backup --thumbprint 12:34:... --vm vm-16 \\
    --remote "[ds1] web/web.vmdk" --verify --digestin 0.digest 2.dump.zst 1.rdiff.zst 0.rdiff.zst`,
  args: { "<archives...>": "a dump and rdiffs, newest first" },
  options: {
    local: { value: "disk", help: "the disk to write" },
    format: {
      value: "format",
      choices: TARGET_FORMATS,
      help: "take the disk as raw or vmdk, whatever its name; with --create: make this",
    },
    create: { help: "make the disk" },
    omitzeroblock: { help: "do not write zero blocks: only for a disk that is empty" },
    metadata: { help: "write the disk's metadata too" },
    verify: { help: "read the disk back and compare it, with the archives or --digestin" },
    digestin: { value: "file", help: "with --verify: digest of the last archive's generation" },
    blocksize: { value: "bytes", help: "must be that of the archives" },
    force: {
      help:
        "replace the disk if it exists (--create); write to one that is in use, by a lock folder (*.lck) or a mount",
    },
    trustedKey: TRUSTED_KEY,
    withoutSeal: WITHOUT_SEAL,
    allowOutside: { help: "let a VMDK name extents outside its folder" },
    allowEncrypted: {
      help: "write to a VMDK although its descriptor says that its content is encrypted",
    },
    ...LIBRARY_OPTIONS,
  },
});

type Options = ValuesOf<typeof command>;

export async function run(options: Options, archives: string[]): Promise<number> {
  refuse(options, archives);
  const start = performance.now();
  const digestPath = options.digestin === undefined ? [] : [options.digestin];
  const inputs = [...archives, ...digestPath, ...passwordStreams(options)];
  const outputs = options.create && options.local !== undefined ? filesOfNewDisk(options.local) : [];
  await using session = await Session.start(options, { inputs, expected: outputs });
  await using readings = new AsyncDisposableStack();
  let files = readings.use(session.reading());
  let chain = await session.chain(archives, { files });
  const { header } = chain;
  if (options.blocksize !== undefined && options.blocksize !== String(header.blockBytes)) {
    throw new UsageError(
      `Cannot use --blocksize ${options.blocksize}: the archives have ${header.blockBytes}`,
    );
  }
  if (options.create && !header.full) {
    throw new UsageError(`Cannot create a disk from rdiffs alone: "${archives[0]}" is not a dump`);
  }
  const proof = await proofOf(session, chain);
  const root = proof.roots.length > 0 ? session.root() : undefined;
  // A root proves the blocks whatever the files are.
  if (proof.by !== "root") await session.proveSealed();
  const target = await openTarget(session, header, options);
  const { disk } = target;
  // The root does not cover the header, from which the disk gets its adapter and metadata.
  const proveHeader = proof.by === "root" && proof.last !== undefined && disk.keepsMetadata
    ? session.proveWhileRead(chain.readers.at(-1)!, proof.last)
    : () => Promise.resolve();
  if (options.metadata && !disk.keepsMetadata) {
    throw new UsageError(
      `Cannot use --metadata with disk "${disk.path}": a ${disk.format} disk has no place for them`,
    );
  }
  if (!options.create) {
    for (const file of disk.files) assertNoInput(file, archives);
    assertRoom(chain, disk);
    if (options.omitzeroblock) {
      session.warn(`zero blocks are not written; where "${disk.path}" holds data in their place, it stays`);
    }
    await proveReadable(files.core, { chain, root }, session.run);
    await assertProved(proof, root);
    await proveHeader();
    // The archives were proved; now they are opened a second time to be restored.
    await files[Symbol.asyncDispose]();
    files = readings.use(session.reading());
    chain = await session.chain(archives, { files });
  }
  const digestProves = options.digestin !== undefined &&
    await provesByDigest(session, chain, options.digestin);
  // Before the data: what a descriptor cannot express is found while the disk is as it was.
  if (options.metadata) await disk.writeMetadata(header.metadata);
  const result = options.create
    ? await restore(files.core, { chain, disk, root }, session.run)
    : await overwrite(session, { chain, disk, proof }, {
      ...session.run,
      omitZeroBlocks: options.omitzeroblock,
    });
  if (options.create) {
    await assertProved(proof, root);
    await proveHeader();
  }
  await target.complete();
  const isRead = options.verify || target.isDoubtful;
  await files[Symbol.asyncDispose]();
  const verifiedBlocks = isRead
    ? await verify(session, target, {
      archives,
      digestin: options.digestin,
      capacityBytes: header.capacityBytes,
    })
    : undefined;
  // Rdiffs alone prove what they write; what the disk held before is proved by a look at all of it.
  const provedBy = digestProves ? "digest" : header.full ? proof.by : "nothing";
  const said = await target.report();
  const seconds = secondsSince(start);
  const { blocks, writtenBlocks, unchangedBlocks, zeroBlocks, absentBlocks } = result;
  return session.report({
    text: [
      `Restored ${disk.path} (${disk.format}) to the generation of ${formatTimeStamp(header.time)}: ` +
      `${blocksText(blocks, header.blockBytes)}, ${writtenBlocks} written, ${zeroBlocks} zero` +
      (unchangedBlocks === undefined ? "" : `, ${unchangedBlocks} right already`) +
      (absentBlocks > 0 ? `, ${absentBlocks} left as they were` : ""),
      ...(disk.capacityBytes > header.capacityBytes
        ? [
          `  the disk is larger: its last ${
            disk.capacityBytes - header.capacityBytes
          } bytes are as they were`,
        ]
        : []),
      ...(verifiedBlocks === undefined ? [] : ["  read back: every block is as it should be"]),
      ...said.text,
      ...(header.full
        ? unprovedText(provedBy)
        : unprovedText(provedBy, `nothing tells that "${disk.path}" was at the newer generation before`)),
      ...unsealedText(session.unsealed),
      `  ${speedText(header.capacityBytes, seconds)}`,
    ],
    json: {
      command: "restore",
      disk: disk.path,
      format: disk.format,
      ...headerJson(header),
      ...result,
      ...(verifiedBlocks === undefined ? {} : { verifiedBlocks }),
      ...said.json,
      proof: provedBy,
      unsealed: session.unsealed,
      seconds,
    },
  });
}

/** The files that a new disk may take. */
function filesOfNewDisk(path: string): string[] {
  return [path, path.replace(/\.vmdk$/i, "-flat.vmdk")];
}

/** @throws {UsageError} if the command line cannot be meant */
function refuse(options: Options, archives: string[]): void {
  if (options.local === STREAM) throw new UsageError('Cannot restore to "-": name a disk');
  if (options.local === undefined && options.remote === undefined) {
    throw new UsageError("Cannot restore: no disk is named (--local, --remote)");
  }
  if (options.digestin !== undefined && !options.verify) {
    throw new UsageError("Cannot use --digestin without --verify");
  }
  if (options.verify && archives.includes(STREAM) && options.digestin === undefined) {
    throw new UsageError('Cannot use --verify with "-", which can be read only once: --digestin is needed');
  }
  refuseFormat(options);
  const stream = options.create ? undefined : archives.find(isStream);
  if (stream !== undefined) {
    throw new UsageError(
      `Cannot restore "${stream}" to an existing disk: the archive could not be proved before the disk is ` +
        `overwritten; use --create, or save it to a file first`,
    );
  }
}

/**
 * Whether a digest is a proof: one that was made of a dump that nothing proved is none.
 *
 * @throws {MismatchError} if it is not of the generation that the chain leads to, or not the one that was sealed
 */
async function provesByDigest(session: Session, chain: Chain, path: string): Promise<boolean> {
  await using files = session.reading();
  const reader = await DigestReader.open(files.core, await files.source(path));
  assertSameGeneration(chain.readers.at(-1)!, reader);
  const sealed = await session.sealed(reader);
  return sealed?.file.unproved === undefined;
}

/** Reads the disk back. @throws {MismatchError} if it does not hold what was restored */
async function verify(
  session: Session,
  target: RestoreTarget,
  { archives, digestin, capacityBytes }: {
    archives: string[];
    digestin?: string;
    capacityBytes: number;
  },
): Promise<number> {
  await using files = session.reading();
  const disk = await target.readBack();
  const chain = digestin === undefined ? await session.chain(archives, { files }) : undefined;
  const digest = digestin === undefined
    ? undefined
    : await DigestReader.open(files.core, await files.source(digestin));
  return await verifyDisk(files.core, { disk, expected: (chain ?? digest)!, capacityBytes }, session.run);
}

/** Restores in place: from the first write to the last the disk is neither what it was nor what it is to be. */
async function overwrite(
  session: Session,
  { proof, ...job }: { chain: Chain; disk: WritableDisk; proof: Proof },
  options: RestoreOptions,
): Promise<RestoreResult> {
  const warning = `disk "${job.disk.path}" is partly written, it must be restored again`;
  using _warning = session.warnUnlessDone(warning);
  try {
    const root = proof.roots.length > 0 ? session.root() : undefined;
    const result = await restore(session.core, { ...job, root }, options);
    // The archives were opened a second time.
    await assertProved(proof, root);
    return result;
  } catch (error) {
    if (!options.signal?.aborted) session.warn(warning);
    throw error;
  }
}
