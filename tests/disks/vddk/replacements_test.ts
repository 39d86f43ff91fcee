/** Libraries that implement less than VMware's: they work as far as they go, and say what they lack. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { callMain, type CliResult } from "../../support/run_cli.ts";
import { testWith } from "../../support/skip.ts";
import { MISSING_STANDIN, World } from "../../support/standin_world.ts";
import { Folder, noise } from "../helpers.ts";
import { buildSmallLibrary, LEAST, MORE, type SmallLibrary } from "./small_library.ts";

const missing = MISSING_STANDIN;
const CONTENT = noise(5 * 4096, 1);
const ALL = [...LEAST, ...MORE];

/** Dumps a local disk, or one of a server, through a library; returns the result and the bytes of the disk. */
async function dump(
  folder: Folder,
  library: SmallLibrary,
  { remote = false, more = [] }: { remote?: boolean; more?: string[] } = {},
): Promise<CliResult & { made: boolean }> {
  const libDir = buildSmallLibrary(folder.path, library);
  const disk = folder.file("disk.raw", CONTENT);
  const outputs = [folder.file("a.dump"), folder.file("a.digest"), folder.file("a.seal.json")];
  for (const path of outputs) await Deno.remove(path).catch(() => {});
  const server = ["--server", "h", "--username", "u", "--password", "pa55w0rd", "--insecure", "--vm", "vm-1"];
  const result = await callMain([
    ...["dump", "--mode", "full", "--blocksize", "4096", "--libdir", libDir, "--retry-wait", "0.001"],
    ...(remote ? ["--remote", disk, ...server] : ["--local", disk]),
    ...["--dumpout", outputs[0], "--digestout", outputs[1], "--force", ...more],
  ]);
  const made = await Deno.stat(outputs[0]).then(() => true, () => false);
  return { ...result, made };
}

/** Checks that the dump in the folder has the contents of the disk. */
async function assertContent(folder: Folder, message: string): Promise<void> {
  const back = folder.file("back.raw");
  const { code, stderr } = await callMain([
    "restore",
    "--create",
    "--force",
    "--local",
    back,
    folder.file("a.dump"),
  ]);
  assertEquals([code, stderr], [0, ""], message);
  assertEquals(Deno.readFileSync(back), CONTENT, message);
}

testWith(
  { missing },
  "dump works with a library that has the least functions, and with any one more",
  async () => {
    using folder = new Folder();
    const sets = [
      [...LEAST],
      ...MORE.map((name) => [...LEAST, name]),
      ...MORE.map((name) => ALL.filter((n) => n !== name)),
    ];
    for (const functions of sets) {
      const { code, stderr } = await dump(folder, { functions });
      assertEquals(code, 0, `${functions}: ${stderr}`);
      await assertContent(folder, functions.join());
      const hasMetadata = functions.includes("GetMetadataKeys") && functions.includes("ReadMetadata");
      assertEquals(stderr.includes("does not give the metadata"), !hasMetadata, `${functions}: ${stderr}`);
    }
  },
);

testWith(
  { missing },
  "dump --remote works with a library without access and clean-up functions",
  async () => {
    using folder = new Folder();
    for (const functions of [[...LEAST], ALL.filter((name) => !/Access$|Cleanup/.test(name)), ALL]) {
      const { code, stdout, stderr } = await dump(folder, { functions }, { remote: true, more: ["--json"] });
      assertEquals(code, 0, `${functions}: ${stderr}`);
      await assertContent(folder, functions.join());
      const { events } = JSON.parse(stdout).library;
      assertEquals(events.filter(({ kind }: { kind: string }) => kind === "remark"), [], functions.join());
    }
  },
);

testWith({ missing }, "dump lists all functions that are needed and missing at once", async () => {
  using folder = new Folder();
  for (
    const functions of [["InitEx"], ["InitEx", "Open", "GetInfo", "Cleanup"], LEAST.slice(1), ["Cleanup"]]
  ) {
    const { code, stderr, made } = await dump(folder, { functions });
    assertEquals([code, made], [4, false], stderr);
    const lacking = LEAST.filter((name) => !functions.includes(name));
    const listed = /it lacks functions that are needed: ([\w, ]+)/.exec(stderr)?.[1].split(", ");
    assertEquals(listed?.toSorted(), lacking.toSorted(), stderr);
  }
});

