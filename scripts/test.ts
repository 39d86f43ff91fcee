/**
 * Runs all tests but the long ones: first those that may run side by side, then those that measure memory, alone.
 *
 *     deno task test [FILE OR FOLDER...]
 *
 * With arguments only these tests run, side by side.
 */

/** What some tests need, by the names of programs. Without one its tests are skipped and say so. */
const TOOLS: Record<string, string> = {
  cc: "the stand-in for VMware's library, faults of the system",
  go: "the test server for vSphere",
  strace: "order of system calls",
  mke2fs: "real file systems",
  "qemu-img": "VMDKs that another program reads",
  "7zz": "VMDKs that another program reads",
  vmdkinfo: "VMDKs that another program reads",
  zstd: "foreign .zst files",
  pigz: "foreign .gz files",
  minisign: "signatures",
};

const LONG = "tests/**/*_long_test.ts";
const MEMORY = "tests/memory";

/** A test often waits, for a process or for a lock; one more than there are cores keeps the cores busy. */
const JOBS = navigator.hardwareConcurrency + 1;

if (import.meta.main) Deno.exit(await main(Deno.args));

async function main(files: string[]): Promise<number> {
  if (files.length > 0) return await run(["--parallel", `--ignore=${LONG}`, ...files]);
  console.error(introduction());
  const code = await run(["--parallel", `--ignore=${MEMORY},${LONG}`, "tests/"]);
  return code === 0 ? await run([MEMORY]) : code;
}

/** What the tests need, and how long they take. */
function introduction(): string {
  const missing = Object.keys(TOOLS).filter((tool) => !isInstalled(tool));
  const skipped = missing.map((tool) => `  ${tool}: ${TOOLS[tool]}`);
  return [
    "All tests but the long ones: some twelve minutes on two cores, 4 GiB of memory and of temporary space.",
    missing.length === 0
      ? "All programs that some of them need are installed."
      : `Some are skipped, because these programs are not installed:\n${skipped.join("\n")}`,
    "",
  ].join("\n");
}

function isInstalled(tool: string): boolean {
  const folders = (Deno.env.get("PATH") ?? "").split(":");
  return folders.some((folder) => {
    try {
      return Deno.statSync(`${folder}/${tool}`).isFile;
    } catch {
      return false;
    }
  });
}

async function run(args: string[]): Promise<number> {
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--no-check", "--quiet", ...args],
    env: { DENO_JOBS: Deno.env.get("DENO_JOBS") ?? `${JOBS}` },
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
  }).output();
  return code;
}
