/** A folder in which a test runs command lines, as a user would. */

import { assert, assertEquals } from "@std/assert";
import { Folder } from "../disks/helpers.ts";
import { callMain } from "../support/run_cli.ts";
import { equalBytes } from "./same_bytes.ts";

/** A temporary folder, and runs of the program on its files. */
export class Workspace extends Folder {
  /**
   * Runs a command line, checks its exit code, and returns its standard output. Words that contain a dot are
   * names of files in the folder.
   */
  async run(line: string, expected: { exitCode: number } = { exitCode: 0 }): Promise<string> {
    const words = line.split(" ").map((word) => word.includes(".") ? this.file(word) : word);
    const { code, stdout, stderr } = await callMain(words);
    assertEquals(code, expected.exitCode, `vmdkbkp ${line}\n${stdout}${stderr}`);
    return stdout;
  }

  /** Runs a command line with `--json`, which must succeed, and returns its report. */
  async runJson(line: string): Promise<Record<string, number>> {
    return JSON.parse(await this.run(`${line} --json`));
  }

  /** Checks with the command `compare` that two archives have the same blocks. */
  async assertCompare(a: string, b: string): Promise<void> {
    const lines = (await this.run(`compare ${a} ${b}`)).trimEnd().split("\n");
    assertEquals(lines.at(-1), "SAME", `${a} and ${b}`);
  }

  /** Checks that two files have the same bytes. */
  assertSameBytes(a: string, b: string): void {
    const [bytesA, bytesB] = [a, b].map((name) => Deno.readFileSync(this.file(name)));
    assert(equalBytes(bytesA, bytesB), `${a} and ${b} differ`);
  }

  /** Copies a file of the folder. */
  copy(from: string, to: string): void {
    Deno.copyFileSync(this.file(from), this.file(to));
  }
}
