/** File names that are not UTF-8. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path/posix/join";
import { Folder } from "../disks/helpers.ts";
import { callMain, denoArgs } from "../support/run_cli.ts";
import { testWith } from "../support/skip.ts";
import { Archives, assertRefusal, EXIT } from "./refusal.ts";

/** Deno 2.4 refuses such words before the program begins, and does not see such files. */
const [major, minor] = Deno.version.deno.split(".").map(Number);
const IS_OLD = major === 2 && minor < 9;
/** Names that are not UTF-8: of Latin-1, cut in a character, a lone surrogate, and with the character itself beside. */
const GARBLED = ["b\\344r", "\\303", "\\355\\240\\200", "\\357\\277\\275\\377"];

const missing = takesGarbledNames() ? undefined : "the file system takes no names that are not UTF-8";

function takesGarbledNames(): boolean {
  using folder = new Folder();
  const make = 'cd "$1" && : > "$(printf \'b\\344r\')"';
  return new Deno.Command("sh", { args: ["-c", make, "sh", folder.path], stderr: "null" }).outputSync()
    .success;
}

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a line of shell in the folder, in which `vmdkbkp` stands for the program and $G for a garbled name. */
async function shell(archives: Archives, line: string, garbled = "", permissions = ["-A"]): Promise<Ended> {
  const program = denoArgs().flatMap((arg) => arg === "-A" ? permissions : [arg]);
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: [
      "-c",
      `G=$(printf '${garbled}'); vmdkbkp() { "$@"; }; ${line.replaceAll("vmdkbkp", 'vmdkbkp "$@"')}`,
    ]
      .concat("sh", Deno.execPath(), ...program),
    cwd: archives.path,
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
}

/** Names in the folder, as bytes in hexadecimal digits. */
async function namesIn(archives: Archives): Promise<string> {
  return (await shell(archives, "ls -A | od -An -tx1")).stdout;
}

testWith(
  { missing },
  "a file name that is not UTF-8 is refused as such, to read and to write, and nothing is made",
  async () => {
    for (const garbled of GARBLED) {
      using archives = new Archives();
      await shell(
        archives,
        'cp g0.dump "$G.dump"; cp g0.digest "$G.digest"; mkdir "$G"; cp d0.raw "$G/d.raw"',
        garbled,
      );
      const before = await namesIn(archives);
      const lines = [
        'vmdkbkp print "$G.dump"',
        'vmdkbkp check --digestin "$G.digest" g0.dump',
        'vmdkbkp check "--digestin=$G.digest" g0.dump',
        'vmdkbkp check "$G"',
        'vmdkbkp digest --dumpin g0.dump --digestout "new$G.digest"',
        'vmdkbkp dump --mode full --local "$G/d.raw" --dumpout new.dump --digestout new.digest',
        'vmdkbkp restore --create --local "$PWD/new$G.raw" g0.dump',
        'vmdkbkp seal g0.dump -- "-$G"',
      ];
      for (const line of lines) {
        const result = await shell(archives, line, garbled);
        if (IS_OLD) {
          assert(result.code !== 0 && result.stderr.includes("UTF-8"), `${line}: ${result.stderr}`);
        } else {assertRefusal(line, result, {
            code: EXIT.usage,
            says: ["\ufffd", "is not UTF-8", "symbolic link"],
          });}
      }
      assertEquals(await namesIn(archives), before);
      // The way out.
      await shell(archives, 'ln -s "$G.dump" link.dump', garbled);
      const { code, stderr } = await shell(archives, "vmdkbkp check --digestin g0.digest link.dump");
      assertEquals(code, EXIT.done, stderr);
    }
  },
);

Deno.test("a password that is not UTF-8 is not shown", async () => {
  using archives = new Archives();
  for (const words of ['--password "geheim$G"', '"--password=geheim$G"']) {
    const line = `vmdkbkp dump --mode full --remote x ${words} --dumpout a.dump --digestout a.digest`;
    const { code, stderr } = await shell(archives, line, "\\344");
    assert(code !== 0);
    if (!IS_OLD) assertStringIncludes(stderr, "Cannot use the password: it is not UTF-8");
    assert(!stderr.includes("geheim"), stderr);
  }
});

Deno.test("the character U+FFFD itself may stand in a name", async () => {
  using archives = new Archives();
  const line = "vmdkbkp digest --dumpin g0.dump --digestout '\ufffd.digest'";
  const result = await shell(archives, line);
  if (Deno.build.os !== "linux") return;
  assertEquals(result.code, EXIT.done, result.stderr);
  assertEquals(Deno.readFileSync(join(archives.path, "\ufffd.digest")), archives.read("g0.digest"));
  // Where nothing tells the one from the other, nothing is written under a wrong name.
  const few = await shell(archives, line.replace("'\ufffd", "'2\ufffd"), "", [
    "--no-prompt",
    "--allow-read",
    "--allow-write",
  ]);
  assertRefusal(line, few, { code: EXIT.usage, says: ["is not UTF-8"] });
  const called = await callMain(["print", join(archives.path, "\ufffd.digest")]);
  assertEquals(called.code, EXIT.usage);
});

testWith(
  { missing },
  "check of a folder names the files whose names are not UTF-8",
  async () => {
    using archives = new Archives();
    await shell(
      archives,
      'mkdir old; cp g0.dump g0.digest old; cp g0.dump "old/$G.dump"; cp d0.raw "old/$G"',
      "b\\344r",
    );
    const { code, stdout } = await shell(archives, "vmdkbkp check old");
    if (IS_OLD) return;
    assertEquals(code, EXIT.corrupt);
    assertStringIncludes(
      stdout,
      'Not readable: old/b\ufffdr.dump: its name is not UTF-8 ("\ufffd" stands for',
    );
    assertStringIncludes(stdout, "good: old/g0.dump");
    assertStringIncludes(stdout, "1 file of other kinds skipped");
  },
);
