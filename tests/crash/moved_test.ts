/** A run is killed in its commit; then the folder is moved, copied, linked or touched before the next run comes. */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path/posix/join";
import { Outputs } from "../../cli/files/outputs.ts";
import { aroundCommit } from "../../cli/files/unfinished.ts";
import { Folder } from "../disks/helpers.ts";
import { filesIn, writeText } from "../files/folder_state.ts";
import { FaultyFiles } from "./faulty_files.ts";

const OLD = { a: "the old a", b: "the old b" };
const NEW = { a: "the new a", b: "the new b", c: "the new c" };
type Files = Record<string, string>;

/** What happens to the folder `from`; the result is the folder `to`, which is `from` itself if nothing is copied. */
const EVENTS: Record<string, (from: string, to: string) => Promise<string> | string> = {
  "nothing": (from) => from,
  "the folder is moved": (from, to) => {
    Deno.renameSync(from, to);
    return to;
  },
  "the folder is copied with its times": async (from, to) => await run(["cp", "-a", from, to], to),
  "the folder is copied without links and times": async (from, to) =>
    await run(["cp", "-r", "--no-preserve=links", from, to], to),
  "the folder is copied by hard links": async (from, to) => await run(["cp", "-al", from, to], to),
  "the folder is copied by hard links, and the original commits": async (from, to) => {
    await run(["cp", "-al", from, to], to);
    // The commit marks the lock files, which the copy shares.
    for (const { name } of Deno.readDirSync(from)) {
      const text = name.endsWith(".lock.vmdkbkp") ? Deno.readTextFileSync(join(from, name)) : "";
      if (text.includes('"state":"p"')) {
        using file = Deno.openSync(join(from, name), { write: true });
        file.writeSync(new TextEncoder().encode(text.replace('"state":"p"', '"state":"c"')));
      }
    }
    return to;
  },
  "all files are touched": (from) => {
    for (const { name } of Deno.readDirSync(from)) Deno.utimeSync(join(from, name), 1, 1);
    return from;
  },
};

/** After these, a file may be another one than the killed run has left: one that was written since. */
const UNKNOWABLE = ["the folder is copied without links and times", "all files are touched"];

async function run([command, ...args]: string[], to: string): Promise<string> {
  assertEquals((await new Deno.Command(command, { args }).output()).code, 0);
  return to;
}

/** Replaces the outputs a and b and makes c. */
async function replace(folder: string): Promise<void> {
  const expected = Object.keys(NEW).map((name) => join(folder, name));
  using outputs = new Outputs({ force: true, inputs: [], expected });
  for (const [name, text] of Object.entries(NEW)) writeText(await outputs.open(join(folder, name)), text);
  outputs.commit();
}

/** A folder in which the process died at an operation; undefined if it has fewer. */
async function killed(at: number): Promise<Folder | undefined> {
  const folder = new Folder();
  const inner = join(folder.path, "from");
  Deno.mkdirSync(inner);
  for (const [name, text] of Object.entries(OLD)) Deno.writeTextFileSync(join(inner, name), text);
  let isKilled: boolean;
  {
    using files = new FaultyFiles({ at });
    await replace(inner).catch(() => {});
    isKilled = files.happened;
  }
  if (isKilled) return folder;
  folder[Symbol.dispose]();
}

const textsIn = (path: string): Files => filesIn({ path } as Folder);

function visible(files: Files): Files {
  return Object.fromEntries(Object.entries(files).filter(([name]) => !name.startsWith(".")));
}

/** What a reader finds. */
async function asRead(folder: string): Promise<Files> {
  const texts: Files = {};
  for (const name of Object.keys(NEW)) {
    const path = join(folder, name);
    const around = await aroundCommit(path);
    const place = around === undefined ? path : around.path;
    if (place !== undefined) await Deno.readTextFile(place).then((text) => texts[name] = text, () => {});
  }
  return texts;
}

