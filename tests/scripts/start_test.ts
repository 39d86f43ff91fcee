/** The ways to start the program from the sources: the task and the script, from any folder, with whatever is there. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path/posix/join";
import { Folder } from "../disks/helpers.ts";
import { seriesFiles } from "../refusals/material.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
/** What a start from the sources needs. */
const SOURCES = ["assembly", "asconfig.json", "cli", "deno.json", "deno.lock", "ffi", "scripts"];

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a program in `cwd`, with the environment of the test but for what is said here. */
async function run(
  [name, ...args]: string[],
  { cwd, env }: { cwd: string; env?: Record<string, string | undefined> },
): Promise<Ended> {
  // A task that runs the tests has set INIT_CWD for itself.
  const all = { ...Deno.env.toObject(), NO_COLOR: "1", INIT_CWD: undefined, DENO: undefined, ...env };
  const set = Object.entries(all).flatMap(([name, value]) => value === undefined ? [] : [[name, value]]);
  const { code, stdout, stderr } = await new Deno.Command(name, {
    args,
    cwd,
    clearEnv: true,
    env: Object.fromEntries(set),
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
}

/** A folder with archives, and a folder in it whose name has a blank. */
class Place extends Folder {
  readonly archives = join(this.path, "my archives");

  constructor() {
    super();
    Deno.mkdirSync(this.archives);
    for (const [name, bytes] of Object.entries(seriesFiles())) {
      Deno.writeFileSync(join(this.archives, name), bytes);
    }
  }

  /** A folder for the path in which only these programs are found: names and what they do. */
  pathOf(programs: Record<string, string>): string {
    const folder = this.file(`bin-${Object.keys(programs).join("-")}`);
    Deno.mkdirSync(folder);
    for (const tool of ["sh", "dirname", "readlink", "find"]) {
      Deno.symlinkSync(whereIs(tool), join(folder, tool));
    }
    for (const [name, script] of Object.entries(programs)) {
      Deno.writeTextFileSync(join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    }
    return folder;
  }
}

function whereIs(tool: string): string {
  return Deno.env.get("PATH")!.split(":").map((folder) => join(folder, tool)).find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  })!;
}

/** A copy of the sources, without what is built. */
async function copySources(to: string): Promise<void> {
  Deno.mkdirSync(to);
  const { code } = await run(["cp", "-r", ...SOURCES, to], { cwd: ROOT });
  assertEquals(code, 0);
}

Deno.test("deno task vmdkbkp takes relative paths from the folder in which the user stands", async () => {
  using place = new Place();
  const task = [Deno.execPath(), "task", "--config", `${ROOT}deno.json`, "vmdkbkp"];
  const cases: [cwd: string, dump: string, digest: string][] = [
    [place.archives, "g0.dump", "./out.digest"],
    [place.path, "my archives/g0.dump", "my archives/other.digest"],
    [place.archives, "../my archives/g0.dump", join(place.archives, "third.digest")],
  ];
  for (const [cwd, dump, digest] of cases) {
    const { code, stderr } = await run([...task, "digest", "--dumpin", dump, "--digestout", digest], { cwd });
    assertEquals(code, 0, stderr);
  }
  for (const name of ["out", "other", "third"]) {
    const made = Deno.readFileSync(join(place.archives, `${name}.digest`));
    assertEquals(made, seriesFiles()["g0.digest"], name);
  }
  // What is not there is looked for there, too, and nothing was written elsewhere.
  const { code, stderr } = await run([...task, "print", "none.dump"], { cwd: place.path });
  assertEquals(code, 1);
  assertStringIncludes(stderr, 'Cannot open "none.dump"');
  assertEquals([...Deno.readDirSync(place.path)].map(({ name }) => name), ["my archives"]);
});

Deno.test("deno task vmdkbkp passes words on as they are", async () => {
  using place = new Place();
  Deno.copyFileSync(join(place.archives, "g0.dump"), place.file("$HOME '*' \"a\" b.dump"));
  const task = [Deno.execPath(), "task", "--config", `${ROOT}deno.json`, "vmdkbkp"];
  const { code, stdout, stderr } = await run([...task, "print", "--json", "$HOME '*' \"a\" b.dump"], {
    cwd: place.path,
  });
  assertEquals(code, 0, stderr);
  assertEquals(JSON.parse(stdout).ok, true);
});

Deno.test("scripts/vmdkbkp builds the core if it is missing or older than its sources, and only then", async () => {
  using place = new Place();
  const root = place.file("the program");
  await copySources(root);
  const env = { DENO: Deno.execPath() };
  const start = () =>
    run([join(root, "scripts/vmdkbkp"), "check", "--digestin", "g0.digest", "g0.dump"], {
      cwd: place.archives,
      env,
    });
  const first = await start();
  assertEquals(first.code, 0, first.stderr);
  assertStringIncludes(first.stdout, "Check: OK");
  assertMatch(first.stderr, /Built the core/);
  assertEquals((await start()).stderr, "");

  const source = join(root, "assembly/zero.ts");
  Deno.writeTextFileSync(source, `${Deno.readTextFileSync(source)}// Another core.\n`);
  const future = new Date(Deno.statSync(join(root, "build/core.stamp")).mtime!.getTime() + 2000);
  Deno.utimeSync(source, future, future);
  const changed = await start();
  assertMatch(changed.stderr, /Built the core/);
  assertEquals(changed.code, 0);

  Deno.writeTextFileSync(source, "this is no AssemblyScript\n");
  Deno.removeSync(join(root, "build/core_wasm.ts"));
  const broken = await start();
  assertEquals(broken.code, 1);
  assertMatch(broken.stderr, /vmdkbkp: Cannot build the core in ".*\/the program\/build" \(see above\)\n$/);
});

/** An npx that knows one package, which it starts. */
const NPX = (log: string) =>
  `echo "$*" >> '${log}'
[ "$1" = -y ] || exit 9
case $2 in deno@*) shift 2; exec '${Deno.execPath()}' "$@" ;; esac
exit 9`;

Deno.test("scripts/vmdkbkp finds Deno in DENO, in the path, or through npx", async () => {
  using place = new Place();
  const script = `${ROOT}scripts/vmdkbkp`;
  const log = place.file("npx.log", "");
  const npx = place.pathOf({ npx: NPX(log) });
  const deno = `echo "deno of the path" >&2; exec '${Deno.execPath()}' "$@"`;
  const both = place.pathOf({ npx: NPX(log), deno });
  const start = (env: Record<string, string>) =>
    run([script, "print", "--json", "g0.dump"], { cwd: place.archives, env });

  const byPath = await start({ PATH: both });
  assertEquals([byPath.code, JSON.parse(byPath.stdout).ok], [0, true], byPath.stderr);
  assertStringIncludes(byPath.stderr, "deno of the path");
  const byName = await start({ PATH: both, DENO: Deno.execPath() });
  assertEquals([byName.code, byName.stderr], [0, ""]);
  assertEquals(Deno.readTextFileSync(log), "");

  const byNpx = await start({ PATH: npx });
  assertEquals([byNpx.code, JSON.parse(byNpx.stdout).ok], [0, true], byNpx.stderr);
  // npx says where Deno is, and does not stand between it and its signals.
  const [line, ...more] = Deno.readTextFileSync(log).trimEnd().split("\n");
  assertMatch(line, /^-y deno@\d+\.\d+\.\d+ eval /);
  assertEquals(more, []);
});

Deno.test("scripts/vmdkbkp says what is missing where there is neither Deno nor npx, or npx has none", async () => {
  using place = new Place();
  const start = (PATH: string) => run([`${ROOT}scripts/vmdkbkp`, "help"], { cwd: place.path, env: { PATH } });
  const none = await start(place.pathOf({}));
  assertEquals([none.code, none.stdout], [1, ""]);
  assertStringIncludes(none.stderr, "vmdkbkp: Cannot find Deno: neither deno nor npx is in the path");
  const offline = await start(place.pathOf({ npx: "echo 'no network' >&2; exit 1" }));
  assertEquals([offline.code, offline.stdout], [1, ""]);
  assertStringIncludes(
    offline.stderr,
    "no network\nvmdkbkp: Cannot find Deno: it is not in the path, and npx",
  );
});

Deno.test("scripts/vmdkbkp fetches the newest version that CI runs on", () => {
  const version = (path: string, name: string) =>
    new RegExp(`^${name}=(.*)$`, "m").exec(Deno.readTextFileSync(`${ROOT}${path}`))?.[1];
  assert(version("scripts/vmdkbkp", "version") !== undefined);
  assertEquals(version("scripts/vmdkbkp", "version"), version(".ci/run", "newest"));
});
