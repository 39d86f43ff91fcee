/** Refusals before any harm: inputs, the old disk, half a sector. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { noise } from "../helpers.ts";
import { FaultyFiles } from "../../crash/faulty_files.ts";
import { testWith } from "../../support/skip.ts";
import { MISSING_STANDIN, World } from "../../support/standin_world.ts";

const MIB = 1024 * 1024;

/** Makes a world with a disk and its dump; the library made `made.vmdk`. */
async function worldWithDump({ sizeBytes = 2 * MIB } = {}): Promise<World> {
  const world = await World.create();
  Deno.writeFileSync(world.file("disk.raw"), noise(sizeBytes, 1));
  await world.run("dump --mode full --local disk.raw --dumpout 0.dump --digestout 0.digest");
  return world;
}

const restore = (world: World, name: string, ...more: string[]) =>
  world.call(
    "restore",
    "--create",
    "--local",
    world.file(name),
    ...world.library,
    ...more,
    world.file("0.dump"),
  );

function files(world: World): string[] {
  return [...Deno.readDirSync(world.path)].map(({ name }) => name).filter((name) => name.includes("made"))
    .sort();
}

testWith(
  { missing: MISSING_STANDIN },
  "restore --create does not overwrite the archive that it reads",
  async () => {
    using world = await worldWithDump();
    Deno.renameSync(world.file("0.dump"), world.file("a.vmdk"));
    for (const [name, archive] of [["a.vmdk", "a.vmdk"], ["b.vmdk", "b-flat.vmdk"]]) {
      if (archive !== "a.vmdk") Deno.copyFileSync(world.file("a.vmdk"), world.file(archive));
      const { code, stderr } = await world.call(
        ...[
          "restore",
          "--create",
          "--force",
          "--local",
          world.file(name),
          ...world.library,
          world.file(archive),
        ],
      );
      assertEquals(code, 2, stderr);
      assertStringIncludes(stderr, "it is also an input");
      assertEquals(Deno.statSync(world.file(archive)).size > MIB, true);
    }
  },
);

testWith(
  { missing: MISSING_STANDIN },
  "restore --create --force keeps the old disk until the new one has its name",
  async () => {
    using world = await worldWithDump();
    assertEquals((await restore(world, "made.vmdk")).code, 0);
    const before = Deno.readFileSync(world.file("made-flat.vmdk"));
    world.fault("call=Rename after=1 times=1 code=7 scope=world");
    const { code, stderr } = await restore(world, "made.vmdk", "--force");
    assertEquals(code, 4, stderr);
    assertEquals(files(world), ["made-flat.vmdk", "made.vmdk"]);
    assertEquals(Deno.readFileSync(world.file("made-flat.vmdk")), before);
    assertEquals((await restore(world, "made.vmdk", "--force")).code, 0);
    assertEquals(files(world), ["made-flat.vmdk", "made.vmdk"]);
  },
);

testWith(
  { missing: MISSING_STANDIN },
  "restore --create leaves nothing of an incomplete disk, however the library ends",
  async () => {
    using world = await worldWithDump();
    world.fault("call=Write times=1000 action=crash scope=world");
    const { code, stderr } = await restore(world, "made.vmdk", "--retries", "2");
    assertEquals(code, 4, stderr);
    assertEquals(files(world), []);
  },
);

testWith(
  { missing: MISSING_STANDIN },
  "restore --create names the files of an incomplete disk that cannot be removed",
  async () => {
    using world = await worldWithDump();
    world.fault("call=Write times=1000 action=crash scope=world");
    using faulty = new FaultyFiles({
      fails: ({ kind, path }) => kind === "remove" && path.endsWith(".vmdk"),
    });
    const { code, stderr } = await restore(world, "made.vmdk", "--retries", "2");
    faulty[Symbol.dispose]();
    assertEquals(code, 4, stderr);
    const left = files(world);
    assertEquals(left.length, 2);
    for (const name of left) {
      assertStringIncludes(
        stderr,
        `Warning: a part of disk "${world.file("made.vmdk")}" is left behind: cannot remove`,
      );
      assertStringIncludes(stderr, name);
    }
  },
);

testWith(
  { missing: MISSING_STANDIN },
  "restore --create with the library refuses names other than *.vmdk",
  async () => {
    using world = await worldWithDump();
    const { code, stderr } = await restore(world, "made.raw");
    assertEquals(code, 2);
    assertStringIncludes(stderr, "it makes VMDKs, named *.vmdk");
  },
);

testWith(
  { missing: MISSING_STANDIN },
  "restore with the library refuses half a sector before the first write",
  async () => {
    using world = await worldWithDump({ sizeBytes: MIB + 100 });
    Deno.writeFileSync(world.file("back.raw"), new Uint8Array(2 * MIB));
    const { code, stderr } = await world.call("restore", ...world.disk("back.raw"), world.file("0.dump"));
    assertEquals(code, 2);
    assertStringIncludes(stderr, "1048676 bytes are no whole sectors");
    assertEquals(world.calls("Write"), []);
  },
);

testWith(
  { missing: MISSING_STANDIN },
  "dump refuses outputs that are extents of the disk, and logs that are inputs",
  async () => {
    using world = await worldWithDump();
    assertEquals((await restore(world, "made.vmdk")).code, 0);
    const dump = (...more: string[]) =>
      world.call("dump", "--mode", "full", "--local", world.file("made.vmdk"), ...world.library, ...more);
    const extent = await dump(
      ...["--force", "--dumpout", world.file("made-flat.vmdk"), "--digestout", world.file("1.digest")],
    );
    assertEquals(extent.code, 2, extent.stderr);
    const log = await dump(
      ...["--library-log", world.file("made-flat.vmdk")],
      ...["--dumpout", world.file("1.dump"), "--digestout", world.file("1.digest")],
    );
    assertEquals(log.code, 2, log.stderr);
    assertEquals(Deno.statSync(world.file("made-flat.vmdk")).size, 2 * MIB);
  },
);

testWith({ missing: MISSING_STANDIN }, "dump refuses options of servers for local disks", async () => {
  using world = await worldWithDump();
  const { code, stderr } = await world.call(
    ...["dump", "--mode", "full", "--local", world.file("disk.raw"), ...world.library, "--vm", "vm-16"],
    ...["--dumpout", world.file("1.dump"), "--digestout", world.file("1.digest")],
  );
  assertEquals(code, 2);
  assertStringIncludes(stderr, "--vm needs --remote");
});

testWith({ missing: MISSING_STANDIN }, "dump names a configuration that cannot be read", async () => {
  using world = await worldWithDump();
  const args = ["--libdir", world.libdir, "--config", world.file("none")];
  const { code, stderr } = await world.call(
    ...["dump", "--mode", "full", "--local", world.file("disk.raw"), ...args],
    ...["--dumpout", world.file("1.dump"), "--digestout", world.file("1.digest")],
  );
  assertEquals(code, 1);
  assertStringIncludes(stderr, `Cannot read the configuration of the disk library, "${world.file("none")}"`);
});
