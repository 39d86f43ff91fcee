/** Outputs that are inputs: refused even with --force, under every name that the file has. */

import { join } from "@std/path/posix/join";
import { Archives, EXIT } from "./refusal.ts";

const CHANGED = "--dumpin g0.dump --digestin g0.digest";

/** Each output that is also an input: whether it is overwritten is not asked, --force or not. */
const INPUT_AS_OUTPUT: Record<string, string> = {
  "dump onto the disk":
    "dump --mode full --blocksize 512 --local d0.raw --dumpout OUT(d0.raw) --digestout new.digest",
  "dump onto the previous dump":
    `dump --mode diff --local d1.raw ${CHANGED} --dumpout OUT(g0.dump) --digestout new.digest --rdiffout new.rdiff`,
  "digest onto the previous digest":
    `dump --mode diff --local d1.raw ${CHANGED} --dumpout new.dump --digestout OUT(g0.digest) --rdiffout new.rdiff`,
  "rdiff onto the bitmap":
    `dump --mode incr --local d1.raw ${CHANGED} --bmpin all.bmp --dumpout new.dump --digestout new.digest --rdiffout OUT(all.bmp)`,
  "merge onto its dump": "merge --dumpout OUT(g1.dump) g1.dump g0.rdiff",
  "merge onto its rdiff": "merge --dumpout OUT(g0.rdiff) g1.dump g0.rdiff",
  "digest onto the dump": "digest --dumpin g0.dump --digestout OUT(g0.dump)",
  "rdiff onto the newer dump": "rdiff g0.dump g1.dump --rdiffout OUT(g1.dump)",
  "bitmap onto the rdiff": "rdiff2bmp g0.rdiff --bmpout OUT(g0.rdiff)",
};

for (const [what, line] of Object.entries(INPUT_AS_OUTPUT)) {
  const input = /OUT\((.*?)\)/.exec(line)![1];
  const command = (out: string) => `${line.replace(/OUT\(.*?\)/, out)} --force`;
  Deno.test(`${what} is refused, under every name`, async (t) => {
    using archives = new Archives();
    const path = (name: string) => join(archives.path, name);
    Deno.mkdirSync(path("a.folder"));
    Deno.symlinkSync(path(input), path("link.file"));
    Deno.linkSync(path(input), path("hard.file"));
    for (const out of [input, `./${input}`, `a.folder/../${input}`, "link.file", "hard.file"]) {
      await t.step(out, async () => {
        await archives.refused(command(out), { code: EXIT.usage, says: ["it is also an input"] });
      });
    }
  });
}

Deno.test("dump onto an extent of its own VMDK is refused", async () => {
  using archives = new Archives();
  await archives.done("restore --create --local disk.vmdk g0.dump");
  for (
    const out of [
      "--dumpout disk-flat.vmdk --digestout new.digest",
      "--dumpout new.dump --digestout disk-flat.vmdk",
    ]
  ) {
    await archives.refused(`dump --mode full --blocksize 512 --local disk.vmdk ${out} --force`, {
      code: EXIT.usage,
      says: ['disk-flat.vmdk"'],
    });
  }
});

/** The newest dump is larger than its disk, so that nothing but this refusal saves it. */
Deno.test("restore onto one of its archives is refused", async (t) => {
  for (const options of ["", "--format raw "]) {
    for (const target of ["g2.dump", "g1.rdiff", "link.file", "hard.file"]) {
      await t.step(`${options}${target}`, async () => {
        using archives = new Archives();
        Deno.symlinkSync(join(archives.path, "g2.dump"), join(archives.path, "link.file"));
        Deno.linkSync(join(archives.path, "g2.dump"), join(archives.path, "hard.file"));
        await archives.refused(`restore ${options}--local ${target} g2.dump g1.rdiff`, {
          code: EXIT.usage,
          says: [target, "it is also an input"],
        });
      });
    }
  }
});

Deno.test("restore --create --force onto one of its archives is refused", async () => {
  using archives = new Archives();
  Deno.copyFileSync(join(archives.path, "g0.dump"), join(archives.path, "dump.raw"));
  await archives.refused("restore --create --force --local dump.raw dump.raw", {
    code: EXIT.usage,
    says: ['dump.raw"', "it is also an input"],
  });
});
