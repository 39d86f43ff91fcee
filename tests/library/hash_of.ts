/** SHA-256 of files, by the runtime instead of the program. */

/** Returns the SHA-256 of a file as hexadecimal digits. */
export async function hashOf(path: string): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", Deno.readFileSync(path));
  return new Uint8Array(hash).toHex();
}
