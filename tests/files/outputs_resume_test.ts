/** Temporary files that are kept for the next run, and how that run uses them. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { basename } from "@std/path/posix/basename";
import { type OutputFile, Outputs } from "../../cli/files/outputs.ts";
import { Folder } from "../disks/helpers.ts";
import { filesIn, journalPathOf, temporaryPathOf, writeText } from "./folder_state.ts";

Deno.test("temporary files of a killed run are removed, those of other outputs are not", async () => {
  using folder = new Folder();
  const [a, b] = [folder.file("a"), folder.file("b")];
  for (const path of [a, a, b]) Deno.writeTextFileSync(temporaryPathOf(path), "left");
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

Deno.test("keepPartial keeps the temporary files without a commit, and no lock", async () => {
  using folder = new Folder();
  await leave(folder, ["a", "b"]);
  const found = filesIn(folder);
  assertEquals(Object.values(found), ["part of a", "part of b"]);
  for (const name of Object.keys(found)) assert(/^\.[ab]\.[0-9a-f]{8}\.vmdkbkp$/.test(name), name);
});

Deno.test("keepPartial keeps nothing after a commit", async () => {
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
  const old = temporaryPathOf(path);
  Deno.writeTextFileSync(old, "older");
  Deno.utimeSync(old, 1, 1);
  await leave(folder, ["a"]);
  using outputs = newOutputs();
  const file = await outputs.open(path, { resume: true });
  assert(file.adopted);
  assertEquals(filesIn(folder)[basename(realPathOf(file))], "part of a");
  assertEquals(Object.keys(filesIn(folder)).length, 2, "the file and its lock");
  const text = new Uint8Array(4);
  file.readSync(text);
  assertEquals(new TextDecoder().decode(text), "part");
  writeText(file, " two");
  outputs.commit();
  assertEquals(filesIn(folder), { a: "part twoa" });
});

Deno.test("resume without a temporary file begins a new one", async () => {
  using folder = new Folder();
  using outputs = newOutputs();
  const file = await outputs.open(folder.file("a"), { resume: true });
  assertEquals(file.adopted, false);
  outputs.commit();
  assertEquals(filesIn(folder), { a: "" });
});

Deno.test("resume adopts no link, no folder, and no file of another output", async () => {
  using folder = new Folder();
  Deno.mkdirSync(folder.file(".a.12345678.vmdkbkp"));
  Deno.symlinkSync(folder.file("precious", "precious"), folder.file(".a.12345679.vmdkbkp"));
  folder.file(".ab.12345678.vmdkbkp", "left");
  using outputs = newOutputs();
  const file = await outputs.open(folder.file("a"), { resume: true });
  assertEquals(file.adopted, false);
});

Deno.test("resume refuses a temporary file that another user can write, or that has a second name", async () => {
  const traps: [string, (path: string) => void][] = [
    ["has 2 names", (path) => Deno.linkSync(path, `${path}.second`)],
    ["can be written by other users", (path) => Deno.chmodSync(path, 0o666)],
  ];
  if (isRoot()) traps.push(["belongs to another user", (path) => Deno.chownSync(path, 65534, 65534)]);
  for (const [fault, set] of traps) {
    for (const victim of ["dump", "journal"]) {
      using folder = new Folder();
      const temporary = folder.file(".a.12345678.vmdkbkp", "left");
      const journal = folder.file(".a.12345678.journal.vmdkbkp", "left");
      for (const path of [temporary, journal]) Deno.chmodSync(path, 0o600);
      set(victim === "dump" ? temporary : journal);
      {
        using outputs = newOutputs();
        const open = () => outputs.open(folder.file("a"), { resume: true, journal: true });
        await assertRejects(open, Error, fault);
      }
      if (victim === "dump") assertEquals(filesIn(folder)[".a.12345678.vmdkbkp"], "left");
    }
  }
});

Deno.test("a journal is not created through a symbolic link in its place", async () => {
  using folder = new Folder();
  folder.file("precious", "precious");
  // The random part of the name is fixed, so that the only possible name of the journal is taken.
  const { randomUUID } = crypto;
  crypto.randomUUID = () => "12345678-0000-4000-8000-000000000000";
  try {
    Deno.symlinkSync("precious", folder.file(".a.12345678.journal.vmdkbkp"));
    using outputs = newOutputs();
    await assertRejects(() => outputs.open(folder.file("a"), { journal: true }), Error);
  } finally {
    crypto.randomUUID = randomUUID;
  }
  assertEquals(filesIn(folder).precious, "precious");
});

Deno.test("resume adopts no file of an output that exists", async () => {
  using folder = new Folder();
  folder.file("a", "old");
  folder.file(".a.12345678.vmdkbkp", "left");
  using outputs = newOutputs();
  await assertRejects(() => outputs.open(folder.file("a"), { resume: true }), Error, "it exists already");
  assertEquals(filesIn(folder), { ".a.12345678.vmdkbkp": "left", "a": "old" });
});

Deno.test("a second interruption with keepPartial keeps the same temporary file", async () => {
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

function isRoot(): boolean {
  const path = Deno.makeTempFileSync();
  try {
    return Deno.statSync(path).uid === 0;
  } finally {
    Deno.removeSync(path);
  }
}

/** Returns the real path of an output. Its system path leads through the descriptor of the folder. */
function realPathOf({ systemPath }: OutputFile): string {
  return Deno.realPathSync(systemPath);
}

function newOutputs({ keepPartial = false } = {}): Outputs {
  return new Outputs({ force: false, inputs: [], keepPartial });
}

Deno.test("a journal is kept with its temporary file, and removed with it or by the commit", async () => {
  using folder = new Folder();
  const path = folder.file("a");
  const open = async (outputs: Outputs, resume: boolean) => {
    const file = await outputs.open(path, { resume, journal: true });
    return { file, text: new TextDecoder().decode(Deno.readFileSync(journalPathOf(realPathOf(file)))) };
  };
  {
    using outputs = newOutputs({ keepPartial: true });
    const { file, text } = await open(outputs, true);
    assertEquals(text, "");
    writeText(file.journal!, "what is there");
    assertEquals(Deno.statSync(journalPathOf(realPathOf(file))).mode! & 0o777, 0o600);
  }
  assertEquals(Object.values(filesIn(folder)).sort(), ["", "what is there"]);
  // A journal whose temporary file is missing.
  Deno.writeTextFileSync(journalPathOf(temporaryPathOf(path)), "another one");
  {
    using outputs = newOutputs({ keepPartial: true });
    const { file, text } = await open(outputs, true);
    assert(file.adopted);
    assertEquals(text, "what is there");
    assertEquals(Object.keys(filesIn(folder)).length, 3, "the file, its journal and its lock");
  }
  {
    // Another command writes the output, which does not use a journal.
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
