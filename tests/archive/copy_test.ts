/**
 * Pieces that are copied between files instead of being compressed again, and pieces that must not be copied.
 */

import { assertEquals } from "@std/assert";
import zlib from "node:zlib";
import type { ByteSource } from "../../cli/archive/bytes.ts";
import { sinkFor, sourceFor } from "../../cli/archive/container.ts";
import type { InputFile } from "../../cli/archive/plain_source.ts";
import { Random } from "../../scripts/disk_image.ts";
import { Folder } from "../disks/helpers.ts";
import { assertEqualBytes } from "../integration/same_bytes.ts";
import { concat, contentOf, readAll, StoredStream, streamOf } from "./files.ts";
import { frameOf, memberOf } from "./pieces.ts";
import { ShuffledCodecs } from "./shuffled_codecs.ts";

const PIECES = [30_000, 1, 70_001, 100_000].map((len, i) => contentOf(len, 90 + i));
const WHOLE = concat(...PIECES);
const EVERY = PIECES.length;

const CONTAINERS = {
  "a.gz": { own: memberOf, foreign: (content: Uint8Array) => new Uint8Array(zlib.gzipSync(content)) },
  "a.zst": {
    own: frameOf,
    // Without the mark that another frame follows, the frame is one of another program.
    foreign: (content: Uint8Array) => frameOf(content, { isLast: true }),
  },
};

/** Returns a file of this program with these pieces. */
async function storedOf(path: string, { level }: { level?: number } = {}): Promise<Uint8Array> {
  const file = new StoredStream();
  using sink = await sinkFor(path, file, { level });
  for (const piece of PIECES) await sink.write(piece);
  await sink.finish();
  return file.bytes;
}

/** Options of {@linkcode copy}. */
interface CopyOptions {
  from: InputFile;
  /** The name of the new file, which determines its container. */
  to?: string;
  level?: number;
  /** The lengths of the writes; by default those of the pieces. */
  sizes?: number[];
  /** Returns the offset of a byte in the source that the writer passes as origin. */
  offsetOf?: (offsetBytes: number) => number;
  /** Called when everything is read and nothing is written. */
  onRead?: () => void;
}

/**
 * Copies the stream of `from`. Returns the new file, and the number of pieces that were compressed for it,
 * without the last one.
 */
async function copy(path: string, options: CopyOptions): Promise<{ compressed: number; stored: Uint8Array }> {
  const { from, to = path, level, sizes = PIECES.map(({ length }) => length) } = options;
  const file = new StoredStream();
  const codecs = new ShuffledCodecs({ ahead: 2, random: new Random(8) });
  using source: ByteSource = await sourceFor(path, from);
  using sink = await sinkFor(to, file, { level, codecs });
  const content = await readAll(source);
  options.onRead?.();
  const calls: Promise<void>[] = [];
  for (let at = 0, turn = 0; at < content.length;) {
    const portion = content.subarray(at, at + sizes[turn++ % sizes.length]);
    const origin = { source, offsetBytes: options.offsetOf?.(at) ?? at };
    calls.push((async () => await sink.write(portion, origin))());
    at += portion.length;
  }
  await Promise.all(calls);
  await sink.finish();
  using back = await sourceFor(to, streamOf(file.bytes));
  assertEqualBytes(await readAll(back), content, "content of the copy");
  return { compressed: codecs.count - 1, stored: file.bytes };
}