testWith(
  { missing },
  "dump goes on without metadata if the library does not support them, with a warning",
  async () => {
    using folder = new Folder();
    const cases: [call: string, code: number][] = [
      ["GetMetadataKeys", 6],
      ["ReadMetadata", 6],
      ["GetMetadataKeys", 20],
      ["ReadMetadata", 16013],
    ];
    for (const [call, callCode] of cases) {
      const codes = { [call]: callCode };
      const { code, stdout, stderr } = await dump(folder, { functions: ALL, codes }, { more: ["--json"] });
      assertEquals(code, 0, stderr);
      assertStringIncludes(stderr, "Warning: the library does not give the metadata of disk");
      assertEquals(JSON.parse(stdout).library.events.length, 1);
      await assertContent(folder, JSON.stringify(codes));
    }
    const { code, stderr, made } = await dump(folder, { functions: ALL, codes: { GetMetadataKeys: 13 } });
    assertEquals([code, made], [4, false], stderr);
  },
);

testWith({ missing }, "dump keeps the metadata that the library gives", async () => {
  using folder = new Folder();
  assertEquals((await dump(folder, { functions: ALL })).stderr, "");
  const { stdout } = await callMain(["print", folder.file("a.dump")]);
  assertStringIncludes(stdout, "1 2 3");
});

testWith(
  { missing },
  "restore needs Write and Flush, Create and Rename, WriteMetadata only when they are called",
  async () => {
    using folder = new Folder();
    assertEquals((await dump(folder, { functions: ALL })).code, 0);
    const restore = async (functions: readonly string[], args: string[]) => {
      const libDir = buildSmallLibrary(folder.path, { functions });
      return await callMain(["restore", "--libdir", libDir, ...args, folder.file("a.dump")]);
    };
    const without = (...names: string[]) => ALL.filter((name) => !names.includes(name));
    const old = folder.file("old.raw", new Uint8Array(CONTENT.length));
    const cases: [functions: readonly string[], args: string[], lacks: string | undefined][] = [
      [without("Create", "Rename", "Unlink", "WriteMetadata", "Cleanup"), ["--local", old], undefined],
      [without("Write"), ["--local", old], "Write"],
      [without("Flush"), ["--local", old], "Flush"],
      [without("WriteMetadata"), ["--local", old, "--metadata"], "WriteMetadata"],
      [ALL, ["--local", old, "--metadata", "--verify"], undefined],
      [without("Create"), ["--local", folder.file("new.vmdk"), "--create"], "Create"],
      [without("Rename"), ["--local", folder.file("new.vmdk"), "--create"], "Rename"],
      [without("Unlink"), ["--local", folder.file("new.vmdk"), "--create"], undefined],
      [without("Unlink"), ["--local", folder.file("new.vmdk"), "--create", "--force"], "Unlink"],
      [ALL, ["--local", folder.file("new.vmdk"), "--create", "--force"], undefined],
    ];
    for (const [functions, args, lacks] of cases) {
      const before = Deno.readFileSync(old);
      const { code, stderr } = await restore(functions, args);
      const message = `${args.join(" ")}, ${lacks}: ${stderr}`;
      assertEquals(code, lacks === undefined ? 0 : 4, message);
      if (lacks === undefined) {
        assertEquals(Deno.readFileSync(args[1]), CONTENT, message);
        Deno.writeFileSync(old, new Uint8Array(CONTENT.length));
      } else {
        assertStringIncludes(
          stderr,
          `${lacks} failed with code 6, "The library does not have this function"`,
        );
        assertEquals(Deno.readFileSync(old), before, message);
      }
    }
    const names = [...Deno.readDirSync(folder.path)].map(({ name }) => name).filter((name) =>
      name.startsWith(".")
    );
    assertEquals(names, []);
  },
);

testWith({ missing }, "doctor says what a small library does without", async () => {
  using folder = new Folder();
  const libDir = buildSmallLibrary(folder.path, { functions: LEAST });
  const { code, stdout } = await callMain(["doctor", "--libdir", libDir]);
  assertEquals(code, 0, stdout);
  assertStringIncludes(stdout, "does without: ");
  for (const name of MORE) assertStringIncludes(stdout, `VixDiskLib_${name}`);
});

testWith({ missing }, "dump finds a library whose file name has no version", async () => {
  using folder = new Folder();
  const { code, stderr } = await dump(folder, { functions: ALL, name: "libvixDiskLib.so" });
  assertEquals([code, stderr], [0, ""]);
});

