/** Files with seals that have other names by now: `check` of a list and of the folder know them by the same look-up. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { basename } from "@std/path/posix/basename";
import { Small } from "./small_series.ts";
import { damage } from "./ten_generations.ts";
import { VmdkBackup, withOtherWord } from "./vmdk_backup.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const flip = (at: (length: number) => number) => (bytes: Bytes) => {
  bytes[at(bytes.length)] ^= 1;
  return bytes;
};
const changes: Record<string, (bytes: Bytes) => Bytes> = {
  "with a changed bit in the last block": flip((length) => length - 20),
  "without its last byte": (bytes) => bytes.slice(0, -1),
  "with a byte more": (bytes) => Uint8Array.from([...bytes, 0]),
};
/** What can be changed of a plain archive so that all of its fields are as good as before. */
const plainChanges: Record<string, (bytes: Bytes) => Bytes> = {
  "with another word in its metadata": withOtherWord,
};

for (const suffix of ["", ".gz", ".zst"]) {
  Deno.test(`check knows renamed${suffix} files that are intact by their seals`, async () => {
    using backup = await VmdkBackup.make(suffix);
    const nameOf = (name: string) => name.replace(/^./, (n) => `renamed-${n}`);
    for (const name of ["1.dump", "1.digest", "0.digest", "0.rdiff"]) {
      Deno.renameSync(backup.pathOf(name), backup.pathOf(nameOf(name)));
    }
    const { folder, list } = await backup.checks(nameOf);
    for (const { code, stdout } of [folder, list]) {
      assertEquals([code, /no seal|not proved/i.test(stdout)], [0, false], stdout);
    }
  });

  for (const name of ["1.dump", "0.rdiff", "0.digest"]) {
    const own = suffix === "" && name !== "0.digest" ? { ...changes, ...plainChanges } : changes;
    for (const [what, change] of Object.entries(own)) {
      Deno.test(`check finds that a renamed ${name}${suffix} is one ${what}`, async () => {
        using backup = await VmdkBackup.make(suffix);
        const nameOf = (other: string) => other === name ? `renamed-${name}` : other;
        damage(backup.pathOf(name), change);
        Deno.renameSync(backup.pathOf(name), backup.pathOf(nameOf(name)));
        const { folder, list } = await backup.checks(nameOf);
        for (const { code, stdout, stderr } of [folder, list]) {
          assertEquals([code, stdout.endsWith("Check: WRONG\n")], [3, true], stdout + stderr);
          assertStringIncludes(stdout + stderr, backup.pathOf(nameOf(name)));
        }
      });
    }
  }
}

Deno.test("check knows an intact copy by the seal of its original, and finds a changed one", async () => {
  using backup = await VmdkBackup.make("");
  for (const name of ["1.dump", "0.rdiff", "0.digest"]) {
    const copy = backup.pathOf(`copy-of-${name}`);
    Deno.copyFileSync(backup.pathOf(name), copy);
    const { folder } = await backup.checks();
    assertEquals([folder.code, folder.stdout.includes("no seal")], [0, false], folder.stdout);
    damage(copy, name.endsWith("digest") ? flip((length) => length - 20) : Object.values(plainChanges)[0]);
    const wrong = await backup.checks((other) => other === name ? basename(copy) : other);
    for (const { code, stdout, stderr } of [wrong.folder, wrong.list]) {
      assertEquals([code, stdout.endsWith("Check: WRONG\n")], [3, true], `${name}\n${stdout}${stderr}`);
    }
    Deno.removeSync(copy);
  }
});

Deno.test("check knows files by their seals that have taken each other's names", async () => {
  using backup = await VmdkBackup.make("");
  const [a, b, aside] = ["1.dump", "0.rdiff", "aside"].map((name) => backup.pathOf(name));
  Deno.renameSync(a, aside);
  Deno.renameSync(b, a);
  Deno.renameSync(aside, b);
  const nameOf = (name: string) => name === "1.dump" ? "0.rdiff" : name === "0.rdiff" ? "1.dump" : name;
  const { folder, list } = await backup.checks(nameOf);
  for (const { code, stdout, stderr } of [folder, list]) {
    assertEquals([code, /no seal|not proved/i.test(stdout)], [0, false], stdout + stderr);
  }
  damage(a, Object.values(plainChanges)[0]);
  const wrong = await backup.checks(nameOf);
  assertEquals([wrong.folder.code, wrong.list.code], [3, 3]);
});

Deno.test("check takes no merged rdiff without a seal for one of those that it was made of, which are gone", async () => {
  using small = new Small();
  await small.full("0", [1, 2, 3, 4]);
  await small.diff("1", "0", [1, 9, 3, 4]);
  await small.diff("2", "1", [1, 9, 8, 7]);
  await small.run("merge --rdiffout merged.rdiff 2-1.rdiff 1-0.rdiff");
  small.remove("merged.seal.json", "2-1.rdiff", "1-0.rdiff", "1.dump", "0.dump");
  const { found, chains } = await small.check();
  assertEquals(found.series[0].faults, []);
  assertEquals(chains, ["2.dump", "LOST", "2.dump merged.rdiff"]);
});
