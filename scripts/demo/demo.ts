/** What the demos share: a folder, runs of the program, and checks of what the program did. */

import { join } from "@std/path/posix/join";

const MAIN = new URL("../../cli/main.ts", import.meta.url).pathname;
const CONFIG = new URL("../../deno.json", import.meta.url).pathname;

/**
 * A demo: runs command lines in a temporary folder, shows them with their output, and checks their results.
 *
 * Arguments of a demo are `--program PATH`, to run a compiled vmdkbkp instead of the sources, and `--keep`,
 * to keep the files.
 */
export class Demo implements Disposable {
  /** Path of the temporary folder. */
  readonly folder: string = Deno.makeTempDirSync({ prefix: "vmdkbkp-demo-" });
  readonly #program?: string;
  readonly #keep: boolean;
  #checks = 0;

  /** @param args arguments of the demo's command line */
  constructor(args: readonly string[]) {
    const at = args.indexOf("--program");
    this.#program = at < 0 ? undefined : Deno.realPathSync(args[at + 1]);
    this.#keep = args.includes("--keep");
  }

  /** Returns the path of a file in the folder. */
  file(name: string): string {
    return join(this.folder, name);
  }

  /**
   * Runs the program in the folder, shows the command line and the output, and returns the output. Words of
   * the command line that contain spaces stand in double quotes.
   *
   * @throws {Error} if the program ends with another exit code
   */
  vmdkbkp(
    line: string,
    { exitCode = 0, env = {} }: { exitCode?: number; env?: Record<string, string> } = {},
  ): string {
    console.log(`\n  $ vmdkbkp ${line}`);
    const args = [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, word]) => quoted ?? word);
    const { code, stdout, stderr } = new Deno.Command(this.#program ?? Deno.execPath(), {
      args: this.#program ? args : ["run", "-A", "--config", CONFIG, MAIN, ...args],
      cwd: this.folder,
      env,
    }).outputSync();
    const output = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    console.log(output.trimEnd().replaceAll(/^/gm, "    "));
    this.check(code === exitCode, `exit code ${code}`);
    return output;
  }

  /**
   * Checks with `cmp` that two files of the folder have the same bytes.
   *
   * @throws {Error} if they differ
   */
  checkSame(a: string, b: string): void {
    const { success } = new Deno.Command("cmp", { args: [a, b], cwd: this.folder }).outputSync();
    this.check(success, `cmp: ${a} and ${b} have the same bytes`);
  }

  /**
   * Shows and counts a statement that was checked.
   *
   * @throws {Error} if the statement does not hold
   */
  check(holds: boolean, statement: string): void {
    if (!holds) throw new Error(`The demo failed: it is not true that ${statement}`);
    this.#checks++;
    this.note(statement);
  }

  /** Returns whether the folder has a file of this name. */
  exists(name: string): boolean {
    return [...Deno.readDirSync(this.folder)].some((entry) => entry.name === name);
  }

  /** Shows the heading of a step. */
  heading(text: string): void {
    console.log(`\n${text}`);
  }

  /** Shows a result. */
  note(text: string): void {
    console.log(`    ✓ ${text}`);
  }

  /** Shows how many statements were checked, and where the files are if they are kept. */
  end(): void {
    const files = this.#keep ? `, the files are in ${this.folder}` : "";
    this.heading(`Done: ${this.#checks} checks passed${files}`);
  }

  /** Removes the files, unless they are kept. */
  [Symbol.dispose](): void {
    if (!this.#keep) Deno.removeSync(this.folder, { recursive: true });
  }
}
