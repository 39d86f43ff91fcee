import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { Folder, noise } from "../disks/helpers.ts";
import { refuseForeignSuffix } from "../../cli/jobs/output_suffix.ts";
import { UsageError } from "../../cli/errors.ts";
import { callMain } from "../support/run_cli.ts";

const REFUSED = [
  ".xz",
  ".lz4",
  ".bz2",
  ".zip",
  ".7z",
  ".lzma",
  ".br",
  ".tgz",
  ".gpg",
  ".zstd",
  ".ZST",
  ".Gz",
  ".GZ",
];

/** Commands with an output that ends in the suffix. */
const COMMANDS: Record<string, (folder: Folder, suffix: string) => string[]> = {
  "dump --dumpout": (folder, suffix) => [
    ...["dump", "--mode", "full", "--local", folder.file("disk.raw")],
    ...["--dumpout", folder.file(`new.dump${suffix}`), "--digestout", folder.file("new.digest")],
  ],
  "dump --digestout": (folder, suffix) => [
    ...["dump", "--mode", "full", "--local", folder.file("disk.raw")],
    ...["--dumpout", folder.file("new.dump"), "--digestout", folder.file(`new.digest${suffix}`)],
  ],
  digest: (folder, suffix) => [
    ...["digest", "--dumpin", folder.file("0.dump"), "--digestout", folder.file(`new.digest${suffix}`)],
  ],
};

function prepared(): Folder {
  const folder = new Folder();
  folder.file("disk.raw", noise(5000, 1));
  return folder;
}

async function makeDump(folder: Folder): Promise<void> {
  const args = [
    "dump",
    "--mode",
    "full",
    "--local",
    folder.file("disk.raw"),
    "--dumpout",
    folder.file("0.dump"),
  ];
  assertEquals((await callMain([...args, "--digestout", folder.file("0.digest")])).code, 0);
}

Deno.test("commands refuse outputs with the suffix of a compression that they do not have, and leave nothing", async () => {
  using folder = prepared();
  await makeDump(folder);
  const before = [...Deno.readDirSync(folder.path)].length;
  for (const [name, command] of Object.entries(COMMANDS)) {
    for (const suffix of REFUSED) {
      const { code, stderr } = await callMain(command(folder, suffix));
      assertEquals(code, 2, `${name} ${suffix}: ${stderr}`);
      assertStringIncludes(stderr, `the suffix "${suffix}" would give a plain file`, name);
      assertEquals([...Deno.readDirSync(folder.path)].length, before, `${name} ${suffix}`);
    }
  }
});

Deno.test("commands write outputs with other suffixes as before", async () => {
  for (const suffix of ["", ".gz", ".zst", ".bak", ".xz.old", ".1", ".zst.tmp"]) {
    for (const [name, command] of Object.entries(COMMANDS)) {
      using folder = prepared();
      await makeDump(folder);
      const { code, stderr } = await callMain(command(folder, suffix));
      assertEquals(code, 0, `${name} ${suffix}: ${stderr}`);
    }
  }
});

Deno.test("refuseForeignSuffix() accepts standard output, pipes and devices of any name", () => {
  using folder = new Folder();
  const pipe = folder.file("new.dump.xz");
  assertEquals(new Deno.Command("mkfifo", { args: [pipe] }).outputSync().code, 0);
  for (const path of ["-", pipe, "/dev/null"]) refuseForeignSuffix(path);
  assertThrows(() => refuseForeignSuffix(folder.file("a.xz", "")), UsageError);
});
