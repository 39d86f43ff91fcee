/** Where one case takes place. */

import { join } from "@std/path/posix/join";
import { denoArgs } from "../support/run_cli.ts";
import { type DisturbedRun, runDisturbed } from "./disturbed.ts";
import { type Files, readFiles, writeFiles } from "./files.ts";
import { argumentsOf } from "./material.ts";

/** A folder of one case, which goes away with it. */
export class CaseFolder implements Disposable {
  /** Without symbolic links, as the fault layer wants it. */
  readonly path = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "vmdkbkp-faults-" }));

  constructor(files: Files) {
    for (const name of ["one", "two"]) Deno.mkdirSync(join(this.path, name));
    writeFiles(this.path, files);
  }

  files(): Files {
    return readFiles(this.path);
  }

  /** The permissions of files. */
  modes(paths: readonly string[]): number[] {
    return paths.map((path) => Deno.statSync(join(this.path, path)).mode! & 0o777);
  }

  /** Runs a command as a process with the fault layer. */
  async disturbed(line: string, rules: string): Promise<DisturbedRun> {
    const args = [...denoArgs(), ...argumentsOf(this.path, line)];
    return await runDisturbed(Deno.execPath(), args, { folder: this.path, rules });
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}
