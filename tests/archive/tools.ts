/** gzip(1), zstd(1) and similar tools, if they are installed. */

import { assert } from "@std/assert";

export function hasTool(name: string): boolean {
  try {
    return new Deno.Command(name, { args: ["--version"], stdout: "null", stderr: "null" }).outputSync()
      .success;
  } catch {
    return false;
  }
}

/** Runs a program with `input` and returns its output. If it fails, its standard error is the message. */
export async function runTool(
  [name, ...args]: string[],
  input: Uint8Array,
): Promise<Uint8Array<ArrayBuffer>> {
  const child = new Deno.Command(name, { args, stdin: "piped", stdout: "piped", stderr: "piped" }).spawn();
  const feeding = new Blob([input as BlobPart]).stream().pipeTo(child.stdin);
  const [{ success, stdout, stderr }] = await Promise.all([child.output(), feeding]);
  assert(success, `${name}: ${new TextDecoder().decode(stderr)}`);
  return stdout;
}
