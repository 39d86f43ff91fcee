/** Outputs on standard output: whatever goes wrong, nothing but their data is written there. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { COMMANDS } from "../../cli/commands/all.ts";
import { flagOf } from "../../cli/options/option.ts";
import { descriptorText } from "../disks/vmdk/builder.ts";
import { buildCowd } from "../disks/vmdk/esx_builder.ts";
import { denoArgs } from "../support/run_cli.ts";
import { Archives, EXIT } from "./refusal.ts";

/** A command line for each output of each command, which sends it to standard output. */
const GOOD: Record<string, string> = {
  "dump --dumpout":
    "dump --mode diff --local d1.raw --dumpin g0.dump --digestin g0.digest --dumpout - --digestout n.digest --rdiffout n.rdiff",
  "dump --digestout":
    "dump --mode diff --local d1.raw --dumpin g0.dump --digestin g0.digest --dumpout n.dump --digestout - --rdiffout n.rdiff",
  "dump --rdiffout":
    "dump --mode diff --local d1.raw --dumpin g0.dump --digestin g0.digest --dumpout n.dump --digestout n.digest --rdiffout=-",
  "merge --dumpout": "merge --dumpout - g1.dump g0.rdiff",
  "merge --rdiffout": "merge --rdiffout=- g1.rdiff g0.rdiff",
  "salvage --dumpout": "salvage --digestin g0.digest --dumpout - g0.dump",
  "salvage --lostout": "salvage --digestin g0.digest --dumpout n.dump --lostout - g0.dump",
  "salvage --bmpout": "salvage --digestin g0.digest --dumpout n.dump --bmpout - g0.dump",
  "digest --digestout": "digest --dumpin g0.dump --digestout -",
  "rdiff --rdiffout": "rdiff g0.dump g1.dump --rdiffout -",
  "rdiff2bmp --bmpout": "rdiff2bmp g0.rdiff",
  "changed --bmpout": "changed two.vmdk --since one.vmdk",
};

/** Lines that fail before anything is written, and lines whose input ends in the middle. */
const BEFORE: Record<string, (line: string) => string> = {
  "an unknown option": (line) => `${line} --bogus`,
  "a value that is none": (line) => `${line} --threads many`,
  "too many threads": (line) => `${line} --threads=65`,
  "a missing value": (line) => `${line} --threads`,
  "a missing file": (line) => line.replace(/g0\.(dump|rdiff)|one\.vmdk/, "missing.$1"),
};
const MIDDLE = (line: string) => line.replace(/g0\.(dump|rdiff)/, "cut.$1").replace("two.vmdk", "cut.vmdk");

class Scene extends Archives {
  constructor() {
    super();
    for (const kind of ["dump", "rdiff"]) this.file(`cut.${kind}`, this.read(`g0.${kind}`).slice(0, -100));
    this.file("one-flat.vmdk", new Uint8Array(64 * 512));
    this.file("one.vmdk", descriptorText([`RW 64 FLAT "one-flat.vmdk" 0`]));
    for (const name of ["two", "cut"]) {
      const { bytes } = buildCowd(new Uint8Array(64 * 512).fill(7), { order: [3, 40], zeroed: [] });
      this.file(`${name}-delta.vmdk`, name === "two" ? bytes : bytes.slice(0, 2000));
      const text = descriptorText([`RW 64 VMFSSPARSE "${name}-delta.vmdk"`], {
        createType: "vmfsSparse",
        header: ['parentFileNameHint="one.vmdk"'],
      });
      this.file(`${name}.vmdk`, text.replace("parentCID=ffffffff", "parentCID=3f2a90c1"));
    }
  }
}

/** The JSON object that stands last in a text. */
function lastObject(text: string): { ok: boolean } {
  return JSON.parse(text.trim().split("\n").at(-1)!);
}

/** Outputs with tests of their own: `check_folders_test.ts`, and `tests/repository/commands_test.ts`. */
const ELSEWHERE = ["check --junit", "export --dumpout", "export --digestout"];

Deno.test("every output of every command has a line here or a test elsewhere", async () => {
  const outputs: string[] = [];
  for (const [name, { load }] of Object.entries(COMMANDS)) {
    for (const [option, { type }] of Object.entries((await load()).command.options)) {
      if (type === "output") outputs.push(`${name} --${flagOf(option)}`);
    }
  }
  assertEquals(outputs.sort(), [...Object.keys(GOOD), ...ELSEWHERE].sort());
});

