/**
 * Compiles the stand-in for VMware's disk library, `ffi/standin/`, to `build/standin/`: for each level a folder that
 * looks like the unpacked tree of the real one. Needs a C compiler: `CC`, `gcc` or `cc`.
 */

const ROOT = new URL("../", import.meta.url);
const SOURCES = new URL("ffi/standin/", ROOT);
const OUTPUT = new URL("build/standin/", ROOT);

/** Levels of the interface: 6.5, 6.7, 7.0, 8.0.1 and later, 9.x. */
export const APIS = [65, 67, 70, 80, 90] as const;
export type Api = typeof APIS[number];

/** The numbers in the library's file name. */
const VERSIONS: Record<Api, string> = { 65: "6.5.0", 67: "6.7.1", 70: "7.0.3", 80: "8.0.2", 90: "9.1.0.0" };

/** Stands for the libraries that VMware's loads by bare name while it runs. */
const BUNDLE = "libstandinbundle.so.1";

/** What every build of the sources needs. */
const STRICT = ["-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-pthread"];

let found: string | null | undefined;

/** The C compiler, undefined if there is none. */
export function findCompiler(): string | undefined {
  if (found === undefined) {
    const names = [Deno.env.get("CC"), "gcc", "cc"].filter((name) => name !== undefined && name !== "");
    found = names.find((name) => answers(name!)) ?? null;
  }
  return found ?? undefined;
}

export function hasCompiler(): boolean {
  return Deno.build.os === "linux" && findCompiler() !== undefined;
}

function answers(compiler: string): boolean {
  try {
    return new Deno.Command(compiler, { args: ["--version"], stdout: "null", stderr: "null" }).outputSync()
      .success;
  } catch {
    return false;
  }
}

/**
 * Builds the library of one level unless it is newer than its sources; returns `libDir`, the folder that has `lib64/`
 * in it. Processes may do this at the same time.
 *
 * @throws {Error} without a compiler, or with what it says
 */
export async function buildStandin(api: Api): Promise<string> {
  const libDir = new URL(`${api}/`, OUTPUT);
  const lib64 = new URL("lib64/", libDir);
  const version = VERSIONS[api];
  const soname = `libvixDiskLib.so.${version.split(".")[0]}`;
  const full = `libvixDiskLib.so.${version}`;
  await Deno.mkdir(lib64, { recursive: true });
  await buildShared(new URL(BUNDLE, lib64), [new URL("bundle/bundle.c", SOURCES)], [], BUNDLE);
  await buildShared(new URL(full, lib64), librarySources(), [`-DAPI=${api}`], soname);
  await link(new URL(soname, lib64), full);
  await link(new URL("libvixDiskLib.so", lib64), soname);
  return pathOf(libDir).replace(/\/$/, "");
}

/** The sources of the library, without the self-test. */
export function librarySources(): URL[] {
  return namesIn(SOURCES).filter((name) => name.endsWith(".c")).map((name) => new URL(name, SOURCES));
}

/**
 * Compiles a program or library to `output` with the checks that all sources must pass.
 * @throws {Error} without a compiler, or with what it says
 */
export async function compile(output: URL, sources: URL[], args: string[]): Promise<void> {
  const compiler = findCompiler();
  if (compiler === undefined) throw new Error("Cannot compile the stand-in: there is no C compiler");
  const temporary = new URL(`${output.href}.${crypto.randomUUID()}.tmp`);
  try {
    const { success, stderr } = await new Deno.Command(compiler, {
      args: [...STRICT, ...args, "-o", pathOf(temporary), ...sources.map(pathOf), "-ldl"],
      stdout: "null",
      stderr: "piped",
    }).output();
    if (!success) throw new Error(`Cannot compile the stand-in: ${new TextDecoder().decode(stderr)}`);
    // Whoever has the old file open keeps it, and nobody ever sees half of a new one.
    await Deno.rename(temporary, output);
  } finally {
    await Deno.remove(temporary).catch(() => {});
  }
}

async function buildShared(output: URL, sources: URL[], args: string[], soname: string): Promise<void> {
  if (await isCurrent(output)) return;
  // Threads of the library may still run when somebody unloads it, so it cannot be unloaded.
  const shared = [
    "-O2",
    "-fPIC",
    "-shared",
    "-fvisibility=hidden",
    `-Wl,-soname,${soname}`,
    "-Wl,-z,nodelete",
  ];
  await compile(output, sources, [...shared, ...args]);
}

async function isCurrent(output: URL): Promise<boolean> {
  const inputs = [
    new URL(import.meta.url),
    ...namesIn(SOURCES).filter((name) => /\.[ch]$/.test(name)).map((name) => new URL(name, SOURCES)),
    new URL("bundle/bundle.c", SOURCES),
  ];
  const built = await modifiedAt(output);
  if (built === undefined) return false;
  for (const input of inputs) {
    if ((await modifiedAt(input) ?? Infinity) >= built) return false;
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

function namesIn(folder: URL): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

/** A relative link, so that the folder can be moved. */
async function link(path: URL, target: string): Promise<void> {
  const existing = await Deno.readLink(path).catch(() => undefined);
  if (existing === target) return;
  const temporary = new URL(`${path.href}.${crypto.randomUUID()}.tmp`);
  await Deno.symlink(target, temporary);
  await Deno.rename(temporary, path);
}

if (import.meta.main) {
  for (const api of APIS) console.error(await buildStandin(api));
}
