/** The options of disks of a server: those of one way of reading are refused with the other. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { libraryIn, USUAL_PLACES } from "../../cli/disks/vddk/find.ts";
import { testWith } from "../support/skip.ts";
import { BLOCK, MISSING_VSPHERE_SERVER, outputsOf, RemoteWorld } from "./remote_world.ts";
import { callMain } from "../support/run_cli.ts";

const missing = MISSING_VSPHERE_SERVER;
const THUMBPRINT = "00".repeat(20);

/** A dump through a server that is never reached. */
const dump = (...more: string[]) => [
  ...["dump", "--mode", "full", "--dumpout", "/nowhere/0.dump", "--digestout", "/nowhere/0.digest"],
  ...["--remote", "[ds] a/a.vmdk", "--server", "host.invalid", "--username", "backup", "--vm", "a", ...more],
];

async function assertRefused(args: string[], message: string): Promise<void> {
  const { code, stderr } = await callMain(args);
  assertEquals(code, 2, stderr);
  assertStringIncludes(stderr, message);
}

Deno.test("options of VMware's library are refused with --transport nfc", async () => {
  for (
    const [name, ...value] of [
      ["--libdir", "/nowhere"],
      ["--transport-modes", "nbd"],
      ["--san"],
      ["--library-log", "/nowhere/log"],
    ]
  ) {
    const args = dump("--transport", "nfc", "--thumbprint", THUMBPRINT, name, ...value);
    await assertRefused(args, `Cannot use ${name} with --transport nfc`);
  }
  await assertRefused(dump("--transport", "nfc", "--insecure"), "Cannot use --insecure with --transport nfc");
});

Deno.test("options of the way without the library are refused with it", async () => {
  for (const way of [["--transport", "vddk"], ["--libdir", "/nowhere"]]) {
    await assertRefused(
      dump(...way, "--thumbprint", THUMBPRINT, "--window", "4"),
      "Cannot use --window with VMware's disk library: --transport nfc reads without it",
    );
    await assertRefused(
      dump(...way, "--ca-file", "/nowhere/ca.pem"),
      "Cannot use --ca-file with VMware's disk library",
    );
  }
  await assertRefused(dump("--thumbprint", THUMBPRINT, "--window", "33"), "33");
});

Deno.test("no connection is made to a server that nothing proves", async () => {
  await assertRefused(dump("--transport", "nfc"), "--thumbprint");
  await assertRefused(
    dump("--transport", "nfc", "--password", "x", "--thumbprint", "12:34"),
    "Cannot verify the server",
  );
  await assertRefused(
    dump("--transport", "nfc", "--password", "x", "--ca-file", "/nowhere/ca.pem"),
    'Cannot verify the server by "/nowhere/ca.pem"',
  );
});

Deno.test("an incremental dump needs a bitmap or a change id, and a change id a snapshot", async () => {
  const previous = [
    "--dumpin",
    "/nowhere/0.dump",
    "--digestin",
    "/nowhere/0.digest",
    "--rdiffout",
    "/nowhere/0.rdiff",
  ];
  const incr = dump("--thumbprint", THUMBPRINT, ...previous).map((word) => word === "full" ? "incr" : word);
  await assertRefused([...incr, "--changed-since", "1"], "--snapshot");
  await assertRefused(
    [...incr, "--snapshot", "a", "--changed-since", "1", "--bmpin", "/nowhere/a.bmp"],
    "--bmpin",
  );
});

Deno.test("writing a disk of a server without VMware's library says that it needs it", async () => {
  if (Deno.env.get("VMDKBKP_LIBDIR") || USUAL_PLACES.some(libraryIn)) return;
  const { code, stderr } = await callMain([
    ...[
      "restore",
      "--remote",
      "[ds] a/a.vmdk",
      "--server",
      "host.invalid",
      "--username",
      "backup",
      "--vm",
      "vm-1",
    ],
    ...["--thumbprint", THUMBPRINT, "/nowhere/0.dump"],
  ]);
  assertEquals(code, 4, stderr);
  assertStringIncludes(stderr, "VMware's disk library, which writing disks of a server needs");
});

testWith(
  { missing },
  "machines and snapshots are found by names and references, the server by each proof",
  async () => {
    await using world = await RemoteWorld.create({ vcenter: true });
    const { server, machine } = world;
    const first = await world.snapshot("first");
    Deno.writeTextFileSync(world.file("ca.pem"), server.certificate);
    const account = (proof: string[]) => [
      // The name of its certificate, for the authority.
      ...["--server", `localhost:${server.port}`, "--username", server.user],
      ...[
        "--password-file",
        world.file("password"),
        "--remote",
        world.diskPath,
        "--transport",
        "nfc",
        ...proof,
      ],
    ];
    const ways = [
      ["web01", "first", ["--thumbprint", server.sha1]],
      [machine, first, ["--thumbprint", server.sha256]],
      [`moref=${machine}`, `moref=${first}`, ["--ca-file", world.file("ca.pem")]],
      ["name=web01", "first", ["--thumbprint", server.sha1.replaceAll(":", "").toLowerCase()]],
    ] as const;
    for (const [vm, snapshot, proof] of ways) {
      const args = [
        "dump",
        "--mode",
        "full",
        ...account([...proof]),
        "--vm",
        vm,
        "--snapshot",
        snapshot,
        ...BLOCK,
      ];
      await world.json([...args, ...outputsOf(world, "0"), "--force"]);
      await world.assertDumpOf("first.raw", "0.dump");
    }
    for (
      const [vm, snapshot, words] of [
        ["web02", "first", 'Cannot find machine "web02"'],
        ["web01", "second", 'Cannot find snapshot "second"'],
      ]
    ) {
      const args = ["dump", "--mode", "full", ...account(["--thumbprint", server.sha1]), "--vm", vm];
      const { error } = await world.json([...args, "--snapshot", snapshot, ...outputsOf(world, "1")], 4);
      assertStringIncludes(error.message, words);
    }
    const args = ["dump", "--mode", "full", ...account(["--thumbprint", "AB".repeat(20)]), "--vm", "web01"];
    const { error } = await world.json([...args, ...outputsOf(world, "1")], 4);
    assertStringIncludes(error.message, "its certificate has the SHA-1 thumbprint");
    await world.assertClean();
  },
);
