/**
 * Backs up a real disk in every way, restores every generation, and checks the results with other tools.
 *
 *     deno task demo [--program PATH] [--keep]
 */

import { changeDisk, makeDisk } from "../disk_image.ts";
import { Demo } from "./demo.ts";

const MIB = 1024 * 1024;
const DISK_BYTES = 96 * MIB + 512 * 3;

using demo = new Demo(Deno.args);

demo.heading("1. A disk with files, and the same disk after one and after two days of work");
const kind = makeDisk(demo.file("day0.raw"), { sizeBytes: DISK_BYTES, seed: 1 });
// The size is not a multiple of the block size, so that the last block is padded.
Deno.truncateSync(demo.file("day0.raw"), DISK_BYTES);
for (const day of [1, 2]) {
  Deno.copyFileSync(demo.file(`day${day - 1}.raw`), demo.file(`day${day}.raw`));
  changeDisk(demo.file(`day${day}.raw`), { seed: day });
}
demo.note(`day0.raw, day1.raw, day2.raw: ${kind}, ${DISK_BYTES} bytes each`);

demo.heading("2. Day 0: a full dump, compressed, and its digest");
demo.vmdkbkp("dump --mode full --local day0.raw --dumpout 0.dump.zst --digestout 0.digest");
demo.vmdkbkp("check --digestin 0.digest 0.dump.zst");

demo.heading(
  "3. Day 1: a differential dump reads the whole disk, and writes an rdiff that leads back to day 0",
);
demo.vmdkbkp(
  "dump --mode diff --local day1.raw --dumpin 0.dump.zst --digestin 0.digest " +
    "--dumpout 1.dump.gz --digestout 1.digest --rdiffout 0.rdiff.gz",
);
demo.vmdkbkp("check --digestin 0.digest 1.dump.gz 0.rdiff.gz");

demo.heading("4. Day 2: an incremental dump reads only the blocks that a bitmap names");
demo.vmdkbkp(
  "dump --mode diff --local day2.raw --dumpin 1.dump.gz --digestin 1.digest " +
    "--dumpout 2diff.dump --digestout 2diff.digest --rdiffout 1diff.rdiff",
);
demo.vmdkbkp("rdiff2bmp 1diff.rdiff --bmpout 2.bmp");
demo.vmdkbkp(
  "dump --mode incr --local day2.raw --bmpin 2.bmp --dumpin 1.dump.gz --digestin 1.digest " +
    "--dumpout 2.dump --digestout 2.digest --rdiffout 1.rdiff",
);
demo.vmdkbkp("compare 2.dump 2diff.dump");
demo.vmdkbkp("compare 1.rdiff 1diff.rdiff");

demo.heading("5. Back to day 0: merge makes its dump again, and digest makes the digest of that");
demo.vmdkbkp("merge --dumpout 0again.dump.zst 2.dump 1.rdiff 0.rdiff.gz");
demo.vmdkbkp("compare 0again.dump.zst 0.dump.zst");
demo.vmdkbkp("digest --dumpin 0again.dump.zst --digestout 0again.digest");
demo.checkSame("0again.digest", "0.digest");

demo.heading("6. restore makes the disk of every day again");
demo.vmdkbkp("restore --create --local restored2.raw 2.dump");
demo.vmdkbkp("restore --create --local restored1.raw 2.dump 1.rdiff");
demo.vmdkbkp("restore --create --local restored0.vmdk 2.dump 1.rdiff 0.rdiff.gz");
demo.checkSame("restored2.raw", "day2.raw");
demo.checkSame("restored1.raw", "day1.raw");
demo.checkSame("restored0-flat.vmdk", "day0.raw");
demo.vmdkbkp(
  "dump --mode full --local restored0.vmdk --dumpout 0from-vmdk.dump --digestout 0from-vmdk.digest",
);
demo.vmdkbkp("compare 0from-vmdk.digest 0.digest");

demo.heading("7. check finds a damaged archive, and restore makes no disk of it");
const damaged = Deno.readFileSync(demo.file("2.dump"));
damaged[damaged.length >> 1] ^= 1;
Deno.writeFileSync(demo.file("damaged.dump"), damaged);
demo.vmdkbkp("check --digestin 2.digest damaged.dump", { exitCode: 3 });
Deno.truncateSync(demo.file("damaged.dump"), damaged.length - 1000);
demo.vmdkbkp("restore --create --local never.raw damaged.dump", { exitCode: 3 });
demo.check(!demo.exists("never.raw"), "never.raw was not made");

demo.end();
