/**
 * The integration test through the disk library, on each API level of the library: with disks of a server,
 * and with local disks through `--libdir`.
 */

import { assert, assertEquals } from "@std/assert";
import { Bitmap } from "../../cli/archive/bitmap.ts";
import { defaultSampleBlocks } from "../../cli/pipeline/sample.ts";
import { changeDisk, makeDisk } from "../../scripts/disk_image.ts";
import { APIS } from "../../scripts/standin.ts";
import { testWith } from "../support/skip.ts";
import { MISSING_STANDIN, World } from "../support/standin_world.ts";
import { bytesOf } from "../pipeline/bitmaps.ts";

const MIB = 1024 * 1024;
const SIZE_BYTES = 12 * MIB + 3 * 512;
const BLOCK = ["--blocksize", "65536"];

for (const level of APIS) {
  testWith({ missing: MISSING_STANDIN }, `remote disks can be backed up, API level ${level}`, async () => {
    using world = await World.create({ level });
    const disks = generations(world);
    const f = (name: string) => world.file(name);

    // Generation 1 is dumped in every mode.
    for (const n of [0, 1]) {
      await world.json([
        ...["dump", "--mode", "full", ...disks[n], ...BLOCK],
        ...["--dumpout", f(`${n}.dump`), "--digestout", f(`${n}.digest`)],
      ]);
    }
    const changes = (mode: string, ...more: string[]) =>
      world.json([
        ...[
          "dump",
          "--mode",
          mode,
          ...disks[1],
          "--dumpin",
          f("0.dump"),
          "--digestin",
          f("0.digest"),
          ...more,
        ],
        ...["--dumpout", f(`1_${mode}.dump`), "--digestout", f(`1_${mode}.digest`)],
        ...["--rdiffout", f(`0_${mode}.rdiff`)],
      ]);
    const diff = await changes("diff");
    const bitmap = await world.json(["rdiff2bmp", f("0_diff.rdiff"), "--bmpout", f("1.bmp")]);
    const incr = await changes("incr", "--bmpin", f("1.bmp"));
    assertEquals(incr.changedBlocks, diff.changedBlocks);
    assertEquals(incr.audit.result, "agrees");
    assertEquals(
      incr.audit.sampledBlocks,
      defaultSampleBlocks(incr.blocks - bitmap.setBlocks, incr.blockSize),
    );
    for (const mode of ["diff", "incr"]) {
      await world.assertCompare("1.dump", `1_${mode}.dump`);
      await world.assertCompare("1.digest", `1_${mode}.digest`);
    }
    world.assertSameBytes("0_diff.rdiff", "0_incr.rdiff");

    // The archives are the same as without the library, whatever areas the library reports as allocated.
    await world.run(
      "dump --mode full --local gen1.raw --blocksize 65536 --dumpout local.dump --digestout local.digest",
    );
    await world.assertCompare("local.dump", "1.dump");
    await world.assertCompare("local.digest", "1.digest");

    // Generation 0 is restored to the server and verified, and dumped from there again.
    const back = ["restore", ...disks[2], "--metadata", "--verify", "--digestin", f("0.digest")];
    await world.json([...back, f("1_incr.dump"), f("0_incr.rdiff")]);
    world.assertSameBytes("back.raw", "gen0.raw");
    await world.json([
      ...["dump", "--mode", "full", ...disks[2], ...BLOCK],
      ...["--dumpout", f("again.dump"), "--digestout", f("again.digest")],
    ]);
    await world.assertCompare("again.dump", "0.dump");
    world.assertClean();
  });

  testWith(
    { missing: MISSING_STANDIN },
    `local disks can be backed up through the library, API level ${level}`,
    async () => {
      using world = await World.create({ level });
      generations(world);
      const f = (name: string) => world.file(name);
      await world.json([
        ...["dump", "--mode", "full", "--local", f("gen0.raw"), ...world.library, ...BLOCK],
        ...["--dumpout", f("0.dump"), "--digestout", f("0.digest")],
      ]);
      await world.json([
        ...["restore", "--create", "--local", f("made.vmdk"), ...world.library, "--metadata"],
        ...["--verify", "--digestin", f("0.digest"), f("0.dump")],
      ]);
      world.assertSameBytes("made-flat.vmdk", "gen0.raw");
      // The disk is dumped without the library, then overwritten in place through the library.
      await world.run(
        "dump --mode full --local made.vmdk --blocksize 65536 --dumpout made.dump --digestout made.digest",
      );
      await world.assertCompare("made.dump", "0.dump");
      Deno.writeFileSync(f("made-flat.vmdk"), new Uint8Array(SIZE_BYTES).fill(0xa5));
      await world.json(["restore", "--local", f("made.vmdk"), ...world.library, f("0.dump")]);
      world.assertSameBytes("made-flat.vmdk", "gen0.raw");
      const left = [...Deno.readDirSync(world.path)].map(({ name }) => name).filter((name) =>
        name.startsWith(".")
      );
      assertEquals(left, []);
      world.assertClean();
    },
  );
}

