/** What gzip and zstd files have in common: contents to compress, fields of numbers, and a reader. */

import { Buffer } from "node:buffer";
import { sinkFor, sourceFor } from "../../cli/archive/container.ts";
import { ManySources } from "../../cli/archive/many_sources.ts";
import { noise } from "../disks/helpers.ts";
import { MemoryFile } from "../pipeline/memory_file.ts";
import { concat } from "../refusals/material.ts";
import { golden } from "./series.ts";
import { type CaseFile, judge, oneOf, openCase, type Outcome, type Random, type Truth } from "./subject.ts";

/** Something to compress: text, noise, zeros, from nothing to more than is decoded at a time. */
export function contentOf(random: Random): Uint8Array {
  const length = random(500) === 0 ? 300_000 : random(oneOf(random, [1, 20, 300, 3000]));
  const unit = noise(1 + random(oneOf(random, [1, 40, 3000])), random(100));
  return Uint8Array.from({ length }, (_, i) => random(50) === 0 ? i : unit[i % unit.length]);
}

/** Whole files of the program: of the golden folder, and of pieces of all kinds. */
export async function ownFiles(suffix: ".gz" | ".zst", random: Random): Promise<Uint8Array[]> {
  const files = ["0.dump", "0.digest", "0.rdiff", "padded.dump"].map((name) => golden(name + suffix));
  for (let count = 0; count < 12; count++) {
    const file = new MemoryFile(`own${suffix}`);
    using sink = await sinkFor(file.path, file, { level: 1 + random(9) });
    for (let left = random(4); left > 0; left--) await sink.write(contentOf(random));
    await sink.finish();
    files.push(file.bytes);
  }
  return files;
}

/** A number in little-endian order. */
export function littleEndian(value: number | bigint, lengthBytes: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, BigInt(value)), true);
  return bytes.subarray(0, lengthBytes);
}

const NUMBERS = [
  0,
  1,
  2,
  33,
  34,
  127,
  128,
  255,
  256,
  65535,
  65536,
  131072,
  4194304,
  4194305,
  0x7fffffff,
  0xffffffff,
];

/** A field for another one: another number of the same length, or a longer or shorter field. */
export function anotherNumber(random: Random): (field: Uint8Array) => Uint8Array {
  return (field) => {
    const value = field.subarray(0, 6).reduceRight((high, byte) => high * 256 + byte, 0);
    switch (random(5)) {
      case 0:
        return littleEndian(value + random(5) - 2, Math.min(8, field.length));
      case 1:
        return littleEndian(oneOf(random, NUMBERS), Math.min(8, field.length));
      case 2:
        return field.subarray(0, random(field.length + 1));
      case 3:
        return concat(field, [random(256)]);
      default: {
        const copy = field.slice();
        if (copy.length > 0) copy[random(copy.length)] ^= 1 << random(8);
        return copy;
      }
    }
  };
}

const READ_BYTES = [Infinity, Infinity, 4096, 100, 1];

/** Reads a file by parts of chance, some of them passed over. */
export async function judgeContent(
  file: CaseFile,
  truth: Omit<Truth, "content"> & { content?: Uint8Array },
  { random, isOneOfMany, isRegular }: { random: Random; isOneOfMany: boolean; isRegular: boolean },
): Promise<Outcome> {
  const passedFrom = random(oneOf(random, [1, 100, 10_000]));
  const passed = random(3) === 0 ? random(oneOf(random, [2, 1000, 100_000])) : 0;
  const { content, ...others } = truth;
  const text = content &&
    latin1(concat(content.subarray(0, passedFrom), content.subarray(passedFrom + passed)));
  const expected: Truth = { ...others, content: text };
  return await judge([file], expected, async () => {
    const many = isOneOfMany ? new ManySources() : undefined;
    const opened = openCase(file, oneOf(random, READ_BYTES), { isRegular });
    using source = await sourceFor(file.path, opened, { many });
    const parts: Uint8Array[] = [];
    const read = async (lengthBytes: number) => {
      const part = new Uint8Array(lengthBytes);
      const got = await source.read(part);
      parts.push(part.subarray(0, got));
      return got;
    };
    await read(passedFrom);
    await source.skip(passed);
    // Small reads first, then larger ones: a bomb would take long otherwise.
    let most = oneOf(random, [10, 70_000]);
    while (await read(1 + random(most)) > 0) most = Math.min(70_000, most * 2);
    return latin1(concat(...parts));
  });
}

function latin1({ buffer, byteOffset, length }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, length).toString("latin1");
}
