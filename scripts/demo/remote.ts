/**
 * Backs up the disk of a virtual machine on a server, in every way, and brings it back. The server is played by the
 * stand-in for VMware's disk library (ffi/standin/), so a C compiler is needed.
 *
 *     deno task demo:remote [--program PATH] [--keep]
 */

import { changeDisk, makeDisk } from "../disk_image.ts";
import { buildStandin } from "../standin.ts";
import { Stage } from "./stage.ts";

const MIB = 1024 * 1024;
const DISK_BYTES = 96 * MIB + 512 * 3;
const THUMBPRINT = Array.from({ length: 20 }, () => "AB").join(":");
const PASSWORD = "open sesame";

const libdir = await buildStandin(80);
const stage = new Stage(Deno.args);
try {
  stage.say("1. A server with a virtual machine; its disk has a snapshot, and two days of work follow");
  makeDisk(stage.file("web.raw"), { sizeBytes: DISK_BYTES, seed: 1 });
  Deno.truncateSync(stage.file("web.raw"), DISK_BYTES);
  Deno.copyFileSync(stage.file("web.raw"), stage.file("day0.raw"));
  Deno.writeTextFileSync(
    stage.file("server.config"),
    `standin.trace = ${stage.file("calls.jsonl")}
standin.server.1 = host=vc1.example user=backup password="${PASSWORD}" thumbprint=${THUMBPRINT} kind=vcenter
standin.vm.1 = server=vc1.example moref=vm-16 snapshots=snapshot-47
standin.disk.1 = server=vc1.example vm=vm-16 path="[ds1] web/web.vmdk" file=${stage.file("web.raw")} meta=${
      stage.file("web.meta")
    }
`,
  );
  const env = { VMDKBKP_LIBDIR: libdir, VMDKBKP_PASSWORD: PASSWORD };
  const disk =
    `--config server.config --server vc1.example --username backup --thumbprint ${THUMBPRINT} --vm vm-16 ` +
    `--snapshot snapshot-47 --remote "[ds1] web/web.vmdk"`;
  stage.vmdkbkp("doctor --config server.config", { env });

  stage.say("2. A full dump: what is not allocated is not read");
  stage.vmdkbkp(`dump --mode full ${disk} --dumpout 0.dump.zst --digestout 0.digest`, { env });
  stage.vmdkbkp("check --digestin 0.digest 0.dump.zst");

  stage.say(
    "3. A day later: diff reads the disk; the rdiff tells which blocks changed; incr reads only those",
  );
  changeDisk(stage.file("web.raw"), { seed: 1 });
  Deno.copyFileSync(stage.file("web.raw"), stage.file("day1.raw"));
  const previous = "--dumpin 0.dump.zst --digestin 0.digest";
  stage.vmdkbkp(
    `dump --mode diff ${disk} ${previous} --dumpout 1diff.dump.zst --digestout 1diff.digest --rdiffout 0diff.rdiff`,
    { env },
  );
  stage.vmdkbkp("rdiff2bmp 0diff.rdiff --bmpout 1.bmp");
  stage.vmdkbkp(
    `dump --mode incr ${disk} ${previous} --bmpin 1.bmp --dumpout 1.dump.zst --digestout 1.digest --rdiffout 0.rdiff`,
    { env },
  );
  stage.vmdkbkp("compare 1.dump.zst 1diff.dump.zst");
  stage.vmdkbkp("compare 0.rdiff 0diff.rdiff");

  stage.say("4. The machine goes back a day, and what the server has then is read back and proved");
  stage.vmdkbkp(`restore ${disk} --metadata --verify --digestin 0.digest 1.dump.zst 0.rdiff`, { env });
  stage.proveSame("web.raw", "day0.raw");
  stage.vmdkbkp(`dump --mode full ${disk} --dumpout 0again.dump.zst --digestout 0again.digest`, { env });
  stage.vmdkbkp("compare 0again.dump.zst 0.dump.zst");

  stage.say("5. Without the server and without the library, every day comes back");
  stage.vmdkbkp("restore --create --local restored0.raw 1.dump.zst 0.rdiff");
  stage.vmdkbkp("restore --create --local restored1.vmdk --metadata 1.dump.zst");
  stage.proveSame("restored0.raw", "day0.raw");
  stage.proveSame("restored1-flat.vmdk", "day1.raw");

  stage.say("6. Whoever is not the server is not believed, and nothing is left of the attempt");
  const wrong = disk.replace(THUMBPRINT, THUMBPRINT.replaceAll("AB", "CD"));
  stage.vmdkbkp(`dump --mode full ${wrong} --dumpout never.dump --digestout never.digest`, {
    env,
    exitCode: 4,
  });
  stage.prove(!stage.exists("never.dump"), "never.dump was not made");

  const calls = Deno.readTextFileSync(stage.file("calls.jsonl"));
  stage.prove(!/"(violation|leak)"/.test(calls), "the library saw no rule broken and nothing left open");
  stage.prove(!calls.includes(PASSWORD), "the password is not in the library's log of calls");
  stage.end();
} finally {
  stage[Symbol.dispose]();
}
