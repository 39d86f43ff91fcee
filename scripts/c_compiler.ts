/** Compiles the C sources of the tests with `CC`, `gcc` or `cc`, and with warnings as errors. */

import { pathOf } from "./build_files.ts";

export { isNewer, pathOf } from "./build_files.ts";

const STRICT = ["-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-pthread"];

let found: string | null | undefined;

/** Returns the name or path of the C compiler; undefined if there is none. */
export function findCompiler(): string | undefined {
  if (found === undefined) {
    const names = [Deno.env.get("CC"), "gcc", "cc"].filter((name) => name !== undefined && name !== "");
    found = names.find((name) => canRun(name!)) ?? null;
  }
  return found ?? undefined;
}

/** Returns whether C can be compiled here for Linux. */
export function hasCompiler(): boolean {
  return Deno.build.os === "linux" && findCompiler() !== undefined;
}

/**
 * Compiles a program or library to `output`. The file gets its name when it is complete, so that several
 * processes can compile it at the same time, and a process that has loaded the old file keeps that.
 *
 * @throws {Error} if there is no compiler, or with the compiler's message
 */
export async function compile(output: URL, sources: URL[], args: string[]): Promise<void> {
  const compiler = findCompiler();
  if (compiler === undefined) throw new Error(`Cannot compile "${pathOf(output)}": there is no C compiler`);
  const temporary = new URL(`${output.href}.${crypto.randomUUID()}.tmp`);
  try {
    const { success, stderr } = await new Deno.Command(compiler, {
      args: [...STRICT, ...args, "-o", pathOf(temporary), ...sources.map(pathOf), "-ldl"],
      stdout: "null",
      stderr: "piped",
    }).output();
    if (!success) {
      throw new Error(`Cannot compile "${pathOf(output)}": ${new TextDecoder().decode(stderr)}`);
    }
    await Deno.rename(temporary, output);
  } finally {
    await Deno.remove(temporary).catch(() => {});
  }
}

function canRun(compiler: string): boolean {
  try {
    return new Deno.Command(compiler, { args: ["--version"], stdout: "null", stderr: "null" }).outputSync()
      .success;
  } catch {
    return false;
  }
}
