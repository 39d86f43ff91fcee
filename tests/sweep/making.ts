/** Commands that make archives of the folder, each with its judgement, and what later commands make of these. */

import { basename } from "@std/path/posix/basename";
import { Folder } from "../disks/helpers.ts";
import type { Archive } from "../fuzz/oracle/archives.ts";
import { oneOf, type Random } from "../fuzz/subject.ts";
import type { Done, Judge, Told } from "./judge.ts";
import { IN_MEMORY } from "./in_memory.ts";
import { archiveAt, type Known, known } from "./known.ts";
import type { World } from "./world.ts";
import { checkList, digestOf, filesOf, remove, restoreTo } from "./reading.ts";

/** Merges a list to a dump, checks it, and restores it. */
export async function mergeToDump(judge: Judge, random: Random): Promise<void> {
  const { scene } = judge;
  const lists = scene.world.generations.flatMap((one) => scene.world.listsTo(one)).filter((list) =>
    list.length > 1
  );
  if (lists.length === 0) return;
  const list = scene.oneOf(random, lists).map((file) => scene.pathOf(file));
  await mergeList(judge, { list, out: "new-merged.dump", random });
}

async function mergeList(
  judge: Judge,
  { list, out, random, isMetadataClaimed = true }: {
    list: readonly string[];
    out: string;
    random: Random;
    /** No report has said so far that the metadata are not proved. */
    isMetadataClaimed?: boolean;
  },
): Promise<void> {
  const path = judge.scene.file(out);
  const done = await judge.run(["merge", "--dumpout", path, ...list]);
  if (done === undefined) return;
  const last = list.at(-1)!;
  const unsealed = isMetadataClaimed ? done.told.unsealed ?? [] : [last];
  judgeDump(judge, { ...done, told: { ...done.told, unsealed } }, { path, metadataFrom: last });
  judge.scene.trust(path);
  await checkList(judge, { list: [path] });
  await restoreTo(judge, {
    list: [path],
    random,
    isMetadataClaimed: judge.claimsMetadata({ unsealed }, last),
  });
}

/** Merges two rdiffs to one; with the newer generation it must lead to the older one. */
export async function mergeToRdiff(judge: Judge, random: Random): Promise<void> {
  const { scene } = judge;
  const rdiffs = filesOf(judge, "rdiff");
  const pairs = rdiffs.flatMap((newer) =>
    rdiffs.filter(({ from }) => from === newer.generation).map((older) => [newer, older])
  );
  if (pairs.length === 0) return;
  const [newer, older] = scene.oneOf(random, pairs);
  const path = scene.file("new-merged.rdiff");
  const list = [scene.pathOf(newer), scene.pathOf(older)];
  const done = await judge.run(["merge", "--rdiffout", path, ...list]);
  if (done === undefined) return;
  judgeRdiff(judge, done, { path, newer: newer.from!, metadataFrom: list[1] });
  scene.trust(path);
}

/** Makes the rdiff between two dumps. */
export async function makeRdiff(judge: Judge, random: Random): Promise<void> {
  const { scene } = judge;
  const dumps = filesOf(judge, "dump");
  const pairs = dumps.flatMap((newer) =>
    dumps.filter(({ generation: { series, time } }) =>
      series === newer.generation.series && time < newer.generation.time
    ).map((older) => [newer, older])
  );
  if (pairs.length === 0) return;
  const [newer, older] = scene.oneOf(random, pairs);
  const path = scene.file("new.rdiff");
  const done = await judge.run(["rdiff", scene.pathOf(older), scene.pathOf(newer), "--rdiffout", path]);
  if (done === undefined) return;
  judgeRdiff(judge, done, { path, newer: newer.generation });
  scene.trust(path);
}

