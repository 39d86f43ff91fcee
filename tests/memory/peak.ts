/**
 * The most memory that a command takes. `deno task test` runs these tests alone: where other programs take all processors, the
 * collector comes late.
 */

import { assert, assertEquals } from "@std/assert";
import { MemoryFile } from "../pipeline/memory_file.ts";
import { denoArgs } from "../support/run_cli.ts";

export const MIB = 1024 * 1024;
/** What docs/promises.md promises. */
export const LIMIT_BYTES = 256 * MIB;

export const missing = Deno.build.os === "linux"
  ? undefined
  : "only Linux tells the peak memory of a process in /proc";

/** Runs a command, which ends with `exitCode`, within the memory that is promised. */
export async function assertPeak(args: string[], { exitCode = 0 } = {}): Promise<void> {
  const script = new URL("measured_main.ts", import.meta.url).pathname;
  // Threads as the command line says, not as the environment of the tests does.
  const { code, stdout, stderr } = await new Deno.Command("env", {
    args: ["-u", "VMDKBKP_THREADS", Deno.execPath(), ...denoArgs(script), ...args],
  }).output();
  const text = new TextDecoder();
  assertEquals(code, exitCode, text.decode(stderr));
  const peakBytes = Number(text.decode(stdout).trimEnd().split("\n").at(-1));
  const name = args.slice(0, 4).join(" ");
  assert(peakBytes <= LIMIT_BYTES, `${name} ...: ${Math.round(peakBytes / MIB)} MiB`);
}

/** Bytes in a container of their own: behind another one they are one archive. */
export async function packed(bytes: Uint8Array, suffix: string): Promise<Uint8Array> {
  const file = new MemoryFile(`part${suffix}`);
  const sink = await file.sink();
  await sink.write(bytes);
  await sink.finish();
  return file.bytes;
}
