/** `vmdkbkp seal`: make the seal of archives that have none. */

import { type DumpHeader, formatSeriesId } from "../archive/header.ts";
import type { Role, SealedGeneration } from "../archive/seal.ts";
import { formatTimeStamp } from "../archive/time_stamp.ts";
import { MismatchError, UsageError } from "../errors.ts";
import { DigestReader, DumpReader, openArchive } from "../pipeline/archive_reader.ts";
import { assertOlder, assertSameDisk, assertSameGeneration, Chain } from "../pipeline/chain.ts";
import { check } from "../pipeline/check.ts";
import { walkDigest, walkRecords } from "../pipeline/walk.ts";
import { hashFile } from "./file_hash.ts";
import type { ValuesOf } from "./options.ts";
import { type SealedOutput, Sealing, type WrittenFile } from "./sealing.ts";
import { STREAM } from "./input_file.ts";
import { newCommand } from "./common.ts";
import { SIGN } from "./signing.ts";
import { Session } from "./session.ts";
import { headerJson, secondsSince, speedText } from "./summary.ts";

export const command = newCommand("seal", {
  description: `Make the seal (NAME.seal.json) of archives that were made without one: those of vmdkbkp 1.2.

The files are those that one backup made: a dump, its digest, and the rdiffs that lead back from it, newest
first. Every one is read to its end, and the dump is compared with the digest. A seal tells what the files are
now: make it while they are known to be good. Of files that nothing proves (a dump without its digest, an
rdiff) it says so, and check calls them not proved; with --vouch it does not.`,
  examples: `
vmdkbkp seal 0.dump.gz 0.digest
vmdkbkp seal 1.dump.gz 1.digest 0.rdiff.gz`,
  args: { "<files...>": "a dump, its digest, rdiffs that lead back from it" },
  options: {
    sign: SIGN,
    vouch: { help: "you know that the files are good: do not note that nothing proved their blocks" },
    force: { help: "replace a seal that is damaged" },
  },
});

type Options = ValuesOf<typeof command>;

export async function run(options: Options, paths: string[]): Promise<number> {
  if (paths.includes(STREAM)) throw new UsageError('Cannot seal "-": a seal lies beside a file');
  const start = performance.now();
  await using session = await Session.start(options, { inputs: paths });
  const backup = await openBackup(session, paths);
  const { header } = backup;
  const files = {
    isForced: session.isForced,
    isFile: () => true,
    finalPath: (path: string) => Deno.realPathSync(path),
    stored: (path: string) => hashFile(path, session.run),
    openSeal: session.openSeal.bind(session),
    changesOf: session.changesOf.bind(session),
  };
  const sealing = await Sealing.begin(files, header, backup.outputs);
  const { root, written } = await readBackup(session, backup, { vouched: options.vouch === true });
  await sealing.complete({ root, mode: { asked: "seal", done: "seal" }, written });
  session.commit();
  const seconds = secondsSince(start);
  return session.report({
    text: [
      `Sealed ${paths.length === 1 ? "1 file" : `${paths.length} files`}: ${sealing.paths.join(", ")}`,
      `  ${speedText(header.capacityBytes, seconds)}`,
    ],
    json: { command: "seal", files: paths, ...headerJson(header), root, seals: sealing.paths, seconds },
  });
}

/** The files of one backup. */
interface Backup {
  /** Of the generation: the dump's, or the digest's, or that of the first rdiff. */
  header: DumpHeader;
  dump?: DumpReader;
  digest?: DigestReader;
  /** Newest first. */
  rdiffs: DumpReader[];
  outputs: SealedOutput[];
}

