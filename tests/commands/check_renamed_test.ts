/** Files with seals that have other names by now: `check` of a list and of the folder know them by the same look-up. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { basename } from "@std/path/posix/basename";
import { Folder, noise } from "../disks/helpers.ts";
import { callMain } from "../support/run_cli.ts";
import { damage } from "./ten_generations.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const BLOCK = 512;
const BLOCKS = 9;
/** A word of the metadata, which no digest covers, and one of the same length. */
const [WORD, OTHER_WORD] = ["vmwarelwd", "vmwareXXX"].map((word) => new TextEncoder().encode(word));

/** Two generations of a VMDK: the newer one as a dump, the older one by an rdiff, both digests, all seals. */
class Backup extends Folder {
  readonly suffix: string;

  private constructor(suffix: string) {
    super();
    this.suffix = suffix;
  }

  static async make(suffix: string): Promise<Backup> {
    const backup = new Backup(suffix);
    using source = new Folder();
    const disk = source.file("disk.vmdk", DESCRIPTOR);
    const content = noise(BLOCK * BLOCKS, 1);
    for (const n of [0, 1]) {
      content.set(noise(BLOCK, 10 + n), BLOCK * (2 + n));
      source.file("disk-flat.vmdk", content);
      const outs = ["--dumpout", backup.pathOf(`${n}.dump`), "--digestout", backup.pathOf(`${n}.digest`)];
      const ins = ["--dumpin", backup.pathOf("0.dump"), "--digestin", backup.pathOf("0.digest")];
      await backup.done(
        ...["dump", "--local", disk, "--mode", n === 0 ? "full" : "diff", ...outs],
        ...(n === 0 ? ["--blocksize", `${BLOCK}`] : [...ins, "--rdiffout", backup.pathOf("0.rdiff")]),
      );
    }
    Deno.removeSync(backup.pathOf("0.dump"));
    return backup;
  }

  /** Where a file of the backup lies as long as it has its name. */
  pathOf(name: string): string {
    return this.file(`${name}${this.suffix}`);
  }

  async done(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await callMain(args);
    assertEquals(code, 0, `${args.join(" ")}\n${stdout}${stderr}`);
    return stdout;
  }

  /** Exit codes and reports of `check`, of the folder and of the list that needs all files. */
  async checks(nameOf: (name: string) => string = (name) => name) {
    const path = (name: string) => this.pathOf(nameOf(name));
    const folder = await callMain(["check", this.path]);
    const list = ["--digestin", path("0.digest"), path("1.dump"), path("0.rdiff")];
    return { folder, list: await callMain(["check", ...list]) };
  }
}

const DESCRIPTOR = `# Disk DescriptorFile
version=1
CID=fffffffe
parentCID=ffffffff
createType="monolithicFlat"
RW ${BLOCKS} FLAT "disk-flat.vmdk" 0
ddb.adapterType = "lsilogic"
ddb.comment = "vmwarelwd"
`;

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
  "with another word in its metadata": (bytes) => {
    const at = bytes.findIndex((_, i) => WORD.every((byte, j) => bytes[i + j] === byte));
    assert(at > 0, "the word is not there");
    bytes.set(OTHER_WORD, at);
    return bytes;
  },
};

for (const suffix of ["", ".gz", ".zst"]) {
  Deno.test(`check knows renamed${suffix} files that are intact by their seals`, async () => {
    using backup = await Backup.make(suffix);
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
        using backup = await Backup.make(suffix);
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
  using backup = await Backup.make("");
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
  using backup = await Backup.make("");
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
