/** Locks on the files of disks. */

import { assertEquals, assertThrows } from "@std/assert";
import { DiskLock } from "../../cli/files/disk_lock.ts";
import { Folder } from "../disks/helpers.ts";
import { Archives, EXIT } from "../refusals/refusal.ts";

Deno.test("DiskLock excludes writers from readers and from each other, by any name of the file", () => {
  using folder = new Folder();
  const flat = folder.file("x-flat.vmdk", "content");
  const descriptor = folder.file("x.vmdk", "descriptor");
  Deno.symlinkSync(flat, folder.file("link"));
  Deno.linkSync(flat, folder.file("hard"));
  {
    using _writer = DiskLock.take([descriptor, flat], { write: true });
    for (const path of [flat, folder.file("link"), folder.file("hard"), descriptor]) {
      for (const write of [true, false]) {
        assertThrows(() => DiskLock.take([path], { write }), Error, "another process");
      }
    }
  }
  {
    using _reader = DiskLock.take([descriptor, flat], { write: false });
    using _second = DiskLock.take([folder.file("hard")], { write: false });
    assertThrows(() => DiskLock.take([flat], { write: true }), Error, "another process reads or writes it");
  }
  using _free = DiskLock.take([flat, descriptor], { write: true });
});

Deno.test("DiskLock.take() that cannot lock all files locks none", () => {
  using folder = new Folder();
  const [a, b] = [folder.file("a", "a"), folder.file("b", "b")];
  using _held = DiskLock.take([b], { write: false });
  assertThrows(() => DiskLock.take([a, b], { write: true }), Error, "another process");
  using _free = DiskLock.take([a], { write: true });
});

Deno.test("a disk that is being written is neither dumped, mapped nor restored", async () => {
  using archives = new Archives();
  await archives.done("restore --create --local x.vmdk g0.dump");
  const lines = [
    "dump --mode full --local x.vmdk --dumpout n.dump --digestout n.digest",
    "dump --mode full --local x-flat.vmdk --format raw --dumpout n.dump --digestout n.digest",
    "map x.vmdk",
    "restore --local x.vmdk g1.dump",
    "restore --local x-flat.vmdk --format raw g1.dump",
  ];
  {
    using _writer = DiskLock.take([archives.file("x-flat.vmdk")], { write: true });
    for (const line of lines) {
      await archives.refused(line, { code: EXIT.environment, says: ["x-flat.vmdk", "another process"] });
    }
  }
  using _reader = DiskLock.take([archives.file("x-flat.vmdk")], { write: false });
  for (const [i, line] of lines.entries()) {
    const { code } = await archives.run(`${line}${i === 1 ? " --force" : ""}`);
    assertEquals(code, i < 3 ? EXIT.done : EXIT.environment, line);
  }
});
