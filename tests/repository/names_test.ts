import { assert, assertEquals } from "@std/assert";
import {
  folderOfMachine,
  generationIdAfter,
  generationOfPartial,
  isDiskKey,
  isRemovedFolder,
  keyOfDisk,
  partialFolderOf,
  removedFolderOf,
  timeOfGeneration,
} from "../../cli/repository/names.ts";

Deno.test("folderOfMachine() gives every machine a folder of its own that file systems take", () => {
  const names = [
    ..."web01 Web01 WEB01 db.example db-1 .hidden .. . con repository.json / a/b a\\b a\nb Büro Buero".split(
      " ",
    ),
    "two words",
    "two-words",
    "",
    "x".repeat(300),
    "x".repeat(301),
    "漢字",
    "字漢",
    "trailing.",
  ];
  const taken = new Set<string>();
  for (const name of names) {
    const folder = folderOfMachine(name, (folder) => taken.has(folder.toLowerCase()));
    assert(/^[A-Za-z0-9][A-Za-z0-9._-]{0,80}$/.test(folder) && !folder.endsWith("."), `${name}: ${folder}`);
    assert(!taken.has(folder.toLowerCase()), `${name}: ${folder} is taken`);
    taken.add(folder.toLowerCase());
  }
  assertEquals(folderOfMachine("web01", () => false), "web01");
});

Deno.test("generationIdAfter() is the time in UTC, and always later than the id before", () => {
  const time = new Date("2026-11-30T02:00:05.999Z");
  assertEquals(generationIdAfter(time, undefined), "2026-11-30T020005Z");
  assertEquals(generationIdAfter(time, "2026-11-30T020004Z"), "2026-11-30T020005Z");
  assertEquals(generationIdAfter(time, "2026-11-30T020005Z"), "2026-11-30T020006Z");
  assertEquals(generationIdAfter(time, "2031-12-31T235959Z"), "2032-01-01T000000Z");
});

Deno.test("timeOfGeneration() reads ids alone", () => {
  assertEquals(timeOfGeneration("2026-11-30T020005Z")?.toISOString(), "2026-11-30T02:00:05.000Z");
  for (
    const text of ["2026-11-31T020005Z", "2026-11-30T250005Z", "2026-11-30", "x", "2026-11-30T020005Z ", ".."]
  ) {
    assertEquals(timeOfGeneration(text), undefined, text);
  }
  assertEquals(generationOfPartial(partialFolderOf("2026-11-30T020005Z")), "2026-11-30T020005Z");
  assertEquals(generationOfPartial(".x.partial"), undefined);
});

Deno.test("keyOfDisk() makes a key of the name of a disk, and another one where it is taken", () => {
  assertEquals(keyOfDisk("/vm/web/web.vmdk", () => false), "web");
  assertEquals(keyOfDisk("[ds 1] web 01/web 01_1.vmdk", () => false), "web-01_1");
  assertEquals(keyOfDisk("/dev/sda", (key) => key === "sda"), "sda-2");
  for (const path of ["/", "", "...", "ä", "a/..vmdk", "x".repeat(300)]) {
    assert(isDiskKey(keyOfDisk(path, () => false)));
  }
  for (const text of ["", ".", "a/b", "..", "a.", "x".repeat(65), "a b"]) {
    assertEquals(isDiskKey(text), false, text);
  }
});

Deno.test("isRemovedFolder() knows the folders of generations that are being removed, and no others", () => {
  assert(isRemovedFolder(removedFolderOf("2026-11-30T020005Z")));
  for (const name of ["2026-11-30T020005Z", ".2026-11-30T020005Z.partial", ".web.removed", ".removed"]) {
    assert(!isRemovedFolder(name), name);
  }
});
