/** Commands that make files of the small series. */

const SERIES = "--dumpin g0.dump --digestin g0.digest";
const NEW = "--dumpout n.dump --digestout n.digest";

/** A command line by what it does; none of its outputs exists. */
export const SCENARIOS: Record<string, string> = {
  "dump full": `dump --mode full --blocksize 512 --local d0.raw ${NEW}`,
  "dump diff": `dump --mode diff --local d1.raw ${SERIES} ${NEW} --rdiffout n.rdiff`,
  "dump incr to .zst": `dump --mode incr --local d1.raw --bmpin all.bmp ${SERIES} ` +
    "--dumpout n.dump.zst --digestout n.digest.gz --rdiffout n.rdiff.zst",
  "dump full to two folders": "dump --mode full --blocksize 512 --local d0.raw " +
    "--dumpout one/n.dump --digestout two/n.digest",
  // The lock files of such names do not tell them.
  "dump full with long names": "dump --mode full --blocksize 512 --local d0.raw " +
    `--dumpout ${"n".repeat(195)}.dump --digestout ${"n".repeat(195)}.digest`,
  "merge to a dump": "merge --dumpout n.dump.gz g1.dump g0.rdiff",
  "merge to an rdiff": "merge --rdiffout n.rdiff g1.rdiff g0.rdiff",
  "digest": "digest --dumpin g0.dump --digestout n.digest",
  "rdiff": "rdiff g0.dump g1.dump --rdiffout n.rdiff",
  "rdiff2bmp": "rdiff2bmp g0.rdiff --bmpout n.bmp",
  "restore raw": "restore --create --local n.raw g0.dump",
  "restore monolithicFlat": "restore --create --local n.vmdk --metadata g1.dump g0.rdiff",
  "restore monolithicSparse": "restore --create --local n.vmdk --format monolithicSparse g0.dump",
  "restore streamOptimized": "restore --create --local n.vmdk --format streamOptimized g0.dump",
};
