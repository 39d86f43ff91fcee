/** Compiles C for tests: `CC`, `gcc` or `cc`, with the checks that all C of this project must pass. */

const STRICT = ["-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-pthread"];

let found: string | null | undefined;

/** The C compiler; undefined if there is none. */
export function findCompiler(): string | undefined {
  if (found === undefined) {
    const names = [Deno.env.get("CC"), "gcc", "cc"].filter((name) => name !== undefined && name !== "");
    found = names.find((name) => answers(name!)) ?? null;
  }
  return found ?? undefined;
}

/** Whether C can be compiled here for Linux. */
export function hasCompiler(): boolean {
  return Deno.build.os === "linux" && findCompiler() !== undefined;
}

/**
 * Compiles a program or library to `output` with the checks that all sources must pass. The file appears under its
 * name when it is complete, so that several processes may compile the same one.
 *
 * @throws {Error} without a compiler, or with the compiler's message
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

/** Whether `output` exists and is newer than all `inputs`. */
export async function isNewer(output: URL, inputs: readonly URL[]): Promise<boolean> {
  const built = await modifiedAt(output);
  if (built === undefined) return false;
  for (const input of inputs) {
    if ((await modifiedAt(input) ?? Infinity) >= built) return false;
  }
  return true;
}

/** The path of a `file:` URL. */
export function pathOf(file: URL): string {
  return decodeURIComponent(file.pathname);
}

function answers(compiler: string): boolean {
  try {
    return new Deno.Command(compiler, { args: ["--version"], stdout: "null", stderr: "null" }).outputSync()
      .success;
  } catch {
    return false;
  }
}

async function modifiedAt(file: URL): Promise<number | undefined> {
  try {
    return (await Deno.stat(file)).mtime?.getTime();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
