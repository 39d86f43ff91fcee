import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path/posix/join";
import { Folder, noise } from "../disks/helpers.ts";
import { callMain } from "../support/run_cli.ts";

const BLOCK = 4096;
const BLOCKS = 40;
const GENERATIONS = 10;

/** A folder with ten generations of one disk: the last dump, all digests, the rdiffs between them. */
class Series extends Folder {
  /** The bytes of the disk in each generation. */
  readonly disks: Uint8Array<ArrayBuffer>[] = [];
  readonly suffix: string;

  private constructor(suffix: string) {
    super();
    this.suffix = suffix;
  }

  static async make(suffix: string): Promise<Series> {
    const series = new Series(suffix);
    const disk = noise(BLOCK * BLOCKS, 1);
    disk.fill(0, 3 * BLOCK, 5 * BLOCK);
    using source = new Folder();
    for (let n = 0; n < GENERATIONS; n++) {
      // Two blocks that no other generation changes, and one that all do.
      for (const block of [2 * n + 10, 2 * n + 11, 7]) disk.set(noise(BLOCK, 100 * n + block), block * BLOCK);
      series.disks.push(disk.slice());
      const local = source.file("disk.raw", disk);
      const outs = ["--dumpout", series.dump(n), "--digestout", series.digest(n)];
      const ins = ["--dumpin", series.dump(n - 1), "--digestin", series.digest(n - 1)];
      await series.run(
        ...["dump", "--local", local, "--mode", n === 0 ? "full" : "diff", ...outs],
        ...(n === 0 ? ["--blocksize", `${BLOCK}`] : [...ins, "--rdiffout", series.rdiff(n - 1)]),
      );
      if (n > 0) Deno.removeSync(series.dump(n - 1));
    }
    return series;
  }

  dump(n: number): string {
    return this.file(`${n}.dump${this.suffix}`);
  }

  digest(n: number): string {
    return this.file(`${n}.digest`);
  }

  rdiff(n: number): string {
    return this.file(`${n}.rdiff${this.suffix}`);
  }

  async run(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await callMain(args);
    assertEquals(code, 0, `${args.join(" ")}\n${stdout}${stderr}`);
    return stdout;
  }

  /** The numbers of the generations that a check of the folder says are lost, by its JSON and by its JUnit file. */
  async lost(...more: string[]): Promise<{ code: number; lost: number[] }> {
    const junit = this.file("junit.xml");
    const { code, stdout } = await callMain(["check", this.path, "--json", "--junit", junit, ...more]);
    const { series: [{ generations }] } = JSON.parse(stdout);
    assertEquals(generations.length, GENERATIONS);
    const lost: number[] = [];
    generations.forEach(({ restorable }: { restorable: boolean }, i: number) => {
      if (!restorable) lost.push(GENERATIONS - 1 - i);
    });
    const times = generations.map(({ time }: { time: string }) => time);
    const [, suite] = /<testsuite name="[0-9a-f]{32}"(.*?)<\/testsuite>/s.exec(Deno.readTextFileSync(junit))!;
    const failed = [...suite.matchAll(/name="([^"]*)"><failure/g)].map(([, time]) =>
      GENERATIONS - 1 - times.indexOf(time)
    );
    assertEquals(failed, lost);
    Deno.removeSync(junit);
    return { code, lost };
  }

  /** Which generations a restore really brings back. */
  async notRestorable(): Promise<number[]> {
    using target = new Folder();
    const lost: number[] = [];
    for (let n = 0; n < GENERATIONS; n++) {
      const list = [this.dump(GENERATIONS - 1)];
      for (let older = GENERATIONS - 2; older >= n; older--) list.push(this.rdiff(older));
      const disk = target.file(`${n}.raw`);
      const { code } = await callMain(["restore", "--create", "--local", disk, ...list]);
      if (code !== 0) lost.push(n);
      else assertEquals(Deno.readFileSync(disk), this.disks[n], `${n}`);
    }
    return lost.reverse();
  }
}

function damage(path: string, change: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>): void {
  Deno.writeFileSync(path, change(Deno.readFileSync(path)));
}

const flipAt = (at: number) => (bytes: Uint8Array<ArrayBuffer>) => {
  bytes[Math.floor(at * bytes.length)] ^= 0x10;
  return bytes;
};

