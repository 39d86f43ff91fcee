/** A folder with a small series, and commands on it that must be refused. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Buffer } from "node:buffer";
import { join } from "@std/path/posix/join";
import { Folder } from "../disks/helpers.ts";
import { callMain, type CliResult } from "../support/run_cli.ts";
import { seriesFiles } from "./material.ts";

/** Exit codes that the help promises. */
export const EXIT = { done: 0, environment: 1, usage: 2, corrupt: 3, different: 5 } as const;

/** How a command must end. */
export interface Refusal {
  code: number;
  /** What the message must hold: file names, the state found and the state wanted. */
  says: string[];
}

/** A folder that holds the series and goes away with the test. */
export class Archives extends Folder {
  /** `extra` files join the series or replace a file of it. */
  constructor(extra: Record<string, Uint8Array> = {}) {
    super();
    for (const [name, bytes] of Object.entries({ ...seriesFiles(), ...extra })) {
      this.file(name, bytes as Uint8Array<ArrayBuffer>);
    }
  }

  /** The words of `line`; those with a dot or a slash are paths in the folder. */
  args(line: string): string[] {
    return line.split(" ").map((word) => /[./]/.test(word) ? join(this.path, word) : word);
  }

  /** The bytes of a file of the folder. */
  read(name: string): Uint8Array<ArrayBuffer> {
    return Deno.readFileSync(join(this.path, name));
  }

  /** Runs a command line. */
  run(line: string): Promise<CliResult> {
    return this.call(this.args(line));
  }

  /** Runs a command line of these words, in which paths are absolute. */
  call(args: string[]): Promise<CliResult> {
    return callMain(args);
  }

  /** Runs a command line that must succeed. */
  async done(line: string): Promise<CliResult> {
    const result = await this.run(line);
    assertEquals(result.code, EXIT.done, `${line}\n${result.stderr}`);
    return result;
  }

  /**
   * Runs a command line that must be refused: with this exit code, one line on standard error that says this, no file
   * made and none changed.
   */
  async refused(line: string, refusal: Refusal): Promise<CliResult> {
    const before = this.snapshot();
    const result = await this.run(line);
    assertRefusal(line, result, refusal);
    assertEquals(this.snapshot(), before, `${line}: files were made, changed or removed`);
    return result;
  }

  /** Every file below the folder with its bytes. */
  snapshot(folder: string = this.path): Record<string, string> {
    const files: Record<string, string> = {};
    for (const { name, isDirectory, isFile } of Deno.readDirSync(folder)) {
      const path = join(folder, name);
      if (isDirectory) Object.assign(files, this.snapshot(path));
      else {files[path.slice(this.path.length + 1)] = isFile
          ? Buffer.from(Deno.readFileSync(path)).toString("hex")
          : "no file";}
    }
    return files;
  }
}

/** The exit code, and a single line without a stack trace that begins with the program's name. */
export function assertRefusal(
  line: string,
  result: Pick<CliResult, "code" | "stderr">,
  { code, says }: Refusal,
): void {
  assertEquals(result.code, code, `${line}\n${result.stderr}`);
  assert(/^vmdkbkp: [A-Z"].*[^.\n]\n$/.test(result.stderr), `${line}: not one clear line\n${result.stderr}`);
  for (const words of says) assertStringIncludes(result.stderr, words, line);
}