for (const [event, happen] of Object.entries(EVENTS)) {
  Deno.test(`a killed commit loses no generation when this happens afterwards: ${event}`, async () => {
    for (let at = 1;; at++) {
      using outer = await killed(at);
      if (outer === undefined) break;
      const from = join(outer.path, "from");
      const folder = await happen(from, join(outer.path, "to"));
      const other = folder === from || !exists(from) ? undefined : textsIn(from);
      const context = `${event}, operation ${at}: ${JSON.stringify(textsIn(folder))}`;

      const before = textsIn(folder);
      const read = await asRead(folder);
      const isWhole = [OLD, NEW].some((all) => JSON.stringify(all) === JSON.stringify(read));
      assert(isWhole, `${context}: a reader finds ${JSON.stringify(read)}`);
      assertEquals(textsIn(folder), before, `${context}: reading changed something`);

      const refusal = await replace(folder).then(() => undefined, (error: Error) => error.message);
      const after = textsIn(folder);
      if (refusal === undefined) {
        assertEquals(after, NEW, context);
      } else {
        // Only where nothing is left by which the files can be known; then nothing is lost and the file aside is named.
        assert(UNKNOWABLE.includes(event), `${context}: ${refusal}`);
        for (const text of Object.values(OLD)) assert(Object.values(after).includes(text), context);
        assert(
          Object.keys(after).some((name) => name.endsWith(".old.vmdkbkp") && refusal.includes(name)),
          refusal,
        );
      }
      if (other !== undefined) assertEquals(textsIn(from), other, `${context}: the original changed`);
    }
  });
}

Deno.test("a file that somebody put in the place of an output is never overwritten by an undo", async () => {
  let refusals = 0;
  for (let at = 1;; at++) {
    using outer = await killed(at);
    if (outer === undefined) break;
    const folder = join(outer.path, "from");
    const hasNote = Object.keys(textsIn(folder)).some((name) => name.endsWith(".old.vmdkbkp"));
    Deno.writeTextFileSync(join(folder, "b.new"), "somebody's own b");
    Deno.renameSync(join(folder, "b.new"), join(folder, "b"));
    const refusal = await replace(folder).then(() => undefined, (error: Error) => error.message);
    if (refusal === undefined) continue;
    refusals++;
    assert(hasNote, refusal);
    assertEquals(visible(textsIn(folder)).b, "somebody's own b", refusal);
  }
  assert(refusals > 0);
});

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

Deno.test("a run that names one output of a killed commit leaves the others to a run that names all", async () => {
  for (let at = 0;; at++) {
    using folder = await killed(at);
    if (folder === undefined) break;
    const inner = join(folder.path, "from");
    {
      const path = join(inner, "b");
      using outputs = new Outputs({ force: true, inputs: [], expected: [path] });
      await outputs.open(path).catch(() => {});
    }
    await replace(inner);
    assertEquals(visible(textsIn(inner)), NEW, `operation ${at}`);
  }
});

Deno.test("an output of a killed commit that was written since is not taken away", async () => {
  for (let at = 1;; at++) {
    using outer = await killed(at);
    if (outer === undefined) break;
    const folder = join(outer.path, "from");
    const used: string[] = [];
    for (const [name, text] of Object.entries(NEW)) {
      if (textsIn(folder)[name] !== text) continue;
      used.push(text.replace("new", "own"));
      Deno.writeTextFileSync(join(folder, name), used.at(-1)!);
      Deno.utimeSync(join(folder, name), new Date(), new Date(Date.now() + 5000));
    }
    await replace(folder).catch(() => {});
    const left = Object.values(textsIn(folder));
    // Once the commit is complete, the run replaces its own outputs as it was told to.
    const isDone = used.length === Object.keys(NEW).length && left.every((text) => !text.includes("own"));
    for (const text of isDone ? [] : used) assert(left.includes(text), `operation ${at}: "${text}" is lost`);
  }
});
