/** Disks: a damaged one is refused with an error of the kinds that are for it, or gives bytes that do not depend on how they are read. */

import { Buffer } from "node:buffer";
import { openForReading } from "../../cli/disks/open.ts";
import type { ReadableDisk } from "../../cli/disks/disk.ts";
import { FormatError, UsageError } from "../../cli/errors.ts";
import { Folder, noise } from "../disks/helpers.ts";
import { buildSparse, descriptorText } from "../disks/vmdk/builder.ts";
import { buildCowd, buildSeSparse } from "../disks/vmdk/esx_builder.ts";
import { buildStream } from "../disks/vmdk/stream_builder.ts";
import { damaged, type Range } from "./damage.ts";
import { oneOf, type Outcome, type Random, randomOf, type Subject } from "./subject.ts";

/** Files of a disk; the first is the one to open. */
interface Sample {
  files: [name: string, bytes: Uint8Array][];
  /** Places in them where numbers stand. */
  hot: Range[][];
}

const GRAIN = 65536;
const READ_LIMIT_BYTES = 4 << 20;
const EXTENT_LIMIT = 500;
const HEADER: Range = [0, 80];

const text = (value: string) => new TextEncoder().encode(value);
const withParent = (value: string, name: string) =>
  value.replace("parentCID=ffffffff", `parentCID=3f2a90c1\nparentFileNameHint="${name}"`);

function samples(): Sample[] {
  const content = noise(4 * GRAIN - 512, 1);
  content.fill(0, GRAIN, 2 * GRAIN);
  const sectors = content.length / 512;
  const hosted = buildSparse(content, { zeroed: [1] });
  const footer = buildStream(content);
  const front = buildStream(content, { layout: "front" });
  const small = content.subarray(0, 20_480);
  const cowd = buildCowd(small, { zeroed: [3] });
  const se = buildSeSparse(small, { zeroed: [3] });
  const entries = (
    image: { directoryBytes: number; entryBytes(grain: number): number },
  ): Range[] => [
    HEADER,
    [image.directoryBytes, image.directoryBytes + 8],
    [image.entryBytes(0), image.entryBytes(0) + 32],
  ];
  const markers = ({ places }: typeof footer): Range[] => [...places.values()].map((at) => [at, at + 24]);
  const cowdText = descriptorText(['RW 40 VMFSSPARSE "x-delta.vmdk"']);
  const seText = descriptorText(['RW 40 SESPARSE "x-sesparse.vmdk"']);
  const chain = withParent(descriptorText(['RW 40 VMFSSPARSE "x-delta.vmdk"']), "base.vmdk");
  return [
    { files: [["x.vmdk", hosted.bytes]], hot: [[...entries(hosted), [512, 1024]]] },
    {
      files: [["x.vmdk", footer.bytes]],
      hot: [[
        ...entries(footer),
        ...markers(footer),
        [footer.footerBytes! - 512, footer.footerBytes! - 490],
        [footer.footerBytes!, footer.footerBytes! + 80],
      ]],
    },
    { files: [["x.vmdk", front.bytes]], hot: [[...entries(front), ...markers(front)]] },
    {
      files: [["x.vmdk", text(cowdText)], ["x-delta.vmdk", cowd.bytes]],
      hot: [[[0, 400]], entries(cowd)],
    },
    {
      files: [["x.vmdk", text(seText)], ["x-sesparse.vmdk", se.bytes]],
      hot: [[[0, 400]], [[0, 208], [512, 552], ...entries(se)]],
    },
    {
      files: [
        ["x.vmdk", text(chain)],
        ["x-delta.vmdk", cowd.bytes],
        ["base.vmdk", text(descriptorText(["RW 10 ZERO", 'RW 30 FLAT "base-flat.vmdk" 1']))],
        ["base-flat.vmdk", noise(31 * 512, 2)],
      ],
      hot: [[[0, 400]], entries(cowd), [[0, 400]], [[0, 1]]],
    },
    {
      files: [
        ["x.vmdk", text(descriptorText([`RW ${sectors} SPARSE "a.vmdk"`, `RW ${sectors} SPARSE "b.vmdk"`]))],
        ["a.vmdk", hosted.bytes],
        ["b.vmdk", footer.bytes],
      ],
      hot: [[[0, 400]], entries(hosted), entries(footer)],
    },
  ];
}

const WORDS = [
  "RW",
  "0",
  "1",
  "-1",
  "99999999999999999",
  '"',
  "\n",
  "\r",
  "\0",
  "=",
  "../x",
  "/dev/zero",
  "ZERO",
].map(text);

/** Reads a disk by its extents and in other pieces, within limits, and compares. */
async function readTwice(disk: ReadableDisk, random: Random): Promise<void> {
  let readBytes = 0;
  for (let at = 0, count = 0; at < disk.capacityBytes && count < EXTENT_LIMIT; count++) {
    const { endBytes, zero } = await disk.extentAt(at);
    if (!(endBytes > at && endBytes <= disk.capacityBytes)) throw new Error(`extent ${at} to ${endBytes}`);
    const length = Math.min(endBytes - at, 1 << 20);
    if ((readBytes += length) > READ_LIMIT_BYTES) return;
    const bytes = new Uint8Array(length);
    await disk.read(bytes, at);
    if (zero && bytes.some((byte) => byte !== 0)) throw new Error(`the zeros at ${at} are none`);
    const from = random(length);
    const part = new Uint8Array(new SharedArrayBuffer(1 + random(length - from)));
    await disk.read(part, at + from);
    if (Buffer.compare(part, bytes.subarray(from, from + part.length)) !== 0) {
      throw new Error(`two reads at ${at} differ`);
    }
    at = endBytes;
  }
}

export class DiskSubject implements Subject {
  readonly name = "disk";
  readonly #folder = new Folder();
  readonly #samples = samples();

  async run(number: number): Promise<Outcome> {
    const random = randomOf(number);
    const { files, hot } = oneOf(random, this.#samples);
    const all = new Map(files);
    for (let left = 1 + random(2); left > 0; left--) {
      const which = random(files.length);
      const [name] = files[which];
      const [, donor] = oneOf(random, oneOf(random, this.#samples).files);
      all.set(name, damaged(all.get(name)!, random, { hot: hot[which], words: WORDS, donor }));
    }
    for (const [name, bytes] of all) this.#folder.file(name, bytes);
    try {
      using disk = await openForReading(this.#folder.file("x.vmdk"));
      await readTwice(disk, random);
      return "accepted";
    } catch (cause) {
      const isRefusal = cause instanceof FormatError || cause instanceof UsageError;
      if (isRefusal && /^Cannot (open|read) disk "/.test(cause.message)) return "refused";
      throw cause;
    }
  }

  [Symbol.dispose](): void {
    this.#folder[Symbol.dispose]();
  }
}
