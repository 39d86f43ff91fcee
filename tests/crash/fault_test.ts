/** Operations on files that fail, for a few commands; `fault_long_test.ts` has all of them. */

import { assert, assertEquals } from "@std/assert";
import { dirname } from "@std/path/posix/dirname";
import { Archives } from "../refusals/refusal.ts";
import { failEverywhere } from "./fault_world.ts";
import { type Fault, FaultyFiles, type Operation } from "./faulty_files.ts";
import { SCENARIOS } from "./scenarios.ts";

const QUICK: [string, Fault, { force: boolean }][] = [
  ["dump diff", "die", { force: false }],
  ["dump diff", "die", { force: true }],
  ["dump full to two folders", "die", { force: true }],
  ["dump full with long names", "die", { force: true }],
  ["dump full", "EIO", { force: false }],
  ["merge to a dump", "ENOSPC", { force: false }],
  ["digest", "EIO", { force: true }],
  ["restore monolithicFlat", "die", { force: true }],
];

for (const [name, fault, { force }] of QUICK) {
  Deno.test(`${name}${force ? " over files that exist" : ""}: ${fault} at every operation`, async () => {
    await failEverywhere(SCENARIOS[name], { fault, force });
  });
}

Deno.test("outputs are on stable storage before they have their names, and their names before the commit is over", async () => {
  using archives = new Archives();
  const { operations } = await recorded(archives, SCENARIOS["dump diff"]);
  const at = (kind: string, wanted: (path: string) => boolean, from = 0) =>
    operations.findIndex((operation, i) => i >= from && operation.kind === kind && wanted(operation.path));
  const isNote = (path: string) => path.endsWith(".n.dump.lock.vmdkbkp");
  const isFolder = (path: string) => path === dirname(archives.file("n.dump"));

  const firstRename = at("rename", () => true);
  const lastRename = operations.findLastIndex(({ kind }) => kind === "rename");
  assertEquals(lastRename - firstRename, 3, "four outputs, one after the other");
  for (const name of ["n.dump", "n.digest", "n.rdiff", "n.seal.json"]) {
    const isTemporary = (path: string) => path.includes(`/.${name}.`) && !path.includes(".lock.");
    const synced = at("sync", isTemporary);
    assert(synced > 0 && synced < firstRename, `${name} is synced first`);
    assertEquals(at("write", isTemporary, synced), -1, `${name} is complete by then`);
    assert(at("sync", (path) => path.includes(`/.${name}.lock.`) || isNote(path)) < firstRename);
  }
  const noted = at("sync", isNote);
  const folderSynced = at("sync", isFolder, noted);
  assert(noted > 0 && folderSynced > noted && folderSynced < firstRename, "the note and its name are synced");
  const namesSynced = at("sync", isFolder, lastRename);
  const decided = at("write", isNote, lastRename);
  assert(
    namesSynced > lastRename && decided > namesSynced,
    "the commit is decided when the names are synced",
  );
  const decisionSynced = at("sync", isNote, decided);
  const over = at("remove", isNote, lastRename);
  assert(decisionSynced > decided && over > decisionSynced, "the note goes when the decision is synced");
});

async function recorded(archives: Archives, line: string): Promise<{ operations: Operation[] }> {
  using files = new FaultyFiles();
  await archives.done(line);
  return { operations: [...files.operations] };
}
