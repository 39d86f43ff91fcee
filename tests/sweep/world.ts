/**
 * The folder of a sweep before it is damaged: two disks through some generations, in one folder, in every container, with
 * rdiffs between them, merged archives, digests, and seals as far as this world has them. The seed makes the world, byte by
 * byte: clock and random numbers are its own.
 */

import { assertEquals } from "@std/assert";
import { basename } from "@std/path/posix/basename";
import { Folder, noise, seeded } from "../disks/helpers.ts";
import type { Random } from "../fuzz/subject.ts";
import { oneOf } from "../fuzz/subject.ts";
import { atTime } from "../support/clock.ts";
import { callMain } from "../support/run_cli.ts";
import { IN_MEMORY } from "./in_memory.ts";
import { type Known, known } from "./known.ts";

/** An archive of the world. */
export interface WorldFile {
  name: string;
  role: "dump" | "digest" | "rdiff";
  /** What it leads to. */
  generation: Known;
  /** Of an rdiff: what it begins at. */
  from?: Known;
}

/** What seals there are: all; none; some of them; those that `seal` made of archives without any. */
export type Sealing = "sealed" | "unsealed" | "mixed" | "resealed";

/** A disk at one time, and how it is written as a file. */
interface DiskState {
  name: string;
  bytes: Uint8Array<ArrayBuffer>;
  /** Of a VMDK; a raw disk has none. */
  metadata?: Record<string, string>;
}

/** What one dump has made. */
interface Made {
  generation: Known;
  dump: WorldFile;
  digest: WorldFile;
}

/** Plain archives most often: in others a checksum finds most of the damage. */
const SUFFIXES = ["", "", ".gz", ".zst"];
const ADAPTERS: Record<string, number> = { ide: 1, buslogic: 2, lsilogic: 3 };
const SECTOR = 512;

/** A folder, and what is known of it. */
export class World implements Disposable {
  readonly seed: number;
  readonly sealing: Sealing;
  readonly files: WorldFile[] = [];
  readonly generations: Known[] = [];
  /** Earlier states of seals, by their names. */
  readonly staleSeals: { name: string; bytes: Uint8Array<ArrayBuffer> }[] = [];
  /** The newest state of each disk. */
  readonly newest: { made: Made; disk: DiskState }[] = [];
  readonly #stems = new Map<Known, string>();
  readonly #archives = new Folder(IN_MEMORY);
  readonly #sources = new Folder(IN_MEMORY);
  readonly #random: Random;
  /** Milliseconds since the epoch. */
  #now: number;

  private constructor(seed: number, sealing: Sealing) {
    this.seed = seed;
    this.sealing = sealing;
    this.#random = seeded(Math.imul(seed + 1, 0x9e3779b1));
    this.#now = Date.UTC(2024, this.#random(12), 1 + this.#random(28), this.#random(24));
  }

