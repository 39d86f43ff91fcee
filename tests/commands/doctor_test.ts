import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { callMain, denoArgs } from "../support/run_cli.ts";
import { testWith } from "../support/skip.ts";
import { MISSING_STANDIN, World } from "../support/standin_world.ts";

testWith({ missing: MISSING_STANDIN }, "doctor tells what a library can do", async () => {
  using world = await World.create({ level: 65 });
  const said = await world.json(["doctor", "--libdir", world.libdir, "--config", world.configPath]);
  assertEquals(said.library.usable, true);
  assertEquals(said.library.version, "6.5.0");
  assertEquals(said.library.transportModes, "file:san:hotadd:nbdssl:nbd");
  assert(said.library.missingFunctions.includes("VixDiskLib_QueryAllocatedBlocks"));
  assertEquals(said.deniedPermissions, []);
  world.assertClean();
});

testWith({ missing: MISSING_STANDIN }, "doctor says why a library cannot be used", async () => {
  using world = await World.create();
  world.fault("call=InitEx code=16053");
  const { code, stdout } = await callMain(["doctor", "--libdir", world.libdir, "--config", world.configPath]);
  assertEquals(code, 4);
  assertStringIncludes(stdout, "not usable");
  assertStringIncludes(stdout, "InitEx failed with code 16053");
});

testWith(
  { missing: MISSING_STANDIN },
  "doctor names a library that the disk library does not find",
  async () => {
    using world = await World.create();
    using folder = await World.create();
    // The tree without what it brings along.
    Deno.mkdirSync(folder.file("lib64"));
    Deno.copyFileSync(`${world.libdir}/lib64/libvixDiskLib.so.8`, folder.file("lib64/libvixDiskLib.so.8"));
    const said = await world.json(["doctor", "--libdir", folder.path]);
    assertStringIncludes(said.library.complaints.join("\n"), "cannot open shared object file");
  },
);

Deno.test("doctor says where it looked for a library", async () => {
  const { code, stdout } = await callMain(["doctor", "--libdir", "/nowhere"]);
  assertEquals(code, 4);
  assertStringIncludes(stdout, "no libvixDiskLib.so in /nowhere");
});

Deno.test("doctor names permissions that are not granted", async () => {
  const [, ...args] = denoArgs();
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", ...args.filter((arg) => arg !== "-A"), "doctor"],
    stdin: "null",
  }).output();
  const said = new TextDecoder().decode(stdout);
  assertEquals(code, 0, said);
  for (const name of ["read", "write", "env", "ffi", "run", "net"]) {
    assertStringIncludes(said, `--allow-${name} `);
  }
});
