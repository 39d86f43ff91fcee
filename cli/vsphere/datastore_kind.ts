/** The kind of file system that a disk of a machine lies on. */

import { parseDatastorePath } from "./datastore_file.ts";
import { readProperties } from "./properties.ts";
import type { VsphereSession } from "./session.ts";
import { type ObjectRef, refIn } from "./soap/envelope.ts";
import { childrenOf } from "./soap/xml.ts";

/** A machine lies on a few datastores. */
const MAX_DATASTORES = 64;

/**
 * Returns the server's name for the kind of the datastore that `path` (`[datastore] folder/file`) names:
 * `VMFS`, `NFS`, `vsan`; undefined if the machine has no such datastore, or the account may not see it.
 *
 * @throws {ServerError} if the server cannot be reached
 */
export async function datastoreKindOf(
  session: VsphereSession,
  machine: ObjectRef,
  { path, signal }: { path: string; signal?: AbortSignal },
): Promise<string | undefined> {
  const { datastore } = parseDatastorePath(path);
  const { values } = await readProperties(session, machine, { paths: ["datastore"], signal });
  const list = childrenOf(values.get("datastore"), "ManagedObjectReference").slice(0, MAX_DATASTORES);
  for (const element of list) {
    const ref = refIn(element, "a datastore");
    const found = await readProperties(session, ref, { paths: ["name", "summary.type"], signal });
    if (found.values.get("name")?.text === datastore) return found.values.get("summary.type")?.text;
  }
  return undefined;
}
