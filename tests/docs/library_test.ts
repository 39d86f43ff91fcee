/** The programs of docs/library.md are right by their types, and do what the page says. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path/posix/join";
import * as library from "../../cli/mod.ts";
import { Folder } from "../disks/helpers.ts";
import { assertEqualBytes } from "../integration/same_bytes.ts";
import { DOCUMENTS, ROOT } from "./documents.ts";
import { writePageDisks } from "./page_disks.ts";

const PAGE = DOCUMENTS.find(({ path }) => path === "docs/library.md")!;
const blocksOf = (language: string) => PAGE.blocks.filter(({ info }) => info[0] === language);
const [settings] = blocksOf("json");
const programs = blocksOf("ts");
const [command] = blocksOf("sh");

/** A folder for programs with the settings of the page, beside a link to this checkout. */
function makeProgramFolder(folder: Folder): string {
  const path = join(folder.path, "program");
  Deno.mkdirSync(join(path, "backups"), { recursive: true });
  Deno.symlinkSync(ROOT.replace(/\/$/, ""), join(folder.path, "vmdkbkp"));
  Deno.writeTextFileSync(join(path, "deno.json"), settings.text);
  writePageDisks(path);
  return path;
}

/** Runs a program with the command of the page, and returns what it has printed to standard output. */
async function runProgram(cwd: string, text: string): Promise<string> {
  const [deno, run, ...args] = command.text.trim().split(" ");
  assertEquals([deno, run], ["deno", "run"]);
  Deno.writeTextFileSync(join(cwd, "backup.ts"), text);
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--check", "--no-prompt", "--no-lock", ...args],
    cwd,
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  assertEquals(code, 0, decoder.decode(stderr));
  return decoder.decode(stdout);
}

Deno.test("docs/library.md: its first program has at most 30 lines, dumps, checks and restores", async () => {
  const { text } = programs[0];
  assert(text.trimEnd().split("\n").length <= 30);
  using folder = new Folder();
  const cwd = makeProgramFolder(folder);
  const printed = await runProgram(cwd, text);
  assertStringIncludes(printed, "Dumped 8 blocks, 4 of them zero, at 20");
  assertStringIncludes(printed, "Restored backups/copy.raw, 8 blocks were read back\n");
  const restored = Deno.readFileSync(join(cwd, "backups/copy.raw"));
  assertEqualBytes(restored, Deno.readFileSync(join(cwd, "disk-flat.vmdk")), "the restored disk");
  const files = [...Deno.readDirSync(join(cwd, "backups"))].map(({ name }) => name).sort();
  assertEquals(files, ["0.digest", "0.dump.zst", "0.seal.json", "copy.raw"]);
});

Deno.test("docs/library.md: its second program dumps and checks objects", async () => {
  using folder = new Folder();
  const cwd = makeProgramFolder(folder);
  assertEquals(await runProgram(cwd, programs[1].text), "The archive is right\n");
  assertEquals(programs.length, 2);
});

Deno.test("docs/library.md names every job of the library, and no other function", () => {
  const functions = Object.entries(library)
    .filter(([name, value]) => typeof value === "function" && /^[a-z]/.test(name)).map(([name]) => name);
  const named = PAGE.spans.flatMap(({ text }) => /^(\w+)\(\)$/.exec(text)?.[1] ?? []);
  // Functions that are not jobs may be in the text or in a program.
  const inPrograms = functions.filter((name) => programs.some(({ text }) => text.includes(`${name}(`)));
  const others = ["formatSeriesId"];
  assertEquals(functions.filter((name) => ![...named, ...inPrograms, ...others].includes(name)), []);
  assertEquals(named.filter((name) => !functions.includes(name)), []);
});

Deno.test("deno.json exports the library as . and the command line as ./cli", () => {
  const { exports } = JSON.parse(Deno.readTextFileSync(`${ROOT}deno.json`));
  assertEquals(exports, { ".": "./cli/mod.ts", "./cli": "./cli/main.ts" });
});
