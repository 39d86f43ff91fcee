/** The rights that an account lacks for backing up a machine. */

import type { VsphereSession } from "./session.ts";
import { formatRef, type ObjectRef, refElement, refIn, textElement } from "./soap/envelope.ts";
import { VsphereFault } from "./soap/fault.ts";
import { booleanAt, childOf, childrenOf, textAt } from "./soap/xml.ts";

/**
 * The purpose of each privilege. That of the ticket is a guess by its name: the one that the data port needs
 * is not documented.
 */
export const BACKUP_PRIVILEGES = {
  "VirtualMachine.State.CreateSnapshot": "to take snapshots",
  "VirtualMachine.State.RemoveSnapshot": "to remove them",
  "VirtualMachine.Config.ChangeTracking": "to switch on change tracking",
  "VirtualMachine.Provisioning.DiskRandomRead": "to read disks and to ask for changed areas",
  "VirtualMachine.Provisioning.GetVmFiles": "to get a ticket for disks, and to read the files of the machine",
} as const;

/** The name of a privilege, as vSphere has it. */
export type BackupPrivilege = keyof typeof BACKUP_PRIVILEGES;

/** Entities in a call. */
const ENTITIES_AT_A_TIME = 50;

/**
 * The privileges that the account of the session lacks, by entity as `formatRef` writes it; undefined if the
 * server does not tell.
 *
 * @throws {ServerError} if the server cannot be reached
 */
export async function missingPrivileges(
  session: VsphereSession,
  entities: readonly ObjectRef[],
  { signal }: { signal?: AbortSignal } = {},
): Promise<Map<string, BackupPrivilege[]> | undefined> {
  const { authorizationManager } = session.content;
  if (authorizationManager === undefined) return undefined;
  const names = Object.keys(BACKUP_PRIVILEGES) as BackupPrivilege[];
  const missing = new Map<string, BackupPrivilege[]>();
  try {
    for (let at = 0; at < entities.length; at += ENTITIES_AT_A_TIME) {
      const some = entities.slice(at, at + ENTITIES_AT_A_TIME);
      const args = some.map((entity) => refElement("entity", entity)).join("") +
        textElement("sessionId", session.sessionKey) + names.map((name) =>
          textElement("privId", name)
        ).join("");
      const answer = await session.call("HasPrivilegeOnEntities", authorizationManager, args, { signal });
      for (const value of childrenOf(answer, "returnval")) {
        const granted = childrenOf(value, "privAvailability").filter((right) => booleanAt(right, "isGranted"))
          .map((right) => textAt(right, "privId"));
        missing.set(
          formatRef(refIn(childOf(value, "entity"), "an entity")),
          names.filter((name) => !granted.includes(name)),
        );
      }
    }
    return missing;
  } catch (error) {
    if (error instanceof VsphereFault) return undefined;
    throw error;
  }
}
