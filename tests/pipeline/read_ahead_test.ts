/** A source that is read ahead gives what it holds, whatever is read and skipped, and keeps to its memory. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import type { ByteSource } from "../../cli/archive/bytes.ts";
import { sinkFor, sourceFor } from "../../cli/archive/container.ts";
import { Core } from "../../cli/core.ts";
import { FormatError } from "../../cli/errors.ts";
import { DumpReader } from "../../cli/pipeline/archive_reader.ts";
import { ReadAhead } from "../../cli/pipeline/read_ahead.ts";
import { walkRecords } from "../../cli/pipeline/walk.ts";
import { Random } from "../../scripts/disk_image.ts";
import { Folder } from "../disks/helpers.ts";
import { assertEqualBytes } from "../integration/same_bytes.ts";
import { StoredStream } from "../archive/files.ts";
import { fillFreeMemory, takeFreeMemory } from "../support/free_memory.ts";
import { drawDump } from "./drawn_archives.ts";

const PART_BYTES = 50_000;
const MOST_BYTES = 120_000;
const CONTENT = new Random(4).fill(new Uint8Array(700_001));

for (const name of ["a", "a.gz", "a.zst"]) {
  Deno.test(`${name} read ahead is ${name}, and no byte outside of the parts is touched`, async () => {
    using folder = new Folder();
    const stored = new StoredStream();
    using sink = await sinkFor(name, stored);
    // Pieces that begin at every byte of a word.
    for (let at = 0; at < CONTENT.length; at += 33_331) await sink.write(CONTENT.subarray(at, at + 33_331));
    await sink.finish();
    const path = folder.file(name, stored.bytes);
    for (let seed = 0; seed < 10; seed++) {
      const random = new Random(seed);
      const core = await Core.load({ memoryBytes: 1 << 20 });
      const inside = core.bytes(core.alloc(MOST_BYTES + 8), MOST_BYTES + 8);
      fillFreeMemory(core, 0xa5);
      using source = await sourceFor(path, Deno.openSync(path));
      const firstBytes = random.below(20);
      assertEquals(await source.skip(firstBytes), firstBytes);
      const ahead = new ReadAhead(core, source, PART_BYTES);
      for (let at = firstBytes; at < CONTENT.length;) {
        assertEquals(ahead.offsetBytes, at);
        const length = random.below(random.below(2) === 0 ? 100 : MOST_BYTES);
        const expected = CONTENT.subarray(at, at + length);
        if (random.below(4) === 0) {
          assertEquals(await ahead.skip(length), expected.length);
        } else {
          // In the core's memory or outside of it, beginning anywhere.
          const room = random.below(2) === 0 ? inside : new Uint8Array(MOST_BYTES + 8);
          const into = room.subarray(random.below(8)).subarray(0, length);
          assertEquals(await ahead.read(into), expected.length);
          assertEqualBytes(
            into.subarray(0, expected.length),
            expected,
            `${length} bytes from ${at}, seed ${seed}`,
          );
        }
        at += expected.length;
      }
      assertEquals(await ahead.read(new Uint8Array(1)), 0);
      // The parts are allocated: what is free now was free all the time, in front of them, between them and behind them.
      const free = takeFreeMemory(core);
      assert(free.length > 0);
      assert(
        free.every((bytes) => isFilled(bytes, 0xa5)),
        `bytes outside of the parts are changed, seed ${seed}`,
      );
    }
  });
}

Deno.test("parts begin at the byte of a word at which the stream is, so that they are copied by words", async () => {
  const core = await Core.load({ memoryBytes: 1 << 20 });
  const places: number[][] = [];
  const source = {
    path: "counted",
    offsetBytes: 3,
    fileOffsetBytes: 3,
    read(into: Uint8Array) {
      places.push([into.byteOffset % 8, this.offsetBytes % 8]);
      // The first part is a short one; the last is empty.
      const got = this.offsetBytes < 400_000 ? into.length : 0;
      this.offsetBytes += got;
      return got;
    },
    skip: (lenBytes: number) => lenBytes,
    tell() {},
    finishFile: () => Promise.resolve(0),
    [Symbol.dispose]() {},
  };
  const ahead = new ReadAhead(core, source, PART_BYTES + 1);
  while (await ahead.read(new Uint8Array(10_000)) > 0);
  assertEquals(places.map(([place]) => place), places.map(([, offset]) => offset));
  assert(new Set(places.map(([place]) => place)).size > 3, "the parts begin at few bytes of a word");
});

/** A source in memory. Reads that begin at `waitFromBytes` or behind wait until `resume` is called. */
class WaitingSource implements ByteSource {
  readonly path = "waiting";
  offsetBytes = 0;
  /** The read that waits, once there is one. */
  #waiting?: Promise<number>;
  readonly #content: Uint8Array;
  readonly #waitFromBytes: number;
  readonly #failure?: Error;
  readonly #resumed = Promise.withResolvers<void>();

