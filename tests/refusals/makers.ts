/** Commands that make one file. */

const CHANGED = "--dumpin g0.dump --digestin g0.digest";

/** Commands that make one file; `OUT` stands for it. */
export const MAKERS: Record<string, string> = {
  "dump --dumpout": "dump --mode full --blocksize 512 --local d0.raw --dumpout OUT --digestout new.digest",
  "dump --digestout": "dump --mode full --blocksize 512 --local d0.raw --dumpout new.dump --digestout OUT",
  "dump --rdiffout":
    `dump --mode diff --local d1.raw ${CHANGED} --dumpout new.dump --digestout new.digest --rdiffout OUT`,
  "merge --dumpout": "merge --dumpout OUT g1.dump g0.rdiff",
  "merge --rdiffout": "merge --rdiffout OUT g1.rdiff g0.rdiff",
  digest: "digest --dumpin g0.dump --digestout OUT",
  rdiff: "rdiff g0.dump g1.dump --rdiffout OUT",
  rdiff2bmp: "rdiff2bmp g0.rdiff --bmpout OUT",
};
