/** Full dumps of VMDKs beside `qemu-img convert -O raw` of the same file: both read it all. */

import { join } from "@std/path/posix/join";
import { makeMixedDisk } from "../disk_image.ts";
import { type Claim, compared } from "./claims.ts";
import type { Vmdkbkp } from "./commands.ts";
import type { Figure } from "./figures.ts";
import type { Recipe } from "./inputs.ts";
import type { Line } from "./lines.ts";

const MIB = 1024 * 1024;
/** Size of the disks, as a multiple of the mixed one: a dump has 0.2 s of start, which the smallest disks do not hide. */
export const VMDK_SHARE = 2;

/** What is read most often, and what is read otherwise: one file, compressed, several files. */
const FORMATS = ["monolithicSparse", "streamOptimized", "twoGbMaxExtentSparse"];

const dumpName = (format: string) => `full dump of ${format}`;
const convertName = (format: string) => `qemu-img convert of ${format}`;

/** Two lines a format. */
export function vmdkLines(vmdkbkp: Vmdkbkp): Line[] {
  return FORMATS.flatMap((format): Line[] => [
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

/** The disks, made by qemu-img. */
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

/** What is to hold of them. */
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
