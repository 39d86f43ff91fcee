/** `check` of several folders: each must hold something, and what is said tells which of them it is about. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { Folder, noise } from "../disks/helpers.ts";
import { callMain } from "../support/run_cli.ts";
import { BLOCK, damage, flipAt } from "./ten_generations.ts";

/** A folder with folders of backups. */
class Backups extends Folder {
  /** A folder below. */
  below(name: string): string {
    const path = join(this.path, name);
    Deno.mkdirSync(path, { recursive: true });
    return path;
  }

  /** Dumps a disk of four blocks of noise, and again with the first block changed. */
  async make(folder: string, { disk, suffix = "" }: { disk: string; suffix?: string }): Promise<void> {
    const local = join(this.below("disks"), disk);
    const at = (name: string) => join(this.below(folder), name);
    Deno.writeFileSync(local, noise(4 * BLOCK, disk.length));
    await this.done(
      ...["dump", "--mode", "full", "--local", local, "--blocksize", `${BLOCK}`],
      ...["--dumpout", at(`0.dump${suffix}`), "--digestout", at("0.digest")],
    );
    using file = Deno.openSync(local, { write: true });
    file.writeSync(noise(BLOCK, 2 * disk.length));
    await this.done(
      ...["dump", "--mode", "diff", "--local", local],
      ...["--dumpin", at(`0.dump${suffix}`), "--digestin", at("0.digest")],
      ...["--dumpout", at(`1.dump${suffix}`), "--digestout", at("1.digest")],
      ...["--rdiffout", at(`0.rdiff${suffix}`)],
    );
    Deno.removeSync(at(`0.dump${suffix}`));
  }

  async done(...args: string[]): Promise<void> {
    const { code, stdout, stderr } = await callMain(args);
    assertEquals(code, 0, `${args.join(" ")}\n${stdout}${stderr}`);
  }

  /** Checks paths below, as text, as JSON, and with a JUnit file. */
  async check(...words: string[]) {
    const paths = words.map((word) => word.startsWith("--") ? word : join(this.path, word));
    const junit = this.file("junit.xml");
    const { code, stdout } = await callMain(["check", ...paths, "--junit", junit]);
    const { stdout: json } = await callMain(["check", ...paths, "--json"]);
    return { code, text: stdout, json: JSON.parse(json), xml: Deno.readTextFileSync(junit) };
  }
}

for (
  const [what, fill] of Object.entries({
    "is empty": () => {},
    "holds hidden files only": (path: string, backups: Backups) => {
      for (const name of ["1.dump", "1.seal.json"]) {
        Deno.copyFileSync(join(backups.path, "a", name), join(path, `._${name}`));
      }
    },
    "holds other files only": (path: string) => Deno.writeTextFileSync(join(path, "notes.txt"), "no archive"),
    "holds its archives in another folder": (path: string, backups: Backups) => {
      Deno.mkdirSync(join(path, "below"));
      Deno.copyFileSync(join(backups.path, "a", "1.dump"), join(path, "below", "1.dump"));
    },
  })
) {
  Deno.test(`check of several folders is wrong if one of them ${what}`, async () => {
    using backups = new Backups();
    await backups.make("a", { disk: "web.raw" });
    await backups.make("c", { disk: "db.raw" });
    fill(backups.below("b"), backups);
    assertEquals((await backups.check("a", "c")).code, 0);
    for (const folders of [["a", "b"], ["b", "a"], ["a", "b", "c"], ["b"]]) {
      for (const more of [[], ["--quick"]]) {
        const { code, text, json, xml } = await backups.check(...folders, ...more);
        assertEquals([code, text.endsWith("Check: WRONG\n")], [3, true], text);
        for (const folder of folders) {
          const path = join(backups.path, folder);
          const isEmpty = folder === "b";
          assertMatch(text, new RegExp(`^Folder ${path}: ${isEmpty ? "no archives" : "4 archives"}`, "m"));
          const failure = isEmpty ? `><failure message="No archives in ${path}"` : "/>";
          assertStringIncludes(xml, `<testcase classname="folders" name="${path}"${failure}`);
          const told = json.folders.find((one: { path: string }) => one.path === path);
          assertEquals([told.archives, told.seals], isEmpty ? [0, 0] : [4, 2]);
        }
      }
    }
  });
}

Deno.test("check counts a folder once that is given twice", async () => {
  using backups = new Backups();
  await backups.make("a", { disk: "web.raw" });
  Deno.symlinkSync("a", backups.file("link"));
  for (const folders of [["a", "a"], ["a", "link"], ["a", "./a/"]]) {
    const { code, json, text } = await backups.check(...folders);
    assertEquals([code, json.folders.length], [0, 1]);
    assertEquals(text.match(/good: /g)?.length, 2);
  }
});