for (const [output, line] of Object.entries(GOOD)) {
  Deno.test(`${output} to standard output: the report goes to standard error`, async () => {
    using scene = new Scene();
    const { code, stdout, stderr } = await scene.run(`${line} --json`);
    assertEquals([code, lastObject(stderr).ok], [EXIT.done, true], stderr);
    assert(!stdout.includes('"ok"'), stdout);
  });

  Deno.test(`${output} to standard output: errors before the first byte go to standard error`, async () => {
    for (const [what, spoil] of Object.entries(BEFORE)) {
      using scene = new Scene();
      const { code, stdout, stderr } = await scene.run(spoil(line.replace(" ", " --json ")));
      assert(code !== EXIT.done, what);
      assertEquals([stdout, lastObject(stderr).ok], ["", false], `${what}: ${stderr}`);
    }
  });

  Deno.test(`${output} to standard output: errors in the middle go to standard error`, async () => {
    using scene = new Scene();
    const { code, stdout, stderr } = await scene.run(`${MIDDLE(line)} --json`);
    assertEquals([code, lastObject(stderr).ok], [EXIT.corrupt, false], stderr);
    assert(!stdout.includes('"ok"'), stdout);
  });

  Deno.test(`${output} to standard output: the error that standard output is full goes to standard error`, async () => {
    using scene = new Scene();
    const args = [Deno.execPath(), ...denoArgs(), ...scene.args(`${line} --json`)];
    const { code, stderr } = await new Deno.Command("sh", {
      args: ["-c", 'exec "$0" "$@" > /dev/full', ...args],
    })
      .output();
    const text = new TextDecoder().decode(stderr);
    assertEquals([code, lastObject(text).ok], [EXIT.environment, false], text);
  });
}

Deno.test("check --junit - has its report on standard error, too", async () => {
  using scene = new Scene();
  const refused = await scene.run("check --json --junit - --digestin g0.digest g0.dump");
  assertEquals([refused.code, refused.stdout, lastObject(refused.stderr).ok], [EXIT.usage, "", false]);
  const unknown = await scene.run("check --json --bogus --junit=- g0.dump");
  assertEquals([unknown.code, unknown.stdout, lastObject(unknown.stderr).ok], [EXIT.usage, "", false]);
  const wrong = await scene.run("check --junit - --digestin g0.digest cut.dump");
  assertEquals(wrong.code, EXIT.corrupt);
  assert(/^<\?xml[^]*<\/testsuites>\n?$/.test(wrong.stdout), wrong.stdout);
});

Deno.test("of a line that is not understood nothing goes to standard output if data may be expected there", async () => {
  using scene = new Scene();
  for (
    const line of [
      "bogus --json",
      "chnaged --json two.vmdk --since one.vmdk",
      "rdiff2bmp --json --bmput a.bmp g0.rdiff",
      "digest --json --dumpin g0.dump --digestuot -",
      "digest --json --dumpin g0.dump --digestuot=-",
    ]
  ) {
    const { code, stdout, stderr } = await scene.run(line);
    assertEquals([code, stdout, lastObject(stderr).ok], [EXIT.usage, "", false], line);
  }
});

Deno.test("of a line that is not understood the error is on standard output where only reports go", async () => {
  using scene = new Scene();
  for (
    const line of [
      "check --json --bogus g0.dump",
      "print --json --bogus g0.dump",
      "merge --json --bogus --dumpout n.dump g1.dump",
    ]
  ) {
    const { code, stdout } = await scene.run(line);
    assertEquals([code, lastObject(stdout).ok], [EXIT.usage, false], line);
  }
});

Deno.test("--json that is the value of another option, or an argument, asks for no JSON", async () => {
  using scene = new Scene();
  for (const line of ["check --digestin --json g0.dump", "print -- --json"]) {
    const { code, stdout, stderr } = await scene.run(line);
    assertEquals([code, stdout], [EXIT.environment, ""], line);
    assertStringIncludes(stderr, '"--json"');
    assert(!stderr.includes('"ok"'), stderr);
  }
});
