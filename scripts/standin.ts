/**
 * Compiles the stand-in for VMware's disk library, `ffi/standin/`, to `build/standin/`: for each level a folder that
 * looks like the unpacked tree of the real one. Needs a C compiler: `CC`, `gcc` or `cc`.
 */

import { compile, isNewer, pathOf } from "./c_compiler.ts";

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

/** The library must be newer than all that goes into it. */
async function isCurrent(output: URL): Promise<boolean> {
  return await isNewer(output, [
    new URL(import.meta.url),
    new URL("c_compiler.ts", import.meta.url),
    ...namesIn(SOURCES).filter((name) => /\.[ch]$/.test(name)).map((name) => new URL(name, SOURCES)),
    new URL("bundle/bundle.c", SOURCES),
  ]);
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
