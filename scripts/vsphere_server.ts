/**
 * Compiles the test server for vSphere from `tests/vsphere/server/` to `build/vsphere-server`. Go 1.19 or
 * newer is needed: the program that the environment variable `GO` names, or `go`. The first time, Go
 * downloads the modules whose hashes are in go.sum.
 */

import { isNewer, pathOf } from "./build_files.ts";

const ROOT = new URL("../", import.meta.url);
const SOURCES = new URL("tests/vsphere/server/", ROOT);
const OUTPUT = new URL("build/vsphere-server", ROOT);

/** The oldest Go that compiles the server is 1.19. */
const OLDEST_MINOR = 19;

let found: string | null | undefined;

/** Returns the Go command; undefined if there is none, or only one that is too old. */
export function findGo(): string | undefined {
  if (found === undefined) {
    const names = [Deno.env.get("GO"), "go"].filter((name) => name !== undefined && name !== "");
    found = names.find((name) => isNewEnough(name!)) ?? null;
  }
  return found ?? undefined;
}

function isNewEnough(go: string): boolean {
  try {
    const { success, stdout } = new Deno.Command(go, {
      args: ["env", "GOVERSION"],
      env: GO_ENVIRONMENT,
      stdout: "piped",
      stderr: "null",
    }).outputSync();
    const version = /^go1\.(\d+)/.exec(new TextDecoder().decode(stdout));
    return success && version !== null && Number(version[1]) >= OLDEST_MINOR;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) return false;
    throw error;
  }
}

/**
 * Go does not download another version of itself, does not change go.mod and go.sum, and needs no C compiler.
 */
const GO_ENVIRONMENT = { GOTOOLCHAIN: "local", GOFLAGS: "-mod=readonly", CGO_ENABLED: "0" };

/**
 * Runs the Go command in the folder of the server, and returns its standard output.
 *
 * @throws {Error} if there is no Go, or with the command's messages if it fails
 */
export async function runGo(args: string[]): Promise<string> {
  const go = findGo();
  if (go === undefined) throw new Error(`Cannot run Go: there is no Go 1.${OLDEST_MINOR} or newer`);
  const { success, stdout, stderr } = await new Deno.Command(go, {
    args,
    cwd: pathOf(SOURCES),
    env: GO_ENVIRONMENT,
    stdout: "piped",
    stderr: "piped",
  }).output();
  const text = new TextDecoder();
  if (!success) {
    throw new Error(`Cannot run "go ${args.join(" ")}": ${text.decode(stdout)}${text.decode(stderr)}`);
  }
  return text.decode(stdout);
}

/**
 * Compiles the server, unless it is newer than its sources, and returns the path of the program. Several
 * processes can do this at the same time: one of them compiles, the others wait.
 *
 * @throws {Error} if there is no Go, or with the messages of Go
 */
export async function buildVsphereServer(): Promise<string> {
  await Deno.mkdir(new URL(".", OUTPUT), { recursive: true });
  using lock = await Deno.open(new URL("vsphere-server.lock", OUTPUT), { create: true, write: true });
  await lock.lock(true);
  if (!await isNewer(OUTPUT, await sources(SOURCES))) {
    const temporary = `${pathOf(OUTPUT)}.${crypto.randomUUID()}.tmp`;
    try {
      await runGo(["build", "-trimpath", "-o", temporary, "."]);
      await Deno.rename(temporary, OUTPUT);
    } finally {
      await Deno.remove(temporary).catch(() => {});
    }
  }
  return pathOf(OUTPUT);
}

/** Returns all files that the program is compiled from. */
async function sources(folder: URL): Promise<URL[]> {
  const files: URL[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) files.push(...await sources(new URL(`${name}/`, folder)));
    else if (/(\.go|^go\.(mod|sum))$/.test(name) && !name.endsWith("_test.go")) {
      files.push(new URL(name, folder));
    }
  }
  return files;
}

if (import.meta.main) console.error(await buildVsphereServer());
