import { assertEquals } from "@std/assert";
import { join } from "@std/path/posix/join";
import { compile, hasCompiler } from "../../scripts/c_compiler.ts";
import { type Api, APIS, buildStandin, librarySources } from "../../scripts/standin.ts";
import { testWith } from "../support/skip.ts";

const SELF_TEST = new URL("../../ffi/standin/self_test/", import.meta.url);
const COMPILER = hasCompiler() ? undefined : "there is no C compiler for Linux";

/**
 * The number of functions of every version; the assertions in the header hold for each, or it would not
 * compile.
 */
const FUNCTIONS =
  `Attach CheckRepair Cleanup Clone Close Connect ConnectEx Create CreateChild Defragment Disconnect
EndAccess Exit Flush FreeConnectParams FreeErrorText FreeInfo GetConnectParams GetErrorText GetInfo GetMetadataKeys
GetTransportMode Grow Init InitEx IsAttachPossible ListTransportModes Open PrepareForAccess Read ReadAsync ReadMetadata
Rename Shrink SpaceNeededForClone Unlink Wait Write WriteAsync WriteMetadata`.split(/\s+/);
const SINCE_67 = ["AllocateConnectParams", "FreeBlockList", "QueryAllocatedBlocks"];

/** The library's file for each version, as programs look for it. */
const SONAMES: Record<Api, string> = {
  65: "libvixDiskLib.so.6",
  67: "libvixDiskLib.so.6",
  70: "libvixDiskLib.so.7",
  80: "libvixDiskLib.so.8",
  90: "libvixDiskLib.so.9",
};

async function run(program: string, args: string[], env: Record<string, string> = {}): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args, env }).output();
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  if (!success) throw new Error(`${program} fails: ${text}`);
  return text;
}

function answers(program: string): boolean {
  try {
    return new Deno.Command(program, { args: ["--version"], stdout: "null", stderr: "null" }).outputSync()
      .success;
  } catch {
    return false;
  }
}

function selfTestSources(): URL[] {
  return [...Deno.readDirSync(SELF_TEST)].filter(({ name }) => name.endsWith(".c")).map(({ name }) =>
    new URL(name, SELF_TEST)
  );
}

/** Compiles the self-test and runs it with files in a folder of its own. */
async function runSelfTest(api: Api, sources: (libDir: string) => { sources: URL[]; args: string[] }) {
  const libDir = await buildStandin(api);
  const folder = await Deno.makeTempDir();
  try {
    const program = new URL(`file://${encodeURI(join(folder, "self_test"))}`);
    const { sources: all, args } = sources(libDir);
    await compile(program, [...selfTestSources(), ...all], [`-DAPI=${api}`, "-g", ...args]);
    const files = join(folder, "files");
    await Deno.mkdir(files);
    await run(join(folder, "self_test"), [files], { LD_LIBRARY_PATH: join(libDir, "lib64") });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Whether the compiler can make, and the machine can run, programs under a sanitizer. */
async function hasSanitizer(flag: string): Promise<boolean> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(join(folder, "a.c"), "int main(void) { return 0; }\n");
    const [program, source] = ["a", "a.c"].map((name) => new URL(`file://${encodeURI(join(folder, name))}`));
    await compile(program, [source], [flag]);
    await run(join(folder, "a"), []);
    return true;
  } catch {
    return false;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

for (const api of APIS) {
  testWith({ missing: COMPILER }, `the stand-in of version ${api} detects every violation`, async () => {
    await runSelfTest(api, (libDir) => ({
      sources: [new URL(`file://${encodeURI(join(libDir, "lib64", SONAMES[api]))}`)],
      // Not as DT_RPATH, which would also apply to libraries that the library loads by bare name.
      args: [`-Wl,-rpath,${libDir}/lib64`, "-Wl,--enable-new-dtags"],
    }));
  });

  testWith(
    { missing: COMPILER ?? (answers("nm") ? undefined : "there is no nm") },
    `the stand-in of version ${api} exports the functions of that version only`,
    async () => {
      const libDir = await buildStandin(api);
      const text = await run("nm", ["-D", "--defined-only", join(libDir, "lib64", SONAMES[api])]);
      const exported = text.trim().split("\n").map((line) => line.split(" ")[2]).sort();
      const wanted = api === 65 ? FUNCTIONS : [...FUNCTIONS, ...SINCE_67];
      assertEquals(exported, wanted.map((name) => `VixDiskLib_${name}`).sort());
    },
  );
}

for (const flag of ["-fsanitize=address,undefined", "-fsanitize=thread"]) {
  const missing = COMPILER ?? (await hasSanitizer(flag) ? undefined : `the compiler has no ${flag}`);
  testWith({ missing }, `the stand-in passes its self-test with ${flag}`, async () => {
    await runSelfTest(80, () => ({ sources: librarySources(), args: [flag, "-fno-sanitize-recover=all"] }));
  });
}

testWith(
  { missing: COMPILER },
  "buildStandin() keeps a library that is newer than its sources",
  async () => {
    const library = join(await buildStandin(80), "lib64", SONAMES[80]);
    const before = (await Deno.stat(library)).mtime;
    await Promise.all([buildStandin(80), buildStandin(80)]);
    assertEquals((await Deno.stat(library)).mtime, before);
    assertEquals(await Deno.readLink(library), "libvixDiskLib.so.8.0.2");
  },
);
