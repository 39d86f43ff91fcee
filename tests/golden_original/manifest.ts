/** The archives that the original program made, as their MANIFEST describes them. */

import { assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { Folder } from "../disks/helpers.ts";
import { testWith } from "../support/skip.ts";

const GOLDEN = new URL("../../../shared/golden/", import.meta.url);

/** A row of a set's table of files. */
export interface GoldenFile {
  name: string;
  bytes: number;
  sha256: string;
  /** The last column: `digest blocks=8 bs=1048576 ...`. */
  content: string;
}

/** A row of a set's table of disks. */
export interface GoldenDisk {
  bytes: number;
  sha256: string;
}

/** One folder: a series of generations of one disk. */
export class GoldenSet {
  readonly name: string;
  /** By generation. */
  readonly disks: GoldenDisk[] = [];
  readonly files: GoldenFile[] = [];

  constructor(name: string) {
    this.name = name;
  }

  get newest(): number {
    return this.disks.length - 1;
  }

  /** The names of all archives and digests. */
  get archives(): GoldenFile[] {
    return this.files.filter(({ content }) => /^(dump|rdiff|digest) /.test(content));
  }

  /** The path of `g1.dump`, say, whether it is compressed or not; undefined if the set has none. */
  find(stem: string): string | undefined {
    const file = this.files.find(({ name }) => name === stem || name === `${stem}.gz`);
    return file && new URL(`${this.name}/${file.name}`, GOLDEN).pathname;
  }

  /** As {@linkcode GoldenSet.find}. @throws {Error} if the set has none */
  path(stem: string): string {
    const path = this.find(stem);
    if (path === undefined) throw new Error(`The golden set ${this.name} has no ${stem}`);
    return path;
  }

  /** The decompressed bytes of `g1.dump`, say. */
  content(stem: string): Uint8Array {
    return contentOf(this.path(stem));
  }

  /** The newest dump and the rdiffs from it down to `generation`. */
  chain(generation: number): string[] {
    const rdiffs = this.generations().filter((n) => n >= generation && n < this.newest).reverse();
    return [this.path(`g${this.newest}.dump`), ...rdiffs.map((n) => this.path(`g${n}.rdiff`))];
  }

  /** 0, 1, 2 ... */
  generations(): number[] {
    return this.disks.map((_, generation) => generation);
  }
}

/** What a file holds, decompressed by zlib if its name ends in `.gz`. */
export function contentOf(path: string): Uint8Array {
  const bytes = Deno.readFileSync(path);
  return path.endsWith(".gz") ? gunzipSync(bytes) : bytes;
}

/** SHA-256 as 64 hexadecimal digits. */
export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Which sets a test is about. */
export interface Where {
  where: (set: GoldenSet) => boolean;
}

/** Registers a test for every set `where` it has something to prove; `fn` gets a folder that goes away with the test. */
export function goldenTest(
  name: string,
  fn: (set: GoldenSet, folder: Folder) => Promise<void>,
  { where }: Where = { where: () => true },
): void {
  for (const set of SETS.filter(where)) {
    Deno.test(`${set.name}: ${name}`, async () => {
      using folder = new Folder();
      await fn(set, folder);
    });
  }
  if (SETS.length === 0) {
    testWith({ missing: "the archives of the original, ../shared/golden, are not here" }, name, () => {});
  }
}

/** Sets of at least two and of at least three generations, those with a bitmap, and those with a merged rdiff. */
export const SERIES: Where = { where: (set) => set.newest > 0 };
export const LONG_SERIES: Where = { where: (set) => set.newest > 1 };
export const WITH_BITMAP: Where = { where: (set) => set.files.some(({ name }) => name.endsWith(".bmp")) };
export const WITH_MERGED: Where = { where: (set) => set.files.some(({ name }) => name.startsWith("m-")) };

const TABLE_ROW = /^\| (\S+) \| (\d+) \| `([0-9a-f]{64})` \| (.*) \|$/;
const DISK_ROW = /^\| generation (\d+) \| (\d+) \| `([0-9a-f]{64})` \|$/;

/** Every `## NAME` begins a set. */
function parseManifest(text: string): GoldenSet[] {
  const sets: GoldenSet[] = [];
  for (const line of text.split("\n")) {
    const set = sets[sets.length - 1];
    if (line.startsWith("## ")) sets.push(new GoldenSet(line.slice(3)));
    const disk = DISK_ROW.exec(line);
    if (disk) {
      assertEquals(Number(disk[1]), set.disks.length, `${set.name}: generations in order`);
      set.disks.push({ bytes: Number(disk[2]), sha256: disk[3] });
    }
    const file = TABLE_ROW.exec(line);
    if (file) set.files.push({ name: file[1], bytes: Number(file[2]), sha256: file[3], content: file[4] });
  }
  return sets;
}

function loadSets(): GoldenSet[] {
  try {
    return parseManifest(Deno.readTextFileSync(new URL("MANIFEST.md", GOLDEN)));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

const SETS = loadSets();
