/** Commands that write files, over the material that {@linkcode makeMaterial} makes. */

/** A command and what is known of it. Words of a line that have a dot are paths in the folder of the case. */
export interface Scenario {
  line: string;
  /** A command that makes other files with the names of the outputs, for cases in which they exist. */
  older: string;
  /** Files that are read though the line does not name them. */
  alsoReads?: string[];
  /** The disk that the outputs are of. */
  disk?: string;
  /** The disks that an rdiff leads from and to. */
  rdiff?: [newer: string, older: string];
  /** The bits of a bitmap that are set; if not given, those of the rdiff. */
  setBits?: number[];
  /** Existing outputs are replaced without `--force`: a report, or a disk that is written in place and must exist. */
  replaces?: "report" | "disk";
  /** The command goes on with what a run that was killed has left. */
  resumes?: true;
}

/** How archives are compressed: the letter in front of the names of the material, and the end of the names. */
const FORMATS = [["p", ""], ["q", ".gz"], ["z", ".zst"]] as const;

const FULL = "dump --mode full --blocksize 65536 --local";
const SMALL = "dump --mode full --blocksize 512 --local";

/** A diff or an incr from the first generation to the second, or with `step` 1 from there to the third. */
function next(mode: string, letter: string, z: string, outputs: string, step = 0): string {
  return `dump --mode ${mode} --local d${step + 1}.raw --dumpin ${letter}${step}.dump${z} ` +
    `--digestin ${letter}${step}.digest ${outputs}`;
}

/** Commands that make generations. */
export const DUMPS: Record<string, Scenario> = Object.fromEntries([
  ...FORMATS.map(([, z]): [string, Scenario] => {
    const outputs = `--dumpout n.dump${z} --digestout n.digest${z}`;
    return [`dump full${z}`, {
      line: `${FULL} d1.raw ${outputs}`,
      older: `${FULL} d0.raw ${outputs}`,
      disk: "d1.raw",
    }];
  }),
  ["dump full to two folders", {
    line: `${FULL} d1.raw --dumpout one/n.dump --digestout two/n.digest`,
    older: `${FULL} d0.raw --dumpout one/n.dump --digestout two/n.digest`,
    disk: "d1.raw",
  }],
  ...FORMATS.filter(([, z]) => z !== ".gz").map(([, z]): [string, Scenario] => {
    const outputs = `--dumpout n.dump${z} --digestout n.digest`;
    return [`dump full --resume${z}`, {
      line: `${SMALL} large.raw ${outputs} --resume`,
      older: `${SMALL} d0.raw ${outputs}`,
      disk: "large.raw",
      resumes: true,
    }];
  }),
  ...FORMATS.map(([letter, z]): [string, Scenario] => {
    const outputs = `--dumpout n.dump${z} --digestout n.digest --rdiffout n.rdiff${z}`;
    return [`dump diff${z}`, {
      line: next("diff", letter, z, outputs),
      older: next("diff", letter, z, outputs, 1),
      disk: "d1.raw",
      rdiff: ["d1.raw", "d0.raw"],
    }];
  }),
  ["dump diff to three folders", {
    line: next("diff", "p", "", "--dumpout one/n.dump --digestout two/n.digest --rdiffout n.rdiff"),
    older: next("diff", "p", "", "--dumpout one/n.dump --digestout two/n.digest --rdiffout n.rdiff", 1),
    disk: "d1.raw",
    rdiff: ["d1.raw", "d0.raw"],
  }],
  ...FORMATS.filter(([, z]) => z !== ".gz").map(([letter, z]): [string, Scenario] => {
    const outputs = `--dumpout n.dump${z} --digestout n.digest --rdiffout n.rdiff${z}`;
    return [`dump incr${z}`, {
      line: `${next("incr", letter, z, outputs)} --bmpin changed.bmp`,
      older: next("diff", letter, z, outputs, 1),
      disk: "d1.raw",
      rdiff: ["d1.raw", "d0.raw"],
    }];
  }),
]);

