/** The copy of a world that one case damages. */

import { createHash } from "node:crypto";
import zlib from "node:zlib";
import { join } from "@std/path/posix/join";
import { oneOf, type Random } from "../fuzz/subject.ts";
import { NotAcceptable } from "../fuzz/oracle/acceptable.ts";
import { Folder } from "../disks/helpers.ts";
import { contentAt } from "./known.ts";
import { IN_MEMORY } from "./in_memory.ts";
import type { World, WorldFile } from "./world.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** An archive in its parts: the header, then the records. */
export interface Parts {
  header: Uint8Array;
  records: Uint8Array[];
}

/** A folder that holds what a world holds, until it is damaged. */
export class Scene extends Folder {
  readonly world: World;
  /** A file that is damaged and used more often than others: where nothing meets, nothing is found. */
  focus?: WorldFile;
  /** Where the user finds the files of the world that were renamed. */
  readonly #names = new Map<string, string>();
  /** Hashes of all files of the world. */
  readonly #intact = new Set<string>();
  /** Hashes of files that were changed already when they got their seal. */
  readonly #sealedAsFound = new Set<string>();

  constructor(world: World) {
    super(IN_MEMORY);
    this.world = world;
    for (const { name } of Deno.readDirSync(world.path)) {
      Deno.copyFileSync(join(world.path, name), this.file(name));
      this.#intact.add(hashOf(this.file(name)));
    }
  }

  /** The names of all archives and seals that are there. */
  get names(): string[] {
    return [...Deno.readDirSync(this.path)].filter(({ isFile }) => isFile).map(({ name }) => name).sort();
  }

  /** The names of the seals that are there. */
  get seals(): string[] {
    return this.names.filter((name) => name.endsWith(".json"));
  }

  /** The names of the archives that are there. */
  get archives(): string[] {
    return this.names.filter((name) => !name.endsWith(".json"));
  }

  /** The path by which the user knows a file of the world; nothing may be there. */
  pathOf({ name }: WorldFile): string {
    return this.file(this.#names.get(name) ?? name);
  }

  /** The name that the file in focus has now, if it is there. */
  get focusName(): string | undefined {
    const name = this.focus && (this.#names.get(this.focus.name) ?? this.focus.name);
    return name !== undefined && this.names.includes(name) ? name : undefined;
  }

  /** One of several, each a file or a list of files; half of the time one with the file in focus. */
  oneOf<T extends WorldFile | readonly WorldFile[]>(random: Random, all: readonly T[]): T {
    const focus = this.focus;
    const has = (one: WorldFile | readonly WorldFile[]) =>
      [one].flat().some((file) =>
        file === focus || (file.generation === focus?.generation && random(4) === 0)
      );
    const focused = random(2) === 0 ? all.filter(has) : [];
    return oneOf(random, focused.length > 0 ? focused : all);
  }

  /** The bytes of a file. */
  read(name: string): Bytes {
    return Deno.readFileSync(this.file(name));
  }

  /** Gives a file another name, by which the user knows it then. */
  rename(name: string, to: string): void {
    Deno.renameSync(this.file(name), this.file(to));
    const original = [...this.#names].find(([, current]) => current === name)?.[0] ?? name;
    this.#names.set(original, to);
  }

  /** Whether a file is, byte for byte, one of those that the world has, under whatever name. */
  isIntact(path: string): boolean {
    return this.#intact.has(hashOf(path));
  }

  /** Takes a file as it is now for one that is right. */
  trust(path: string): void {
    this.#intact.add(hashOf(path));
  }

  /** Takes a file for right that has got a seal now, which tells what the file is at this moment, header and all. */
  trustSealed(path: string): void {
    const hash = hashOf(path);
    if (!this.#intact.has(hash)) this.#sealedAsFound.add(hash);
    this.#intact.add(hash);
  }

  /** Whether a file was changed already when it got its seal: its metadata may be wrong, and nothing can tell. */
  isSealedAsFound(path: string): boolean {
    return this.#sealedAsFound.size > 0 && this.#sealedAsFound.has(hashOf(path));
  }

  /**
   * Changes what is in an archive, and packs it again as another program would, with checksums that are right. Returns false
   * where that cannot be done.
   */
  edit(name: string, change: (content: Uint8Array) => Uint8Array | undefined): boolean {
    const path = this.file(name);
    const content = ifAcceptable(() => contentAt(path));
    const after = content && change(content.slice());
    const packed = after && packedAs(name, after);
    if (packed === undefined) return false;
    Deno.writeFileSync(path, packed);
    return true;
  }
}

/** Takes an archive apart; undefined if it is none. */
export function partsOf(content: Uint8Array): Parts | undefined {
  const at = headerEnd(content);
  if (at === undefined) return undefined;
  const records: Uint8Array[] = [];
  const isDigest = at.isDigest;
  for (let begin = at.end; begin < content.length;) {
    const fields = isDigest ? [] : [tokenEnd(content, begin)];
    const flag = fields[0] ?? begin;
    let end = tokenEnd(content, flag);
    if (end === undefined || flag === undefined) return undefined;
    if (isDigest ? content[flag] === 0x30 : content[flag] === 0x30) {
      const lengthEnd = tokenEnd(content, end);
      if (lengthEnd === undefined) return undefined;
      end = lengthEnd + Number(textOf(content.subarray(end, lengthEnd - 1)));
    }
    if (!(end <= content.length)) return undefined;
    records.push(content.subarray(begin, end));
    begin = end;
  }
  return { header: content.subarray(0, at.end), records };
}

/** The header ends behind the times of a digest, or behind the metadata of a dump or an rdiff. */
function headerEnd(content: Uint8Array): { end: number; isDigest: boolean } | undefined {
  // The third field: the length of the series id, or an adapter type in front of the full flag.
  const isDigest = /^[0-9]+,[0-9]+,16,(?![01],16,)/.test(
    textOf(content.subarray(0, 64)).replaceAll("\0", ","),
  );
  let at: number | undefined = 0;
  const skip = (count: number) => {
    for (; count > 0 && at !== undefined; count--) at = tokenEnd(content, at);
  };
  skip(isDigest ? 3 : 5);
  if (at === undefined) return undefined;
  at += 16;
  skip(9);
  if (!isDigest && at !== undefined) {
    const begin: number = at;
    skip(1);
    if (at !== undefined) skip(2 * Number(textOf(content.subarray(begin, at - 1))));
  }
  return at === undefined || Number.isNaN(at) ? undefined : { end: at, isDigest };
}

function tokenEnd(content: Uint8Array, at: number): number | undefined {
  const end = content.indexOf(0, at);
  return end < 0 ? undefined : end + 1;
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder("latin1").decode(bytes);
}

function packedAs(name: string, content: Uint8Array): Uint8Array | undefined {
  if (name.endsWith(".gz")) return new Uint8Array(zlib.gzipSync(content));
  if (!name.endsWith(".zst")) return content;
  // Deno 2.4 has none.
  return "zstdCompressSync" in zlib ? new Uint8Array(zlib.zstdCompressSync(content)) : undefined;
}

function ifAcceptable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof NotAcceptable) return undefined;
    throw error;
  }
}

function hashOf(path: string): string {
  return createHash("sha256").update(Deno.readFileSync(path)).digest("hex");
}
