/** Temporary files that stay for the next run, and what it does with them. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { journalName, temporaryName } from "../../cli/files/hidden_names.ts";
import { Outputs } from "../../cli/files/outputs.ts";
import { Folder } from "../disks/helpers.ts";
import { filesIn, writeText } from "./folder_state.ts";

Deno.test("temporary files that a killed run left are removed, those of other outputs are not", async () => {
  using folder = new Folder();
  const [a, b] = [folder.file("a"), folder.file("b")];
  for (const path of [a, a, b]) Deno.writeTextFileSync(temporaryName(path), "left");
  const others = [
    ".a.1234567.vmdkbkp",
    ".a.12345678.vmdkbkp~",
    "a.12345678.vmdkbkp",
    ".a.x.12345678.vmdkbkp",
  ];
  for (const name of others) folder.file(name, "somebody's");
  using outputs = newOutputs();
  writeText(await outputs.open(a), "new");
  outputs.commit();
  const names = Object.keys(filesIn(folder));
  assertEquals(names.filter((name) => !name.startsWith(".b.")), ["a", ...others].sort());
  assertEquals(names.filter((name) => name.startsWith(".b.")).length, 1);
});

Deno.test("keepPartial leaves the temporary files when nothing is committed, and no lock", async () => {
  using folder = new Folder();
  await leave(folder, ["a", "b"]);
  const found = filesIn(folder);
  assertEquals(Object.values(found), ["part of a", "part of b"]);
  for (const name of Object.keys(found)) assert(/^\.[ab]\.[0-9a-f]{8}\.vmdkbkp$/.test(name), name);
});

Deno.test("keepPartial leaves nothing beside what is committed", async () => {
  using folder = new Folder();
  {
    using outputs = newOutputs({ keepPartial: true });
    writeText(await outputs.open(folder.file("a")), "whole");
    outputs.commit();
  }
  assertEquals(filesIn(folder), { a: "whole" });
});

Deno.test("resume adopts the newest temporary file, at its beginning, and removes the others", async () => {
  using folder = new Folder();
  const path = folder.file("a");
  const old = temporaryName(path);
  Deno.writeTextFileSync(old, "older");
  Deno.utimeSync(old, 1, 1);
  await leave(folder, ["a"]);
  using outputs = newOutputs();
  const file = await outputs.open(path, { resume: true });
  assert(file.adopted);
  assertEquals(filesIn(folder)[file.systemPath.slice(folder.path.length + 1)], "part of a");
  assertEquals(Object.keys(filesIn(folder)).length, 2, "the file and its lock");
  const text = new Uint8Array(4);
  file.readSync(text);
  assertEquals(new TextDecoder().decode(text), "part");
  writeText(file, " two");
  outputs.commit();
  assertEquals(filesIn(folder), { a: "part twoa" });
});

Deno.test("resume without a temporary file begins anew", async () => {
  using folder = new Folder();
  using outputs = newOutputs();
  const file = await outputs.open(folder.file("a"), { resume: true });
  assertEquals(file.adopted, false);
  outputs.commit();
  assertEquals(filesIn(folder), { a: "" });
});

Deno.test("resume adopts no link, no folder, and no file that another output left", async () => {
  using folder = new Folder();
  Deno.mkdirSync(folder.file(".a.12345678.vmdkbkp"));
  Deno.symlinkSync(folder.file("precious", "precious"), folder.file(".a.12345679.vmdkbkp"));
  folder.file(".ab.12345678.vmdkbkp", "left");
  using outputs = newOutputs();
  const file = await outputs.open(folder.file("a"), { resume: true });
  assertEquals(file.adopted, false);
});

Deno.test("resume adopts no file of an output that exists", async () => {
  using folder = new Folder();
  folder.file("a", "old");
  folder.file(".a.12345678.vmdkbkp", "left");
  using outputs = newOutputs();
  await assertRejects(() => outputs.open(folder.file("a"), { resume: true }), Error, "it exists already");
  assertEquals(filesIn(folder), { ".a.12345678.vmdkbkp": "left", "a": "old" });
});

Deno.test("resume that gives up again with keepPartial leaves the same file", async () => {
  using folder = new Folder();
  await leave(folder, ["a"]);
  const before = filesIn(folder);
  {
    using outputs = newOutputs({ keepPartial: true });
    await outputs.open(folder.file("a"), { resume: true });
  }
  assertEquals(filesIn(folder), before);
});

async function leave(folder: Folder, names: string[]): Promise<void> {
  using outputs = newOutputs({ keepPartial: true });
  for (const name of names) writeText(await outputs.open(folder.file(name)), `part of ${name}`);
}

function newOutputs({ keepPartial = false } = {}): Outputs {
  return new Outputs({ force: false, inputs: [], keepPartial });
}

Deno.test("a journal stays with its temporary file and goes when that gets its name, or is given up", async () => {
  using folder = new Folder();
  const path = folder.file("a");
  const open = async (outputs: Outputs, resume: boolean) => {
    const file = await outputs.open(path, { resume, journal: true });
    return { file, text: new TextDecoder().decode(Deno.readFileSync(journalName(file.systemPath))) };
  };
  {
    using outputs = newOutputs({ keepPartial: true });
    const { file, text } = await open(outputs, true);
    assertEquals(text, "");
    writeText(file.journal!, "what is there");
    assertEquals(Deno.statSync(journalName(file.systemPath)).mode! & 0o777, 0o600);
  }
  assertEquals(Object.values(filesIn(folder)).sort(), ["", "what is there"]);
  // One whose temporary file is gone.
  Deno.writeTextFileSync(journalName(temporaryName(path)), "another one");
  {
    using outputs = newOutputs({ keepPartial: true });
    const { file, text } = await open(outputs, true);
    assert(file.adopted);
    assertEquals(text, "what is there");
    assertEquals(Object.keys(filesIn(folder)).length, 3, "the file, its journal and its lock");
  }
  {
    // Another command writes the output, which knows of no journal.
    using outputs = newOutputs();
    writeText(await outputs.open(path), "whole");
    outputs.commit();
  }
  assertEquals(filesIn(folder), { a: "whole" });
  Deno.removeSync(path);
  for (const commits of [false, true]) {
    using outputs = newOutputs();
    const { file, text } = await open(outputs, false);
    assertEquals(text, "");
    writeText(file.journal!, "something");
    if (commits) outputs.commit();
    outputs[Symbol.dispose]();
    assertEquals(filesIn(folder), commits ? { a: "" } : {});
  }
});
