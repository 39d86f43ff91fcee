/** Runs of the program with expected exit codes, and checks of the files that they make. */

import { assertEquals } from "@std/assert";
import { callMain, type CliResult } from "../support/run_cli.ts";
import { assertSameBytes } from "../disks/helpers.ts";
import { contentOf, sha256 } from "./manifest.ts";

/** Runs a command and checks that it ends with the exit code `code`. */
export async function run(args: string[], code = 0): Promise<CliResult> {
  const result = await callMain(args);
  assertEquals(result.code, code, `vmdkbkp ${args.join(" ")}\n${result.stdout}${result.stderr}`);
  return result;
}

/** Runs a command with `--json`, checks its exit code, and returns its report. */
// deno-lint-ignore no-explicit-any -- each command reports something else
export async function runJson(args: string[], code = 0): Promise<any> {
  return JSON.parse((await run([...args, "--json"], code)).stdout);
}

/** Checks the decompressed bytes of an archive. */
export function assertSameContent(path: string, expected: Uint8Array): void {
  assertSameBytes(contentOf(path), expected, path);
}

/** Checks the length and the SHA-256 of a disk. */
export function assertDisk(path: string, expected: { bytes: number; sha256: string }): void {
  const bytes = Deno.readFileSync(path);
  assertEquals(bytes.length, expected.bytes, path);
  assertEquals(sha256(bytes), expected.sha256, path);
}
