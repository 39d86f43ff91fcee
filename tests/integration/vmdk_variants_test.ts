/**
 * Snapshots with extents of every kind are dumped in every mode (incr with their own changes) and restored.
 */

import { assertEquals } from "@std/assert";
import { noise } from "../disks/helpers.ts";
import { buildSparse, descriptorText } from "../disks/vmdk/builder.ts";
import { buildCowd, buildSeSparse } from "../disks/vmdk/esx_builder.ts";
import { buildStream } from "../disks/vmdk/stream_builder.ts";
import { Workspace } from "./workspace.ts";

const SECTORS = 20_000;
const BYTES = SECTORS * 512;
const GRAIN = 65536;

/**
 * Returns a disk of which every second grain is empty, the disk after a change, and the changed grains alone.
 */
function generations(): { older: Uint8Array; newer: Uint8Array; delta: Uint8Array } {
  const older = new Uint8Array(BYTES);
  for (let grain = 0; grain * GRAIN < BYTES; grain += 2) {
    older.set(noise(GRAIN, grain).subarray(0, BYTES - grain * GRAIN), grain * GRAIN);
  }
  const delta = new Uint8Array(BYTES);
  for (const grain of [3, 10, 11, 77, 152]) {
    delta.set(noise(GRAIN, 1000 + grain).subarray(0, BYTES - grain * GRAIN), grain * GRAIN);
  }
  const newer = older.slice();
  for (let grain = 0; grain * GRAIN < BYTES; grain++) {
    const part = delta.subarray(grain * GRAIN, (grain + 1) * GRAIN);
    if (part.some((byte) => byte !== 0)) newer.set(part, grain * GRAIN);
  }
  return { older, newer, delta };
}

type Write = (work: Workspace, name: string, disk: Uint8Array) => string[];

/** For each kind of extent, a function that writes a disk and returns the extent lines of its descriptor. */
const KINDS: Record<string, Write> = {
  flat: (work, name, disk) => {
    work.file(`${name}-flat.vmdk`, disk);
    return [`RW ${SECTORS} FLAT "${name}-flat.vmdk" 0`];
  },
  split: (work, name, disk) =>
    [[0, 10_240], [10_240, SECTORS]].map(([begin, end]) => {
      const { bytes } = buildSparse(disk.subarray(begin * 512, end * 512));
      work.file(`${name}-s${end}.vmdk`, bytes);
      return `RW ${end - begin} SPARSE "${name}-s${end}.vmdk"`;
    }),
  stream: (work, name, disk) => {
    work.file(`${name}-s001.vmdk`, buildStream(disk).bytes);
    return [`RW ${SECTORS} SPARSE "${name}-s001.vmdk"`];
  },
  cowd: (work, name, disk) => {
    work.file(`${name}-delta.vmdk`, buildCowd(disk).bytes);
    return [`RW ${SECTORS} VMFSSPARSE "${name}-delta.vmdk"`];
  },
  seSparse: (work, name, disk) => {
    work.file(`${name}-sesparse.vmdk`, buildSeSparse(disk).bytes);
    return [`RW ${SECTORS} SESPARSE "${name}-sesparse.vmdk"`];
  },
};

for (const [kind, write] of Object.entries(KINDS)) {
  Deno.test(`a snapshot with ${kind} extents can be dumped in every mode and restored`, async () => {
    using work = new Workspace();
    const { older, newer, delta } = generations();
    work.file("older.raw", older);
    work.file("newer.raw", newer);
    work.file("base.vmdk", descriptorText(write(work, "base", older)));
    const child = descriptorText(write(work, "child", kind === "flat" ? newer : delta), {
      header: ['parentFileNameHint="base.vmdk"'],
    });
    work.file("child.vmdk", child.replace("parentCID=ffffffff", "parentCID=3f2a90c1"));

    const size = "--blocksize 65536";
    await work.run(`dump --mode full ${size} --local base.vmdk --dumpout 0.dump.zst --digestout 0.digest`);
    await work.run(`dump --mode full ${size} --local older.raw --dumpout r0.dump --digestout r0.digest`);
    await work.assertCompare("0.dump.zst", "r0.dump");
    await work.run(`dump --mode full ${size} --local newer.raw --dumpout r1.dump --digestout r1.digest`);

    const into = (n: string) => `--dumpout ${n}.dump.gz --digestout ${n}.digest --rdiffout ${n}.rdiff`;
    const from = "--dumpin 0.dump.zst --digestin 0.digest";
    await work.run(`dump --mode diff --local child.vmdk ${from} ${into("d")}`);
    await work.assertCompare("d.dump.gz", "r1.dump");

    const { setBlocks } = await work.runJson(
      `changed child.vmdk --since base.vmdk ${size} --bmpout changed.bmp`,
    );
    if (kind !== "flat") assertEquals(setBlocks, 5);
    await work.run(`dump --mode incr --local child.vmdk --bmpin changed.bmp ${from} ${into("i")}`);
    await work.assertCompare("i.dump.gz", "r1.dump");
    await work.assertCompare("i.digest", "r1.digest");

    await work.run("restore --create --local back.raw i.dump.gz");
    work.assertSameBytes("back.raw", "newer.raw");
    await work.run("restore --create --local first.raw i.dump.gz i.rdiff");
    work.assertSameBytes("first.raw", "older.raw");
  });
}
