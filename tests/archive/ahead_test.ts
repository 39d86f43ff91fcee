/**
 * Pieces that are compressed and decompressed out of order give the same content, the same file and the same
 * errors.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import zlib from "node:zlib";
import type { ByteSource } from "../../cli/archive/bytes.ts";
import { type Codecs, type Encoding, HERE } from "../../cli/archive/codecs.ts";
import { sinkFor, sourceFor } from "../../cli/archive/container.ts";
import { GzipSource } from "../../cli/archive/gzip.ts";
import { PlainSource } from "../../cli/archive/plain_source.ts";
import { ZstdSource } from "../../cli/archive/zstd.ts";
import { FormatError } from "../../cli/errors.ts";
import { Random } from "../../scripts/disk_image.ts";
import { assertEqualBytes } from "../integration/same_bytes.ts";
import { concat, contentOf, ODD_SIZES, readAll, sharedCopy, StoredStream, streamOf } from "./files.ts";
import { frameOf, memberOf } from "./pieces.ts";
import { ShuffledCodecs } from "./shuffled_codecs.ts";

const AHEAD = [1, 2, 5];
const SEEDS = [1, 2, 3, 4, 5, 6];
const COUNT = 9;
const PIECE_BYTES = 300_000;

/**
 * Makes the pieces of each container. They have a few hundred bytes, so that they can be read byte by byte.
 */
const CONTAINERS = {
  "a.gz": {
    open: (file: PlainSource, codecs: Codecs) => new GzipSource(file, { codecs }),
    own: (content: Uint8Array, isLast: boolean) => memberOf(content, { isLast }),
    foreign: (content: Uint8Array) => new Uint8Array(zlib.gzipSync(content)),
  },
  "a.zst": {
    open: (file: PlainSource, codecs: Codecs) => new ZstdSource(file, { codecs }),
    own: (content: Uint8Array, isLast: boolean) => frameOf(content, { isLast }),
    foreign: rawFrame,
  },
};

/**
 * Returns a zstd frame without content size, which is therefore decoded block by block: a raw block in a
 * window of 1 KiB.
 */
function rawFrame(content: Uint8Array): Uint8Array {
  const header = (content.length << 3) | 1;
  return concat(
    Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0, 0, header & 0xff, (header >> 8) & 0xff, header >> 16),
    content,
  );
}

/** Returns codecs that finish in the order of the calls, and others that do not. */
function codecsOf(seed: number): Codecs[] {
  const random = new Random(seed);
  return AHEAD.flatMap((ahead) => [{ ...HERE, ahead }, new ShuffledCodecs({ ahead, random })]);
}

/** The content in front of a failure, and the message of the failure. */
interface Outcome {
  content: Uint8Array;
  message?: string;
}

/** Reads byte by byte, so that all content in front of a failure is returned. */
async function readBytes(
  path: keyof typeof CONTAINERS,
  stored: Uint8Array,
  codecs: Codecs,
): Promise<Outcome> {
  const file = new PlainSource(path, streamOf(stored, { atOnce: ODD_SIZES }));
  using source = CONTAINERS[path].open(file, codecs);
  const content: number[] = [];
  const byte = new Uint8Array(1);
  try {
    while (await source.read(byte) === 1) content.push(byte[0]);
    return { content: Uint8Array.from(content) };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    await assertStaysRefused(source, error);
    return { content: Uint8Array.from(content), message: error.message };
  }
}

async function assertStaysRefused(source: ByteSource, error: FormatError): Promise<void> {
  for (let times = 0; times < 2; times++) {
    const again = await assertRejects(async () => await source.read(new Uint8Array(9)), FormatError);
    assertEquals(again.message, error.message);
  }
}

