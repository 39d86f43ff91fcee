/** The disks that the pages of the manual back up. */

import { join } from "@std/path/posix/join";
import { noise } from "../disks/helpers.ts";
import { descriptorText } from "../disks/vmdk/builder.ts";
import { buildCowd } from "../disks/vmdk/esx_builder.ts";

const MIB = 1024 * 1024;
const DISK_BLOCKS = 8;
const SECTORS = DISK_BLOCKS * MIB / 512;

/** Blocks of the disk that have content: text in the even ones, noise in the odd one. */
const DATA_BLOCKS = [0, 1, 2, 4];

/** The sectors that the snapshot has, all of them in block 5. */
const SNAPSHOT_SECTORS = [5 * MIB / 512, 5 * MIB / 512 + 7];

const GEOMETRY = [
  'ddb.adapterType = "lsilogic"',
  'ddb.virtualHWVersion = "4"',
  'ddb.geometry.cylinders = "16"',
  'ddb.geometry.heads = "16"',
  'ddb.geometry.sectors = "63"',
];

/** Writes a disk of 8 MiB, `disk.vmdk` with `disk-flat.vmdk`, and a snapshot of it, `snap.vmdk` with `snap-delta.vmdk`. */
export function writePageDisks(folder: string): void {
  const base = descriptorText([`RW ${SECTORS} FLAT "disk-flat.vmdk" 0`], { ddb: GEOMETRY });
  const snapshot = descriptorText([`RW ${SECTORS} VMFSSPARSE "snap-delta.vmdk"`], {
    createType: "vmfsSparse",
    header: ['parentFileNameHint="disk.vmdk"'],
    ddb: GEOMETRY,
  });
  const cid = /^CID=(.*)$/m.exec(base)![1];
  Deno.writeTextFileSync(join(folder, "disk.vmdk"), base);
  Deno.writeFileSync(join(folder, "disk-flat.vmdk"), contentOfDisk());
  Deno.writeTextFileSync(
    join(folder, "snap.vmdk"),
    snapshot.replace("parentCID=ffffffff", `parentCID=${cid}`),
  );
  const delta = buildCowd(noise(DISK_BLOCKS * MIB, 7), { order: SNAPSHOT_SECTORS });
  Deno.writeFileSync(join(folder, "snap-delta.vmdk"), delta.bytes);
}

function contentOfDisk(): Uint8Array {
  const disk = new Uint8Array(DISK_BLOCKS * MIB);
  for (const block of DATA_BLOCKS) {
    const line = new TextEncoder().encode(`a line of block ${block}\n`);
    const content = block % 2 === 1
      ? noise(MIB, block)
      : Uint8Array.from({ length: MIB }, (_, i) => line[i % line.length]);
    disk.set(content, block * MIB);
  }
  return disk;
}
