/**
 * Each command works with the permissions that docs/permissions.md lists: it reads its inputs, writes into the
 * folder of its outputs, and needs no network, no library, no other program, no environment and nothing of the system.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path/posix/join";
import { formatSize } from "../cli/commands/progress.ts";
import { Folder, noise } from "./disks/helpers.ts";
import { buildSparse } from "./disks/vmdk/builder.ts";
import { readDigest, readDump } from "./fuzz/oracle/archives.ts";
import { seriesFiles } from "./refusals/material.ts";
import { atTime } from "./support/clock.ts";
import { callMain, type CliResult, denoArgs } from "./support/run_cli.ts";

const SCRIPT = new URL("../scripts/vmdkbkp", import.meta.url).pathname;
const PROGRAM = ["cli", "build"].map((name) => new URL(`../${name}`, import.meta.url).pathname);

/** Folders of what is read and what is written. */
class Rooms extends Folder {
  readonly input = join(this.path, "in");
  readonly output = join(this.path, "out");

  constructor() {
    super();
    Deno.mkdirSync(this.input);
    for (const [name, bytes] of Object.entries(seriesFiles())) {
      Deno.writeFileSync(join(this.input, name), bytes);
    }
    Deno.writeFileSync(join(this.input, "sparse.vmdk"), buildSparse(noise(65536 + 512, 1)).bytes);
    this.clear();
  }

