/** What demos share: a folder, the program, and proofs of what it did. */

import { join } from "@std/path/posix/join";

const MAIN = new URL("../../cli/main.ts", import.meta.url).pathname;
const CONFIG = new URL("../../deno.json", import.meta.url).pathname;

/**
 * Runs command lines and shows what they print. Arguments of a demo: `--program PATH` runs a compiled vmdkbkp instead of
 * the sources, `--keep` leaves the files.
 */
export class Stage implements Disposable {
  readonly folder: string = Deno.makeTempDirSync({ prefix: "vmdkbkp-demo-" });
  readonly #program?: string;
  readonly #keep: boolean;
  #proofs = 0;

  constructor(args: readonly string[]) {
    const at = args.indexOf("--program");
    this.#program = at < 0 ? undefined : Deno.realPathSync(args[at + 1]);
    this.#keep = args.includes("--keep");
  }

  /** Path of a file of the demo. */
  file(name: string): string {
    return join(this.folder, name);
  }

  /** Runs the program; words in quotes may hold spaces. */
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
    const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    console.log(said.trimEnd().replaceAll(/^/gm, "    "));
    this.prove(code === exitCode, `exit code ${code}`);
    return said;
  }

  proveSame(a: string, b: string): void {
    const { success } = new Deno.Command("cmp", { args: [a, b], cwd: this.folder }).outputSync();
    this.prove(success, `cmp: ${a} and ${b} are the same, byte for byte`);
  }

  /** @throws {Error} if it does not hold */
  prove(holds: boolean, what: string): void {
    if (!holds) throw new Error(`The demo fails: not true that ${what}`);
    this.#proofs++;
    this.note(what);
  }

  exists(name: string): boolean {
    return [...Deno.readDirSync(this.folder)].some((entry) => entry.name === name);
  }

  say(text: string): void {
    console.log(`\n${text}`);
  }

  note(text: string): void {
    console.log(`    ✓ ${text}`);
  }

  end(): void {
    this.say(`Done: ${this.#proofs} proofs hold${this.#keep ? `, the files are in ${this.folder}` : ""}`);
  }

  [Symbol.dispose](): void {
    if (!this.#keep) Deno.removeSync(this.folder, { recursive: true });
  }
}