testWith(
  { missing: MISSING_STANDIN },
  "a full dump reads only allocated areas, and an incr dump only the blocks of the bitmap",
  async () => {
    using world = await World.create();
    const blockBytes = 64 * 1024;
    const blocks = 400;
    // The first and the last tenth of the disk have data.
    using file = Deno.createSync(world.file("gen0.raw"));
    file.truncateSync(blocks * blockBytes);
    for (const at of [0, 0.9]) {
      file.seekSync(at * blocks * blockBytes, Deno.SeekMode.Start);
      file.writeSync(new Uint8Array(blocks / 10 * blockBytes).fill(7));
    }
    const disk = world.disk("gen0.raw");
    const f = (name: string) => world.file(name);
    const read = () => world.calls("Read").reduce((sum, { bytes = 0 }) => sum + bytes, 0);

    await world.json([
      ...["dump", "--mode", "full", ...disk, "--blocksize", `${blockBytes}`],
      ...["--dumpout", f("0.dump"), "--digestout", f("0.digest")],
    ]);
    assertEquals(read(), blocks / 5 * blockBytes);

    // One block of a hundred is in the bitmap: blocks at both ends and in the middle.
    const bitmap = new Bitmap(blocks);
    for (const block of [0, 200, 399, 17]) bitmap.set(block);
    Deno.writeFileSync(f("1.bmp"), await bytesOf(bitmap));
    world.forget();
    await world.json([
      ...[
        "dump",
        "--mode",
        "incr",
        "--audit",
        "0",
        ...disk,
        "--bmpin",
        f("1.bmp"),
        "--dumpin",
        f("0.dump"),
        "--digestin",
        f("0.digest"),
      ],
      ...["--dumpout", f("1.dump"), "--digestout", f("1.digest"), "--rdiffout", f("0.rdiff")],
    ]);
    assertEquals(read(), 4 * blockBytes);
    await world.assertCompare("0.dump", "1.dump");
    world.assertClean();
  },
);

/**
 * Makes three disks of the server: two generations of one disk, and one to restore to. Returns the options
 * that select each of them.
 */
function generations(world: World): string[][] {
  makeDisk(world.file("gen0.raw"), { sizeBytes: SIZE_BYTES, seed: 1 });
  Deno.truncateSync(world.file("gen0.raw"), SIZE_BYTES);
  world.copy("gen0.raw", "gen1.raw");
  changeDisk(world.file("gen1.raw"), { seed: 1 });
  Deno.writeFileSync(world.file("back.raw"), new Uint8Array(SIZE_BYTES).fill(0x5a));
  const disks = ["gen0.raw", "gen1.raw", "back.raw"].map((name) => world.disk(name));
  assert(disks.every((disk) => disk.length > 0));
  return disks;
}
