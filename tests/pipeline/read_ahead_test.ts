/** A source that is read ahead gives what it holds, whatever is read and skipped, and keeps to its memory. */

import { assert, assertEquals } from "@std/assert";
import { sinkFor, sourceFor } from "../../cli/archive/container.ts";
import { Core } from "../../cli/core.ts";
import { ReadAhead } from "../../cli/pipeline/read_ahead.ts";
import { Random } from "../../scripts/disk_image.ts";
import { Folder } from "../disks/helpers.ts";
import { assertEqualBytes } from "../integration/same_bytes.ts";
import { StoredStream } from "../archive/files.ts";

const PART_BYTES = 50_000;
const MOST_BYTES = 120_000;
const CONTENT = new Random(4).fill(new Uint8Array(700_001));

for (const name of ["a", "a.gz", "a.zst"]) {
  Deno.test(`${name} read ahead is ${name}, and no byte behind the parts is touched`, async () => {
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
      const memory = core.bytes(0, core.memoryBytes);
      const inside = core.bytes(core.alloc(MOST_BYTES + 8), MOST_BYTES + 8);
      memory.fill(0xa5, core.mark());
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
      assert(
        memory.subarray(core.mark()).every((byte) => byte === 0xa5),
        "bytes behind the parts are changed",
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
