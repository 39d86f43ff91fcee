/**
 * Compiles the program to one executable, with the packages that the program imports and no others.
 *
 *     deno run -A scripts/compile.ts [--times N]
 *
 * `deno compile` embeds every package of the lock file. One of them is the compiler of the core, which is as large as Deno itself
 * and slows down each start. The option `--exclude-unused-npm` prevents that, but Deno 2.4 does not have it. Therefore this script
 * writes a lock file that has only the packages of the program, with their hashes. `--times` compares N times ten starts of the
 * executable with as many of an empty program.
 */

const ROOT = new URL("../", import.meta.url);
const PROGRAM = "cli/main.ts";
/** The modules that are loaded by name, so that `deno compile` does not find them. */
const WORKERS = ["cli/workers/worker.ts", "cli/workers/hash_worker.ts"];
const OUTPUT = "build/vmdkbkp";

/** The limit of the time of a start, as a multiple of that of an empty program. */
const MOST_TIMES = 2;

/** The parts of a lock file (version 5) that are used here. */
export interface LockFile {
  version: string;
  specifiers: Record<string, string>;
  npm?: Record<string, { integrity: string; dependencies?: string[] }>;
  [other: string]: unknown;
}

if (import.meta.main) Deno.exit(await main(Deno.args));

async function main(args: readonly string[]): Promise<number> {
  const times = args[0] === "--times" ? Number(args[1]) : 0;
  const dir = `build/tmp/${crypto.randomUUID()}`;
  await Deno.mkdir(new URL(dir, ROOT), { recursive: true });
  try {
    const lock = JSON.parse(await Deno.readTextFile(new URL("deno.lock", ROOT))) as LockFile;
    const smaller = lockOf(lock, await packagesOf([PROGRAM, ...WORKERS]));
    await Deno.writeTextFile(new URL(`${dir}/deno.lock`, ROOT), JSON.stringify(smaller, null, 2));
    const included = WORKERS.flatMap((path) => ["--include", path]);
    await deno(
      "compile",
      "-A",
      "--quiet",
      "--no-check",
      "--lock",
      `${dir}/deno.lock`,
      ...included,
      "--output",
      OUTPUT,
      PROGRAM,
    );
    const mib = Math.round((await Deno.stat(new URL(OUTPUT, ROOT))).size / 2 ** 20);
    console.error(`Compiled ${OUTPUT}: ${mib} MiB, with ${Object.keys(smaller.npm ?? {}).join(", ")}`);
    return times > 0 ? await measure(dir, times) : 0;
  } finally {
    await Deno.remove(new URL(dir, ROOT), { recursive: true });
  }
}

/** Returns the packages that modules import, as `name@version`, without the dependencies of these packages. */
export async function packagesOf(modules: readonly string[]): Promise<Set<string>> {
  const found = new Set<string>();
  for (const path of modules) {
    const { modules } = JSON.parse(await deno("info", "--json", path)) as {
      modules: { npmPackage?: string }[];
    };
    for (const { npmPackage } of modules) if (npmPackage !== undefined) found.add(npmPackage);
  }
  return found;
}

/**
 * Returns a lock file with `packages` and all of their dependencies.
 *
 * @param packages keys of `lock.npm`: `name@version`, followed by the versions of peers if there are any
 * @throws {Error} if the lock file lacks one of them
 */
export function lockOf(lock: LockFile, packages: Iterable<string>): LockFile {
  const all = lock.npm ?? {};
  const kept = new Set<string>();
  const pending = [...packages];
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    if (kept.has(id)) continue;
    const found = all[id];
    if (found === undefined) throw new Error(`Cannot compile: "deno.lock" has no package "${id}"`);
    kept.add(id);
    // A dependency is named with its version only if the lock file has several versions.
    for (const name of found.dependencies ?? []) {
      pending.push(Object.hasOwn(all, name) ? name : onlyVersion(all, name));
    }
  }
  const isKept = ([specifier, version]: [string, string]) =>
    kept.has(`${nameOf(specifier.replace(/^npm:/, ""))}@${version}`);
  return {
    ...lock,
    specifiers: Object.fromEntries(Object.entries(lock.specifiers).filter(isKept)),
    npm: Object.fromEntries(Object.entries(all).filter(([id]) => kept.has(id))),
  };
}

function onlyVersion(all: NonNullable<LockFile["npm"]>, name: string): string {
  const found = Object.keys(all).filter((id) => nameOf(id) === name);
  if (found.length !== 1) {
    throw new Error(
      `Cannot compile: "deno.lock" has ${found.length} versions of the package "${name}", one is expected`,
    );
  }
  return found[0];
}

/** Returns `@scope/name` for `@scope/name@1.0.0_peer@2.0.0`. */
function nameOf(id: string): string {
  return id.slice(0, id.indexOf("@", 1));
}

/** Compares the processor time of starts with that of an empty program. It depends little on the load of the machine. */
async function measure(dir: string, times: number): Promise<number> {
  await Deno.writeTextFile(new URL(`${dir}/empty.ts`, ROOT), "");
  await deno(
    ...["compile", "-A", "--quiet", "--no-check", "--no-config"],
    ...["--output", `${dir}/empty`, `${dir}/empty.ts`],
  );
  const spent = { empty: 0, own: 0 };
  // The first start of an executable writes a cache and does not count.
  for (let round = 0; round <= times; round++) {
    const empty = await millisecondsOf(`${dir}/empty`);
    const own = await millisecondsOf(OUTPUT, "--version");
    if (round === 0) continue;
    spent.empty += empty / times;
    spent.own += own / times;
  }
  const ratio = spent.own / spent.empty;
  console.error(
    `Start: ${spent.own.toFixed(0)} ms of processor, an empty program ${spent.empty.toFixed(0)} ms: ` +
      `${ratio.toFixed(2)} x`,
  );
  if (ratio < MOST_TIMES) return 0;
  console.error(`Less than ${MOST_TIMES} x is expected`);
  return 1;
}

/** Returns the processor time of one run of a program in milliseconds: the mean of ten runs, measured by the shell. */
async function millisecondsOf(path: string, ...args: string[]): Promise<number> {
  const script = 'for i in 0 1 2 3 4 5 6 7 8 9; do "$0" "$@" > /dev/null || exit 1; done; times';
  const { code, stdout } = await new Deno.Command("sh", {
    args: ["-c", script, new URL(path, ROOT).pathname, ...args],
    stdin: "null",
    stderr: "inherit",
  }).output();
  if (code !== 0) throw new Error(`"${path}" fails`);
  const [, ofChildren] = new TextDecoder().decode(stdout).trim().split("\n");
  const seconds = [...ofChildren.matchAll(/([0-9]+)m([0-9.]+)s/g)]
    .reduce((sum, [, minutes, seconds]) => sum + Number(minutes) * 60 + Number(seconds), 0);
  return seconds * 100;
}

/** Runs this Deno in the root of the tree and returns its standard output. */
async function deno(...args: string[]): Promise<string> {
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    stdin: "null",
    stderr: "inherit",
  }).output();
  if (code !== 0) throw new Error(`deno ${args[0]} ends with exit code ${code}`);
  return new TextDecoder().decode(stdout);
}
