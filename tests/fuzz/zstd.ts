/** Zstd files: of the program, and frames put together block by block. */

import { zstdFrame } from "../../cli/archive/zstd_frame.ts";
import { storedBound } from "../../cli/archive/codecs.ts";
import { concat } from "../refusals/material.ts";
import { anotherNumber, contentOf, judgeContent, littleEndian, ownFiles } from "./compressed.ts";
import { damaged, damagedFields } from "./damage.ts";
import { acceptable } from "./oracle/acceptable.ts";
import { unzstd } from "./oracle/zstd.ts";
import { oneOf, type Outcome, type Random, randomOf, type Subject } from "./subject.ts";

const FRAME = 0xfd2fb528;
const INDEX = 0x184d2a5e;
const WORDS = [FRAME, INDEX, 0x184d2a50, 0, 1].map((word) => littleEndian(word, 4));
const MAX_BLOCK = 128 * 1024;
/** Some are passed on as the arguments of a call, of which there can be a hundred thousand. */
const MANY_BLOCKS = 10_000;

/** 1 MiB, enough for all contents. */
const WINDOW = 0x50;
/** 32 MiB, all that is accepted, more, and all that there is. Memory of that size takes its time. */
const LARGE_WINDOWS = [0x78, 0x80, 0x81, 0x88, 0xff];

/** RFC 8878, 3.1.1.2.2. */
const [RAW, RLE] = [0, 1];

export class ZstdSubject implements Subject {
  readonly name = "zstd";
  readonly #own: Uint8Array[];
  readonly #real: RealFrame[];

  private constructor(own: Uint8Array[], real: RealFrame[]) {
    this.#own = own;
    this.#real = real;
  }

  static async create(): Promise<ZstdSubject> {
    const random = randomOf(2);
    const real: RealFrame[] = [];
    while (real.length < REAL_FRAMES) real.push(await realFrame(random));
    return new ZstdSubject(await ownFiles(".zst", random), real);
  }

  async run(number: number): Promise<Outcome> {
    const random = randomOf(number);
    const file = { path: "case.zst", bytes: this.#damagedFile(random) };
    const truth = await acceptable(() => unzstd(file.bytes));
    const isOneOfMany = random(3) === 0;
    return await judgeContent(file, truth ?? {}, { random, isOneOfMany, isRegular: random(2) === 0 });
  }

  [Symbol.dispose](): void {}

  #damagedFile(random: Random): Uint8Array {
    const donor = oneOf(random, this.#own);
    if (random(3) === 0) {
      return damaged(oneOf(random, this.#own), random, { hot: [[0, 20]], words: WORDS, donor });
    }
    const frames: Uint8Array[] = [];
    const listed: [stored: number, content: number][] = [];
    for (let left = 1 + random(3); left > 0; left--) {
      if (random(8) === 0) frames.push(...skippable(random));
      const real = random(2) === 0 ? undefined : oneOf(random, this.#real);
      const content = real?.content ?? contentOf(random);
      let frame = real === undefined ? bareFrame(content, random) : withHeader(real, random);
      listed.push([concat(...frame).length, content.length]);
      if (random(4) === 0) frame = damagedFields(frame, random, anotherNumber(random));
      frames.push(...frame);
    }
    if (random(4) === 0) {
      const index = indexOf(listed);
      frames.push(...random(3) === 0 ? damagedFields(index, random, anotherNumber(random)) : index);
    }
    if (random(3) > 0) return concat(...frames);
    return damaged(concat(...frames), random, { hot: [[0, 20]], words: WORDS, donor });
  }
}

/** A frame of raw and run-length blocks, its header in any of its forms. */
function bareFrame(content: Uint8Array, random: Random): Uint8Array[] {
  const blocks: Uint8Array[] = [];
  const most = oneOf(random, [1 + random(1000), MAX_BLOCK]);
  const least = Math.ceil(content.length / MANY_BLOCKS);
  let at = 0;
  do {
    const size = Math.min(content.length - at, Math.max(least, 1 + random(most)));
    const block = content.subarray(at, at + size);
    at += size;
    const type = size > 0 && block.every((byte) => byte === block[0]) ? RLE : RAW;
    const isLast = at === content.length;
    blocks.push(
      littleEndian(size * 8 + type * 2 + (isLast ? 1 : 0), 3),
      type === RLE ? block.slice(0, 1) : block,
    );
  } while (at < content.length);
  return [...header(content.length, random, { hasChecksum: false }), ...blocks];
}

/** Magic number, descriptor, window, dictionary, content size. */
function header(
  contentBytes: number,
  random: Random,
  { hasChecksum }: { hasChecksum: boolean },
): Uint8Array[] {
  const isSingle = random(2) === 0;
  const sizeFlag = oneOf(random, contentBytes < 256 ? [0, 2, 3] : contentBytes < 65536 ? [1, 2, 3] : [2, 3]);
  const dictionaryFlag = random(3) === 0 ? random(4) : 0;
  const sizeBytes = sizeFlag === 0 && !isSingle ? 0 : 2 ** sizeFlag;
  const descriptor = sizeFlag * 64 + (isSingle ? 32 : 0) + (hasChecksum ? 4 : 0) + dictionaryFlag;
  return [
    littleEndian(FRAME, 4),
    Uint8Array.of(descriptor),
    ...isSingle ? [] : [Uint8Array.of(random(100) === 0 ? oneOf(random, LARGE_WINDOWS) : WINDOW)],
    new Uint8Array([0, 1, 2, 4][dictionaryFlag]),
    littleEndian(contentBytes - (sizeBytes === 2 ? 256 : 0), sizeBytes),
  ];
}

/** Made by libzstd. */
interface RealFrame {
  content: Uint8Array;
  /** As the program writes it: {@linkcode header} in one. */
  header: Uint8Array;
  blocks: Uint8Array;
  checksum: Uint8Array;
}

/** High levels take long, so frames are made once. */
const REAL_FRAMES = 60;
const LEVELS = [1, 1, 3, 9, 19];

async function realFrame(random: Random): Promise<RealFrame> {
  const content = contentOf(random);
  const into = new Uint8Array(storedBound(content.length));
  const length = await zstdFrame(content, { into, level: oneOf(random, LEVELS), isLast: true });
  const isSingle = (into[4] & 32) !== 0;
  const blocksAt = 4 + 1 + (isSingle ? 0 : 1) + 4;
  return {
    content,
    header: into.slice(0, blocksAt),
    blocks: into.slice(blocksAt, length - 4),
    checksum: into.slice(length - 4, length),
  };
}

/** The fields of a frame with a header of chance. */
function withHeader(frame: RealFrame, random: Random): Uint8Array[] {
  const { content, blocks, checksum } = frame;
  if (random(4) === 0) return [frame.header, blocks, checksum];
  if (random(2) === 0) return [...header(content.length, random, { hasChecksum: true }), blocks, checksum];
  return [...header(content.length, random, { hasChecksum: false }), blocks];
}

function skippable(random: Random): Uint8Array[] {
  const content = contentOf(random).subarray(0, 50);
  return [littleEndian(0x184d2a50 + random(16), 4), littleEndian(content.length, 4), content];
}

/** The index of the zstd seekable format. */
function indexOf(frames: [stored: number, content: number][]): Uint8Array[] {
  return [
    littleEndian(INDEX, 4),
    littleEndian(frames.length * 8 + 9, 4),
    ...frames.flat().map((length) => littleEndian(length, 4)),
    littleEndian(frames.length, 4),
    Uint8Array.of(0),
    littleEndian(0x8f92eab1, 4),
  ];
}
