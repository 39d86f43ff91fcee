/** Notes about commits in folders that come from elsewhere, beside disks. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path/posix/join";
import { Archives } from "../refusals/refusal.ts";

const TEMPORARY = ".n.raw.12345678.vmdkbkp";
const ASIDE = ".n.raw.87654321.old.vmdkbkp";
const VICTIM = new Uint8Array(3072).fill(7);

/** The small series with a disk `n.raw` and a note of a killed run that was replacing it. */
function planted(): Archives {
  const archives = new Archives({ "victim.raw": VICTIM, "n.raw": new Uint8Array(3072) });
  Deno.utimeSync(archives.file("n.raw"), 1000, 1000);
  const commit = { id: "1".repeat(32), outputs: 1, temporary: TEMPORARY, aside: ASIDE };
  const note = {
    pid: 1,
    state: "p",
    commit: { ...commit, sizeBytes: 3072, changedMs: 1_000_000 },
  };
  Deno.writeTextFileSync(join(archives.path, ".n.raw.lock.vmdkbkp"), JSON.stringify(note));
  return archives;
}

for (const name of [TEMPORARY, ASIDE]) {
  Deno.test(`restore does not follow a link in the place of the hidden file ${name}`, async () => {
    using archives = planted();
    Deno.symlinkSync("victim.raw", join(archives.path, name));
    if (name === TEMPORARY) Deno.writeFileSync(join(archives.path, ASIDE), new Uint8Array(3072).fill(1));
    await archives.refused("restore --local n.raw g0.dump", { code: 1, says: ["n.raw", name, "remove it"] });
    assertEquals(archives.read("victim.raw"), VICTIM);
    assertEquals(Deno.lstatSync(archives.file("n.raw")).isSymlink, false);
  });
}

Deno.test("a disk whose files a killed run was replacing is not read", async () => {
  using archives = planted();
  Deno.writeFileSync(join(archives.path, ASIDE), new Uint8Array(3072).fill(1));
  const outputs = "--dumpout x.dump --digestout x.digest";
  for (const line of [`dump --mode full --blocksize 512 --local n.raw ${outputs}`, "map n.raw"]) {
    const { code, stderr } = await archives.run(line);
    assertEquals(code, 1);
    for (const words of ["n.raw", "two disks", "run the same restore again"]) {
      assertStringIncludes(stderr, words);
    }
  }
});
