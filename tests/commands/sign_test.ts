/** Seals that are signed, and commands that go by signed seals alone. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { closedSeal } from "../elsewhere/closed_seal.ts";
import { EXIT } from "../../cli/errors.ts";
import { Archives } from "../refusals/refusal.ts";
import { testWith } from "../support/skip.ts";

const missing = hasMinisign() ? undefined : "minisign is not installed";

function hasMinisign(): boolean {
  try {
    return new Deno.Command("minisign", { args: ["-v"], stdout: "null", stderr: "null" }).outputSync()
      .success;
  } catch {
    return false;
  }
}

/** A small series, and two pairs of keys that minisign makes. */
class SignedArchives extends Archives {
  constructor() {
    super();
    for (const name of ["mine", "other"]) {
      const args = ["-G", "-W", "-p", this.file(`${name}.pub`), "-s", this.file(`${name}.key`)];
      assert(new Deno.Command("minisign", { args, stdout: "null" }).outputSync().success);
    }
  }

  /** A new full dump of a disk, and a diff on top, with a signature of each seal. */
  async backup(): Promise<void> {
    await this.done(
      "dump --mode full --blocksize 512 --local d0.raw --dumpout s0.dump --digestout s0.digest --sign mine.key",
    );
    await this.done(
      "dump --mode diff --local d1.raw --dumpin s0.dump --digestin s0.digest --trusted-key mine.pub " +
        "--dumpout s1.dump --digestout s1.digest --rdiffout s0.rdiff --sign mine.key",
    );
    for (const { name } of [...Deno.readDirSync(this.path)]) {
      if (/^[gd]/.test(name) && !name.endsWith(".raw")) Deno.removeSync(this.file(name));
    }
  }

  key(name: string): string {
    return Deno.readTextFileSync(this.file(`${name}.pub`)).split("\n")[1];
  }
}

const SEALS = ["s0.seal.json", "s1.seal.json"];

const READERS = [
  "check .",
  "check --digestin s0.digest s1.dump s0.rdiff",
  "check s1.dump s0.rdiff",
  "restore --create --local n.raw --force s1.dump s0.rdiff",
  "merge --dumpout n.dump --force s1.dump s0.rdiff",
];

testWith(
  { missing },
  "a signed seal is verified by minisign, and by every command that reads it",
  async () => {
    using archives = new SignedArchives();
    await archives.backup();
    for (const name of ["s0.seal.json", "s1.seal.json"]) {
      const args = ["-V", "-m", archives.file(name), "-p", archives.file("mine.pub")];
      const { code, stderr } = new Deno.Command("minisign", { args, stdout: "null" }).outputSync();
      assertEquals(code, 0, new TextDecoder().decode(stderr));
    }
    for (const line of READERS) {
      for (const key of ["mine.pub", archives.key("mine")]) {
        const words = [
          ...archives.args(line),
          "--trusted-key",
          key.endsWith(".pub") ? archives.file(key) : key,
        ];
        const { code, stdout, stderr } = await archives.call(words);
        assertEquals(code, EXIT.done, `${line}: ${stdout}${stderr}`);
        if (line.startsWith("check")) assertStringIncludes(stdout, " signed by key ");
      }
    }
  },
);

testWith({ missing }, "a seal that the trusted key has not signed proves nothing", async () => {
  const traps: Record<string, (archives: SignedArchives) => unknown> = {
    "another key": () => "other.pub",
    "no signature": (archives) => {
      for (const name of SEALS) Deno.removeSync(archives.file(`${name}.minisig`));
    },
    "the signature of the other seal": (archives) => {
      const [first, second] = SEALS.map((name) => archives.read(`${name}.minisig`));
      archives.file("s0.seal.json.minisig", second);
      archives.file("s1.seal.json.minisig", first);
    },
    "a seal that was written anew": (archives) => {
      for (const name of SEALS) {
        const { sha256: _sha256, ...body } = JSON.parse(Deno.readTextFileSync(archives.file(name)));
        body.program += " ";
        archives.file(name, closedSeal(body));
      }
    },
    "a flipped bit of the signature": (archives) => {
      for (const name of SEALS) {
        const bytes = archives.read(`${name}.minisig`);
        bytes[100] = bytes[100] === 65 ? 66 : 65;
        archives.file(`${name}.minisig`, bytes);
      }
    },
    "no seal at all": (archives) => {
      for (const name of ["s0", "s1"]) Deno.removeSync(archives.file(`${name}.seal.json`));
    },
  };
  for (const [trap, set] of Object.entries(traps)) {
    for (const line of READERS) {
      using archives = new SignedArchives();
      await archives.backup();
      const key = set(archives) ?? "mine.pub";
      const { code, stdout } = await archives.run(`${line} --trusted-key ${key}`);
      assert(
        [EXIT.usage, EXIT.corrupt, EXIT.unproved].includes(code as 2),
        `${trap}: ${line}: exit code ${code}: ${stdout}`,
      );
    }
  }
});

testWith({ missing }, "a signed seal is not added to without a key", async () => {
  using archives = new SignedArchives();
  await archives.backup();
  await archives.refused("digest --dumpin s1.dump --digestout s1.digest.gz", {
    code: EXIT.usage,
    says: ["s1.seal.json.minisig", "--sign"],
  });
  await archives.done("digest --dumpin s1.dump --digestout s1.digest.gz --sign mine.key");
  await archives.done("check --digestin s1.digest.gz s1.dump --trusted-key mine.pub");
});

testWith({ missing }, "--force writes no signature through a link that has its name", async () => {
  using archives = new SignedArchives();
  archives.file("keys.txt", new TextEncoder().encode("an important file"));
  Deno.symlinkSync("keys.txt", archives.file("g0.seal.json.minisig"));
  await archives.refused("seal --sign mine.key --force g0.dump g0.digest", {
    code: EXIT.usage,
    says: ["g0.seal.json.minisig", "symbolic link", "remove the link"],
  });
  assertEquals(archives.read("keys.txt"), new TextEncoder().encode("an important file"));
});
