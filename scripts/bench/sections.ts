/** The sections of a benchmark: which rows run on which disk. */

import {
  blockSizeRows,
  diskRecipes,
  dumpRows,
  generationRows,
  otherRecipes,
  REFERENCES,
  sparseRows,
  startRows,
  type Vmdkbkp,
} from "./commands.ts";
import { backupRows, compressorRows, installedRows } from "./other_tools.ts";
import type { Recipe } from "./inputs.ts";
import type { Row } from "./rows.ts";
import type { BenchOptions } from "./options.ts";
import { isInstalled } from "./process.ts";
import { FAST_SHARE, remoteRecipes, remoteRows } from "./remote.ts";
import { VMDK_SHARE, vmdkRecipes, vmdkRows } from "./vmdk.ts";

const MIB = 1024 * 1024;
/** Disks of noise or text only: gzip is slow on them, so they are smaller and have fewer rounds. */
const EXTRA = { share: 1 / 2, rounds: 3 };
/** How many times as many rounds the rows have that only start a program, because these are short. */
const START_ROUNDS = 3;

/** A section of a benchmark, which becomes a table. */
export interface Section {
  /** Title of the table. */
  title: string;
  /** The rows that are measured. */
  rows: Row[];
  /** How the inputs of the rows are made. */
  recipes: Recipe[];
  /** How often each row runs at most. */
  rounds: number;
  /** Bytes that a command writes at most. */
  outputBytes: number;
  /** Whether the rows have targets. */
  targets?: boolean;
}

/** Returns the sections of a run by name, in the order of their tables. */
export function sectionsOf(
  { mib, rounds, quick }: BenchOptions,
  { vmdkbkp, folder, libdir, nfc, note }: {
    vmdkbkp: Vmdkbkp;
    folder: string;
    /** Folder of the stand-in for the disk library; undefined if it cannot be compiled. */
    libdir?: string;
    /** The rows of dumps over NFC, whose servers run; none if there are no servers. */
    nfc: Row[];
    /** Receives notes on what is not measured. */
    note: (text: string) => void;
  },
): Record<string, Section> {
  const compressors = quick ? [] : installedRows(compressorRows(), note);
  const backups = quick ? [] : installedRows(backupRows(folder), note);
  if (quick) note("other programs, and disks of noise or text only, are left out (--quick)");
  const extra = (pattern: "noise" | "text"): Section => ({
    title: `Disk of ${mib * EXTRA.share} MiB, all ${pattern}`,
    rows: [...REFERENCES, ...dumpRows(vmdkbkp), ...compressors],
    recipes: diskRecipes(vmdkbkp, { mib: mib * EXTRA.share, pattern }),
    rounds: Math.min(rounds, EXTRA.rounds),
    outputBytes: mib * EXTRA.share * MIB,
  });
  return {
    mixed: {
      title: `Disk of ${mib} MiB: half zero, a quarter noise, a quarter text`,
      rows: [
        ...REFERENCES,
        ...dumpRows(vmdkbkp),
        ...generationRows(vmdkbkp),
        ...blockSizeRows(vmdkbkp),
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
      rows: sparseRows(vmdkbkp),
      recipes: otherRecipes({ mib }),
      rounds,
      outputBytes: mib * MIB,
    },
    vmdk: {
      title: `VMDKs of ${mib * VMDK_SHARE} MiB that qemu-img made of a mixed disk`,
      rows: isInstalled("qemu-img") ? vmdkRows(vmdkbkp) : [],
      recipes: vmdkRecipes({ mib }),
      rounds: Math.min(rounds, EXTRA.rounds),
      outputBytes: mib * VMDK_SHARE * MIB,
    },
    remote: {
      title: `Disk of ${
        mib * FAST_SHARE
      } MiB on a server (on a slow one ${mib} MiB), with the stand-in as library`,
      rows: libdir === undefined ? [] : remoteRows(vmdkbkp, libdir),
      recipes: remoteRecipes({ mib }),
      rounds: Math.min(rounds, EXTRA.rounds),
      outputBytes: mib * FAST_SHARE / 2 * MIB,
    },
    nfc: {
      title: `Disk of ${mib} MiB on a test server, half of it data, without VMware's library`,
      rows: nfc,
      recipes: [],
      rounds: Math.min(rounds, EXTRA.rounds),
      outputBytes: mib / 2 * MIB,
    },
    start: {
      title: "Start",
      rows: startRows(),
      recipes: otherRecipes({ mib }),
      rounds: rounds * START_ROUNDS,
      outputBytes: MIB,
    },
  };
}
