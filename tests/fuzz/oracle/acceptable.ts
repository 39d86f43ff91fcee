/** How the oracles say no. */

/** The bytes are not what the format says. */
export class NotAcceptable extends Error {
  override name = "NotAcceptable";
}

/** @throws {NotAcceptable} unless the format's condition holds */
export function demand(condition: boolean): asserts condition {
  if (!condition) throw new NotAcceptable();
}

/** What `read` gives; undefined where it finds that the bytes are not what the format says. */
export async function acceptable<T>(read: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof NotAcceptable) return undefined;
    throw error;
  }
}
