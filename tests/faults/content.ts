/**
 * What files hold, read by the oracles of the fuzz tests and not by the program: two sets of files have the same content
 * if they differ in nothing but what is drawn anew with every run (the id of a new series, the time, the CID of a disk).
 */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import zlib from "node:zlib";
import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { type Archive, type Header, readBits, readDigest, readDump } from "../fuzz/oracle/archives.ts";
import { readSeal } from "../fuzz/oracle/seal.ts";
import { unzstd } from "../fuzz/oracle/zstd.ts";
import type { Files } from "./files.ts";

/** The content of files by their paths, to be compared as a whole. */
export type Content = Record<string, unknown>;

/** Gives the ids and times of archives that exist already their names; all others must be the same new one. */
export class Names {
  readonly #names = new Map<string, string>();

  /** `material`: archives whose series and times are known. */
  constructor(material: Files) {
    for (const [path, bytes] of material) {
      if (!/\.dump(\.|$)/.test(path) || path.startsWith("damaged")) continue;
      const { header } = readDump(unpacked(path, bytes));
      this.#names.set(header.series, `series of ${path[0]}`);
      this.#names.set(timeText(header), `time of ${path.slice(0, 2)}`);
    }
  }

  of(text: string): string {
    return this.#names.get(text) ?? "new";
  }
}

/**
 * The content of those of `files`, all of them of `folder`, that lie at `paths`.
 * @throws if one is not there, is not what its name says, or does not belong together with the others
 */
export function contentOf(
  paths: readonly string[],
  { files, folder, names }: { files: Files; folder: string; names: Names },
): Content {
  const news = { series: new Set<string>(), time: new Set<string>() };
  const name = (kind: keyof typeof news, text: string) => {
    const known = names.of(text);
    if (known === "new") news[kind].add(text);
    return known;
  };
  const content: Content = {};
  for (const path of paths) {
    const bytes = files.get(path);
    if (bytes === undefined) throw new Error(`"${path}" is not there`);
    try {
      if (path.endsWith(".seal.json")) content[path] = sealContent(path, { files, folder, name });
      else if (/\.(dump|rdiff|digest)(\.|$)/.test(path)) content[path] = archiveContent(path, bytes, name);
      else content[path] = otherContent(path, bytes, folder);
    } catch (cause) {
      throw new Error(`"${path}" is not whole: ${cause}`, { cause });
    }
  }
  for (const [kind, found] of Object.entries(news)) {
    if (found.size > 1) throw new Error(`the files are of more than one new ${kind}: ${[...found].join()}`);
  }
  return content;
}

type Naming = (kind: "series" | "time", text: string) => string;

function archiveContent(path: string, bytes: Uint8Array, name: Naming): unknown {
  const plain = unpacked(path, bytes);
  const { header, records }: Archive = /\.digest(\.|$)/.test(path) ? readDigest(plain) : readDump(plain);
  const { series, time: _, ...rest } = header;
  return {
    ...rest,
    series: name("series", series),
    time: name("time", timeText(header)),
    records: Object.fromEntries(records),
  };
}

// deno-lint-ignore no-explicit-any -- JSON, whose form the oracle has demanded
type SealJson = any;

/** A seal with the names of ids and times in it, and whether each file is there as it says. */
function sealContent(
  path: string,
  { files, folder, name }: { files: Files; folder: string; name: Naming },
): unknown {
  const seal: SealJson = JSON.parse(readSeal(files.get(path)!).replaceAll(folder, ""));
  const generation = (of: SealJson) => of && { ...of, time: name("time", of.time) };
  return {
    ...seal,
    series: name("series", seal.series),
    time: name("time", seal.time),
    audit: seal.audit && { ...seal.audit, seed: undefined },
    files: seal.files.map(({ bytes, sha256, from, to, ...file }: SealJson) => {
      const found = files.get(join(dirname(path), file.name));
      const isThere = found !== undefined && found.length === bytes &&
        createHash("sha256").update(found).digest("hex") === sha256;
      if (!isThere) throw new Error(`"${path}" tells of another "${file.name}"`);
      return { ...file, from: generation(from), to: generation(to) };
    }),
  };
}

function otherContent(path: string, bytes: Uint8Array, folder: string): unknown {
  if (path.endsWith(".bmp")) return readBits(bytes);
  const latin1 = Buffer.from(bytes).toString("latin1");
  if (path.endsWith(".xml")) {
    return latin1.replaceAll(folder, "").replaceAll(/ time="[0-9.]+"/g, "").replace(/[0-9.]+ s$/m, "");
  }
  const masked = path.endsWith(".vmdk") ? latin1.replace(/^CID=[0-9a-f]{8}$/m, "CID=") : latin1;
  return [bytes.length, createHash("sha256").update(masked, "latin1").digest("hex")];
}

/** @throws if the file is not whole */
function unpacked(path: string, bytes: Uint8Array): Uint8Array {
  if (basename(path).endsWith(".gz")) return zlib.gunzipSync(bytes);
  if (!basename(path).endsWith(".zst")) return bytes;
  const { content } = unzstd(bytes);
  if (content === undefined) throw new Error(`"${path}" cannot be decompressed`);
  return content;
}

/** As a seal has it. */
function timeText({ time: [second, minute, hour, day, month, year, , , summer] }: Header): string {
  const two = (number: number) => `${number}`.padStart(2, "0");
  return `${1900 + year}-${two(month + 1)}-${two(day)} ${two(hour)}:${two(minute)}:${two(second)}` +
    (summer === 1 ? " summer time" : "");
}