function created(name: string, format: string): Scenario {
  const option = format === "" ? "" : ` --format ${format}`;
  const metadata = name.endsWith(".vmdk") ? " --metadata" : "";
  return {
    line: `restore --create --local ${name}${option}${metadata} p1.dump p0.rdiff`,
    older: `restore --create --local ${name}${option} p1.dump`,
    disk: "d0.raw",
  };
}

/** Commands that read generations, and what they make of them. */
export const OTHERS: Record<string, Scenario> = {
  "restore raw": created("n.raw", ""),
  "restore monolithicFlat": created("n.vmdk", ""),
  "restore vmfs": created("n.vmdk", "vmfs"),
  "restore monolithicSparse": created("n.vmdk", "monolithicSparse"),
  "restore streamOptimized": created("n.vmdk", "streamOptimized"),
  "restore raw from .zst, verified": {
    line: "restore --create --local n.raw --verify --digestin z0.digest z1.dump.zst z0.rdiff.zst",
    older: "restore --create --local n.raw z1.dump.zst",
    disk: "d0.raw",
  },
  "restore in place raw": {
    line: "restore --local n.raw p1.dump p0.rdiff",
    older: "restore --create --local n.raw p2.dump",
    disk: "d0.raw",
    replaces: "disk",
  },
  "restore in place flat": {
    line: "restore --local n.vmdk --metadata --verify q0.dump.gz",
    older: "restore --create --local n.vmdk p2.dump",
    disk: "d0.raw",
    replaces: "disk",
  },
  ...Object.fromEntries(FORMATS.map(([letter, z]) => [`merge to a dump${z}`, {
    line: `merge --dumpout n.dump${z} ${letter}1.dump${z} ${letter}0.rdiff${z}`,
    older: `merge --dumpout n.dump${z} ${letter}2.dump${z} ${letter}1.rdiff${z}`,
    disk: "d0.raw",
  }])),
  "merge to an rdiff": {
    line: "merge --rdiffout n.rdiff p1.rdiff p0.rdiff",
    older: "rdiff p0.dump p1.dump --rdiffout n.rdiff",
    rdiff: ["d2.raw", "d0.raw"],
  },
  "digest": {
    line: "digest --dumpin q0.dump.gz --digestout n.digest",
    older: "digest --dumpin p1.dump --digestout n.digest",
    disk: "d0.raw",
  },
  "rdiff": {
    line: "rdiff p0.dump p1.dump --rdiffout n.rdiff",
    older: "rdiff p1.dump p2.dump --rdiffout n.rdiff",
    rdiff: ["d1.raw", "d0.raw"],
  },
  "seal": {
    line: "seal s1.dump s1.digest s0.rdiff",
    older: "",
    disk: "d1.raw",
  },
  "salvage": {
    line:
      "salvage --digestin p0.digest --dumpout n.dump --lostout n.lost --bmpout n.bmp damaged.dump p1.dump p0.rdiff",
    older: "salvage --unproved --dumpout n.dump --lostout n.lost --bmpout n.bmp p2.dump",
    disk: "d0.raw",
    setBits: [],
  },
  "rdiff2bmp": {
    line: "rdiff2bmp p0.rdiff --bmpout n.bmp",
    older: "rdiff2bmp p1.rdiff --bmpout n.bmp",
    rdiff: ["d1.raw", "d0.raw"],
  },
  "changed": {
    line: "changed snapshot.vmdk --since base.vmdk --blocksize 4096 --bmpout n.bmp",
    older: "changed snapshot.vmdk --since base.vmdk --blocksize 8192 --bmpout n.bmp",
    alsoReads: ["snapshot-delta.vmdk", "base-flat.vmdk"],
    // Of the sectors 3, 700, 2999 and 4321, eight to a block.
    setBits: [0, 87, 374, 540],
  },
  "check of a folder --junit": {
    line: "check --junit one/n.xml .",
    older: "check --junit one/n.xml --quick .",
    alsoReads: ["p0.dump", "p0.digest", "z1.dump.zst", "z0.rdiff.zst"],
    replaces: "report",
  },
  "check of a list --junit": {
    line: "check --junit one/n.xml --digestin p0.digest p1.dump p0.rdiff",
    older: "check --junit one/n.xml --quick p1.dump",
    replaces: "report",
  },
};