for (const path of ["a.gz", "a.zst"] as const) {
  const { own, foreign } = CONTAINERS[path];
  const contents = Array.from({ length: COUNT }, (_, i) => contentOf(1 + i * 37, 50 + i));
  const pieces = await Promise.all(contents.map((content, i) => own(content, i === COUNT - 1)));

  /** Kinds of damage, each of which begins in piece `at`. A source that reads ahead detects it early. */
  const damages: Record<string, (at: number) => Uint8Array> = {
    "a wrong checksum": (at) => withPiece(at, withByte(pieces[at], checksumAt(path, pieces[at]))),
    "a wrong magic number": (at) => withPiece(at, withByte(pieces[at], 0)),
    "a cut": (at) => concat(...pieces.slice(0, at), pieces[at].subarray(0, -1)),
    "wrong checksums from there on": (at) =>
      concat(...pieces.map((piece, i) => i < at ? piece : withByte(piece, checksumAt(path, piece)))),
    "a wrong checksum and a cut": (at) =>
      concat(
        ...pieces.slice(0, at),
        withByte(pieces[at], checksumAt(path, pieces[at])),
        pieces[at].subarray(0, -3),
      ),
  };

  const withPiece = (at: number, piece: Uint8Array) => concat(...pieces.with(at, piece));

  for (const [damage, stored] of Object.entries(damages)) {
    Deno.test(`${path}: ${damage}is reported after all content in front of it, on any thread`, async () => {
      for (const at of [0, 1, 4, COUNT - 1]) {
        const expected = await readBytes(path, stored(at), HERE);
        assertEqualBytes(expected.content, concat(...contents.slice(0, at)), `piece ${at}`);
        assert(expected.message, `piece ${at} was not refused`);
        for (const seed of SEEDS) {
          for (const codecs of codecsOf(seed)) {
            assertEquals(await readBytes(path, stored(at), codecs), expected, hintOf(seed, codecs));
          }
        }
      }
    });
  }

  Deno.test(`${path}: pieces of this and of other programs are read in their order, on any thread`, async () => {
    for (const seed of SEEDS) {
      const random = new Random(seed);
      const kinds = contents.map(() => random.below(2) === 0);
      const mixed = await Promise.all(
        contents.map((content, i) => kinds[i] ? own(content, !kinds[i + 1]) : foreign(content)),
      );
      for (const codecs of [...codecsOf(seed), new ShuffledCodecs({ ahead: 3, random })]) {
        const { content, message } = await readBytes(path, concat(...mixed), codecs);
        assertEquals(message, undefined, hintOf(seed, codecs));
        assertEqualBytes(content, concat(...contents), hintOf(seed, codecs));
      }
    }
  });

  Deno.test(`${path}: a piece of another program keeps its content while later pieces are decoded`, async () => {
    const random = new Random(9);
    const long = contentOf(900_000, 9);
    const zstdLong = concat(...Array.from({ length: 900 }, (_, i) => rawFrame(part(long, i))));
    const foreignLong = path === "a.gz" ? foreign(long) : zstdLong;
    const stored = concat(foreignLong, ...pieces, foreignLong, ...pieces);
    const whole = concat(long, ...contents, long, ...contents);
    const codecs = new ShuffledCodecs({ ahead: 3, random });
    using source = await sourceFor(path, streamOf(stored), { codecs });
    assertEqualBytes(await readAll(source, [1000]), whole, "seed 9");
  });

  Deno.test(`${path}: exactly as many pieces as allowed are in progress`, async () => {
    for (const ahead of AHEAD) {
      const codecs = new ShuffledCodecs({ ahead, random: new Random(ahead) });
      await readBytes(path, concat(...pieces), codecs);
      assertEquals(codecs.mostUnderWay, ahead, `reading, ${ahead} ahead`);
      const writing = new ShuffledCodecs({ ahead, random: new Random(ahead) });
      await store(path, contentOf(8 * PIECE_BYTES + 1, ahead), { codecs: writing, atOnce: 6 });
      assertEquals(writing.mostUnderWay, ahead, `writing, ${ahead} ahead`);
      if (ahead > 1) assert(codecs.overtakes > 0 && writing.overtakes > 0, "nothing came out of order");
    }
  });

  Deno.test(`${path}: skip() skips pieces that are in progress`, async () => {
    const whole = concat(...contents);
    for (const seed of SEEDS) {
      const random = new Random(seed);
      for (const codecs of codecsOf(seed)) {
        using source = await sourceFor(path, streamOf(concat(...pieces)), { codecs });
        for (let at = 0; at < whole.length;) {
          const passed = await source.skip(random.below(200));
          const into = new Uint8Array(random.below(200));
          const got = await source.read(into);
          const expected = whole.subarray(at + passed, at + passed + into.length);
          assertEqualBytes(into.subarray(0, got), expected, hintOf(seed, codecs));
          at += passed + got;
          assertEquals(source.offsetBytes, at);
        }
      }
    }
  });

  Deno.test(`${path}: the file does not depend on the threads, nor on the number of overlapping writes`, async () => {
    const content = contentOf(6 * PIECE_BYTES + 12_345, 77);
    const expected = await store(path, content);
    for (const codecs of codecsOf(77)) {
      for (const atOnce of [1, 2, 7]) {
        assertEqualBytes(await store(path, content, { codecs, atOnce }), expected, hintOf(77, codecs));
      }
      using source = await sourceFor(path, streamOf(expected), { codecs });
      assertEqualBytes(await readAll(source), content, hintOf(77, codecs));
    }
  });

  Deno.test(`${path}: a piece that cannot be compressed rejects write() or finish() with its error`, async () => {
    const content = new Uint8Array(7 * PIECE_BYTES);
    for (const failing of [0, 1, 5, 7]) {
      for (const ahead of AHEAD) {
        for (const atOnce of [1, 5]) {
          const inOrder = { ...failingAt([failing]), ahead };
          const work = failingAt([failing]);
          const shuffled = new ShuffledCodecs({ ahead, random: new Random(ahead), work });
          for (const codecs of [inOrder, shuffled]) {
            await assertRejects(() => store(path, content, { codecs, atOnce }), Error, "piece fails");
          }
        }
      }
    }
  });

  Deno.test(`${path}: a sink that failed never reports a complete file`, async () => {
    for (const ahead of AHEAD) {
      const codecs = { ...failingAt([1]), ahead };
      using sink = await sinkFor(path, new StoredStream(), { codecs });
      await sink.write(new Uint8Array(PIECE_BYTES));
      for (let times = 0; times < 2; times++) {
        const writing = async () => await sink.write(new Uint8Array(PIECE_BYTES));
        await assertRejects(writing, Error, "piece fails");
        await assertRejects(async () => await sink.finish(), Error, "piece fails", `${ahead} ahead`);
      }
    }
  });

  Deno.test(`${path}: a file that accepts no more bytes fails every later call`, async () => {
    for (const ahead of AHEAD) {
      const full = { writeSync: () => 0, write: () => Promise.reject(new Error("No space left on device")) };
      const codecs = new ShuffledCodecs({ ahead, random: new Random(ahead) });
      using sink = await sinkFor(path, full, { codecs });
      const overlapping = Array.from({ length: 9 }, async () => await sink.write(new Uint8Array(1000)));
      assert((await Promise.allSettled(overlapping)).some(({ status }) => status === "rejected"));
      await assertRejects(async () => await sink.finish(), Error, `Cannot write "${path}": No space`);
      await assertRejects(async () => await sink.write(Uint8Array.of(1)), Error, "No space");
    }
  });

  Deno.test(`${path}: several failures are one rejection, and none is unhandled`, async () => {
    const content = new Uint8Array(7 * PIECE_BYTES);
    for (const ahead of AHEAD) {
      const work = failingAt([2, 3, 4, 7]);
      const codecs = new ShuffledCodecs({ ahead, random: new Random(ahead), work });
      await assertRejects(() => store(path, content, { codecs, atOnce: 6 }), Error, "piece fails");
      // The pieces in progress fail while no code waits for them.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });

  Deno.test(`${path}: a source that is closed early leaves nothing unhandled`, async () => {
    const stored = damages["wrong checksums from there on"](1);
    const codecs = new ShuffledCodecs({ ahead: 5, random: new Random(3) });
    {
      using source = await sourceFor(path, streamOf(stored), { codecs });
      assertEquals(await source.read(new Uint8Array(1)), 1);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
    assertEquals(codecs.mostUnderWay, 5);
  });
}

/**
 * Writes `content` in pieces of `PIECE_BYTES`, `atOnce` of them in overlapping calls. Returns the bytes of
 * the file.
 */
async function store(
  path: string,
  content: Uint8Array,
  { codecs, atOnce = 1 }: { codecs?: Codecs; atOnce?: number } = {},
): Promise<Uint8Array> {
  const file = new StoredStream();
  using sink = await sinkFor(path, file, { codecs });
  for (let at = 0; at < content.length;) {
    const calls: Promise<void>[] = [];
    while (calls.length < atOnce && at < content.length) {
      const portion = sharedCopy(content.subarray(at, at + PIECE_BYTES));
      at += portion.length;
      // The memory of one write is used for the next one, as in the program.
      calls.push((async () => {
        await sink.write(portion);
        portion.fill(0xee);
      })());
      assertEquals(sink.offsetBytes, at);
    }
    for (const outcome of await Promise.allSettled(calls)) {
      if (outcome.status === "rejected") throw outcome.reason;
    }
  }
  await sink.finish();
  return file.bytes;
}

/** Returns codecs that fail for the pieces with these numbers. */
function failingAt(numbers: readonly number[]): Omit<Codecs, "ahead"> {
  let count = 0;
  const unless = (work: Codecs["gzip"]) => (given: Encoding) =>
    numbers.includes(count++) ? Promise.reject(new Error("A piece fails")) : work(given);
  return { ...HERE, gzip: unless(HERE.gzip), zstd: unless(HERE.zstd) };
}

/**
 * Returns the offset of the checksum in a piece: the last four bytes of a frame, and the four before the last
 * four of a member.
 */
function checksumAt(path: string, piece: Uint8Array): number {
  return piece.length - (path === "a.gz" ? 8 : 4);
}

function withByte(bytes: Uint8Array, at: number): Uint8Array {
  return bytes.with(at, bytes[at] ^ 0x5a);
}

function part(bytes: Uint8Array, number: number): Uint8Array {
  return bytes.subarray(number * 1000, number * 1000 + 1000);
}

function hintOf(seed: number, codecs: Codecs): string {
  return `seed ${seed}, ${codecs.ahead} ahead, ${codecs instanceof ShuffledCodecs ? "shuffled" : "in order"}`;
}

for (const path of Object.keys(CONTAINERS) as (keyof typeof CONTAINERS)[]) {
  Deno.test(`${path}is decoded with the alignment of the stream, so that it is copied by words`, async () => {
    const stored = new StoredStream();
    const sink = await sinkFor(path, stored);
    for (const length of ODD_SIZES) await sink.write(new Random(length).fill(new Uint8Array(length)));
    await sink.finish();
    let offsetBytes = 0;
    const places: number[] = [];
    const note = ({ into }: { into: Uint8Array }) => {
      assertEquals(into.byteOffset % 8, offsetBytes % 8);
      places.push(into.byteOffset % 8);
      offsetBytes += into.length;
    };
    const codecs: Codecs = {
      ...HERE,
      gunzip: (given) => (note(given), HERE.gunzip(given)),
      unzstd: (given) => (note(given), HERE.unzstd(given)),
    };
    const source = CONTAINERS[path].open(new PlainSource(path, streamOf(stored.bytes)), codecs);
    assertEquals((await readAll(source)).length, ODD_SIZES.reduce((sum, length) => sum + length, 0));
    assert(new Set(places).size > 1, "all pieces begin at one byte of a word");
  });
}