/** Makes the digest of a dump, and goes by it. */
export async function makeDigest(judge: Judge, random: Random): Promise<void> {
  const { scene } = judge;
  const dumps = filesOf(judge, "dump");
  if (dumps.length === 0) return;
  const file = scene.oneOf(random, dumps);
  const dump = scene.pathOf(file);
  const path = scene.file("new.digest");
  const done = await judge.run(["digest", "--dumpin", dump, "--digestout", path]);
  if (done === undefined) return;
  const digest = archiveAt(path, "digest");
  judge.demand(digest !== undefined, `${done.line}: the second reader cannot read the digest`);
  const { blockBytes } = digest.header;
  judge.judge(done, { md5s: [...digest.records.values()], blockBytes });
  scene.trust(path);
  // What nothing proved is not proved by a digest that was made of it.
  if (random(2) === 0) {
    const sealed = await judge.run(["seal", dump, path], { accepts: [0, 1, 2, 3] });
    if (sealed?.code === 0) scene.trustSealed(dump);
  }
  await checkList(judge, { list: [dump], digest: path });
  await restoreTo(judge, { list: [dump], digest: path, random });
  const newest = scene.world.newest.find(({ made }) => made.generation.series === file.generation.series)!;
  if (random(2) === 0) await dumpOn(judge, random, { newest, dump, digest: path, stem: "on-digest" });
}

/** Dumps the next state of a disk on top of the newest dump, and goes back with the rdiff. */
export async function dumpOnTop(judge: Judge, random: Random): Promise<void> {
  const newest = oneOf(random, judge.scene.world.newest);
  const digest = digestOf(judge, newest.made.generation, random);
  if (digest === undefined) return;
  await dumpOn(judge, random, { newest, dump: judge.scene.pathOf(newest.made.dump), digest, stem: "on-top" });
}

async function dumpOn(
  judge: Judge,
  random: Random,
  { newest, dump, digest, stem }: {
    newest: World["newest"][number];
    dump: string;
    digest: string;
    stem: string;
  },
): Promise<void> {
  const { scene } = judge;
  using source = new Folder(IN_MEMORY);
  const { path: local, state: { bytes, adapterType, metadata } } = scene.world.nextDisk(
    newest,
    random,
    source,
  );
  const [dumpOut, digestOut, rdiffOut] = ["dump", "digest", "rdiff"].map((kind) =>
    scene.file(`${stem}.${kind}`)
  );
  const done = await judge.run([
    ...["dump", "--mode", "diff", "--local", local, "--dumpin", dump, "--digestin", digest],
    ...["--dumpout", dumpOut, "--digestout", digestOut, "--rdiffout", rdiffOut],
  ]);
  if (done === undefined) return;
  const { series, time, blockSize: blockBytes } = done.told;
  judge.more.push(known({ series, time, disk: bytes, blockBytes, adapterType, metadata }));
  judgeDump(judge, done, { path: dumpOut });
  for (const path of [dumpOut, digestOut, rdiffOut]) scene.trust(path);
  const isMetadataClaimed = judge.claimsMetadata(done.told, dump);
  await mergeList(judge, { list: [dumpOut, rdiffOut], out: `${stem}-back.dump`, random, isMetadataClaimed });
  await checkList(judge, { list: [dumpOut, rdiffOut], digest: random(2) === 0 ? digest : undefined });
}

/** Seals files that have no seal: what nothing proves is not proved by that. */
export async function makeSeal(judge: Judge, random: Random): Promise<void> {
  const { scene } = judge;
  const dumps = filesOf(judge, "dump");
  if (dumps.length === 0) return;
  const dump = scene.oneOf(random, dumps);
  const digest = random(2) === 0 ? digestOf(judge, dump.generation, random) : undefined;
  const rdiff = filesOf(judge, "rdiff").find(({ from }) => from === dump.generation);
  const rdiffs = rdiff === undefined ? [] : [scene.pathOf(rdiff)];
  const paths = [scene.pathOf(dump), ...(digest === undefined ? [] : [digest]), ...rdiffs];
  const done = await judge.run(["seal", ...paths], { accepts: judge.isIntact ? [0, 1, 2, 3] : [0] });
  if (done?.code !== 0) return;
  for (const path of paths) scene.trustSealed(path);
  await checkList(judge, { list: [paths[0]] });
  await checkList(judge, { list: [paths[0], ...rdiffs] });
}

