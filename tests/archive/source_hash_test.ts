/** A source passes every byte of its file to the hash, in order, once. */

import { assertEquals, assertRejects } from "@std/assert";
import { sinkFor, sourceFor } from "../../cli/archive/container.ts";
import { PlainSource } from "../../cli/archive/plain_source.ts";
import { Random } from "../../scripts/disk_image.ts";
import { assertSameBytes, Folder } from "../disks/helpers.ts";
import { StoredStream } from "./files.ts";
import { SlowHash } from "./slow_hash.ts";

/** Writes `content` in the container that the name determines, and returns the bytes of the file. */
async function storedAs(path: string, content: Uint8Array): Promise<Uint8Array> {
  const file = new StoredStream();
  using sink = await sinkFor(path, file);
  for (let at = 0; at < content.length; at += 100_000) await sink.write(content.subarray(at, at + 100_000));
  await sink.finish();
  return file.bytes;
}

const LONG = new Random(9).fill(new Uint8Array(5_000_003));
const MEMORY_BYTES = 900_000;

for (const name of ["a", "a.gz", "a.zst"]) {
  Deno.test(`tell() of a source of ${name} hashes the whole file, for every way of reading and time of the call`, async () => {
    using folder = new Folder();
    const stored = await storedAs(name, LONG);
    const path = folder.file(name, stored);
    const random = new Random(1);
    for (let run = 0; run < 8; run++) {
      using source = await sourceFor(path, Deno.openSync(path));
      const hash = new SlowHash();
      const toldAt = run === 0 ? 0 : random.below(LONG.length);
      // All reads use the same memory, so that a part could be overwritten before it is hashed.
      const memory = new Uint8Array(
        run % 2 === 0 ? new SharedArrayBuffer(MEMORY_BYTES) : new ArrayBuffer(MEMORY_BYTES),
      );
      let isTold = false;
      for (let at = 0; at < LONG.length;) {
        // Large reads bypass the buffer of the source. Small reads and peek() move the bytes in it.
        const leastBytes = run % 4 < 2 ? 262_144 : 1;
        const lenBytes = Math.min(LONG.length - at, leastBytes + random.below(MEMORY_BYTES - leastBytes));
        if (source instanceof PlainSource && leastBytes === 1) await source.peek(1 + random.below(400_000));
        const isUnderWay = !isTold && at + lenBytes > toldAt && random.below(2) === 0;
        const isSkipped = random.below(3) === 0;
        const passed = isSkipped
          ? source.skip(lenBytes)
          : source.read(memory.subarray(0, lenBytes), { keeps: run % 3 > 0 });
        if (isUnderWay) source.tell(hash);
        assertEquals(await passed, lenBytes);
        if (!isSkipped) {
          assertSameBytes(memory.slice(0, lenBytes), LONG.slice(at, at + lenBytes), `run ${run}`);
        }
        at += lenBytes;
        if (!isTold && !isUnderWay && at > toldAt) source.tell(hash);
        isTold ||= at > toldAt;
        // The file is not read to its end, and the rest is hashed nevertheless.
        if (isTold && random.below(10) === 0) break;
      }
      assertEquals(await source.finishFile(), stored.length);
      assertSameBytes(hash.heard, stored, `run ${run}`);
    }
  });
}

Deno.test("a source whose hash fails rejects a later read or finishFile()", async () => {
  using folder = new Folder();
  const path = folder.file("a", LONG);
  using source = await sourceFor(path, Deno.openSync(path));
  await source.read(new Uint8Array(1000));
  source.tell({ update: () => Promise.reject(new Error("no memory")) });
  await assertRejects(
    async () => {
      while (await source.read(new Uint8Array(1000)) > 0);
      await source.finishFile();
    },
    Error,
    "no memory",
  );
});

Deno.test("two sources that are read into the same memory hash their own content", async () => {
  using folder = new Folder();
  const contents = [LONG, LONG.slice().reverse()];
  const memory = new Uint8Array(new SharedArrayBuffer(700_000));
  const hashes = contents.map(() => new SlowHash());
  const sources = await Promise.all(contents.map((content, i) => {
    const path = folder.file(`${i}`, content);
    return sourceFor(path, Deno.openSync(path));
  }));
  for (const [i, source] of sources.entries()) source.tell(hashes[i]);
  for (let got = 1; got > 0;) for (const source of sources) got = await source.read(memory);
  for (const [i, source] of sources.entries()) {
    assertEquals(await source.finishFile(), LONG.length);
    assertSameBytes(hashes[i].heard, contents[i], `source ${i}`);
    source[Symbol.dispose]();
  }
});
