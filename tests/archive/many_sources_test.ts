import { assertEquals, assertRejects } from "@std/assert";
import type { ByteSource } from "../../cli/archive/bytes.ts";
import { sourceFor } from "../../cli/archive/container.ts";
import { ManySources } from "../../cli/archive/many_sources.ts";
import { FormatError } from "../../cli/errors.ts";
import { Random } from "../../scripts/disk_image.ts";
import { Folder } from "../disks/helpers.ts";
import { assertEqualBytes } from "../integration/same_bytes.ts";
import { packed } from "../memory/peak.ts";
import { contentOf, streamOf } from "./files.ts";

const SEEDS = [1, 2, 3];
/** More sources than there are buffers for pieces. */
const SOURCES = 40;
const PIECES = 3;
const PIECE_BYTES = 60_000;

for (const path of ["a", "a.gz", "a.zst"]) {
  Deno.test(`Many sources of ${path} that are read in turn return their content`, async () => {
    for (const seed of SEEDS) {
      using folder = new Folder();
      using scope = new DisposableStack();
      const random = new Random(seed);
      const many = new ManySources();
      const contents = Array.from(
        { length: SOURCES },
        (_, i) => contentOf(PIECES * PIECE_BYTES, 100 * seed + i),
      );
      const sources: ByteSource[] = [];
      for (const [i, content] of contents.entries()) {
        const file = folder.file(`${i}${path.slice(1)}`, await inPieces(content, path.slice(1)));
        // Every tenth source is a pipe, which cannot be read again.
        const opened = i % 10 === 9 ? streamOf(Deno.readFileSync(file)) : Deno.openSync(file);
        sources.push(scope.use(await sourceFor(file, opened, { many })));
      }
      for (let left = SOURCES; left > 0;) {
        const i = random.below(SOURCES);
        const { offsetBytes } = sources[i];
        const wanted = contents[i].subarray(offsetBytes, offsetBytes + 1 + random.below(20_000));
        const hint = `seed ${seed}, source ${i} at ${offsetBytes}`;
        if (random.below(4) === 0) {
          assertEquals(await sources[i].skip(wanted.length), wanted.length, hint);
        } else {
          const got = new Uint8Array(wanted.length);
          assertEquals(await sources[i].read(got), wanted.length, hint);
          assertEqualBytes(got, wanted, hint);
        }
        if (wanted.length > 0 && sources[i].offsetBytes === contents[i].length) {
          assertEquals(await sources[i].read(new Uint8Array(1)), 0, hint);
          left--;
        }
      }
    }
  });
}

for (const suffix of [".gz", ".zst"]) {
  Deno.test(`A damaged one of many ${suffix} sources is refused, independently of the others`, async () => {
    using folder = new Folder();
    using scope = new DisposableStack();
    const many = new ManySources();
    const stored = await inPieces(contentOf(PIECES * PIECE_BYTES, 7), suffix);
    const sources: ByteSource[] = [];
    for (let i = 0; i < SOURCES; i++) {
      const bytes = stored.slice();
      if (i % 2 === 1) bytes[Math.floor(bytes.length / 2)] ^= 0xff;
      const file = folder.file(`${i}${suffix}`, bytes);
      sources.push(scope.use(await sourceFor(file, Deno.openSync(file), { many })));
    }
    const readSome = (source: ByteSource) => source.read(new Uint8Array(1000));
    for (let round = 0; round < PIECES * PIECE_BYTES / 1000; round++) {
      for (let i = 0; i < SOURCES; i += 2) assertEquals(await readSome(sources[i]), 1000);
    }
    for (let i = 1; i < SOURCES; i += 2) {
      await assertRejects(async () => {
        while (await readSome(sources[i]) > 0);
      }, FormatError);
    }
  });
}

async function inPieces(content: Uint8Array, suffix: string): Promise<Uint8Array> {
  if (suffix === "") return content;
  const parts = [];
  for (let at = 0; at < content.length; at += PIECE_BYTES) {
    parts.push(await packed(content.subarray(at, at + PIECE_BYTES), suffix));
  }
  return new Uint8Array(await new Blob(parts as Uint8Array<ArrayBuffer>[]).arrayBuffer());
}
