/** Reads small files of a datastore: a machine's VMX and NVRAM. */

import { ServerError } from "../errors.ts";
import { shown } from "./errors.ts";
import type { VsphereSession } from "./session.ts";

/** A file of a datastore. */
export interface DatastorePath {
  datastore: string;
  /** Without a slash before it. */
  path: string;
}

/** VMX files have some thousand bytes, NVRAM files some hundred thousand. */
const MAX_BYTES = 32 * 1024 * 1024;

/**
 * The parts of `[datastore] folder/file`.
 *
 * @throws {ServerError} if the text has another form, or leads out of the datastore
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseDatastorePath("[ds 1] web01/web01.vmx"), { datastore: "ds 1", path: "web01/web01.vmx" });
 * ```
 */
export function parseDatastorePath(text: string): DatastorePath {
  const [, datastore, path] = /^\[([^\]]+)\] ?\/?(.+)$/s.exec(text) ?? [];
  if (datastore === undefined || path.split("/").some((part) => part === ".." || part === ".")) {
    throw new ServerError(`Cannot use "${shown(text)}": a path like "[datastore] folder/file" is expected`);
  }
  return { datastore, path };
}

/**
 * The bytes of a file, at most 32 MiB.
 *
 * @param options `datacenterPath` is that of the machine: see `datacenterPathOf`
 * @throws {ServerError} if the server does not send it whole
 */
export async function readDatastoreFile(
  session: VsphereSession,
  text: string,
  { datacenterPath, signal }: { datacenterPath: string; signal?: AbortSignal },
): Promise<Uint8Array<ArrayBuffer>> {
  const { datastore, path } = parseDatastorePath(text);
  const encoded = path.split("/").map(encodeURIComponent).join("/");
  const target = `/folder/${encoded}?dcPath=${encodeURIComponent(datacenterPath)}&dsName=${
    encodeURIComponent(datastore)
  }`;
  return await session.download(target, { maxBytes: MAX_BYTES, what: `"${shown(text)}"`, signal });
}
