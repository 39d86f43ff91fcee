/** Runs the command lines of a document in a folder of its own. */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path/posix/join";
import { denoArgs } from "../support/run_cli.ts";
import type { CodeBlock } from "./markdown.ts";
import { writePageDisks } from "./page_disks.ts";

/**
 * A folder in which the commands of a page run. It holds the disks of `page_disks.ts`, and the command `vmdkbkp` is the program
 * of this checkout.
 */
export class PageFolder implements Disposable {
  readonly #root = Deno.makeTempDirSync({ prefix: "vmdkbkp-docs-" });
  readonly #programs = join(this.#root, "bin");
  /** The current folder of the commands. */
  readonly path = join(this.#root, "page");

  constructor() {
    for (const folder of [this.#programs, this.path]) Deno.mkdirSync(folder);
    const words = [Deno.execPath(), ...denoArgs()].map((word) => `'${word}'`).join(" ");
    Deno.writeTextFileSync(join(this.#programs, "vmdkbkp"), `#!/bin/sh\nexec ${words} "$@"\n`, {
      mode: 0o755,
    });
    writePageDisks(this.path);
  }

  /** Runs a script to its first command that fails, and returns the exit code and all that was printed. */
  async run(script: string): Promise<{ code: number; stdout: string; stderr: string }> {
    const own = Object.entries(Deno.env.toObject()).filter(([name]) => !name.startsWith("VMDKBKP_"));
    const { code, stdout, stderr } = await new Deno.Command("bash", {
      args: ["-euo", "pipefail", "-c", script],
      cwd: this.path,
      clearEnv: true,
      env: {
        ...Object.fromEntries(own),
        PATH: `${this.#programs}:${Deno.env.get("PATH")}`,
        VMDKBKP_THREADS: "1",
      },
      stdin: "null",
    }).output();
    const text = new TextDecoder();
    return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.#root, { recursive: true });
  }
}

/**
 * Runs the blocks of a page in their order. The info string of a block is one of these:
 *
 * - `sh`: runs and succeeds; `sh exit=3`: its last command ends with this exit code, the others succeed;
 * - `sh no-run`: is not run;
 * - `text output`: is what the block before has printed to standard output, whatever the numbers; a line `...` stands
 *   for any lines;
 * - others (`text`, `json` ...): are not commands.
 *
 * @throws {AssertionError} for the first block that does otherwise, naming its line
 */
export async function runPage(folder: PageFolder, blocks: readonly CodeBlock[], path: string): Promise<void> {
  let printed: string | undefined;
  for (const { info, text, line } of blocks) {
    const where = `${path}:${line}`;
    if (info[0] === "sh" && info[1] !== "no-run") {
      const { code, stdout, stderr } = await folder.run(text);
      assertEquals(code, Number(info[1]?.replace("exit=", "") ?? 0), `${where}\n${stdout}${stderr}`);
      printed = stdout;
    } else if (info[1] === "output") {
      if (printed === undefined) throw new Error(`${where}: no block was run before`);
      assert(
        patternOf(text).test(withoutNumbers(printed)),
        `${where}: the block before has printed\n${printed}\nand the document has\n${text}`,
      );
    }
  }
}

/** A pattern for output that agrees with the text of a document. */
function patternOf(text: string): RegExp {
  const lines = withoutNumbers(text).split("\n").map((line) =>
    line === "..." ? "(?:.*\n)*?" : `${RegExp.escape(line)}\n`
  );
  return new RegExp(`^${lines.join("")}$`);
}

/** The text with `#` for each number (its unit of bytes too), series id and SHA-256. */
function withoutNumbers(text: string): string {
  return text.replaceAll(/\b[0-9a-f]{32,64}\b/g, "#")
    .replaceAll(/\d[\d.:-]*(?: (?:[KMG]i)?B(?:\/s)?)?/g, "#");
}
