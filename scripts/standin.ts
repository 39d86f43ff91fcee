/**
 * Compiles the stand-in for VMware's disk library from `ffi/standin/` to `build/standin/`. Each API level has
 * a folder there with the files of an unpacked VMware library of this level. A C compiler is needed: `CC`,
 * `gcc` or `cc`.
 */

import { isNewer, pathOf } from "./build_files.ts";
import { compile } from "./c_compiler.ts";

const ROOT = new URL("../", import.meta.url);
const SOURCES = new URL("ffi/standin/", ROOT);
const OUTPUT = new URL("build/standin/", ROOT);

/** API levels that the stand-in implements: of the library's versions 6.5, 6.7, 7.0, 8.0.1 and later, 9.x. */
export const APIS = [65, 67, 70, 80, 90] as const;

/** An API level of VMware's disk library. */
export type Api = typeof APIS[number];

/** The version in the library's file name, by API level. */
const VERSIONS: Record<Api, string> = { 65: "6.5.0", 67: "6.7.1", 70: "7.0.3", 80: "8.0.2", 90: "9.1.0.0" };

/** Stands for the libraries that VMware's library loads by their names, without paths, while it runs. */
const BUNDLE = "libstandinbundle.so.1";

/**
 * Compiles the library of one API level, unless it is newer than its sources. Returns the path of its folder,
 * which contains `lib64/`: the argument of `--libdir`. Several processes can do this at the same time.
 *
 * @throws {Error} if there is no compiler, or with the compiler's message
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

/** Returns the C sources of the library, without its self-test. */
export function librarySources(): URL[] {
  return namesIn(SOURCES).filter((name) => name.endsWith(".c")).map((name) => new URL(name, SOURCES));
}

async function buildShared(output: URL, sources: URL[], args: string[], soname: string): Promise<void> {
  if (await isCurrent(output)) return;
  // "nodelete": threads of the library may still run when a program unloads it, so its code stays in memory.
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

/** Returns whether the library is newer than its sources and the scripts that build it. */
async function isCurrent(output: URL): Promise<boolean> {
  return await isNewer(output, [
    new URL(import.meta.url),
    ...["build_files.ts", "c_compiler.ts"].map((name) => new URL(name, import.meta.url)),
    ...namesIn(SOURCES).filter((name) => /\.[ch]$/.test(name)).map((name) => new URL(name, SOURCES)),
    new URL("bundle/bundle.c", SOURCES),
  ]);
}

function namesIn(folder: URL): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

/** Makes `path` a symbolic link. `target` is relative, so that the folder can be moved. */
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
