/**
 * The examples of faults that were met in the field, `../shared/field` beside the checkout. Its README says how they are judged:
 * a script ends with 0 if everything is as it should be, with 1 if not, with 77 if something that it needs is missing.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { VERSION } from "../../cli/version.ts";
import { Folder } from "../disks/helpers.ts";
import { denoArgs } from "../support/run_cli.ts";
import { testWith } from "../support/skip.ts";

const FIELD = new URL("../../../shared/field/", import.meta.url);
/** The exit code of a script that could not do its work. */
const MISSING = 77;
/** Runs of a script whose moment may pass before the script can use it. */
const MAX_RUNS = 5;

/** The paths of all scripts by the folders of the examples; undefined if these are not here. */
function findScripts(): Map<string, string[]> | undefined {
  try {
    const folders = [...Deno.readDirSync(FIELD)].filter(({ isDirectory }) => isDirectory);
    return new Map(folders.map(({ name }) => [
      name,
      [...Deno.readDirSync(new URL(`${name}/`, FIELD))].map((file) => `${name}/${file.name}`)
        .filter((path) => path.endsWith(".sh")).sort(),
    ]));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

const examples = findScripts();
const missing = examples === undefined
  ? "the examples of the field, ../shared/field, are not here"
  : undefined;
const scripts = [...examples?.values() ?? []].flat().sort();

testWith({ missing }, "each example of the field has a script that is run, and the README names each", () => {
  assertEquals([...examples!].filter(([, paths]) => paths.length === 0).map(([folder]) => folder), []);
  const readme = Deno.readTextFileSync(new URL("README.md", FIELD));
  const rows = readme.split("\n").filter((line) => line.startsWith("| `"));
  const named = rows.flatMap((row) => [...row.split("|")[1].matchAll(/`([^`]+)`/g)].map(([, name]) => name));
  const isNamed = (path: string) => named.includes(path) || named.includes(path.split("/")[0]);
  assertEquals(scripts.filter((path) => !isNamed(path)), []);
  const isRun = (name: string) => scripts.includes(name) || examples!.has(name);
  assertEquals(named.filter((name) => !isRun(name)), []);
  assert(scripts.length > 0);
});

Deno.test("the scripts of the examples find the program of this checkout", async () => {
  const { code, said } = await runShell(["-c", "vmdkbkp --version"]);
  assertEquals(code, 0, said);
  assertStringIncludes(said, VERSION);
});

for (const script of scripts) {
  const text = Deno.readTextFileSync(new URL(script, FIELD));
  const tools = [...text.matchAll(/\bcommand -v (\w+)/g)].map(([, tool]) => tool);
  const lacking = tools.find((tool) => !isInstalled(tool));
  testWith({ missing: lacking && `there is no ${lacking}` }, `field: ${script}`, async () => {
    let { code, said } = await runShell([new URL(script, FIELD).pathname]);
    for (let runs = 1; code === MISSING && runs < MAX_RUNS; runs++) {
      ({ code, said } = await runShell([new URL(script, FIELD).pathname]));
    }
    assertEquals(code, 0, `exit code ${code} of ${script}:\n${said}`);
    assert(/^as it should be: /m.test(said) && !/^NOT: /m.test(said), said);
  });
}

/** Runs a shell with the program of this checkout as `vmdkbkp`, in a temporary folder. */
async function runShell(args: string[]): Promise<{ code: number; said: string }> {
  using folder = new Folder();
  const words = [Deno.execPath(), ...denoArgs()].map((word) => `'${word.replaceAll("'", `'\\''`)}'`);
  const temporary = folder.file("tmp");
  const programs = folder.file("bin");
  for (const path of [temporary, programs]) Deno.mkdirSync(path);
  // A script stops the program by the number of its process: it is this process and no child of it.
  Deno.writeTextFileSync(`${programs}/vmdkbkp`, `#!/bin/sh\nexec ${words.join(" ")} "$@"\n`, { mode: 0o755 });
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args,
    cwd: temporary,
    env: { PATH: `${programs}:${Deno.env.get("PATH")}`, TMPDIR: temporary, LC_ALL: "C", NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code, said: decoder.decode(stdout) + decoder.decode(stderr) };
}

function isInstalled(tool: string): boolean {
  const { success } = new Deno.Command("sh", {
    args: ["-c", 'command -v "$1"', "sh", tool],
    stdout: "null",
    stderr: "null",
  }).outputSync();
  return success;
}
