/**
 * Backs up a real disk in every way, brings every generation back, and proves each step with tools that are not ours.
 *
 *     deno task demo [--program PATH] [--keep]
 */

import { changeDisk, makeDisk } from "../disk_image.ts";
import { Stage } from "./stage.ts";

const MIB = 1024 * 1024;
const DISK_BYTES = 96 * MIB + 512 * 3;

const stage = new Stage(Deno.args);

try {
  stage.say("1. A disk with files on it, and the same disk after two days of work");
  const kind = makeDisk(stage.file("day0.raw"), { sizeBytes: DISK_BYTES, seed: 1 });
  // Not a whole number of blocks, so that the padding of the last block is shown too.
  Deno.truncateSync(stage.file("day0.raw"), DISK_BYTES);
  for (const day of [1, 2]) {
    Deno.copyFileSync(stage.file(`day${day - 1}.raw`), stage.file(`day${day}.raw`));
    changeDisk(stage.file(`day${day}.raw`), { seed: day });
  }
  stage.note(`day0.raw, day1.raw, day2.raw: ${kind}, ${DISK_BYTES} bytes each`);

  stage.say("2. A full dump, compressed, and its digest");
  stage.vmdkbkp("dump --mode full --local day0.raw --dumpout 0.dump.zst --digestout 0.digest");
  stage.vmdkbkp("check --digestin 0.digest 0.dump.zst");

  stage.say("3. A day later: a differential dump reads the disk and keeps the way back to day 0");
  stage.vmdkbkp(
    "dump --mode diff --local day1.raw --dumpin 0.dump.zst --digestin 0.digest " +
      "--dumpout 1.dump.gz --digestout 1.digest --rdiffout 0.rdiff.gz",
  );
  stage.vmdkbkp("check --digestin 0.digest 1.dump.gz 0.rdiff.gz");

  stage.say("4. Another day later: an incremental dump reads only what a bitmap names");
  stage.vmdkbkp(
    "dump --mode diff --local day2.raw --dumpin 1.dump.gz --digestin 1.digest " +
      "--dumpout 2diff.dump --digestout 2diff.digest --rdiffout 1diff.rdiff",
  );
  stage.vmdkbkp("rdiff2bmp 1diff.rdiff --bmpout 2.bmp");
  stage.vmdkbkp(
    "dump --mode incr --local day2.raw --bmpin 2.bmp --dumpin 1.dump.gz --digestin 1.digest " +
      "--dumpout 2.dump --digestout 2.digest --rdiffout 1.rdiff",
  );
  stage.vmdkbkp("compare 2.dump 2diff.dump");
  stage.vmdkbkp("compare 1.rdiff 1diff.rdiff");

  stage.say("5. Going back: merge makes the dump of day 0 again, byte for byte, and digest its digest");
  stage.vmdkbkp("merge --dumpout 0again.dump.zst 2.dump 1.rdiff 0.rdiff.gz");
  stage.vmdkbkp("compare 0again.dump.zst 0.dump.zst");
  stage.vmdkbkp("digest --dumpin 0again.dump.zst --digestout 0again.digest");
  stage.proveSame("0again.digest", "0.digest");

  stage.say("6. Every day comes back as it was");
  stage.vmdkbkp("restore --create --local restored2.raw 2.dump");
  stage.vmdkbkp("restore --create --local restored1.raw 2.dump 1.rdiff");
  stage.vmdkbkp("restore --create --local restored0.vmdk 2.dump 1.rdiff 0.rdiff.gz");
  stage.proveSame("restored2.raw", "day2.raw");
  stage.proveSame("restored1.raw", "day1.raw");
  stage.proveSame("restored0-flat.vmdk", "day0.raw");
  stage.vmdkbkp(
    "dump --mode full --local restored0.vmdk --dumpout 0from-vmdk.dump --digestout 0from-vmdk.digest",
  );
  stage.vmdkbkp("compare 0from-vmdk.digest 0.digest");

  stage.say("7. A damaged archive is found, and nothing is made of it");
  const damaged = Deno.readFileSync(stage.file("2.dump"));
  damaged[damaged.length >> 1] ^= 1;
  Deno.writeFileSync(stage.file("damaged.dump"), damaged);
  stage.vmdkbkp("check --digestin 2.digest damaged.dump", { exitCode: 3 });
  Deno.truncateSync(stage.file("damaged.dump"), damaged.length - 1000);
  stage.vmdkbkp("restore --create --local never.raw damaged.dump", { exitCode: 3 });
  stage.prove(!stage.exists("never.raw"), "never.raw was not made");

  stage.end();
} finally {
  stage[Symbol.dispose]();
}