Deno.test("check names every file with its folder", async () => {
  using backups = new Backups();
  await backups.make("a", { disk: "web.raw" });
  await backups.make("b", { disk: "web.raw", suffix: ".zst" });
  const at = (name: string) => join(backups.path, name);
  const { text } = await backups.check("a", "b");
  assertStringIncludes(text, `good: ${at("a/1.dump")}\n`);
  assertStringIncludes(text, `good: ${at("a/1.dump")} ${at("a/0.rdiff")}\n`);
  assertStringIncludes(text, `good: ${at("b/1.dump.zst")} ${at("b/0.rdiff.zst")}\n`);
  damage(at("b/1.dump.zst"), flipAt(0.9));
  const { text: wrong } = await backups.check("a", "b");
  assertStringIncludes(wrong, `LOST: "${at("b/1.dump.zst")}" is damaged`);
  assertStringIncludes(wrong, `wrong: ${at("b/1.dump.zst")}: `);
});

for (const suffix of ["", ".gz", ".zst"]) {
  Deno.test(`check finds the intact copy of a damaged dump${suffix} in another folder that is given`, async () => {
    using backups = new Backups();
    await backups.make("a", { disk: "web.raw", suffix });
    await backups.make("b", { disk: "db.raw" });
    const copies = backups.below("copies");
    for (const name of [`1.dump${suffix}`, "1.seal.json"]) {
      Deno.copyFileSync(join(backups.path, "a", name), join(copies, name));
    }
    damage(join(backups.path, "a", `1.dump${suffix}`), flipAt(0.9));
    const copy = `intact in "${join(copies, `1.dump${suffix}`)}"`;
    for (const folders of [["a", "copies"], ["copies", "b", "a"]]) {
      const { code, text, json } = await backups.check(...folders);
      assertEquals(code, 3);
      assertStringIncludes(text, copy);
      // The copy brings the generation back.
      const [series] = json.series.filter(({ faults }: { faults: unknown[] }) => faults.length > 0);
      const [newest] = series.generations;
      assertEquals(newest.archives?.map(dirname), [copies]);
    }
    const { code, text } = await backups.check("a", "b");
    assertEquals([code, text.includes("intact in")], [3, false]);
  });
}

Deno.test("the names in the JUnit file tell disk, folder and time", async () => {
  using backups = new Backups();
  await backups.make("a", { disk: "web.raw" });
  await backups.make("b", { disk: "db.raw" });
  const { json, xml, text } = await backups.check("a", "b");
  for (const [folder, disk] of [["a", "web.raw"], ["b", "db.raw"]]) {
    const [path, source] = [join(backups.path, folder), join(backups.path, "disks", disk)];
    const series = json.series.find((one: { disk: string }) => one.disk === source);
    const suite = `${source} in ${path} (series ${series.series})`;
    assertStringIncludes(xml, `<testsuite name="${suite}" tests="2" failures="0"`);
    for (const { time } of series.generations) {
      assertStringIncludes(xml, `classname="${suite}" name="${source} in ${path}, ${time}"/>`);
    }
    assertStringIncludes(text, `Series ${series.series} of ${source} (4 blocks`);
  }
  const list = await backups.check("a/1.dump", "a/0.rdiff");
  const { series, time } = list.json.generation;
  const name = `${join(backups.path, "disks/web.raw")} in ${join(backups.path, "a")}`;
  assertStringIncludes(list.xml, `classname="${name} (series ${series})" name="${name}, ${time}"/>`);
});

Deno.test("without seals the JUnit file names the series in the place of the disk", async () => {
  using backups = new Backups();
  await backups.make("a", { disk: "web.raw" });
  for (const name of ["0.seal.json", "1.seal.json"]) Deno.removeSync(join(backups.path, "a", name));
  const { code, json, xml } = await backups.check("a");
  const [{ series, disk, generations }] = json.series;
  assertEquals([code, disk], [0, undefined]);
  const path = join(backups.path, "a");
  assertStringIncludes(xml, `<testsuite name="series ${series} in ${path}" tests="2"`);
  assertStringIncludes(xml, `name="series ${series} in ${path}, ${generations[0].time}"`);
});

Deno.test("a generation whose files lie in two folders is named with both", async () => {
  using backups = new Backups();
  await backups.make("a", { disk: "web.raw" });
  const [a, b] = ["a", "b"].map((name) => backups.below(name));
  Deno.renameSync(join(a, "0.rdiff"), join(b, "0.rdiff"));
  const { xml, text, json } = await backups.check("a", "b");
  const [{ generations: [, { time }] }] = json.series;
  assertStringIncludes(text, `${join(a, "1.dump")} ${join(b, "0.rdiff")}`);
  assertStringIncludes(xml, ` in ${a}, ${b}, ${time}"`);
});
