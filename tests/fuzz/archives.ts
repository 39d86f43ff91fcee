/** Dumps, rdiffs and digests: listed record by record, and checked with what belongs to them. */

import { sourceFor } from "../../cli/archive/container.ts";
import type { DigestHeader, DumpHeader } from "../../cli/archive/header.ts";
import { encodeText } from "../../cli/archive/text.ts";
import { Core } from "../../cli/core.ts";
import { DigestReader, DumpReader, smallWindowBytes } from "../../cli/pipeline/archive_reader.ts";
import { Chain } from "../../cli/pipeline/chain.ts";
import { check } from "../../cli/pipeline/check.ts";
import { listDigest, listDump, type ListedRecord } from "../../cli/pipeline/list.ts";
import { concat } from "../refusals/material.ts";
import { damaged, damagedFields } from "./damage.ts";
import { acceptable } from "./oracle/acceptable.ts";
import { type Archive, checkChain, type Header, readDigest, readDump } from "./oracle/archives.ts";
import { anotherField, ARCHIVE_WORDS, generatedSeries, GOLDEN_SERIES, type Series } from "./series.ts";
import {
  type CaseFile,
  judge,
  oneOf,
  openCase,
  type Outcome,
  type Random,
  randomOf,
  type Subject,
  type Truth,
} from "./subject.ts";

/** The kinds of archive that are damaged. */
export type ArchiveKind = "dump" | "rdiff" | "digest";

/** Bytes that one read gives: all, or what a pipe might. */
const READ_BYTES = [Infinity, Infinity, Infinity, 4096, 100, 7];

/** Cases of one kind. */
export class ArchiveSubject implements Subject {
  readonly name: ArchiveKind;
  readonly #core: Core;

  private constructor(name: ArchiveKind, core: Core) {
    this.name = name;
    this.#core = core;
  }

  static async create(name: ArchiveKind): Promise<ArchiveSubject> {
    return new ArchiveSubject(name, await Core.load());
  }

  async run(number: number): Promise<Outcome> {
    const random = randomOf(number);
    const series = random(4) === 0 ? GOLDEN_SERIES : generatedSeries(random);
    const bad = damagedArchive(this.name, series, random);
    const way = oneOf(random, this.name === "digest" ? ["list", "check"] : ["list", "check", "chain"]);
    await using core = this.#core.scope();
    if (way === "list") return await this.#list(core, bad, random);
    const whole = (path: keyof Series): CaseFile => ({ path, bytes: concat(...series[path]) });
    const isOlder = this.name === "rdiff" || way === "chain";
    const digest = this.name === "digest" ? bad : whole(isOlder ? "olderDigest" : "digest");
    const archives = this.name === "rdiff"
      ? way === "chain" ? [whole("dump"), bad] : [bad]
      : [this.name === "dump" ? bad : whole("dump"), ...isOlder ? [whole("rdiff")] : []];
    return await this.#check(core, { archives, digest }, random);
  }

  [Symbol.dispose](): void {}

  async #list(core: Core, file: CaseFile, random: Random): Promise<Outcome> {
    const truth = await acceptable(() => (this.name === "digest" ? readDigest : readDump)(file.bytes));
    const options = random(3) === 0
      ? { windowBytes: smallWindowBytes(oneOf(random, [1, 800])) }
      : { partBytes: oneOf(random, [1024, 1 << 20]) };
    return await judge([file], { content: truth && textOf(truth) }, async () => {
      using source = await sourceFor(file.path, openCase(file, oneOf(random, READ_BYTES)));
      if (this.name === "digest") {
        const reader = await DigestReader.open(core, source);
        return textOf({
          header: headerOf(reader.header),
          records: await recordsOf(listDigest(core, reader)),
        });
      }
      const reader = await DumpReader.open(core, source, options);
      return textOf({
        header: headerOf(reader.header),
        records: await recordsOf(listDump(core, reader)),
      });
    });
  }

  async #check(
    core: Core,
    { archives, digest }: { archives: CaseFile[]; digest: CaseFile },
    random: Random,
  ): Promise<Outcome> {
    const windowBytes = random(2) === 0 ? smallWindowBytes(oneOf(random, [1, 800])) : undefined;
    return await judge([...archives, digest], await truthOfCheck(archives, digest), async () => {
      using scope = new DisposableStack();
      const open = async (file: CaseFile) =>
        scope.use(await sourceFor(file.path, openCase(file, oneOf(random, READ_BYTES))));
      const readers: DumpReader[] = [];
      for (const file of archives) {
        readers.push(await DumpReader.open(core, await open(file), { windowBytes }));
      }
      const chain = new Chain(readers);
      const reader = await DigestReader.open(core, await open(digest));
      const { badRuns, zeroBlocks, absentBlocks } = await check(core, { chain, digest: reader });
      const badBlocks = badRuns.flatMap(({ start, end }) =>
        Array.from({ length: end - start }, (_, i) => start + i)
      );
      return JSON.stringify({ badBlocks, zeroBlocks, absentBlocks });
    });
  }
}

/** An archive that was damaged up to three times, or not at all, in its fields, in its bytes, or in both. */
function damagedArchive(kind: ArchiveKind, series: Series, random: Random): CaseFile {
  let fields = series[kind];
  for (let left = random(3); left > 0 && fields.length > 1; left--) {
    fields = damagedFields(fields, random, anotherField(random));
  }
  let bytes = concat(...fields);
  const donor = concat(
    ...oneOf(random, [series, GOLDEN_SERIES])[oneOf(random, ["dump", "rdiff", "digest"] as const)],
  );
  for (let left = random(fields.length > 1 ? 2 : 3); left > 0; left--) {
    bytes = damaged(bytes, random, { hot: [[0, 120]], words: ARCHIVE_WORDS, donor });
  }
  return { path: kind, bytes };
}

async function truthOfCheck(archives: CaseFile[], digest: CaseFile): Promise<Truth> {
  const finding = await acceptable(() =>
    checkChain(archives.map(({ bytes }) => readDump(bytes)), readDigest(digest.bytes))
  );
  return { content: finding && JSON.stringify(finding) };
}

async function recordsOf(batches: AsyncIterable<ListedRecord[]>): Promise<Archive["records"]> {
  const records: Archive["records"] = new Map();
  for await (const batch of batches) {
    for (const { block, md5 } of batch) records.set(block, md5 ?? "zero");
  }
  return records;
}

function textOf({ header, records }: Pick<Archive, "header" | "records">): string {
  return [JSON.stringify(header), ...Array.from(records, ([block, md5]) => `${block} ${md5}`)].join("\n");
}

/** A header as the oracle has it. */
function headerOf(header: DigestHeader | DumpHeader): Header {
  const { blockCount, blockBytes, seriesId, time } = header;
  const latin1 = (text: string) => String.fromCharCode(...encodeText(text));
  const series = Array.from(seriesId, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const { second, minute, hour, dayOfMonth, month, year, dayOfWeek, dayOfYear, summerTime } = time;
  const fields = [second, minute, hour, dayOfMonth, month, year, dayOfWeek, dayOfYear, summerTime];
  const common = { blockCount, blockBytes, series, time: fields };
  if (!("full" in header)) return common;
  const { adapterType, full, capacityBytes } = header;
  const metadata = [...header.metadata].map(([key, value]): [string, string] => [latin1(key), latin1(value)]);
  return { ...common, disk: { adapterType, full, capacityBytes, metadata: metadata.sort() } };
}
