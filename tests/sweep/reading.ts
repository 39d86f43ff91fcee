/** Commands that only read the folder, each with its judgement. */

import { basename } from "@std/path/posix/basename";
import { oneOf, type Random } from "../fuzz/subject.ts";
import { noise } from "../disks/helpers.ts";
import { type Known, md5sIn, metadataOf } from "./known.ts";
import { type Done, type Judge, sameList } from "./judge.ts";
import type { WorldFile } from "./world.ts";

const ADAPTERS: Record<string, number> = { ide: 1, buslogic: 2, lsilogic: 3, legacyESX: 256 };
const FLAT = /\.vmdk$/;
/** Bytes of a disk that has room for every generation of a world. */
const ROOM = 64 * 1024;

/** What `check --json` of a list tells. */
interface ListTold {
  generation: { series: string; time: string };
  unsealed: string[];
}

/** What `check --json` of a folder tells. */
interface FolderTold {
  series: {
    series: string;
    unsealed: string[];
    faults: unknown[];
    generations: { time: string; root?: string; archives?: string[]; proved?: boolean }[];
  }[];
}

/** Restores every generation that archives lead to, to disks of all kinds. */
export async function restoreAll(judge: Judge, random: Random): Promise<void> {
  const { scene } = judge;
  for (const generation of scene.world.generations) {
    const lists = scene.world.listsTo(generation);
    if (lists.length === 0) continue;
    const list = random(3) > 0 ? scene.oneOf(random, lists) : lists[0];
    const digest = random(4) === 0 ? digestOf(judge, generation, random) : undefined;
    await restoreTo(judge, { list: list.map((file) => scene.pathOf(file)), digest, random });
  }
}

/** A list as it should not be: one archive is left out, or is another one. */
export async function restoreWrongList(judge: Judge, random: Random): Promise<void> {
  const { scene } = judge;
  const { world } = scene;
  const lists = world.generations.flatMap((one) => world.listsTo(one)).filter(({ length }) => length > 1);
  if (lists.length === 0 || judge.isIntact) return;
  const list = scene.oneOf(random, lists).slice();
  const at = 1 + random(list.length - 1);
  const change = random(3);
  if (change === 0) list.splice(at, 1);
  else if (change === 1) list[at] = oneOf(random, world.files.filter(({ role }) => role === "rdiff"));
  else list[0] = oneOf(random, world.files.filter(({ role }) => role === "dump"));
  await restoreTo(judge, { list: list.map((file) => scene.pathOf(file)), random });
}

/** Restores to a new disk or to one that is there, raw or VMDK. */
export async function restoreTo(
  judge: Judge,
  { list, digest, random, isMetadataClaimed = true }: {
    list: readonly string[];
    digest?: string;
    random: Random;
    /** No report has said so far that the metadata are not proved. */
    isMetadataClaimed?: boolean;
  },
): Promise<void> {
  const { scene } = judge;
  const [isVmdk, inPlace] = [random(3) > 0, random(3) === 0];
  const disk = scene.file(`restored.${isVmdk ? "vmdk" : "raw"}`);
  const flat = isVmdk ? disk.replace(FLAT, "-flat.vmdk") : disk;
  if (inPlace) writeDisk(disk, flat);
  const done = await judge.run([
    ...["restore", "--local", disk, ...(inPlace ? [] : ["--create"]), ...(isVmdk ? ["--metadata"] : [])],
    ...(digest === undefined ? [] : ["--verify", "--digestin", digest]),
    ...list,
  ], { refusal: /whole number of sectors/ });
  if (done === undefined) {
    // It is read back when it has its name.
    if (!inPlace && digest === undefined) {
      judge.demand(!exists(disk) && !exists(flat), "restore was refused, and the disk is there");
    }
  } else {
    const bytes = Deno.readFileSync(flat);
    const metadata = isVmdk ? metadataOf(Deno.readTextFileSync(disk)) : {};
    // A raw disk has no metadata: then those of the VMDK stay.
    const hasMetadata = isMetadataClaimed && isVmdk &&
      judge.knownAs(done.told).some((one) => one.adapterType !== 256);
    judge.judgeDisk(done, inPlace ? bytes.subarray(0, done.told.capacity) : bytes, {
      metadataFrom: list.at(-1),
      ...(hasMetadata ? { metadata, adapterType: ADAPTERS[metadata.adapterType] } : {}),
    });
  }
  remove(disk, flat);
}

/** Rdiffs alone turn a disk that is at the newer generation into the older one. */
export async function restoreRdiffs(judge: Judge, random: Random): Promise<void> {
  const { scene } = judge;
  const rdiffs = scene.world.files.filter(({ role }) => role === "rdiff");
  if (rdiffs.length === 0) return;
  const rdiff = scene.oneOf(random, rdiffs);
  const disk = scene.file("newer.raw", rdiff.from!.disk as Uint8Array<ArrayBuffer>);
  const done = await judge.run(["restore", "--local", disk, scene.pathOf(rdiff)]);
  if (done !== undefined) judge.judgeDisk(done, Deno.readFileSync(disk), {});
  remove(disk);
}

/** Checks lists, with and without a digest. */
export async function checkLists(judge: Judge, random: Random): Promise<void> {
  const { scene } = judge;
  const { world } = scene;
  const reachable = world.generations.filter((one) => world.listsTo(one).length > 0);
  for (let left = 2; left > 0 && reachable.length > 0; left--) {
    const files = scene.oneOf(random, reachable.flatMap((one) => world.listsTo(one)));
    const list = files.map((file) => scene.pathOf(file));
    const digest = random(3) > 0 ? digestOf(judge, files.at(-1)!.generation, random) : undefined;
    await checkList(judge, { list, digest });
    if (random(2) === 0) await judge.run(["check", "--quick", ...list], { accepts: [0, 1, 2, 3, 6] });
  }
}

