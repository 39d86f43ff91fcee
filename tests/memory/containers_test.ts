/** Memory does not grow with the pieces of a container: a reader keeps no list of them. */

import { Folder } from "../disks/helpers.ts";
import { drawDump } from "../pipeline/drawn_archives.ts";
import { testWith } from "../support/skip.ts";
import { assertPeak, MIB, missing, packed } from "./peak.ts";

/** RFC 8878: magic, content size 0, one empty raw block. */
const EMPTY_FRAME = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, 1, 0, 0);
const FRAMES = 3_500_000;

testWith({ missing }, `A container with ${FRAMES} frames is walked`, async () => {
  using folder = new Folder();
  const path = folder.file("a.dump.zst");
  {
    using file = Deno.createSync(path);
    // More than a reader reads ahead, so that it does not come to the frames behind the blocks.
    const dump = drawDump("abcdefghijklmnop", { blockBytes: MIB });
    writeAll(file, await packed(dump.bytes, ".zst"));
    const many = new Uint8Array(10_000 * EMPTY_FRAME.length);
    for (let at = 0; at < many.length; at += EMPTY_FRAME.length) many.set(EMPTY_FRAME, at);
    for (let count = 0; count < FRAMES; count += 10_000) writeAll(file, many);
  }
  await assertPeak(["check", "--quick", path]);
});

function writeAll(file: Deno.FsFile, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
}
