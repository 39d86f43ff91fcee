/** Full dumps of VMDKs compared with `qemu-img convert -O raw`. Both read the whole file. */

import { join } from "@std/path/posix/join";
import { makeMixedDisk } from "../disk_image.ts";
import { type Claim, compared } from "./claims.ts";
import type { Vmdkbkp } from "./commands.ts";
import type { Figure } from "./figures.ts";
import type { Recipe } from "./inputs.ts";
import type { Row } from "./rows.ts";

const MIB = 1024 * 1024;
/**
 * Size of the disks as a multiple of the mixed one: large enough to hide the 0.2 s that a dump takes to
 * start.
 */
export const VMDK_SHARE = 2;

/** The VMDK formats that are read most often: one file, a compressed file, several files. */
const FORMATS = ["monolithicSparse", "streamOptimized", "twoGbMaxExtentSparse"];

const dumpName = (format: string) => `full dump of ${format}`;
const convertName = (format: string) => `qemu-img convert of ${format}`;

/** Returns two rows for each format: qemu-img and vmdkbkp. */
export function vmdkRows(vmdkbkp: Vmdkbkp): Row[] {
  return FORMATS.flatMap((format): Row[] => [
    {
      name: convertName(format),
      command: ["qemu-img", "convert", "-f", "vmdk", "-O", "raw", `${format}.vmdk`, "qemu.raw"],
      reads: [`${format}.vmdk`],
      makes: ["qemu.raw"],
    },
    {
      name: dumpName(format),
      command: vmdkbkp(`dump --mode full --local ${format}.vmdk --dumpout new.dump --digestout new.digest`),
      reads: [`${format}.vmdk`],
      makes: ["new.dump", "new.digest"],
      proof: vmdkbkp("check --digestin new.digest new.dump"),
      ours: true,
    },
  ]);
}

/** Returns how the disks are made, by qemu-img. `mib` is the size of the mixed disk. */
export function vmdkRecipes({ mib }: { mib: number }): Recipe[] {
  return [
    {
      makes: ["source.raw"],
      make: (folder) =>
        makeMixedDisk(join(folder, "source.raw"), { sizeBytes: mib * VMDK_SHARE * MIB, seed: 1 }),
    },
    ...FORMATS.map((format): Recipe => ({
      makes: [`${format}.vmdk`],
      reads: ["source.raw"],
      command: [
        ...["qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", `subformat=${format}`],
        ...["source.raw", `${format}.vmdk`],
      ],
    })),
  ];
}

/** Returns the claims about full dumps of VMDKs. */
export function vmdkClaims(vmdk: Figure[]): Claim[] {
  const seconds = (name: string) => vmdk.find((figure) => figure.name === name)?.seconds;
  return FORMATS.map((format) =>
    compared(dumpName(format), {
      value: seconds(dumpName(format)),
      to: seconds(convertName(format)),
      of: "qemu-img convert -O raw",
      atMost: 1,
    })
  );
}
