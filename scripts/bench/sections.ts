/** Which lines run on which disk. */

import {
  blockSizeLines,
  diskRecipes,
  dumpLines,
  generationLines,
  otherRecipes,
  REFERENCES,
  sparseLines,
  startLines,
  type Vmdkbkp,
} from "./commands.ts";
import { backupLines, compressorLines, installedLines } from "./foreign.ts";
import type { Recipe } from "./inputs.ts";
import type { Line } from "./lines.ts";
import type { Options } from "./options.ts";
import { isInstalled } from "./process.ts";
import { FAST_SHARE, remoteLines, remoteRecipes } from "./remote.ts";
import { VMDK_SHARE, vmdkLines, vmdkRecipes } from "./vmdk.ts";

const MIB = 1024 * 1024;
/** The disks of one kind of content are half as large as the mixed one and run less often: gzip takes long on them. */
const EXTRA = { share: 1 / 2, rounds: 3 };
/** Starts are short. */
const START_ROUNDS = 3;

/** One table. */
export interface Section {
  title: string;
  lines: Line[];
  recipes: Recipe[];
  rounds: number;
  /** What a command writes at most. */
  outputBytes: number;
  targets?: boolean;
}

/** The sections of a run, in the order of their tables. */
export function sectionsOf(
  { mib, rounds, quick }: Options,
  { vmdkbkp, folder, libdir, note }: {
    vmdkbkp: Vmdkbkp;
    folder: string;
    /** Where the stand-in for the disk library is, if it is. */
    libdir?: string;
    note: (text: string) => void;
  },
): Record<string, Section> {
  const compressors = quick ? [] : installedLines(compressorLines(), note);
  const backups = quick ? [] : installedLines(backupLines(folder), note);
  if (quick) note("the tools of others and the disks of noise and of text are left out (--quick)");
  const extra = (pattern: "noise" | "text"): Section => ({
    title: `Disk of ${mib * EXTRA.share} MiB, all ${pattern}`,
    lines: [...REFERENCES, ...dumpLines(vmdkbkp), ...compressors],
    recipes: diskRecipes(vmdkbkp, { mib: mib * EXTRA.share, pattern }),
    rounds: Math.min(rounds, EXTRA.rounds),
    outputBytes: mib * EXTRA.share * MIB,
  });
  return {
    mixed: {
      title: `Disk of ${mib} MiB: half zero, a quarter noise, a quarter text`,
      lines: [
        ...REFERENCES,
        ...dumpLines(vmdkbkp),
        ...generationLines(vmdkbkp),
        ...blockSizeLines(vmdkbkp),
        ...compressors,
        ...backups,
      ],
      recipes: diskRecipes(vmdkbkp, { mib, pattern: "mixed" }),
      rounds,
      outputBytes: mib * MIB,
      targets: true,
    },
    ...quick ? {} : { noise: extra("noise"), text: extra("text") },
    sparse: {
      title: `Sparse disks of 1, 4 and 16 times ${mib} MiB, 1/16 of each is data`,
      lines: sparseLines(vmdkbkp),
      recipes: otherRecipes({ mib }),
      rounds,
      outputBytes: mib * MIB,
    },
    vmdk: {
      title: `VMDKs of ${mib * VMDK_SHARE} MiB that qemu-img made of a mixed disk`,
      lines: isInstalled("qemu-img") ? vmdkLines(vmdkbkp) : [],
      recipes: vmdkRecipes({ mib }),
      rounds: Math.min(rounds, EXTRA.rounds),
      outputBytes: mib * VMDK_SHARE * MIB,
    },
    remote: {
      title: `Disk of ${mib * FAST_SHARE} MiB (a slow one of ${mib} MiB) of a server that the stand-in plays`,
      lines: libdir === undefined ? [] : remoteLines(vmdkbkp, libdir),
      recipes: remoteRecipes({ mib }),
      rounds: Math.min(rounds, EXTRA.rounds),
      outputBytes: mib * FAST_SHARE / 2 * MIB,
    },
    start: {
      title: "Start",
      lines: startLines(),
      recipes: otherRecipes({ mib }),
      rounds: rounds * START_ROUNDS,
      outputBytes: MIB,
    },
  };
}
