/** Outputs that exist already, or whose place cannot be used. */

import { assertEquals, assertNotEquals } from "@std/assert";
import { join } from "@std/path/posix/join";
import { noise } from "../disks/helpers.ts";
import { MAKERS } from "./makers.ts";
import { Archives, EXIT } from "./refusal.ts";

const RESTORE = "restore --create --local OUT g0.dump";

for (const [maker, line] of Object.entries(MAKERS)) {
  Deno.test(`${maker} refuses a file that exists and replaces it with --force`, async () => {
    const old = new TextEncoder().encode("precious");
    for (const suffix of ["", ".gz", ".zst"]) {
      using archives = new Archives({ [`old.file${suffix}`]: old });
      const command = line.replace("OUT", `old.file${suffix}`);
      await archives.refused(command, {
        code: EXIT.usage,
        says: ["old.file", "it exists already", "--force"],
      });
      await archives.done(`${command} --force`);
      assertNotEquals(Deno.readFileSync(join(archives.path, `old.file${suffix}`)), old);
      assertNoTemporaryFiles(archives);
    }
  });

  Deno.test(`${maker} leaves nothing where the folder is missing or a file`, async () => {
    using archives = new Archives();
    for (const out of ["no/where.file", "g0.dump/below.file"]) {
      await archives.refused(line.replace("OUT", out), { code: EXIT.environment, says: [out] });
    }
  });

  Deno.test(`${maker} refuses a folder as its output`, async () => {
    using archives = new Archives();
    Deno.mkdirSync(join(archives.path, "a.folder"));
    await archives.refused(line.replace("OUT", "a.folder"), {
      code: EXIT.usage,
      says: ['a.folder"', "is not a regular file"],
    });
    await archives.refused(`${line.replace("OUT", "a.folder")} --force`, {
      code: EXIT.usage,
      says: ['a.folder"'],
    });
  });
}

Deno.test("restore --create refuses a disk that exists and replaces it with --force", async () => {
  for (const [name, made] of [["new.raw", "new.raw"], ["new.vmdk", "new-flat.vmdk"]]) {
    using archives = new Archives({ [made]: noise(100, 9) });
    const command = RESTORE.replace("OUT", name);
    await archives.refused(command, { code: EXIT.usage, says: [`${made}"`, "it exists already", "--force"] });
    await archives.done(`${command} --force`);
    const disk = Deno.readFileSync(join(archives.path, made));
    assertEquals(disk, Deno.readFileSync(join(archives.path, "d0.raw")));
    assertNoTemporaryFiles(archives);
  }
});

Deno.test("restore --create leaves nothing where the folder is missing or a file", async () => {
  using archives = new Archives();
  for (const out of ["no/where.raw", "g0.dump/below.vmdk"]) {
    await archives.refused(RESTORE.replace("OUT", out), {
      code: EXIT.environment,
      says: [out.replace(".vmdk", "")],
    });
  }
});

Deno.test("two outputs under one name are refused", async () => {
  using archives = new Archives();
  for (const [a, b] of [["new.file", "new.file"], ["new.file", "./new.file"]]) {
    await archives.refused(
      `dump --mode full --blocksize 512 --local d0.raw --dumpout ${a} --digestout ${b}`,
      {
        code: EXIT.usage,
        says: ['new.file"', "two outputs"],
      },
    );
  }
});

Deno.test("two outputs that are hard links of one file are replaced one by one", async () => {
  using archives = new Archives({ "old.dump": noise(10, 1) });
  Deno.linkSync(join(archives.path, "old.dump"), join(archives.path, "old.digest"));
  await archives.done(
    "dump --mode full --blocksize 512 --local d0.raw --dumpout old.dump --digestout old.digest --force",
  );
  await archives.done("check --digestin old.digest old.dump");
});

Deno.test("a failure with --force leaves what was there", async () => {
  using archives = new Archives({ "old.dump": noise(100, 1), "old.digest": noise(100, 2) });
  Deno.writeFileSync(
    join(archives.path, "bad.dump"),
    Deno.readFileSync(join(archives.path, "g0.dump")).subarray(0, -1),
  );
  await archives.refused("merge --force --dumpout old.dump bad.dump", {
    code: EXIT.usage,
    says: ["two or more"],
  });
  await archives.refused("merge --force --dumpout old.dump g1.dump bad.dump", {
    code: EXIT.corrupt,
    says: ["bad.dump"],
  });
  await archives.refused("digest --force --dumpin bad.dump --digestout old.digest", {
    code: EXIT.corrupt,
    says: ['bad.dump"', "the end of the file"],
  });
});

Deno.test("an existing output is refused before the disk is read", async () => {
  using archives = new Archives({ "old.digest": noise(1, 1) });
  await archives.refused("dump --mode full --local no.raw --dumpout new.dump --digestout old.digest", {
    code: EXIT.environment,
    says: ['no.raw"'],
  });
});

Deno.test({
  name: Deno.uid() === 0
    ? "a write-protected folder is refused (skipped: root may write everywhere)"
    : "a write-protected folder is refused",
  ignore: Deno.uid() === 0,
  fn: async () => {
    using archives = new Archives();
    Deno.mkdirSync(join(archives.path, "locked"), { mode: 0o555 });
    await archives.refused("digest --dumpin g0.dump --digestout locked/new.digest", {
      code: EXIT.environment,
      says: ["locked/new.digest"],
    });
  },
});

function assertNoTemporaryFiles(archives: Archives): void {
  assertEquals(Object.keys(archives.snapshot()).filter((name) => name.startsWith(".")), []);
}
