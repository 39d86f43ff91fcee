/**
 * Backs up the disk of a virtual machine on a server in every way, and restores it. The stand-in for VMware's
 * disk library (ffi/standin/) simulates the server; it needs a C compiler.
 *
 *     deno task demo:remote [--program PATH] [--keep]
 */

import { changeDisk, makeDisk } from "../disk_image.ts";
import { buildStandin } from "../standin.ts";
import { Demo } from "./demo.ts";

const MIB = 1024 * 1024;
const DISK_BYTES = 96 * MIB + 512 * 3;
const THUMBPRINT = Array.from({ length: 20 }, () => "AB").join(":");
const PASSWORD = "open sesame";

const libdir = await buildStandin(80);
using demo = new Demo(Deno.args);

demo.heading("1. A server with a virtual machine, whose disk has a snapshot");
makeDisk(demo.file("web.raw"), { sizeBytes: DISK_BYTES, seed: 1 });
Deno.truncateSync(demo.file("web.raw"), DISK_BYTES);
Deno.copyFileSync(demo.file("web.raw"), demo.file("day0.raw"));
Deno.writeTextFileSync(
  demo.file("server.config"),
  `standin.trace = ${demo.file("calls.jsonl")}
standin.server.1 = host=vc1.example user=backup password="${PASSWORD}" thumbprint=${THUMBPRINT} kind=vcenter
standin.vm.1 = server=vc1.example moref=vm-16 snapshots=snapshot-47
standin.disk.1 = server=vc1.example vm=vm-16 path="[ds1] web/web.vmdk" file=${demo.file("web.raw")} meta=${
    demo.file("web.meta")
  }
`,
);
const env = { VMDKBKP_LIBDIR: libdir, VMDKBKP_PASSWORD: PASSWORD };
const disk =
  `--config server.config --server vc1.example --username backup --thumbprint ${THUMBPRINT} --vm vm-16 ` +
  `--snapshot snapshot-47 --remote "[ds1] web/web.vmdk"`;
demo.vmdkbkp("doctor --config server.config", { env });

demo.heading("2. Day 0: a full dump, which does not read what is not allocated");
demo.vmdkbkp(`dump --mode full ${disk} --dumpout 0.dump.zst --digestout 0.digest`, { env });
demo.vmdkbkp("check --digestin 0.digest 0.dump.zst");

demo.heading(
  "3. Day 1: diff reads the whole disk; incr reads only the blocks that are in the rdiff of diff",
);
changeDisk(demo.file("web.raw"), { seed: 1 });
Deno.copyFileSync(demo.file("web.raw"), demo.file("day1.raw"));
const previous = "--dumpin 0.dump.zst --digestin 0.digest";
demo.vmdkbkp(
  `dump --mode diff ${disk} ${previous} --dumpout 1diff.dump.zst --digestout 1diff.digest --rdiffout 0diff.rdiff`,
  { env },
);
demo.vmdkbkp("rdiff2bmp 0diff.rdiff --bmpout 1.bmp");
demo.vmdkbkp(
  `dump --mode incr ${disk} ${previous} --bmpin 1.bmp --dumpout 1.dump.zst --digestout 1.digest --rdiffout 0.rdiff`,
  { env },
);
demo.vmdkbkp("compare 1.dump.zst 1diff.dump.zst");
demo.vmdkbkp("compare 0.rdiff 0diff.rdiff");

demo.heading("4. restore writes day 0 to the server, reads it back and compares it with the digest");
demo.vmdkbkp(`restore ${disk} --metadata --verify --digestin 0.digest 1.dump.zst 0.rdiff`, { env });
demo.checkSame("web.raw", "day0.raw");
demo.vmdkbkp(`dump --mode full ${disk} --dumpout 0again.dump.zst --digestout 0again.digest`, { env });
demo.vmdkbkp("compare 0again.dump.zst 0.dump.zst");

demo.heading("5. restore makes local disks of every day, without the server and the library");
demo.vmdkbkp("restore --create --local restored0.raw 1.dump.zst 0.rdiff");
demo.vmdkbkp("restore --create --local restored1.vmdk --metadata 1.dump.zst");
demo.checkSame("restored0.raw", "day0.raw");
demo.checkSame("restored1-flat.vmdk", "day1.raw");

demo.heading("6. A server with another certificate is refused, and no files are made");
const wrong = disk.replace(THUMBPRINT, THUMBPRINT.replaceAll("AB", "CD"));
demo.vmdkbkp(`dump --mode full ${wrong} --dumpout never.dump --digestout never.digest`, {
  env,
  exitCode: 4,
});
demo.check(!demo.exists("never.dump"), "never.dump was not made");

const calls = Deno.readTextFileSync(demo.file("calls.jsonl"));
demo.check(
  !/"(violation|leak)"/.test(calls),
  "every call of the library followed its rules, and everything was closed",
);
demo.check(!calls.includes(PASSWORD), "the password is not in the library's log of calls");
demo.end();
