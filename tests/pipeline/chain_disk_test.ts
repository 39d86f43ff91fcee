import { assertEquals, assertRejects } from "@std/assert";
import { Core } from "../../cli/core.ts";
import { ChainDisk } from "../../cli/pipeline/chain_disk.ts";
import { drawDisk, drawDump, drawRdiff, openChain } from "./drawn_archives.ts";

Deno.test("a disk of a chain has the bytes of the generation, however it is read in ascending order", async () => {
  await using core = await Core.load();
  const blocks = "aX.Y..z".repeat(3000);
  const rdiff = "_b._d_.".repeat(3000);
  const wanted = drawDisk("ab.Yd..".repeat(3000));
  for (const step of [512, 100, 5000, 3 * 512, wanted.length]) {
    await using scope = core.scope();
    const disk = new ChainDisk(
      scope,
      await openChain(scope, drawDump(blocks, { generation: 1 }), drawRdiff(rdiff)),
    );
    const bytes = new Uint8Array(wanted.length).fill(0xff);
    for (let at = 0; at < bytes.length;) {
      const { endBytes, zero } = await disk.extentAt(at);
      const end = Math.min(endBytes, at + step);
      if (zero) bytes.fill(0, at, end);
      else await disk.read(bytes.subarray(at, end), at);
      at = end;
    }
    assertEquals(bytes.findIndex((byte, i) => byte !== wanted[i]), -1, `step ${step}`);
    await assertRejects(() => disk.read(new Uint8Array(1), 0), RangeError, "Cannot read block 0");
  }
});

Deno.test("a disk of a chain can be read with gaps", async () => {
  await using core = await Core.load();
  const disk = new ChainDisk(core, await openChain(core, drawDump("abcdefgh".repeat(4000))));
  for (const block of [1, 5, 13000, 31999]) {
    const bytes = new Uint8Array(512);
    await disk.read(bytes, block * 512);
    assertEquals(bytes, drawDisk("abcdefgh"[block % 8]));
  }
});