/** @throws {UsageError | MismatchError} if the files are not those of one backup */
async function openBackup(session: Session, paths: readonly string[]): Promise<Backup> {
  const readers = [];
  for (const path of paths) readers.push(await openArchive(session.core, await session.source(path)));
  const digests = readers.filter((reader) => reader instanceof DigestReader);
  const archives = readers.filter((reader) => reader instanceof DumpReader);
  const dumps = archives.filter(({ header }) => header.full);
  const rdiffs = archives.filter(({ header }) => !header.full);
  for (const [kind, [, second]] of [["dump", dumps], ["digest", digests]] as const) {
    if (second !== undefined) throw new UsageError(`Cannot seal "${second.path}": it is the second ${kind}`);
  }
  const [dump] = dumps;
  const [digest] = digests;
  const first = dump ?? rdiffs[0];
  if (first === undefined) {
    throw new UsageError(`Cannot seal "${paths[0]}" alone: the dump of its generation is needed`);
  }
  if (dump && digest) assertSameGeneration(dump, digest);
  if (digest) assertSameDisk(first, digest);
  const begin = dump ?? digest;
  const links = [...(begin === undefined ? [] : [begin]), ...rdiffs];
  for (let i = 1; i < links.length; i++) assertOlder(links[i - 1], links[i]);
  return {
    header: { ...first.header, ...begin?.header },
    dump,
    digest,
    rdiffs,
    outputs: readers.map((reader) => ({ role: roleOf(reader), path: reader.path })),
  };
}

function roleOf(reader: DumpReader | DigestReader): Role {
  return reader instanceof DigestReader ? "digest" : reader.header.full ? "dump" : "rdiff";
}

/** Reads all files to their ends. @throws {MismatchError} if the dump does not have the MD5s of the digest */
async function readBackup(
  session: Session,
  { dump, digest, rdiffs }: Backup,
  { vouched }: { vouched: boolean },
): Promise<{ root: string | null; written: Record<string, WrittenFile> }> {
  const { core, run } = session;
  const written: Record<string, WrittenFile> = {};
  const sha256 = session.root();
  const paths = [dump, digest, ...rdiffs].flatMap((reader) => reader?.path ?? []);
  const series = formatSeriesId((dump ?? digest ?? rdiffs[0]).header.seriesId);
  const isKnown = async ({ time, root }: SealedGeneration) =>
    (await session.rootsOf(paths, { series, time })).some((known) => known.isProved && known.root === root);
  // A digest that was made of a dump which nothing proved proves none.
  const isProof = digest !== undefined && (await session.entryOf(digest)).sealed?.file.unproved === undefined;
  const isProved = vouched || (dump !== undefined && isProof);
  if (dump !== undefined) {
    const result = await check(core, { chain: new Chain([dump]), digest, root: sha256 }, run);
    if (digest !== undefined && result.badBlocks > 0) {
      const block = result.badRuns[0].start;
      throw new MismatchError(
        `Cannot seal "${dump.path}": block ${block} does not have the MD5 recorded in "${digest.path}" ` +
          `(${result.badBlocks} bad blocks in all)`,
        { block },
      );
    }
    const { blocks, zeroBlocks } = result;
    written[dump.path] = { dataRecords: blocks - zeroBlocks, zeroRecords: zeroBlocks, isProved };
    if (digest !== undefined) written[digest.path] = written[dump.path];
  } else if (digest !== undefined) {
    written[digest.path] = { ...await walkDigest(core, { digest, root: sha256 }, run), isProved };
  }
  const begin = dump ?? digest;
  const root = begin === undefined ? null : await sha256.hex();
  let from: SealedGeneration | null = begin === undefined
    ? null
    : { time: formatTimeStamp(begin.header.time), root };
  if (begin !== undefined && !isProved && await isKnown(from!)) written[begin.path].isProved = true;
  for (const [i, rdiff] of rdiffs.entries()) {
    const list = dump && [dump, ...rdiffs.slice(0, i + 1)].map(({ path }) => path);
    const to = { time: formatTimeStamp(rdiff.header.time), root: list ? await rootOf(session, list) : null };
    written[rdiff.path] = {
      ...await walkRecords(core, rdiff, run),
      isProved: vouched || await isKnown(to),
      from,
      to,
    };
    from = to;
  }
  return { root, written };
}

/** The root of the generation that a dump and rdiffs lead to. */
async function rootOf(session: Session, paths: readonly string[]): Promise<string> {
  await using files = session.reading();
  const chain = await session.chain(paths, { files });
  const root = session.root();
  await check(files.core, { chain, root }, session.run);
  return await root.hex();
}