  /** With `failure`, the read that waited fails after it has filled its buffer. */
  constructor(
    content: Uint8Array,
    { waitFromBytes, failure }: { waitFromBytes: number; failure?: Error },
  ) {
    this.#content = content;
    this.#waitFromBytes = waitFromBytes;
    this.#failure = failure;
  }

  get fileOffsetBytes(): number {
    return this.offsetBytes;
  }

  read(into: Uint8Array): Promise<number> {
    if (this.offsetBytes < this.#waitFromBytes) return Promise.resolve(this.#fill(into));
    return this.#waiting = this.#resumed.promise.then(() => {
      const lenBytes = this.#fill(into);
      if (this.#failure !== undefined) throw this.#failure;
      return lenBytes;
    });
  }

  /** Lets the read that waits go on, and returns when it has ended. */
  async resume(): Promise<void> {
    if (this.#waiting === undefined) throw new Error("no read is waiting");
    this.#resumed.resolve();
    await this.#waiting.catch(() => {});
  }

  skip(lenBytes: number): number {
    this.offsetBytes += lenBytes;
    return lenBytes;
  }

  tell(): void {}

  finishFile(): Promise<number> {
    return Promise.resolve(this.#content.length);
  }

  [Symbol.dispose](): void {}

  #fill(into: Uint8Array): number {
    const part = this.#content.subarray(this.offsetBytes, this.offsetBytes + into.length);
    into.set(part);
    this.offsetBytes += part.length;
    return part.length;
  }
}

/** Bytes of the first part. The second one is being read when the first byte of the first one is there. */
const FIRST_PART_BYTES = 128 * 1024;
/** Bytes that are read before the first record is taken. */
const WINDOW_BYTES = 256 * 1024;

/** A dump whose second record is damaged. */
const DAMAGED_DUMP = (() => {
  const { bytes } = drawDump("a".repeat(2000));
  const headerBytes = drawDump("", { blockCount: 2000 }).bytes.length;
  bytes[headerBytes + "0\x000\x00512\x00".length + 512] ^= 0xff;
  return bytes;
})();

/** Ways in which a reader ends while its next part is being read. */
const ENDINGS: {
  what: string;
  source: WaitingSource;
  end: (core: Core, source: ByteSource) => Promise<void>;
}[] = [{
  what: "its reader is given up",
  source: new WaitingSource(CONTENT, { waitFromBytes: FIRST_PART_BYTES }),
  end: readOneByte,
}, {
  what: "its reader is given up, and the read fails later",
  source: new WaitingSource(CONTENT, {
    waitFromBytes: FIRST_PART_BYTES,
    failure: new Error("Input/output error"),
  }),
  end: readOneByte,
}, {
  what: "the archive turns out to be damaged",
  source: new WaitingSource(DAMAGED_DUMP, { waitFromBytes: WINDOW_BYTES }),
  end: async (core, source) => {
    const reader = await DumpReader.open(core, source, { partBytes: WINDOW_BYTES });
    await assertRejects(() => walkRecords(core, reader), FormatError);
  },
}];

async function readOneByte(core: Core, source: ByteSource): Promise<void> {
  assertEquals(await new ReadAhead(core, source, PART_BYTES).read(new Uint8Array(1)), 1);
}

for (const { what, source, end } of ENDINGS) {
  Deno.test(`the memory of a part that is being read is handed out after the read only, when ${what}`, async () => {
    const core = await Core.load({ memoryBytes: 32 << 20 });
    const { usedBytes } = core;
    const reading = core.scope();
    await end(reading, source);
    reading[Symbol.dispose]();
    {
      using other = core.scope();
      const free = takeFreeMemory(other);
      for (const bytes of free) bytes.fill(0xa5);
      await source.resume();
      assert(free.every((bytes) => isFilled(bytes, 0xa5)), "the read has changed memory of somebody else");
    }
    await reading[Symbol.asyncDispose]();
    assertEquals(core.usedBytes, usedBytes);
  });
}

function isFilled(bytes: Uint8Array, value: number): boolean {
  return bytes.every((byte) => byte === value);
}
