/** A folder to work in with the command line, as a user would. */

import { assert, assertEquals } from "@std/assert";
import { Folder } from "../disks/helpers.ts";
import { callMain } from "../support/run_cli.ts";
import { equalBytes } from "./same_bytes.ts";

/** Runs commands on the files of a folder of its own. */
export class Workspace extends Folder {
  /** Runs a command line, words with a dot in them being files of the folder, and returns what it printed. */
  async run(line: string, expected: { exitCode: number } = { exitCode: 0 }): Promise<string> {
    const words = line.split(" ").map((word) => word.includes(".") ? this.file(word) : word);
    const { code, stdout, stderr } = await callMain(words);
    assertEquals(code, expected.exitCode, `vmdkbkp ${line}\n${stdout}${stderr}`);
    return stdout;
  }

  /** Runs a command line and returns what it tells programs. */
  async runJson(line: string): Promise<Record<string, number>> {
    return JSON.parse(await this.run(`${line} --json`));
  }

  /** Two archives hold the same blocks. */
  async assertCompare(a: string, b: string): Promise<void> {
    const lines = (await this.run(`compare ${a} ${b}`)).trimEnd().split("\n");
    assertEquals(lines.at(-1), "SAME", `${a} and ${b}`);
  }

  /** Two files are the same, byte for byte. */
  assertSameBytes(a: string, b: string): void {
    const [bytesA, bytesB] = [a, b].map((name) => Deno.readFileSync(this.file(name)));
    assert(equalBytes(bytesA, bytesB), `${a} and ${b} differ`);
  }

  copy(from: string, to: string): void {
    Deno.copyFileSync(this.file(from), this.file(to));
  }
}