/** Checks a list; what it calls good must be good. */
export async function checkList(
  judge: Judge,
  { list, digest }: { list: readonly string[]; digest?: string },
): Promise<void> {
  const withDigest = digest === undefined ? [] : ["--digestin", digest];
  // Without a seal and without a digest there is nothing to check with.
  const accepts = judge.isIntact ? [0, 2, 6] : [0];
  const done = await judge.run<ListTold>(["check", ...withDigest, ...list], { accepts });
  if (done?.code !== 0) return;
  const { line, told } = done;
  const md5s = md5sIn(list);
  judge.demand(md5s !== undefined, `${line}: good, and the second reader cannot read it`);
  const named = judge.candidates(told.generation, { isTold: told.unsealed.includes(list.at(-1)!) });
  judge.demand(
    named.some((one) => sameList(one.md5s, md5s)),
    `${line}: good, and not the generation of ${told.generation.time}`,
  );
  judgeFiles(judge, done, { paths: [...list, ...withDigest.slice(1)], unsealed: told.unsealed });
  judge.tally.right++;
}

/** Checks the folder: each generation that it calls good, and each file that it has nothing against. */
export async function checkFolder(judge: Judge): Promise<void> {
  const { scene } = judge;
  const done = await judge.run<FolderTold>(["check", scene.path], { accepts: [0, 3, 6] });
  if (done === undefined) return;
  const { line, code, told } = done;
  if (judge.isIntact) assertRight(judge, done);
  for (const { series, generations, unsealed } of told.series) {
    for (const { time, root, archives = [], proved } of generations) {
      if (!proved) {
        judge.tally.unproved++;
        continue;
      }
      const md5s = md5sIn(archives);
      const by = `${line}: ${time} is good by ${archives.map((path) => basename(path)).join(" ")}`;
      judge.demand(md5s !== undefined, `${by}, and the second reader cannot read it`);
      const isTold = unsealed.includes(archives.at(-1)!);
      const named = judge.candidates({ series, time, root }, { isTold });
      judge.demand(named.some((one) => sameList(one.md5s, md5s)), `${by}, and that is another generation`);
      judge.tally.right++;
    }
  }
  if (code === 3) judge.tally.refused++;
  if (code !== 0) return;
  const isArchive = (name: string) => /\.(dump|rdiff|digest)(\.(gz|zst))?$/.test(name);
  judgeFiles(judge, done, {
    paths: scene.archives.filter(isArchive).map((name) => scene.file(name)),
    unsealed: told.series.flatMap(({ unsealed }) => unsealed),
  });
}

/** Of a folder that is not damaged, all can be restored to which archives lead. */
function assertRight(judge: Judge, { line, told }: Done<FolderTold>): void {
  const { world } = judge.scene;
  for (const { series, generations, faults } of told.series) {
    judge.demand(faults.length === 0, `${line}: nothing is damaged: ${JSON.stringify(faults)}`);
    for (const { time, archives } of generations) {
      const isReachable = judge.knownAs({ series, time }).every((one) => world.listsTo(one).length > 0);
      judge.demand(
        archives !== undefined || !isReachable,
        `${line}: ${time} is not lost: ${JSON.stringify(told)}`,
      );
    }
  }
}

/** Looks at the folder without reading blocks: nothing is said of those. */
export async function checkFolderQuickly(judge: Judge): Promise<void> {
  const done = await judge.run<FolderTold>(["check", "--quick", judge.scene.path], { accepts: [0, 3, 6] });
  const all = done?.told.series.flatMap(({ generations }) => generations) ?? [];
  judge.demand(!all.some(({ proved }) => proved), "check --quick proves a generation");
}

/** Files of a check that ended with 0 are intact, or the report says that they have no seal. */
function judgeFiles(
  judge: Judge,
  { line }: Done<unknown>,
  { paths, unsealed }: { paths: readonly string[]; unsealed: readonly string[] },
): void {
  for (const path of paths) {
    const isTold = unsealed.includes(path);
    judge.demand(isTold || judge.scene.isIntact(path), `${line}: good, and ${basename(path)} was changed`);
  }
}

/** A digest of a generation, as the user knows it. */
export function digestOf(judge: Judge, generation: Known, random: Random): string | undefined {
  const digests = filesOf(judge, "digest").filter((file) => file.generation === generation);
  return digests.length === 0 ? undefined : judge.scene.pathOf(judge.scene.oneOf(random, digests));
}

/** Files of a role that the world has. */
export function filesOf({ scene }: Judge, role: WorldFile["role"]): WorldFile[] {
  return scene.world.files.filter((file) => file.role === role);
}

/** A disk that is there already. */
function writeDisk(disk: string, flat: string): void {
  Deno.writeFileSync(flat, noise(ROOM, 7));
  if (disk === flat) return;
  const lines = ["# Disk DescriptorFile", "version=1", "CID=12345678", "parentCID=ffffffff"];
  lines.push('createType="monolithicFlat"', `RW ${ROOM / 512} FLAT "${basename(flat)}" 0`);
  Deno.writeTextFileSync(disk, `${lines.join("\n")}\nddb.adapterType = "ide"\n`);
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Removes files that may be there. */
export function remove(...paths: string[]): void {
  for (const path of paths) if (exists(path)) Deno.removeSync(path);
}
