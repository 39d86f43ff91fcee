/** The program as a process that reads a disk of the test server: its permissions, signals and secrets. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { testWith } from "../support/skip.ts";
import { denoArgs } from "../support/run_cli.ts";
import { BLOCK, MIB, MISSING_VSPHERE_SERVER, outputsOf, RemoteWorld } from "./remote_world.ts";

const missing = MISSING_VSPHERE_SERVER;
const ROOT = new URL("../../", import.meta.url).pathname;

/** A world with a snapshot of some content. */
async function begin(): Promise<RemoteWorld> {
  const world = await RemoteWorld.create({ password: "s3cret &<'\" pass" });
  await world.fill(0, 10 * MIB, 1);
  await world.snapshot("first");
  return world;
}

/** The words of a full dump. */
const dump = (world: RemoteWorld) => [
  ...["dump", "--mode", "full", ...world.disk, "--snapshot", "first", ...BLOCK, ...outputsOf(world, "0")],
];

function spawn(
  args: string[],
  { env, program = Deno.execPath() }: { env?: Record<string, string>; program?: string } = {},
) {
  return new Deno.Command(program, { args, env, stdin: "null", stdout: "piped", stderr: "piped" }).spawn();
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

testWith(
  { missing },
  "a dump needs the network of the server and the files, and no other permission",
  async () => {
    await using world = await begin();
    const { host } = world.server;
    const permissions = [`--allow-net=${host}`, `--allow-read=${world.path}`, `--allow-write=${world.path}`];
    const run = async (flags: string[]) => {
      const program = [
        "run",
        "--quiet",
        "--no-check",
        "--no-prompt",
        "--config",
        `${ROOT}deno.json`,
        ...flags,
      ];
      const { code, stderr } = await spawn([...program, `${ROOT}cli/main.ts`, ...dump(world)]).output();
      return { code, stderr: text(stderr) };
    };
    for (const i of permissions.keys()) {
      const { code, stderr } = await run(permissions.filter((_, j) => j !== i));
      assert(code !== 0, `it works without ${permissions[i]}\n${stderr}`);
    }
    const { code, stderr } = await run(permissions);
    assertEquals([code, stderr], [0, ""]);
    await world.assertDumpOf("first.raw", "0.dump");
    await world.assertClean();
  },
);

testWith({ missing }, "the script gives the permissions that --transport nfc needs", async () => {
  await using world = await begin();
  const { code, stderr } = await spawn(dump(world), {
    program: `${ROOT}scripts/vmdkbkp`,
    env: {
      DENO: Deno.execPath(),
      VMDKBKP_NET: world.server.host,
      VMDKBKP_READ: world.path,
      VMDKBKP_WRITE: world.path,
    },
  }).output();
  assertEquals([code, text(stderr)], [0, ""]);
  await world.assertDumpOf("first.raw", "0.dump");
});

testWith(
  { missing },
  "a Deno that a forged certificate can deceive is refused before a connection is made",
  async () => {
    await using world = await begin();
    const before = await spawn([...denoArgs(`${ROOT}tests/vsphere/old_main.ts`), ...dump(world)]).output();
    assertEquals(before.code, 4, text(before.stderr));
    assertStringIncludes(text(before.stderr), "Deno 2.8 or newer is needed");
    assertEquals((await world.server.control.state()).counters.logins, undefined);
    world.assertFiles(["password", "first.raw"]);
  },
);

for (const [signal, exitCode] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  testWith({ missing }, `a dump that ${signal} stops has logged out, and leaves no output`, async () => {
    await using world = await begin();
    // The dump would take a minute.
    await world.server.control.settings({ latencyMs: 6000 });
    const child = spawn([...denoArgs(), ...dump(world), "--window", "1"]);
    while ((await world.server.control.state()).counters.reads === undefined) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    child.kill(signal);
    const { code, stderr } = await child.output();
    assertEquals(code, exitCode, text(stderr));
    world.assertFiles(["password", "first.raw"]);
    assertEquals((await world.server.control.state()).counters.sessionsOpen, 0, "sessions without a logout");
  });
}

testWith(
  { missing },
  "password, cookie and ticket are in no output, no file and no list of processes",
  async () => {
    await using world = await begin();
    const { server } = world;
    await server.control.settings({ latencyMs: 300 });
    // Retries are told.
    await server.control.fault({ at: "record", kind: "error", opcode: 7, code: 7, text: "no", count: 1 });
    const args = dump(world).filter((word, i, all) =>
      word !== "--password-file" && all[i - 1] !== "--password-file"
    );
    const child = spawn([...denoArgs(), ...args, "--json"], { env: { VMDKBKP_PASSWORD: server.password } });
    while (!server.events("read").length) await new Promise((resolve) => setTimeout(resolve, 20));
    const line = Deno.readTextFileSync(`/proc/${child.pid}/cmdline`);
    assertStringIncludes(line, "--remote");
    const { code, stdout, stderr } = await child.output();
    assertEquals(code, 0, text(stderr));
    assertStringIncludes(text(stderr), "connecting anew");
    Deno.removeSync(world.file("password"));
    Deno.removeSync(world.file("first.raw"));
    const files = [...Deno.readDirSync(world.path)].map((
      { name },
    ) => [name, latin1(Deno.readFileSync(world.file(name)))]);
    const places = [["processes", line], ["stdout", text(stdout)], ["stderr", text(stderr)], ...files];
    assert(places.length >= 6, "the outputs are not found");
    const secrets = await server.control.secrets();
    assert(secrets.length >= 3, "password, cookie and ticket are wanted");
    for (const secret of secrets) {
      for (
        const form of [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret), btoa(secret)]
      ) {
        for (const [place, content] of places) assert(!content.includes(form), `a secret is in ${place}`);
      }
    }
  },
);

function latin1(bytes: Uint8Array): string {
  return new TextDecoder("latin1").decode(bytes);
}
