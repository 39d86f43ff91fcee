/** Compiles the fault layer of the tests, `tests/faults/preload/`, to `build/faults/`. Needs a C compiler. */

import { compile, isNewer, pathOf } from "./c_compiler.ts";

const SOURCES = new URL("../tests/faults/preload/", import.meta.url);
const OUTPUT = new URL("../build/faults/", import.meta.url);

/** The library is preloaded; a function that calls itself, as fortified ones do, would never end. */
const SHARED = ["-O2", "-U_FORTIFY_SOURCE", "-fPIC", "-shared", "-fvisibility=hidden", "-Wl,-z,nodelete"];

/**
 * Builds the library unless it is newer than its sources, and returns its path. Processes may do this at the same time.
 *
 * @throws {Error} without a compiler, or with the compiler's message
 */
export async function buildFaultLayer(): Promise<string> {
  const output = new URL("libfaults.so", OUTPUT);
  const names = [...Deno.readDirSync(SOURCES)].map(({ name }) => name).filter((name) => /\.[ch]$/.test(name));
  const files = names.sort().map((name) => new URL(name, SOURCES));
  const tools = ["fault_layer.ts", "c_compiler.ts"].map((name) => new URL(name, import.meta.url));
  if (!await isNewer(output, [...files, ...tools])) {
    await Deno.mkdir(OUTPUT, { recursive: true });
    await compile(output, files.filter(({ pathname }) => pathname.endsWith(".c")), SHARED);
  }
  return pathOf(output);
}

/**
 * Builds the program that makes every call that the layer interposes, and returns its path.
 *
 * @throws {Error} without a compiler, or with the compiler's message
 */
export async function buildSelfTest(): Promise<string> {
  const output = new URL("self_test", OUTPUT);
  const source = new URL("self_test/self_test.c", SOURCES);
  if (!await isNewer(output, [source])) {
    await Deno.mkdir(OUTPUT, { recursive: true });
    await compile(output, [source], ["-g"]);
  }
  return pathOf(output);
}

if (import.meta.main) console.error(await buildFaultLayer());
