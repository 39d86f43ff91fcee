/** Runs of the program that must succeed, and what they must make. */

import { assertEquals } from "@std/assert";
import { callMain, type CliResult } from "../support/run_cli.ts";
import { assertSameBytes } from "../disks/helpers.ts";
import { contentOf, sha256 } from "./manifest.ts";

/** Runs a command that must end with `code`. */
export async function run(args: string[], code = 0): Promise<CliResult> {
  const result = await callMain(args);
  assertEquals(result.code, code, `vmdkbkp ${args.join(" ")}\n${result.stdout}${result.stderr}`);
  return result;
}

/** Runs a command with `--json` and returns what it reports. */
// deno-lint-ignore no-explicit-any -- each command reports something else
export async function runJson(args: string[], code = 0): Promise<any> {
  return JSON.parse((await run([...args, "--json"], code)).stdout);
}

/** The decompressed bytes of two archives are the same. */
export function assertSameContent(path: string, expected: Uint8Array): void {
  assertSameBytes(contentOf(path), expected, path);
}

/** A disk image is the one with this hash. */
export function assertDisk(path: string, expected: { bytes: number; sha256: string }): void {
  const bytes = Deno.readFileSync(path);
  assertEquals(bytes.length, expected.bytes, path);
  assertEquals(sha256(bytes), expected.sha256, path);
}
