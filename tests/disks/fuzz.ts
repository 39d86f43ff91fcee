/**
 * Mutations of good disks, by number: the same number makes the same files. A damaged disk is refused with an error of the
 * kinds that are for it, or gives bytes that do not depend on how they are read; either way soon.
 *
 *     deno task fuzz                # a minute
 *     deno task fuzz 600 1000000    # ten minutes, from mutation 1000000 on
 *     deno task fuzz 0 1234         # mutation 1234 alone; its files stay in the folder that is printed
 */

import { Buffer } from "node:buffer";
import { openForReading } from "../../cli/disks/open.ts";
import type { ReadableDisk } from "../../cli/disks/disk.ts";
import { FormatError, UsageError } from "../../cli/errors.ts";
import { Folder, noise, seeded } from "./helpers.ts";
import { buildSparse, descriptorText } from "./vmdk_builder.ts";
import { buildCowd, buildSeSparse } from "./vmdk_esx_builder.ts";
import { buildStream } from "./vmdk_stream_builder.ts";

/** Files of a disk; the first is the one to open. */
interface Sample {
  files: [name: string, bytes: Uint8Array][];
  /** Places in them where numbers stand. */
  hot: [begin: number, end: number][][];
}

const GRAIN = 65536;
const LIMIT_MS = 2000;
const READ_LIMIT_BYTES = 4 << 20;
const EXTENT_LIMIT = 500;
const HEADER: [number, number] = [0, 80];

type Random = (limit: number) => number;

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
  ): [number, number][] => [
    HEADER,
    [image.directoryBytes, image.directoryBytes + 8],
    [image.entryBytes(0), image.entryBytes(0) + 32],
  ];
  const markers = ({ places }: typeof footer): [number, number][] =>
    [...places.values()].map((at) => [at, at + 24]);
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

const NUMBERS = [0n, 1n, 2n, 3n, 127n, 128n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];
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
];

/** Damages a copy of `bytes` in one place. */
function mutate(bytes: Uint8Array, hot: readonly [number, number][], random: Random): Uint8Array {
  const copy = bytes.slice();
  const [begin, end] = random(4) === 0 ? [0, copy.length] : hot[random(hot.length)];
  const at = Math.min(begin + random(Math.max(1, end - begin)), Math.max(0, copy.length - 1));
  const view = new DataView(copy.buffer);
  switch (random(8)) {
    case 0:
      copy[at] ^= 1 << random(8);
      return copy;
    case 1:
      copy[at] = random(256);
      return copy;
    case 2:
    case 3: {
      const number = NUMBERS[random(NUMBERS.length)];
      const aligned = at - at % 4;
      if (random(2) === 0 && aligned + 8 <= copy.length) view.setBigUint64(aligned, number, true);
      else if (aligned + 4 <= copy.length) view.setUint32(aligned, Number(number & 0xffffffffn), true);
      return copy;
    }
    case 4: {
      const aligned = at - at % 4;
      if (aligned + 4 > copy.length) return copy;
      view.setUint32(aligned, view.getUint32(aligned, true) + random(400) - 200, true);
      return copy;
    }
    case 5:
      return copy.subarray(0, random(2) === 0 ? at : random(copy.length));
    case 6: {
      const length = Math.min(1 + random(64), copy.length - at);
      copy.copyWithin(random(Math.max(1, copy.length - length)), at, at + length);
      return copy;
    }
    default: {
      const word = text(WORDS[random(WORDS.length)]);
      return new Uint8Array(Buffer.concat([copy.subarray(0, at), word, copy.subarray(at + random(3))]));
    }
  }
}

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

/** Tries disks damaged in different ways; keeps their files in a folder. */
export class Fuzzer implements Disposable {
  readonly folder = new Folder();
  readonly #samples = samples();

  /** Makes mutation number `number` and reads it. @throws {Error} if that does not go as it should */
  async run(number: number): Promise<"read" | "refused"> {
    const random = seeded(Math.imul(number, 0x9e3779b1));
    const { files, hot } = this.#samples[random(this.#samples.length)];
    const damaged = new Map(files);
    for (let i = 0, count = 1 + random(2); i < count; i++) {
      const which = random(files.length);
      const [name] = files[which];
      damaged.set(name, mutate(damaged.get(name)!, hot[which], random));
    }
    for (const [name, bytes] of damaged) this.folder.file(name, bytes);
    const began = performance.now();
    const outcome = await this.#read(number, random);
    const took = performance.now() - began;
    if (took > LIMIT_MS) throw new Error(`Mutation ${number} took ${took} ms`);
    return outcome;
  }

  async #read(number: number, random: Random): Promise<"read" | "refused"> {
    try {
      using disk = await openForReading(this.folder.file("x.vmdk"));
      await readTwice(disk, random);
      return "read";
    } catch (cause) {
      const isRefusal = cause instanceof FormatError || cause instanceof UsageError;
      if (isRefusal && /^Cannot (open|read) disk "/.test(cause.message)) return "refused";
      throw new Error(`Mutation ${number}: ${(cause as Error).message}`, { cause });
    }
  }

  [Symbol.dispose](): void {
    this.folder[Symbol.dispose]();
  }
}

if (import.meta.main) {
  const [seconds = 60, first = Math.floor(Math.random() * 1e9)] = Deno.args.map(Number);
  const fuzzer = new Fuzzer();
  const counts = { read: 0, refused: 0 };
  const began = performance.now();
  let number = first;
  console.log(`From mutation ${first} on, in ${fuzzer.folder.path}`);
  do counts[await fuzzer.run(number++)]++; while (performance.now() - began < seconds * 1000);
  console.log(`${number - first} mutations: ${counts.refused} refused, ${counts.read} read`);
  if (seconds > 0) fuzzer[Symbol.dispose]();
}