  /** The words of a line; those that begin with `in/` or `out/` are paths. */
  args(line: string): string[] {
    return line.split(" ").map((word) => /^(in|out)\//.test(word) ? join(this.path, word) : word);
  }

  /** Begins anew with the outputs; a restore in place finds a disk there, and `seal` archives. */
  clear(): void {
    Deno.mkdirSync(this.output, { recursive: true });
    for (const { name } of Deno.readDirSync(this.output)) Deno.removeSync(join(this.output, name));
    Deno.writeFileSync(join(this.output, "old.raw"), noise(6 * 512, 2));
    for (const name of ["g0.dump", "g0.digest"]) {
      Deno.copyFileSync(join(this.input, name), join(this.output, name));
    }
  }

  /** All outputs, by their names. */
  outputs(): Map<string, Uint8Array> {
    const names = [...Deno.readDirSync(this.output)].map(({ name }) => name).sort();
    return new Map(names.map((name) => [name, Deno.readFileSync(join(this.output, name))]));
  }
}

/** Command lines, and what they may write. */
const LINES: [line: string, writes: boolean][] = [
  ["dump --mode full --blocksize 512 --local in/d0.raw --dumpout out/a.dump --digestout out/a.digest", true],
  ["dump --mode full --local in/sparse.vmdk --dumpout out/a.dump --digestout out/a.digest", true],
  [
    "dump --mode diff --local in/d1.raw --dumpin in/g0.dump --digestin in/g0.digest --dumpout out/a.dump " +
    "--digestout out/a.digest --rdiffout out/a.rdiff",
    true,
  ],
  [
    "dump --mode incr --local in/d1.raw --bmpin in/all.bmp --dumpin in/g0.dump --digestin in/g0.digest " +
    "--dumpout out/a.dump --digestout out/a.digest --rdiffout out/a.rdiff",
    true,
  ],
  ["restore --create --local out/new.raw in/g0.dump", true],
  ["restore --create --local out/new.vmdk --metadata in/g1.dump in/g0.rdiff", true],
  ["restore --create --format streamOptimized --local out/new.vmdk in/g0.dump", true],
  ["restore --local out/old.raw in/g0.dump", true],
  ["check --digestin in/g0.digest in/g1.dump in/g0.rdiff", false],
  ["check in/", false],
  ["check --quick in/g1.dump in/g0.rdiff", false],
  ["check --junit out/a.xml --digestin in/g0.digest in/g0.dump", true],
  ["salvage --digestin in/g0.digest in/g1.dump in/g0.rdiff --dumpout out/a.dump", true],
  ["merge --dumpout out/a.dump.zst in/g1.dump in/g0.rdiff", true],
  ["digest --dumpin in/g0.dump --digestout out/a.digest.gz", true],
  ["print in/g0.dump in/g0.digest in/g0.rdiff", false],
  ["rdiff in/g0.dump in/g1.dump --rdiffout out/a.rdiff", true],
  ["compare in/g0.dump in/g1.dump", false],
  ["rdiff2bmp in/g0.rdiff --bmpout out/a.bmp", true],
  ["print-bmp in/all.bmp", false],
  ["map in/sparse.vmdk", false],
  ["seal out/g0.dump out/g0.digest", true],
  ["help dump", false],
  ["completion bash", false],
  ["doctor", false],
];

async function deno(args: string[], env: Record<string, string> = {}): Promise<CliResult> {
  const output = await new Deno.Command(args[0], { args: args.slice(1), stdin: "null", env }).output();
  const [stdout, stderr] = [output.stdout, output.stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code: output.code, stdout, stderr, stdoutBytes: output.stdout };
}

/** Runs the program with these permissions and no others. */
function runWith(permissions: string[], args: string[]): Promise<CliResult> {
  const all = denoArgs().flatMap((arg) => arg === "-A" ? ["--no-prompt", ...permissions] : [arg]);
  return deno([Deno.execPath(), ...all, ...args]);
}

/** A time whose stamp in a header has few digits: fewer bytes than that of today. */
const SHORT_STAMP = new Date(2101, 1, 3, 4, 5, 6);

/** What two runs of a command say alike: no figures of time, and of the series that a full dump draws nothing. */
function timeless(text: string): string {
  return text.split("\n").filter((line) => !/\d s(, .*\/s)?$/.test(line)).join("\n");
}

/**
 * The text with the words "its size" for the size of each output, which must be that of the file: a header is
 * longer with every digit of its time stamp.
 */
function withoutSizes(text: string): string {
  return text.replaceAll(/^( {2}(?:dump|digest|rdiff) +(.+): )([\d.]+ \w+)$/gm, (_, start, path, size) => {
    assertEquals(size, formatSize(Deno.statSync(path).size), path);
    return `${start}its size`;
  });
}

function assertSameOutputs(
  line: string,
  actual: Map<string, Uint8Array>,
  expected: Map<string, Uint8Array>,
): void {
  assertEquals([...actual.keys()], [...expected.keys()], line);
  for (const [name, bytes] of actual) {
    // A generation has its own time, and a series its own id.
    if (/\.(seal\.json|xml)$/.test(name) || /new\.vmdk/.test(name)) continue;
    const isMade = line.startsWith("dump") && name.startsWith("a.");
    const read = isMade ? name === "a.digest" ? readDigest : readDump : undefined;
    const textOf = (all: Uint8Array) => read ? JSON.stringify([...read(all).records]) : all.toString();
    assertEquals(textOf(bytes), textOf(expected.get(name)!), `${line}: ${name}`);
  }
}

for (const [line, writes] of LINES) {
  if (line.startsWith("doctor")) continue;
  Deno.test(`Few permissions do for: ${line}`, async () => {
    using rooms = new Rooms();
    const args = rooms.args(line);
    const expected = await atTime(SHORT_STAMP, () => callMain(args));
    assertEquals(expected.code, line.startsWith("compare") ? expected.code : 0, expected.stderr);
    const expectedText = withoutSizes(timeless(expected.stdout));
    if (line.startsWith("dump")) assertStringIncludes(expectedText, "a.dump: its size");
    const outputs = rooms.outputs();
    rooms.clear();
    const result = await runWith([
      `--allow-read=${rooms.input}${writes ? `,${rooms.output}` : ""}`,
      ...writes ? [`--allow-write=${rooms.output}`] : [],
    ], args);
    assertEquals(result.code, expected.code, result.stderr);
    assertEquals(withoutSizes(timeless(result.stdout)), expectedText);
    assertEquals(timeless(result.stderr), timeless(expected.stderr));
    assertSameOutputs(line, rooms.outputs(), outputs);
  });
}

Deno.test("help and doctor need no permission", async () => {
  for (const args of [["help"], ["help", "merge"], ["--version"], ["doctor"]]) {
    const { code, stderr } = await runWith([], args);
    assertEquals([code, stderr], [0, ""], args.join(" "));
  }
});

Deno.test("Threads that may not be loaded are done without, in silence", async () => {
  using rooms = new Rooms();
  const args = rooms.args("check --threads 4 --digestin in/g0.digest in/g1.dump in/g0.rdiff");
  for (const read of [[rooms.input], [rooms.input, ...PROGRAM]]) {
    const { code, stdout, stderr } = await runWith(
      [`--allow-read=${read}`, "--allow-env=VMDKBKP_THREADS"],
      args,
    );
    assertEquals([code, stderr], [0, ""]);
    assertStringIncludes(stdout, "Check: OK");
  }
});

Deno.test("An output outside the folders that may be written is refused, and none is left", async () => {
  using rooms = new Rooms();
  const args = rooms.args("merge --dumpout in/new.dump in/g1.dump in/g0.rdiff");
  const { code, stderr } = await runWith(
    [`--allow-read=${rooms.path}`, `--allow-write=${rooms.output}`],
    args,
  );
  assertEquals(code, 1, stderr);
  assert(/^vmdkbkp: .*write access/.test(stderr), stderr);
  assertEquals([...Deno.readDirSync(rooms.input)].filter(({ name }) => name.includes("new")), []);
});

Deno.test("scripts/vmdkbkp gives every command what it needs", async () => {
  using rooms = new Rooms();
  const env = {
    DENO: Deno.execPath(),
    VMDKBKP_READ: rooms.input,
    VMDKBKP_WRITE: rooms.output,
    VMDKBKP_THREADS: "2",
  };
  const isFirst = ([line]: [string, boolean], i: number) =>
    LINES.findIndex(([other]) => other.split(" ")[0] === line.split(" ")[0]) === i;
  for (const [line] of LINES.filter(isFirst)) {
    rooms.clear();
    const args = rooms.args(line);
    const { code, stderr } = await deno([SCRIPT, ...args], env);
    assertEquals(code, line.startsWith("compare") ? code : 0, `${line}\n${stderr}`);
    assertEquals(stderr, "", line);
  }
});

Deno.test("scripts/vmdkbkp holds a command to its folders, and does what it does through a link", async () => {
  using rooms = new Rooms();
  const env = { DENO: Deno.execPath(), VMDKBKP_READ: rooms.input, VMDKBKP_WRITE: rooms.output };
  const link = join(rooms.path, "a link");
  Deno.symlinkSync(SCRIPT, link);
  Deno.writeFileSync(rooms.file("other.dump"), Deno.readFileSync(join(rooms.input, "g0.dump")));
  const other = await deno([link, "print", rooms.file("other.dump")], env);
  assertEquals(other.code, 1);
  assertStringIncludes(other.stderr, "read access");
  const digest = ["digest", "--dumpin", join(rooms.input, "g0.dump"), "--digestout"];
  assertEquals((await deno([link, ...digest, join(rooms.output, "a b.digest")], env)).code, 0);
  assertStringIncludes((await deno([link, ...digest, rooms.file("b.digest")], env)).stderr, "access");
  assertEquals((await deno([link, "--version"], env)).code, 0);
});