for (const path of ["a.gz", "a.zst"] as const) {
  const { own, foreign } = CONTAINERS[path];
  const stored = await storedOf(path);

  /** Opens a regular file with the content `bytes`. */
  const regular = (folder: Folder, bytes: Uint8Array) => {
    Deno.writeFileSync(folder.file(path), bytes);
    return Deno.openSync(folder.file(path));
  };

  Deno.test(`${path}: pieces of a file of the same kind are copied, and equal those that compression makes`, async () => {
    using folder = new Folder();
    const copied = await copy(path, { from: regular(folder, stored) });
    assertEquals(copied.compressed, 0);
    assertEqualBytes(copied.stored, stored, "the same file");
    const again = await copy(path, { from: regular(folder, stored), level: path === "a.gz" ? 2 : 1 });
    assertEquals(again.compressed, EVERY);
    assertEqualBytes(again.stored, stored, "compressed again");
  });

  Deno.test(`${path}: pieces are copied in their stored form, independently of their level`, async () => {
    using folder = new Folder();
    const high = await storedOf(path, { level: 9 });
    const copied = await copy(path, { from: regular(folder, high) });
    assertEquals(copied.compressed, 0);
    // The last member is not a copy, and its header depends on the level of the new file.
    const end = path === "a.gz" ? high.length - 35 : high.length;
    assertEqualBytes(copied.stored.subarray(0, end), high.subarray(0, end), "the same file");
  });

  Deno.test(`${path}: pieces of a source that begins within its file are copied from the right place`, async () => {
    using folder = new Folder();
    const file = regular(folder, concat(new Uint8Array(1234), stored));
    file.seekSync(1234, Deno.SeekMode.Start);
    const copied = await copy(path, { from: file });
    assertEquals(copied.compressed, 0);
    assertEqualBytes(copied.stored, stored, "the same file");
  });

  Deno.test(`${path}: with a given level nothing is copied`, async () => {
    using folder = new Folder();
    const { compressed } = await copy(path, { from: regular(folder, stored), level: 3 });
    assertEquals(compressed, EVERY);
  });

  Deno.test(`${path}: a write that is not exactly one piece is compressed`, async () => {
    using folder = new Folder();
    const [first, second, third, last] = PIECES.map(({ length }) => length);
    for (
      const [compressed, ...sizes] of [
        [1, WHOLE.length],
        [2, first - 1, WHOLE.length],
        [2, first + 1, WHOLE.length],
        [1, first, WHOLE.length],
        [1, first + second + third, last],
        [3, first, second, third + 1, 4000, last],
      ]
    ) {
      assertEquals(
        (await copy(path, { from: regular(folder, stored), sizes })).compressed,
        compressed,
        `${sizes}`,
      );
    }
    const shifted = await copy(path, { from: regular(folder, stored), offsetOf: (at) => at + 1 });
    assertEquals(shifted.compressed, EVERY);
  });

  Deno.test(`${path}: a write whose origin holds other bytes is compressed`, async () => {
    using folder = new Folder();
    const content = WHOLE.slice();
    content[WHOLE.length - 1] ^= 1;
    using read = await sourceFor(path, regular(folder, stored));
    await readAll(read);
    const file = new StoredStream();
    using sink = await sinkFor(path, file);
    await sink.write(content.subarray(-100_000), { source: read, offsetBytes: content.length - 100_000 });
    await sink.finish();
    using back = await sourceFor(path, streamOf(file.bytes));
    assertEqualBytes(await readAll(back), content.subarray(-100_000), "what was written");
  });

  Deno.test(`${path}: content of pipes, of other programs' files and of another kind is compressed`, async () => {
    using folder = new Folder();
    const others = concat(...await Promise.all(PIECES.map((piece) => foreign(piece))));
    assertEquals((await copy(path, { from: regular(folder, others) })).compressed, EVERY);
    assertEquals((await copy(path, { from: streamOf(stored) })).compressed, EVERY);
    const to = path === "a.gz" ? "a.zst" : "a.gz";
    assertEquals((await copy(path, { from: regular(folder, stored), to })).compressed, EVERY);
  });

  Deno.test(`${path}: a piece that is marked as the last one is compressed`, async () => {
    using folder = new Folder();
    const pieces = await Promise.all(PIECES.map((piece, i) => own(piece, { isLast: i === EVERY - 1 })));
    assertEquals((await copy(path, { from: regular(folder, concat(...pieces)) })).compressed, 1);
  });

  Deno.test(`${path}: pieces of a file that was changed or cut meanwhile are not copied`, async () => {
    using folder = new Folder();
    for (
      const change of [
        () => Deno.truncateSync(folder.file(path), 10),
        () => Deno.writeFileSync(folder.file(path), new Uint8Array(stored.length)),
      ]
    ) {
      const { compressed } = await copy(path, { from: regular(folder, stored), onRead: change });
      assertEquals(compressed, EVERY);
    }
  });

  Deno.test(`${path}: pieces that were read many pieces earlier are compressed`, async () => {
    using folder = new Folder();
    const tiny = await Promise.all(
      Array.from({ length: 300 }, (_, i) => own(Uint8Array.of(i), { isLast: false })),
    );
    const file = concat(...tiny, await own(new Uint8Array(0), { isLast: true }));
    assertEquals((await copy(path, { from: regular(folder, file), sizes: [1] })).compressed, 300 - 256);
  });
}
