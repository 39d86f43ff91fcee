/** `restore --create --format`: a generation of a series is restored to new disks of every format. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { openForReading } from "../../cli/disks/open.ts";
import { changeDisk, makeDisk } from "../../scripts/disk_image.ts";
import { qemuImg, qemuTest } from "../disks/helpers.ts";
import { walkStream } from "../disks/vmdk/create/stream_walk.ts";
import { descriptorText } from "../disks/vmdk/builder.ts";
import { assertEqualBytes } from "./same_bytes.ts";
import { Workspace } from "./workspace.ts";

const MIB = 1024 * 1024;
const FORMATS = ["raw", "vmdk", "monolithicFlat", "vmfs", "monolithicSparse", "streamOptimized"];
const DDB = [
  'ddb.adapterType = "buslogic"',
  'ddb.geometry.cylinders = "33"',
  'ddb.geometry.heads = "64"',
  'ddb.geometry.sectors = "32"',
  'ddb.uuid = "60 00 C2 99 d3 f5 dc ad-9e 25 3e 89 48 2c 3f de"',
  'ddb.virtualHWVersion = "13"',
];

/** Makes dumps and digests of two generations of a VMDK, and the rdiff from the second to the first. */
async function makeSeries(work: Workspace, { sizeBytes, blockBytes }: Record<string, number>): Promise<void> {
  makeDisk(work.file("disk-flat.vmdk"), { sizeBytes, seed: 3 });
  Deno.truncateSync(work.file("disk-flat.vmdk"), sizeBytes);
  work.file(
    "disk.vmdk",
    descriptorText([`RW ${sizeBytes / 512} FLAT "disk-flat.vmdk" 0`], { ddb: DDB }),
  );
  work.copy("disk-flat.vmdk", "gen0.raw");
  await work.run(
    `dump --mode full --blocksize ${blockBytes} --local disk.vmdk --dumpout 0.dump --digestout 0.digest`,
  );
  changeDisk(work.file("disk-flat.vmdk"), { seed: 3 });
  work.copy("disk-flat.vmdk", "gen1.raw");
  await work.run(
    "dump --mode diff --local disk.vmdk --dumpin 0.dump --digestin 0.digest " +
      "--dumpout 1.dump.zst --digestout 1.digest --rdiffout 1-0.rdiff.zst",
  );
}

for (const blockBytes of [512, 64 * 1024 + 512, MIB]) {
  qemuTest(`restore --create makes disks of every format, blocks of ${blockBytes} bytes`, async () => {
    using work = new Workspace();
    await makeSeries(work, { sizeBytes: 36 * MIB + 3 * 512, blockBytes });
    for (const format of FORMATS) {
      const name = format === "raw" ? `${format}.raw` : `${format}.vmdk`;
      await restoreBoth(work, { name, format });
      if (format === "streamOptimized") assertStream(work, name);
      await dumpAgain(work, { name, blockBytes });
    }
    const left = [...Deno.readDirSync(work.path)].filter(({ name }) => name.endsWith(".vmdkbkp"));
    assertEquals(left, []);
  });
}

/** Restores the first generation to a new disk, then the second one, and compares with qemu-img. */
async function restoreBoth(
  work: Workspace,
  { name, format }: { name: string; format: string },
): Promise<void> {
  const metadata = format === "raw" ? "" : "--metadata ";
  for (const [n, archives] of ["1.dump.zst 1-0.rdiff.zst", "1.dump.zst"].entries()) {
    const verify = `--verify --digestin ${n}.digest `;
    await work.run(
      `restore --create --force --local ${name} --format ${format} ${metadata}${verify}${archives}`,
    );
    const source = work.file(`gen${n}.raw`);
    if (format !== "raw") qemuImg("check", "-f", "vmdk", work.file(name));
    qemuImg("compare", "-f", format === "raw" ? "raw" : "vmdk", "-F", "raw", work.file(name), source);
  }
}

function assertStream(work: Workspace, name: string): void {
  const { disk, descriptor } = walkStream(Deno.readFileSync(work.file(name)));
  assertEqualBytes(disk, Deno.readFileSync(work.file("gen1.raw")), name);
  assertStringIncludes(descriptor, `\n${DDB.join("\n")}\n`);
}

async function dumpAgain(
  work: Workspace,
  { name, blockBytes }: { name: string; blockBytes: number },
): Promise<void> {
  await work.run(
    `dump --mode full --force --blocksize ${blockBytes} --local ${name} ` +
      "--dumpout back.dump --digestout back.digest",
  );
  await work.assertCompare("back.dump", "1.dump.zst");
  await work.assertCompare("back.digest", "1.digest");
  using made = await openForReading(work.file(name));
  const ddb = [...made.metadata].map(([key, value]) => `ddb.${key} = "${value}"`);
  assertEquals(ddb, name.endsWith(".raw") ? [] : DDB, name);
}

Deno.test("restore --create refuses to make a VMDK of a disk that ends within a sector, and leaves no files", async () => {
  using work = new Workspace();
  work.file("odd.raw", new Uint8Array(1_000_001).fill(1));
  await work.run("dump --mode full --local odd.raw --dumpout odd.dump --digestout odd.digest");
  const names = () => [...Deno.readDirSync(work.path)].map(({ name }) => name).sort();
  const before = names();
  for (const format of FORMATS.filter((format) => format !== "raw")) {
    await work.run(`restore --create --local new.vmdk --format ${format} odd.dump`, { exitCode: 2 });
    assertEquals(names(), before, format);
  }
});
