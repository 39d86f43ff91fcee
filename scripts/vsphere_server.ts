/**
 * Compiles the test server for vSphere, `tests/vsphere/server/`, to `build/vsphere-server`. Needs Go 1.19 or newer:
 * the program that `GO` names, or `go`. The first time, Go fetches the modules that go.sum pins.
 */

const ROOT = new URL("../", import.meta.url);
const SOURCES = new URL("tests/vsphere/server/", ROOT);
const OUTPUT = new URL("build/vsphere-server", ROOT);

/** The oldest Go that compiles the server. */
const OLDEST_MINOR = 19;

let found: string | null | undefined;

/** The Go command, undefined if there is none or it is too old. */
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

/** The Go that is there compiles, with the modules that go.sum pins, and needs no C compiler. */
const GO_ENVIRONMENT = { GOTOOLCHAIN: "local", GOFLAGS: "-mod=readonly", CGO_ENABLED: "0" };

/**
 * Runs the Go command in the folder of the server, and returns what it prints.
 * @throws {Error} without Go, or with what it says
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
 * Builds the server unless it is newer than its sources, and returns the path of the program. Processes may do this
 * at the same time: one of them builds.
 *
 * @throws {Error} without Go, or with what it says
 */
export async function buildVsphereServer(): Promise<string> {
  await Deno.mkdir(new URL(".", OUTPUT), { recursive: true });
  using lock = await Deno.open(new URL("vsphere-server.lock", OUTPUT), { create: true, write: true });
  await lock.lock(true);
  if (!await isCurrent()) {
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

/** All files that the program is made of. */
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

async function isCurrent(): Promise<boolean> {
  const built = await modifiedAt(OUTPUT);
  if (built === undefined) return false;
  for (const file of await sources(SOURCES)) {
    if ((await modifiedAt(file) ?? Infinity) >= built) return false;
  }
  return true;
}

async function modifiedAt(file: URL): Promise<number | undefined> {
  try {
    return (await Deno.stat(file)).mtime?.getTime();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function pathOf(file: URL): string {
  return decodeURIComponent(file.pathname);
}

if (import.meta.main) console.error(await buildVsphereServer());
