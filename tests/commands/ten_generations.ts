/** Ten generations of a disk, and ways to damage what is kept of them. */

import { assertEquals } from "@std/assert";
import { Folder, noise } from "../disks/helpers.ts";
import { callMain } from "../support/run_cli.ts";

export const BLOCK = 4096;
export const BLOCKS = 40;
export const GENERATIONS = 10;

/** A folder with ten generations of one disk: the last dump, all digests, the rdiffs between them. */
export class Series extends Folder {
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
    const [, suite] = /<testsuite name="[^"]*\bseries [0-9a-f]{32}\b[^"]*"(.*?)<\/testsuite>/s.exec(
      Deno.readTextFileSync(junit),
    )!;
    const failed = [...suite.matchAll(/name="[^"]*, ([^",]*)"><failure/g)].map(([, time]) =>
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

/** Writes a file anew, as `change` makes it. */
export function damage(
  path: string,
  change: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>,
): void {
  Deno.writeFileSync(path, change(Deno.readFileSync(path)));
}

/** Flips a bit at a share of the length. */
export function flipAt(at: number): (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer> {
  return (bytes) => {
    bytes[Math.floor(at * bytes.length)] ^= 0x10;
    return bytes;
  };
}