for (const suffix of ["", ".gz", ".zst"]) {
  Deno.test(`check of ten generations${suffix}, one of them damaged, names those that cannot be restored`, async () => {
    using series = await Series.make(suffix);
    assertEquals(await series.lost(), { code: 0, lost: [] });
    assertEquals(await series.lost("--quick"), { code: 0, lost: [] });
    const intact = Deno.readFileSync(series.rdiff(5));
    for (
      const [name, change] of Object.entries({
        "a bit in the middle": flipAt(0.5),
        "a bit in the last block": flipAt(0.99),
        "cut in the middle": (bytes: Uint8Array<ArrayBuffer>) => bytes.slice(0, bytes.length / 2),
        "empty": () => new Uint8Array(0),
      })
    ) {
      damage(series.rdiff(5), change);
      const { code, lost } = await series.lost();
      assertEquals(code, 3, name);
      assertEquals(lost, await series.notRestorable(), name);
      damage(series.rdiff(5), () => intact);
    }
  });

  Deno.test(`salvage brings back all blocks of ten generations${suffix} that exist anywhere`, async () => {
    using series = await Series.make(suffix);
    damage(series.rdiff(5), flipAt(0.5));
    damage(series.dump(9), flipAt(0.2));
    const archives = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0].map((n) => n === 9 ? series.dump(n) : series.rdiff(n));
    for (let n = 0; n < GENERATIONS; n++) {
      using target = new Folder();
      const dump = target.file("saved.dump");
      const line = ["salvage", "--digestin", series.digest(n), "--dumpout", dump, "--json", ...archives];
      const { code, stdout } = await callMain(line);
      const { lostRuns, lostBlocks } = JSON.parse(stdout);
      const lost = (lostRuns as { start: number; end: number }[]).flatMap(({ start, end }) =>
        Array.from({ length: end - start }, (_, i) => start + i)
      );
      assertEquals([code, lost.length], [lostBlocks === 0 ? 0 : 3, lostBlocks], `${n}`);
      const disk = target.file("saved.raw");
      await series.run("restore", "--create", "--local", disk, dump);
      const saved = Deno.readFileSync(disk);
      const wanted = series.disks[n];
      for (let block = 0; block < BLOCKS; block++) {
        const [got, right] = [saved, wanted].map((bytes) =>
          bytes.subarray(block * BLOCK, (block + 1) * BLOCK)
        );
        assertEquals(
          got,
          lost.includes(block) ? new Uint8Array(BLOCK) : right,
          `generation ${n}, block ${block}`,
        );
      }
      // A byte in a plain archive costs one block, which no other has; a piece may hold more.
      if (suffix === "") assertEquals(lost.length <= 2, true, `generation ${n}: ${lost}`);
    }
  });
}

Deno.test("check of a folder tells where the damage is, and where else the blocks are", async () => {
  using series = await Series.make("");
  Deno.copyFileSync(series.dump(9), series.file("copy.dump"));
  damage(series.dump(9), flipAt(0.5));
  const { code, stdout } = await callMain(["check", series.path]);
  assertEquals(code, 3);
  assertMatch(stdout, /bad: block \d+: ".*9.dump" at byte \d+; intact in ".*copy.dump"/);
  assertMatch(stdout, /Check: WRONG\n$/);
});

Deno.test("check of a folder without seals takes the digests, and without those says what is not proved", async () => {
  using series = await Series.make("");
  for (const { name } of Deno.readDirSync(series.path)) {
    if (name.endsWith(".json")) Deno.removeSync(series.file(name));
  }
  assertEquals(await series.lost(), { code: 0, lost: [] });
  const whole = Deno.readFileSync(series.rdiff(3));
  // Between two records: nothing but the digest of generation 3 tells.
  damage(series.rdiff(3), (bytes) => bytes.slice(0, bytes.length - (3 + 2 + 5 + BLOCK)));
  assertEquals(await series.lost(), { code: 3, lost: [3, 2, 1, 0] });
  damage(series.rdiff(3), () => whole);
  for (let n = 0; n < GENERATIONS; n++) Deno.removeSync(series.digest(n));
  const stdout = await series.run("check", series.path);
  assertEquals(stdout.match(/not proved/g)?.length, GENERATIONS);
});

Deno.test("check of a folder finds a missing rdiff, a damaged seal and a damaged digest", async () => {
  using series = await Series.make("");
  Deno.renameSync(series.rdiff(4), series.file("elsewhere"));
  // Its content tells what it is, and its seal is not found: nothing is lost.
  assertEquals(await series.lost(), { code: 0, lost: [] });
  Deno.removeSync(series.file("elsewhere"));
  assertEquals(await series.lost(), { code: 3, lost: [4, 3, 2, 1, 0] });
});

Deno.test("check of a folder is wrong if a seal or a digest is damaged, though nothing is lost", async () => {
  using series = await Series.make("");
  damage(series.file("3.seal.json"), flipAt(0.5));
  assertEquals(await series.lost(), { code: 3, lost: [] });
  damage(series.file("3.seal.json"), flipAt(0.5));
  damage(series.digest(2), flipAt(0.9));
  assertEquals(await series.lost("--quick"), { code: 3, lost: [] });
  const { stdout } = await callMain(["check", series.path]);
  assertStringIncludes(stdout, `wrong: ${series.digest(2)}`);
});

Deno.test("check takes several folders, leaves other files alone, and finds nothing good in an empty one", async () => {
  using a = await Series.make("");
  using b = await Series.make(".zst");
  a.file("notes.txt", "no archive");
  a.file("photo.gz", Uint8Array.of(1, 2, 3));
  Deno.mkdirSync(join(a.path, "below"));
  const stdout = await a.run("check", "--quick", a.path, b.path);
  assertEquals(stdout.match(/10 generations, 10 can be restored/g)?.length, 2);
  const empty = await callMain(["check", join(a.path, "below")]);
  assertEquals([empty.code, empty.stdout.endsWith("Check: WRONG\n")], [3, true]);
  const mixed = await callMain(["check", a.path, b.dump(9)]);
  assertEquals(mixed.code, 2);
  assertStringIncludes(mixed.stderr, "folders and files at once");
});