/** What `salvage --json` tells. */
interface SalvageTold {
  generation: Told;
  proof: string;
  headerProved: boolean;
  headerFrom?: string;
  /** The digest, if no seal tells of it. */
  unsealed: string[];
}

/** Brings back what is left of a generation. */
export async function salvage(judge: Judge, random: Random): Promise<void> {
  const { scene } = judge;
  const digests = filesOf(judge, "digest");
  if (digests.length === 0) return;
  const digest = scene.pathOf(scene.oneOf(random, digests));
  const archives = [...filesOf(judge, "dump"), ...filesOf(judge, "rdiff")].map((file) => scene.pathOf(file))
    .filter((path) => scene.names.includes(basename(path)));
  if (archives.length === 0) return;
  const path = scene.file("salvaged.dump");
  const done = await judge.run<SalvageTold>(
    ["salvage", "--digestin", digest, "--dumpout", path, ...archives],
    { accepts: judge.isIntact ? [0, 3] : [0] },
  );
  if (done?.code !== 0) {
    // It is there, with blocks that are lost or in doubt: no archive for the commands that follow.
    remove(path);
    return;
  }
  const { generation, proof, headerProved, headerFrom, unsealed } = done.told;
  const isMetadataClaimed = headerProved && !(headerFrom && scene.isSealedAsFound(headerFrom));
  const told = { ...generation, proof: unsealed.includes(digest) ? "nothing" : proof };
  judgeDump(judge, { ...done, told: { ...told, unsealed: isMetadataClaimed ? [] : [path] } }, {
    path,
    metadataFrom: path,
  });
  if (told.proof === "nothing") remove(path);
  else scene.trust(path);
}

function judgeDump(
  judge: Judge,
  done: Done,
  { path, metadataFrom }: { path: string; metadataFrom?: string },
): void {
  const archive = archiveAt(path, "dump");
  judge.demand(archive !== undefined, `${done.line}: the second reader cannot read ${basename(path)}`);
  judge.judge(done, { md5s: [...archive.records.values()], ...diskOf(archive) }, metadataFrom);
}

/** With the generation that the seal of the rdiff says it begins at, it must lead to the one that the report names. */
function judgeRdiff(
  judge: Judge,
  done: Done,
  { path, newer, metadataFrom }: { path: string; newer: Known; metadataFrom?: string },
): void {
  const archive = archiveAt(path, "dump");
  judge.demand(archive !== undefined, `${done.line}: the second reader cannot read ${basename(path)}`);
  // A file that was exchanged for that of another generation of the same second is known by its seal.
  const root = rootOfBegin(done, path);
  const [begin] = root === null ? [newer] : judge.candidates({ ...newer, root }, { isTold: false });
  judge.demand(
    begin !== undefined,
    `${done.line}: the seal tells of an unknown root ${root} of ${newer.time}`,
  );
  const md5s = begin.md5s.map((md5, block) => archive.records.get(block) ?? md5);
  judge.judge(done, { md5s, ...diskOf(archive) }, metadataFrom);
}

/** The root of the newer generation in the seal of an rdiff; null where it does not know. */
function rootOfBegin({ told: { seals = [] } }: Done, path: string): string | null {
  const files: { name: string; from?: { root: string | null } | null }[] = seals.flatMap((seal) =>
    JSON.parse(Deno.readTextFileSync(seal)).files
  );
  return files.find(({ name }) => name === basename(path))?.from?.root ?? null;
}

function diskOf({ header: { blockBytes, disk } }: Archive) {
  const { capacityBytes, adapterType, metadata } = disk!;
  return { blockBytes, capacityBytes, adapterType, metadata: Object.fromEntries(metadata) };
}