  /** Makes the world of a seed. */
  static async make(seed: number, sealing: Sealing): Promise<World> {
    const world = new World(seed, sealing);
    await withDrawn(world.#random, () => world.#fill());
    return world;
  }

  /** The folder of the archives. */
  get path(): string {
    return this.#archives.path;
  }

  /** When the last command ran. */
  get now(): Date {
    return new Date(this.#now);
  }

  /** Lists of archives, newest first, that lead to a generation. */
  listsTo(generation: Known): WorldFile[][] {
    const found: WorldFile[][] = [];
    const rdiffs = this.files.filter(({ role }) => role === "rdiff");
    const extend = (list: WorldFile[], at: Known) => {
      if (at === generation) found.push(list);
      for (const rdiff of rdiffs) if (rdiff.from === at) extend([...list, rdiff], rdiff.generation);
    };
    for (const dump of this.files) if (dump.role === "dump") extend([dump], dump.generation);
    return found.sort((a, b) => a.length - b.length);
  }

  /** Writes a disk with a change in it, as the next one to be dumped; returns its path and what is in it. */
  nextDisk(
    { disk }: World["newest"][number],
    random: Random,
    folder: Folder,
  ): { path: string; state: Pick<Known, "adapterType" | "metadata"> & { bytes: Uint8Array } } {
    const next = changed(disk, random);
    return { path: writeDisk(next, folder), state: { bytes: next.bytes, ...described(next) } };
  }

  [Symbol.dispose](): void {
    this.#archives[Symbol.dispose]();
    this.#sources[Symbol.dispose]();
  }

  async #fill(): Promise<void> {
    const random = this.#random;
    const blockBytes = oneOf(random, [SECTOR, 2 * SECTOR]);
    const sectors = 9 + 2 * random(6);
    const first: DiskState = {
      name: "a.vmdk",
      bytes: drawnDisk(sectors * SECTOR, random),
      metadata: { adapterType: "lsilogic", virtualHWVersion: "8", toolsVersion: "10" },
    };
    await this.#makeSeries("a", first, { blockBytes, count: 3 + random(3) });
    // Of the same size, with blocks of the other one: its archives are taken for those of the first as easily as can be.
    const twin: DiskState = {
      name: "b.raw",
      bytes: first.bytes.slice(0, sectors * SECTOR - (random(2) === 0 ? 0 : 1 + random(SECTOR - 1))),
    };
    await this.#makeSeries("b", changed(twin, random), { blockBytes, count: 2 + random(2) });
    for (const step of [this.#mergeRdiffs, this.#mergeDump, this.#digestAgain, this.#rdiffAgain]) {
      if (random(2) === 0) await step.call(this);
    }
    for (const { name, role } of [...this.files]) {
      if (role === "digest" && random(6) === 0) this.#remove(name);
    }
    await this.#seal();
  }

  async #makeSeries(
    name: string,
    first: DiskState,
    { blockBytes, count }: { blockBytes: number; count: number },
  ): Promise<void> {
    const random = this.#random;
    let disk = first;
    let made = await this.#dump(`${name}0`, disk, { blockBytes });
    for (let n = 1; n < count; n++) {
      this.#now += 1000 * (1 + random(100_000));
      const next = changed(disk, random);
      const before = made;
      made = await this.#dump(`${name}${n}`, next, { before });
      // In the same second, of the same parent.
      if (random(4) === 0) await this.#dump(`${name}${n}t`, changed(disk, random), { before });
      if (random(3) > 0) this.#remove(before.dump.name);
      disk = next;
    }
    this.newest.push({ made, disk });
  }

  async #dump(
    stem: string,
    disk: DiskState,
    { before, blockBytes = before?.generation.blockBytes }: { before?: Made; blockBytes?: number },
  ): Promise<Made> {
    const local = writeDisk(disk, this.#sources);
    const [dump, digest] = ["dump", "digest"].map((kind) => this.#name(`${stem}.${kind}`));
    const args = ["--local", local, "--dumpout", this.#at(dump), "--digestout", this.#at(digest)];
    let rdiff: string | undefined;
    if (before === undefined) args.push("--mode", "full", "--blocksize", `${blockBytes}`);
    else {
      rdiff = this.#name(`${stem}-${before.dump.name.replace(/\..*/, "")}.rdiff`);
      args.push("--dumpin", this.#at(before.dump.name), "--digestin", this.#at(before.digest.name));
      args.push("--rdiffout", this.#at(rdiff));
      const bits = this.#random(2) === 0 ? bitmap(before.generation, disk.bytes) : undefined;
      if (bits === undefined) args.push("--mode", "diff");
      else args.push("--mode", "incr", "--bmpin", this.#sources.file("changed.bmp", bits));
    }
    const { series, time } = await this.#run("dump", ...args);
    const generation = known({
      ...{ series, time, blockBytes: blockBytes! },
      disk: disk.bytes.slice(),
      ...described(disk),
    });
    this.generations.push(generation);
    this.#stems.set(generation, stem);
    const made: Made = {
      generation,
      dump: { name: dump, role: "dump", generation },
      digest: { name: digest, role: "digest", generation },
    };
    this.files.push(made.dump, made.digest);
    if (rdiff !== undefined) {
      this.files.push({ name: rdiff, role: "rdiff", generation: before!.generation, from: generation });
    }
    return made;
  }

  /** Two rdiffs become one; they may go. */
  async #mergeRdiffs(): Promise<void> {
    const rdiffs = this.files.filter(({ role }) => role === "rdiff");
    const pairs = rdiffs.flatMap((newer) =>
      rdiffs.filter(({ from }) => from === newer.generation).map((older) => [newer, older])
    );
    if (pairs.length === 0) return;
    const [newer, older] = oneOf(this.#random, pairs);
    const name = this.#name("merged.rdiff");
    await this.#run("merge", "--rdiffout", this.#at(name), this.#at(newer.name), this.#at(older.name));
    this.files.push({ ...older, name, from: newer.from });
    if (this.#random(2) === 0) { for (const one of [newer, older]) this.#remove(one.name); }
  }

  /** An older generation becomes a dump again. */
  async #mergeDump(): Promise<void> {
    const lists = this.generations.flatMap((one) => this.listsTo(one)).filter(({ length }) => length > 1);
    if (lists.length === 0) return;
    const list = oneOf(this.#random, lists);
    const name = this.#freeName(`${this.#stemOf(list.at(-1)!.generation)}.dump`);
    await this.#run("merge", "--dumpout", this.#at(name), ...list.map((one) => this.#at(one.name)));
    this.files.push({ name, role: "dump", generation: list.at(-1)!.generation });
  }

  /** The digest of a dump is made anew; the old one may go. */
  async #digestAgain(): Promise<void> {
    const { name: dump, generation } = oneOf(this.#random, this.files.filter(({ role }) => role === "dump"));
    const name = this.#freeName(`${this.#stemOf(generation)}.digest`);
    await this.#run("digest", "--dumpin", this.#at(dump), "--digestout", this.#at(name));
    const old = this.files.find((one) => one.role === "digest" && one.generation === generation);
    this.files.push({ name, role: "digest", generation });
    if (old !== undefined && this.#random(2) === 0) this.#remove(old.name);
  }

  /** The rdiff between two dumps. */
  async #rdiffAgain(): Promise<void> {
    const dumps = this.files.filter(({ role }) => role === "dump");
    const pairs = dumps.flatMap((newer) =>
      dumps.filter(({ generation: { series, time } }) =>
        series === newer.generation.series && time < newer.generation.time
      ).map((older) => [newer, older])
    );
    if (pairs.length === 0) return;
    const [newer, older] = oneOf(this.#random, pairs);
    const name = this.#name("again.rdiff");
    await this.#run("rdiff", this.#at(older.name), this.#at(newer.name), "--rdiffout", this.#at(name));
    this.files.push({ name, role: "rdiff", generation: older.generation, from: newer.generation });
  }

  async #seal(): Promise<void> {
    if (this.sealing === "sealed") return;
    for (const name of this.seals) {
      if (this.sealing !== "mixed" || this.#random(2) === 0) Deno.removeSync(this.#at(name));
    }
    if (this.sealing !== "resealed") return;
    for (const generation of this.generations) {
      const own = this.files.filter((file) => file.generation === generation && file.role !== "rdiff");
      const dump = own.find(({ role }) => role === "dump");
      const digest = own.find(({ role }) => role === "digest");
      const rdiffs = this.files.filter(({ from }) => from === generation).slice(0, 1);
      const backup = [dump, digest, ...rdiffs].filter((file) => file !== undefined);
      if ((dump ?? rdiffs[0]) === undefined) continue;
      // Here the user knows that they are good.
      const vouch = this.#random(2) === 0 ? ["--vouch"] : [];
      await this.#run("seal", ...vouch, ...backup.map(({ name }) => this.#at(name)));
    }
  }

  /** The names of the seals. */
  get seals(): string[] {
    return [...Deno.readDirSync(this.path)].map(({ name }) => name).filter((name) => name.endsWith(".json"))
      .sort();
  }

  #name(name: string): string {
    return name + oneOf(this.#random, SUFFIXES);
  }

  /** Where it is free, a name by which the file joins the seal of its generation. */
  #freeName(name: string): string {
    const wanted = this.#name(name);
    return this.files.some((file) => file.name === wanted) ? this.#name(`again-${name}`) : wanted;
  }

  /** What the names of a generation's first files begin with. */
  #stemOf(generation: Known): string {
    return this.#stems.get(generation)!;
  }

  #at(name: string): string {
    return this.#archives.file(name);
  }

  #remove(name: string): void {
    Deno.removeSync(this.#at(name));
    this.files.splice(this.files.findIndex((file) => file.name === name), 1);
  }

  /** Runs a command that must succeed, and keeps what it replaces of seals. */
  async #run(...args: string[]): Promise<{ series: string; time: string }> {
    const before = new Map(this.seals.map((name) => [name, Deno.readFileSync(this.#at(name))]));
    const { code, stdout, stderr } = await atTime(this.now, () => callMain([...args, "--json"]));
    const line = args.map((word) => basename(word)).join(" ");
    assertEquals(code, 0, `world ${this.seed}: ${line}\n${stdout}${stderr}`);
    for (const [name, bytes] of before) {
      const now = Deno.readFileSync(this.#at(name));
      if (now.length !== bytes.length || now.some((byte, i) => byte !== bytes[i])) {
        this.staleSeals.push({ name, bytes });
      }
    }
    return JSON.parse(stdout);
  }
}

/** Runs with random numbers that are drawn from others, so that series ids are the same every time. */
export async function withDrawn<T>(random: Random, work: () => Promise<T>): Promise<T> {
  const real = Object.getOwnPropertyDescriptor(crypto, "getRandomValues");
  const getRandomValues = <A extends ArrayBufferView>(into: A): A => {
    const bytes = new Uint8Array(into.buffer, into.byteOffset, into.byteLength);
    for (let i = 0; i < bytes.length; i++) bytes[i] = random(256);
    return into;
  };
  Object.defineProperty(crypto, "getRandomValues", {
    value: getRandomValues,
    configurable: true,
    writable: true,
  });
  try {
    return await work();
  } finally {
    if (real !== undefined) Object.defineProperty(crypto, "getRandomValues", real);
    else Reflect.deleteProperty(crypto, "getRandomValues");
  }
}

/** A disk of a few noises and zeros. */
function drawnDisk(lengthBytes: number, random: Random): Uint8Array<ArrayBuffer> {
  const disk = new Uint8Array(lengthBytes);
  for (let at = 0; at < lengthBytes; at += SECTOR) {
    if (random(3) > 0) disk.set(noise(SECTOR, 1 + random(20)), at);
  }
  return disk;
}

/** The disk a while later: one to four sectors are others, or zeros, and something in its metadata. */
function changed({ name, bytes, metadata }: DiskState, random: Random): DiskState {
  const next = bytes.slice();
  for (let left = 1 + random(4); left > 0; left--) {
    const at = SECTOR * random(Math.ceil(next.length / SECTOR));
    const sector = random(3) === 0 ? new Uint8Array(SECTOR) : noise(SECTOR, 1 + random(1000));
    next.set(sector.subarray(0, next.length - at), at);
  }
  // Something is another one for certain.
  next[random(next.length)] ^= 1 + random(255);
  if (metadata === undefined) return { name, bytes: next };
  const others = {
    adapterType: random(4) === 0 ? oneOf(random, Object.keys(ADAPTERS)) : metadata.adapterType,
    toolsVersion: `${10 + random(90)}`,
  };
  return { name, bytes: next, metadata: { ...metadata, ...others } };
}

/** What archives tell of a disk besides its bytes. */
function described({ metadata = {} }: DiskState): Pick<Known, "adapterType" | "metadata"> {
  return { adapterType: ADAPTERS[metadata.adapterType] ?? 256, metadata };
}

function writeDisk({ name, bytes, metadata }: DiskState, folder: Folder): string {
  if (metadata === undefined) return folder.file(name, bytes);
  folder.file("a-flat.vmdk", bytes);
  const lines = Object.entries(metadata).map(([key, value]) => `ddb.${key} = "${value}"`);
  return folder.file(
    name,
    [
      "# Disk DescriptorFile",
      ...["version=1", "CID=fffffffe", "parentCID=ffffffff", 'createType="monolithicFlat"'],
      `RW ${bytes.length / SECTOR} FLAT "a-flat.vmdk" 0`,
      ...lines,
      "",
    ].join("\n"),
  );
}

/** A bitmap of the blocks that differ. */
function bitmap({ disk, blockBytes }: Known, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const count = Math.ceil(disk.length / blockBytes);
  const bits = new Uint8Array(Math.ceil(count / 8));
  for (let at = 0; at < disk.length; at++) {
    const block = Math.floor(at / blockBytes);
    if (disk[at] !== bytes[at]) bits[block >> 3] |= 0x80 >> (block & 7);
  }
  return Uint8Array.from([...new TextEncoder().encode(`${count}\0`), ...bits]);
}
