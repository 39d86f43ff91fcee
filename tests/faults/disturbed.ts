/** Runs a program with the fault layer in front of the C library. */

import { join } from "@std/path/posix/join";
import { hasCompiler } from "../../scripts/c_compiler.ts";
import { buildFaultLayer } from "../../scripts/fault_layer.ts";
import { type CountedCall, parseLog } from "./calls.ts";

/** Why nothing can be disturbed here; undefined if it can. */
export const MISSING = hasCompiler() ? undefined : "there is no C compiler for Linux";

/** Generous: the machine may be busy, and a command of these tests takes a fraction of a second. */
const LIMIT_MS = 180_000;

/** How a disturbed run ended, and what was counted. */
export interface DisturbedRun {
  code: number;
  /** A fault, or the end of the time limit. */
  isKilled: boolean;
  /** It was killed because it did not end. */
  isHung: boolean;
  stdout: string;
  stderr: string;
  calls: CountedCall[];
}

/** Runs `program` with calls on files below `folder`, a real path, counted and disturbed by `rules`. */
export async function runDisturbed(
  program: string,
  args: readonly string[],
  { folder, rules = "", limitMs = LIMIT_MS }: { folder: string; rules?: string; limitMs?: number },
): Promise<DisturbedRun> {
  const own = Deno.makeTempDirSync({ prefix: "vmdkbkp-faults-log-" });
  try {
    const log = join(own, "log");
    Deno.writeTextFileSync(log, "");
    const child = new Deno.Command(program, {
      args: [...args],
      env: {
        LD_PRELOAD: await buildFaultLayer(),
        VMDKBKP_FAULT_FOLDER: folder,
        VMDKBKP_FAULT_LOG: log,
        VMDKBKP_FAULT_PLAN: rules,
      },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    let isHung = false;
    const timer = setTimeout(() => {
      isHung = true;
      child.kill("SIGKILL");
    }, limitMs);
    const { code, signal, stdout, stderr } = await child.output().finally(() => clearTimeout(timer));
    const text = new TextDecoder();
    return {
      code,
      isKilled: signal === "SIGKILL",
      isHung,
      stdout: text.decode(stdout),
      stderr: text.decode(stderr),
      calls: parseLog(Deno.readTextFileSync(log)),
    };
  } finally {
    Deno.removeSync(own, { recursive: true });
  }
}
