/**
 * The archives that the original program made, as MANIFEST.md describes them, and tests for each set of them.
 */

import { assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { Folder } from "../disks/helpers.ts";
import { testWith } from "../support/skip.ts";

const GOLDEN = new URL("../../../shared/golden/", import.meta.url);

/** A file of a set. */
export interface GoldenFile {
  /** Name of the file in the set's folder. */
  name: string;
  /** Length of the file. */
  bytes: number;
  /** SHA-256 of the file in hexadecimal. */
  sha256: string;
  /** Description of the content, for example `digest blocks=8 bs=1048576 ...`. */
  content: string;
}

/** The disk of a generation. */
export interface GoldenDisk {
  /** Length of the disk. */
  bytes: number;
  /** SHA-256 of the disk in hexadecimal. */
  sha256: string;
}

/** A set: a folder with a series of generations of one disk. Generations are numbered from 0, the oldest. */
export class GoldenSet {
  /** Name of the folder. */
  readonly name: string;
  /** The disk of each generation. */
  readonly disks: GoldenDisk[] = [];
  /** All files of the folder. */
  readonly files: GoldenFile[] = [];

  constructor(name: string) {
    this.name = name;
  }

  /** Number of the newest generation. */
  get newest(): number {
    return this.disks.length - 1;
  }

  /** All dumps, rdiffs and digests. */
  get archives(): GoldenFile[] {
    return this.files.filter(({ content }) => /^(dump|rdiff|digest) /.test(content));
  }

  /** Returns the path of a file such as `g1.dump`, which may be compressed; undefined if there is none. */
  find(stem: string): string | undefined {
    const file = this.files.find(({ name }) => name === stem || name === `${stem}.gz`);
    return file && new URL(`${this.name}/${file.name}`, GOLDEN).pathname;
  }

  /**
   * Returns the path of a file, as {@linkcode GoldenSet.find} does.
   *
   * @throws {Error} if the set has no such file
   */
  path(stem: string): string {
    const path = this.find(stem);
    if (path === undefined) throw new Error(`The golden set ${this.name} has no ${stem}`);
    return path;
  }

  /** Returns the decompressed bytes of a file such as `g1.dump`. */
  content(stem: string): Uint8Array {
    return contentOf(this.path(stem));
  }

  /**
   * Returns the paths of the chain that leads to `generation`: the newest dump and the rdiffs, newest first.
   */
  chain(generation: number): string[] {
    const rdiffs = this.generations().filter((n) => n >= generation && n < this.newest).reverse();
    return [this.path(`g${this.newest}.dump`), ...rdiffs.map((n) => this.path(`g${n}.rdiff`))];
  }

  /** Returns the numbers of all generations: 0, 1, 2 and so on. */
  generations(): number[] {
    return this.disks.map((_, generation) => generation);
  }
}

/** Returns the bytes of a file, decompressed by zlib if its name ends in `.gz`. */
export function contentOf(path: string): Uint8Array {
  const bytes = Deno.readFileSync(path);
  return path.endsWith(".gz") ? gunzipSync(bytes) : bytes;
}

/** Returns the SHA-256 of bytes as 64 hexadecimal digits. */
export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** The sets to which a test applies. */
export interface SetFilter {
  /** Returns whether the test applies to a set. */
  where: (set: GoldenSet) => boolean;
}

/** Registers a test for every set to which it applies. `fn` gets a folder that the test removes. */
export function goldenTest(
  name: string,
  fn: (set: GoldenSet, folder: Folder) => Promise<void>,
  { where }: SetFilter = { where: () => true },
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

/** Sets with at least two generations. */
export const SERIES: SetFilter = { where: (set) => set.newest > 0 };
/** Sets with at least three generations. */
export const LONG_SERIES: SetFilter = { where: (set) => set.newest > 1 };
/** Sets with a bitmap. */
export const WITH_BITMAP: SetFilter = { where: (set) => set.files.some(({ name }) => name.endsWith(".bmp")) };
/** Sets with a merged rdiff. */
export const WITH_MERGED: SetFilter = { where: (set) => set.files.some(({ name }) => name.startsWith("m-")) };

const TABLE_ROW = /^\| (\S+) \| (\d+) \| `([0-9a-f]{64})` \| (.*) \|$/;
const DISK_ROW = /^\| generation (\d+) \| (\d+) \| `([0-9a-f]{64})` \|$/;

/** Parses MANIFEST.md. Each heading `## NAME` begins a set, with tables of its files and disks. */
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
