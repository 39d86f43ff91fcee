/** Files that scripts build: whether they are up to date, and their paths. */

/** Returns whether `output` exists and is newer than all of `inputs`. An input that does not exist is new. */
export async function isNewer(output: URL, inputs: readonly URL[]): Promise<boolean> {
  const built = await modifiedAt(output);
  if (built === undefined) return false;
  for (const input of inputs) {
    if ((await modifiedAt(input) ?? Infinity) >= built) return false;
  }
  return true;
}

/** Returns the path of a `file:` URL. */
export function pathOf(file: URL): string {
  return decodeURIComponent(file.pathname);
}

/** Returns when a file was modified, in milliseconds since 1970; undefined if there is no such file. */
async function modifiedAt(file: URL): Promise<number | undefined> {
  try {
    return (await Deno.stat(file)).mtime?.getTime();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