testWith({ missing }, "dump asks for the transport mode file for local disks", async () => {
  using folder = new Folder();
  const log = folder.file("library.log");
  assertEquals((await dump(folder, { functions: ALL }, { more: ["--library-log", log] })).code, 0);
  assertStringIncludes(Deno.readTextFileSync(log), "connect to this machine by file");

  using world = await World.create();
  const disk = world.file("disk.raw");
  Deno.writeFileSync(disk, CONTENT);
  const outputs = ["--dumpout", world.file("b.dump"), "--digestout", world.file("b.digest")];
  const { code, stderr } = await callMain([
    "dump",
    "--mode",
    "full",
    ...world.library,
    "--local",
    disk,
    ...outputs,
  ]);
  assertEquals(code, 0, stderr);
  const [connect] = world.calls("ConnectEx") as unknown as { transportModes: string }[];
  assertEquals(connect.transportModes, "file");
  world.assertClean();
});

const TELEMETRY = [
  "VDDK_PhoneHome: DataCollector: cannot create the directory",
  "Get CEIP status failed: error 404 not found",
  "VixDiskLib: phone home manager failed, timed out",
  "Customer Experience Improvement Program is not joined: error",
];

testWith(
  { missing },
  "errors show the lines of the log that tell of the failure, not those of the telemetry",
  async () => {
    using folder = new Folder();
    const cases: [openLog: string[], shown: string][] = [
      [["SSL: thumbprint mismatch, expected AA", ...TELEMETRY], "SSL: thumbprint mismatch, expected AA"],
      [
        [...TELEMETRY, "Cannot open the NFC session", "closing", "closed", "bye"],
        "Cannot open the NFC session",
      ],
      [["opening", ...TELEMETRY], "small library 6.5 | connect to this machine by file | opening"],
      [["error 1", "error 2", "error 3", "error 4", ...TELEMETRY], "error 2 | error 3 | error 4"],
    ];
    for (const [openLog, shown] of cases) {
      const { code, stderr } = await dump(folder, { functions: ALL, codes: { Open: 1 }, openLog });
      assertEquals(code, 4, stderr);
      assertEquals(
        /its log says: (.*)/.exec(stderr)?.[1].replace("small library 6.5 | ", ""),
        shown.replace("small library 6.5 | ", ""),
      );
      assertEquals(/PhoneHome|CEIP|Customer/i.test(stderr), false, stderr);
    }
  },
);

testWith({ missing }, "errors of invalid parameters name the parameters that were given", async () => {
  using folder = new Folder();
  const call = async (codes: Record<string, number>, more: string[], remote = true) => {
    const { code, stderr } = await dump(folder, { functions: ALL, codes }, { remote, more });
    assertEquals(code, 4, stderr);
    return stderr;
  };
  const disk = folder.file("disk.raw");
  const connect = await call({ ConnectEx: 3 }, ["--transport-modes", "sun:nbd", "--server", "h:902"]);
  for (
    const text of [
      '--transport-modes "sun:nbd"',
      '--server "h"',
      "port of --server 902",
      '--vm "vm-1"',
      `--remote "${disk}"`,
    ]
  ) {
    assertStringIncludes(connect, text);
  }
  assertEquals(connect.includes("--snapshot"), false, connect);
  const open = await call({ Open: 3 }, ["--snapshot", "snapshot-1"]);
  for (const text of ['--transport-modes "nbdssl:nbd"', '--snapshot "snapshot-1"', `--remote "${disk}"`]) {
    assertStringIncludes(open, text);
  }
  assertStringIncludes(open, "port of --server 443");
  const local = await call({ Open: 3 }, [], false);
  for (const text of ['transport modes "file"', `--local "${disk}"`]) assertStringIncludes(local, text);
  const config = folder.file("config", "");
  assertStringIncludes(await call({ InitEx: 3 }, ["--config", config]), `--config "${config}"`);
  for (const message of [connect, open, local]) assertEquals(message.includes("pa55w0rd"), false, message);
});

testWith({ missing }, "errors of the codes 1 and 35 name their causes", async () => {
  using folder = new Folder();
  const { stderr } = await dump(folder, { functions: ALL, codes: { Open: 1 } }, { remote: true });
  for (const cause of ["--thumbprint", "--snapshot", "independent disk"]) assertStringIncludes(stderr, cause);
  const encrypted = await dump(folder, { functions: ALL, codes: { Open: 35 } }, { remote: true });
  assertStringIncludes(encrypted.stderr, "an encrypted machine");
  assertEquals(/check --username/.test(encrypted.stderr), false, encrypted.stderr);
});
