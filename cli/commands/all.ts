/** The table of all commands. */

import type { CommandTable } from "./command_entry.ts";

/** The commands by their names, in the order of the overview. */
export const COMMANDS: CommandTable = {
  backup: {
    summary: "back up a machine to a repository",
    load: () => import("./repository/backup.ts"),
  },
  list: {
    summary: "list the machines and generations of a repository",
    load: () => import("./repository/list.ts"),
  },
  forget: {
    summary: "remove generations from a repository",
    load: () => import("./repository/forget.ts"),
  },
  export: {
    summary: "write a generation of a repository as archives",
    load: () => import("./repository/export.ts"),
  },
  copy: {
    summary: "copy machines to another repository",
    load: () => import("./repository/copy.ts"),
  },
  init: { summary: "make an empty repository", load: () => import("./repository/init.ts") },
  dump: { summary: "back up a disk", load: () => import("./dump.ts") },
  restore: { summary: "write a generation back to a disk", load: () => import("./restore.ts") },
  check: { summary: "prove archives with a digest", load: () => import("./check.ts") },
  merge: { summary: "make one archive of several", load: () => import("./merge.ts") },
  salvage: {
    summary: "bring back what is left of damaged archives",
    load: () => import("./salvage.ts"),
  },
  digest: { summary: "compute the digest of a dump", load: () => import("./digest.ts") },
  seal: { summary: "make the seal of archives without one", load: () => import("./seal.ts") },
  print: { summary: "show headers and records of archives", load: () => import("./print.ts") },
  rdiff: { summary: "make the rdiff between two dumps", load: () => import("./rdiff.ts") },
  compare: {
    summary: "compare two dumps, two rdiffs or two digests",
    load: () => import("./compare.ts"),
  },
  rdiff2bmp: {
    summary: "make a bitmap of the blocks in an rdiff",
    load: () => import("./rdiff2bmp.ts"),
  },
  map: { summary: "show where the bytes of a disk lie", load: () => import("./map.ts") },
  changed: {
    summary: "make a bitmap of the blocks in snapshots of a VMDK",
    load: () => import("./changed.ts"),
  },
  doctor: { summary: "tell which disks can be used here", load: () => import("./doctor.ts") },
  "print-bmp": { summary: "show a bitmap of changed blocks", load: () => import("./print_bmp.ts") },
  thumbprint: {
    summary: "fetch the thumbprint of a server's certificate",
    load: () => import("./thumbprint.ts"),
  },
  completion: {
    summary: "print what completes command lines in a shell",
    load: () => import("./completion.ts"),
  },
};
