/**
 * Starting the program from its sources, by the task and by the script, from any folder and with different
 * programs installed.
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path/posix/join";
import { Folder } from "../disks/helpers.ts";
import { seriesFiles } from "../refusals/material.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
/** The files and folders that a start from the sources needs. */
const SOURCES = ["assembly", "asconfig.json", "cli", "deno.json", "deno.lock", "ffi", "scripts"];

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/**
 * Runs a program in `cwd` with the environment of the test and `env`, whose undefined values remove
 * variables.
 */
async function run(
  [name, ...args]: string[],
  { cwd, env }: { cwd: string; env?: Record<string, string | undefined> },
): Promise<Ended> {
  // If a task runs the tests, INIT_CWD is set for that task.
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

/** A temporary folder. It contains a folder with archives, whose name has a blank. */
class StartFolder extends Folder {
  readonly archives = join(this.path, "my archives");

  constructor() {
    super();
    Deno.mkdirSync(this.archives);
    for (const [name, bytes] of Object.entries(seriesFiles())) {
      Deno.writeFileSync(join(this.archives, name), bytes);
    }
  }

  /**
   * Makes a folder for the PATH variable, with the tools that the script needs and with these programs. The
   * value of a program is its shell script.
   */
  makePath(programs: Record<string, string>): string {
    const folder = this.file(`bin-${Object.keys(programs).join("-")}`);
    Deno.mkdirSync(folder);
    for (const tool of ["sh", "dirname", "readlink", "find"]) {
      Deno.symlinkSync(which(tool), join(folder, tool));
    }
    for (const [name, script] of Object.entries(programs)) {
      Deno.writeTextFileSync(join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    }
    return folder;
  }
}

function which(tool: string): string {
  return Deno.env.get("PATH")!.split(":").map((folder) => join(folder, tool)).find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  })!;
}

/** Copies the sources, but not the files that are built from them. */
async function copySources(to: string): Promise<void> {
  Deno.mkdirSync(to);
  const { code } = await run(["cp", "-r", ...SOURCES, to], { cwd: ROOT });
  assertEquals(code, 0);
}

Deno.test("deno task vmdkbkp resolves relative paths in the user's current folder", async () => {
  using folder = new StartFolder();
  const task = [Deno.execPath(), "task", "--config", `${ROOT}deno.json`, "vmdkbkp"];
  const cases: [cwd: string, dump: string, digest: string][] = [
    [folder.archives, "g0.dump", "./out.digest"],
    [folder.path, "my archives/g0.dump", "my archives/other.digest"],
    [folder.archives, "../my archives/g0.dump", join(folder.archives, "third.digest")],
  ];
  for (const [cwd, dump, digest] of cases) {
    const { code, stderr } = await run([...task, "digest", "--dumpin", dump, "--digestout", digest], { cwd });
    assertEquals(code, 0, stderr);
  }
  for (const name of ["out", "other", "third"]) {
    const made = Deno.readFileSync(join(folder.archives, `${name}.digest`));
    assertEquals(made, seriesFiles()["g0.digest"], name);
  }
  // A missing file is looked for in the current folder too, and nothing was written elsewhere.
  const { code, stderr } = await run([...task, "print", "none.dump"], { cwd: folder.path });
  assertEquals(code, 1);
  assertStringIncludes(stderr, 'Cannot open "none.dump"');
  assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["my archives"]);
});

Deno.test("deno task vmdkbkp passes arguments on unchanged", async () => {
  using folder = new StartFolder();
  Deno.copyFileSync(join(folder.archives, "g0.dump"), folder.file("$HOME '*' \"a\" b.dump"));
  const task = [Deno.execPath(), "task", "--config", `${ROOT}deno.json`, "vmdkbkp"];
  const { code, stdout, stderr } = await run([...task, "print", "--json", "$HOME '*' \"a\" b.dump"], {
    cwd: folder.path,
  });
  assertEquals(code, 0, stderr);
  assertEquals(JSON.parse(stdout).ok, true);
});

Deno.test("scripts/vmdkbkp builds the core only if it is missing or older than its sources", async () => {
  using folder = new StartFolder();
  const root = folder.file("the program");
  await copySources(root);
  const env = { DENO: Deno.execPath() };
  const start = () =>
    run([join(root, "scripts/vmdkbkp"), "check", "--digestin", "g0.digest", "g0.dump"], {
      cwd: folder.archives,
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

/**
 * A shell script instead of npx. It logs its arguments, and knows only the package "deno", which it starts.
 */
const NPX = (log: string) =>
  `echo "$*" >> '${log}'
[ "$1" = -y ] || exit 9
case $2 in deno@*) shift 2; exec '${Deno.execPath()}' "$@" ;; esac
exit 9`;

Deno.test("scripts/vmdkbkp finds Deno in DENO, in PATH, or with npx", async () => {
  using folder = new StartFolder();
  const script = `${ROOT}scripts/vmdkbkp`;
  const log = folder.file("npx.log", "");
  const npx = folder.makePath({ npx: NPX(log) });
  const deno = `echo "deno of PATH" >&2; exec '${Deno.execPath()}' "$@"`;
  const both = folder.makePath({ npx: NPX(log), deno });
  const start = (env: Record<string, string>) =>
    run([script, "print", "--json", "g0.dump"], { cwd: folder.archives, env });

  const byPath = await start({ PATH: both });
  assertEquals([byPath.code, JSON.parse(byPath.stdout).ok], [0, true], byPath.stderr);
  assertStringIncludes(byPath.stderr, "deno of PATH");
  const byName = await start({ PATH: both, DENO: Deno.execPath() });
  assertEquals([byName.code, byName.stderr], [0, ""]);
  assertEquals(Deno.readTextFileSync(log), "");

  const byNpx = await start({ PATH: npx });
  assertEquals([byNpx.code, JSON.parse(byNpx.stdout).ok], [0, true], byNpx.stderr);
  // npx only finds the path of Deno: the program runs without npx, and so receives its signals.
  const [line, ...more] = Deno.readTextFileSync(log).trimEnd().split("\n");
  assertMatch(line, /^-y deno@\d+\.\d+\.\d+ eval /);
  assertEquals(more, []);
});

Deno.test("scripts/vmdkbkp says what is missing if there is no Deno and no npx, or npx fails", async () => {
  using folder = new StartFolder();
  const start = (PATH: string) =>
    run([`${ROOT}scripts/vmdkbkp`, "help"], { cwd: folder.path, env: { PATH } });
  const none = await start(folder.makePath({}));
  assertEquals([none.code, none.stdout], [1, ""]);
  assertStringIncludes(none.stderr, "vmdkbkp: Cannot find Deno: neither deno nor npx is in PATH");
  const offline = await start(folder.makePath({ npx: "echo 'no network' >&2; exit 1" }));
  assertEquals([offline.code, offline.stdout], [1, ""]);
  assertStringIncludes(
    offline.stderr,
    "no network\nvmdkbkp: Cannot find Deno: it is not in PATH, and npx",
  );
});

Deno.test("scripts/vmdkbkp downloads the newest version of Deno that CI uses", () => {
  const version = (path: string, name: string) =>
    new RegExp(`^${name}=(.*)$`, "m").exec(Deno.readTextFileSync(`${ROOT}${path}`))?.[1];
  assert(version("scripts/vmdkbkp", "version") !== undefined);
  assertEquals(version("scripts/vmdkbkp", "version"), version(".ci/run", "newest"));
});
