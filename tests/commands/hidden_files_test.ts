/** Hidden files beside archives: those of macOS (`._NAME`), of editors and of copying tools. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { lockNameOf } from "../../cli/files/hidden_names.ts";
import { type CommitNote, noteText } from "../../cli/files/lock_note.ts";
import { callMain } from "../support/run_cli.ts";
import { Small } from "./small_series.ts";
import { damage, flipAt } from "./ten_generations.ts";

/** What macOS keeps beside a file on a file system that is not its own: a magic number, a version, attributes. */
const APPLE_DOUBLE = new Uint8Array(4096).fill(0).map((_, i) => [0, 5, 0x16, 7, 0, 2][i] ?? i & 0x7f);

/** Two generations, the older one by an rdiff, and hidden files with the names of all of them. */
async function withHiddenFiles(content: (bytes: Uint8Array) => Uint8Array): Promise<Small> {
  const folder = new Small();
  await folder.full("0", [1, 2, 3, 4]);
  await folder.diff("1", "0", [1, 2, 3, 5]);
  folder.remove("0.dump");
  for (const { name, isFile } of [...Deno.readDirSync(folder.path)]) {
    if (!isFile) continue;
    for (const hidden of [`._${name}`, `.${name}`]) {
      folder.file(hidden, content(Deno.readFileSync(folder.file(name))) as Uint8Array<ArrayBuffer>);
    }
  }
  return folder;
}

for (
  const [what, content] of Object.entries({
    "attributes of macOS": () => APPLE_DOUBLE,
    "nothing": () => new Uint8Array(0),
    "damaged copies": (bytes: Uint8Array) => bytes.map((byte, i) => i === 100 ? byte ^ 1 : byte),
  })
) {
  Deno.test(`every command passes over hidden files that hold ${what}`, async () => {
    using folder = await withHiddenFiles(content);
    const { code, stderr, found, chains } = await folder.check();
    assertEquals([code, stderr, chains], [0, "", ["1.dump", "1.dump 1-0.rdiff"]]);
    assertEquals([found.folders[0].skipped, found.unreadable], [0, []]);
    assertEquals((await folder.check("--quick")).code, 0);
    const disk = folder.disk("2", [1, 2, 7, 5]);
    for (
      const line of [
        "check --digestin 0.digest 1.dump 1-0.rdiff",
        `restore --create --local ${folder.file("new.raw")} 1.dump 1-0.rdiff`,
        "merge --dumpout 0.dump 1.dump 1-0.rdiff",
        "rdiff 0.dump 1.dump --rdiffout again.rdiff",
        "digest --dumpin 1.dump --digestout again.digest",
        `dump --mode diff --local ${disk} --dumpin 1.dump --digestin 1.digest --dumpout 2.dump ` +
        "--digestout 2.digest --rdiffout 2-1.rdiff",
      ]
    ) {
      const said = await folder.run(line);
      assertEquals(/not proved|no seal/i.test(said), false, `${line}: ${said}`);
    }
  });
}

Deno.test("a hidden copy is no place where the diagnosis finds intact blocks", async () => {
  using folder = await withHiddenFiles((bytes) => bytes);
  damage(folder.file("1.dump"), flipAt(0.9));
  const { stdout } = await callMain(["check", folder.path]);
  assertMatch(stdout, /bad: block 3: ".*1\.dump" at byte \d+\n/);
  const list = ["--digestin", folder.file("1.digest"), folder.file("1.dump")];
  assertEquals((await callMain(["check", ...list])).stdout.includes("intact in"), false);
  // The same copy under a name that is not hidden.
  Deno.renameSync(folder.file(".1.dump"), folder.file("copy.dump"));
  assertStringIncludes((await callMain(["check", folder.path])).stdout, "intact in");
});

Deno.test("an unfinished commit of a hidden file makes it no archive of the folder", async () => {
  using folder = await withHiddenFiles(() => APPLE_DOUBLE);
  for (const name of ["._1.dump", ".1.seal.json"]) {
    const aside = `.${name}.12345678.old.vmdkbkp`;
    Deno.renameSync(folder.file(name), folder.file(aside));
    const note = {
      state: "p",
      ...{ id: "0".repeat(32), outputs: 2, temporary: `.${name}.12345678.vmdkbkp`, aside },
      ...{ sizeBytes: 9, changedMs: 0 },
    } satisfies CommitNote;
    folder.file(lockNameOf(name), noteText(1, note));
  }
  const { code, found } = await folder.check();
  assertEquals([code, found.unreadable, found.folders[0].skipped], [0, [], 0]);
});
