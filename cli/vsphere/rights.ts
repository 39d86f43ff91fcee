/** Which rights an account lacks for backing up a machine. */

import { ProtocolError } from "./errors.ts";
import type { VsphereSession } from "./session.ts";
import { type ObjectRef, refElement, textElement } from "./soap/envelope.ts";
import { VsphereFault } from "./soap/fault.ts";
import { booleanAt, childrenOf } from "./soap/xml.ts";

/**
 * What each privilege is for. That of the ticket is a guess by its name: which one the data port needs is not documented.
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

/**
 * The privileges that the account of the session lacks on `entity`; undefined if the server does not tell.
 *
 * @throws {ServerError} if the server cannot be reached
 */
export async function missingPrivileges(
  session: VsphereSession,
  entity: ObjectRef,
  { signal }: { signal?: AbortSignal } = {},
): Promise<BackupPrivilege[] | undefined> {
  const { authorizationManager } = session.content;
  if (authorizationManager === undefined) return undefined;
  const names = Object.keys(BACKUP_PRIVILEGES) as BackupPrivilege[];
  const args = refElement("entity", entity) + textElement("sessionId", session.sessionKey) +
    names.map((name) => textElement("privId", name)).join("");
  try {
    const answer = await session.call("HasPrivilegeOnEntity", authorizationManager, args, { signal });
    const granted = childrenOf(answer, "returnval").map((value) => booleanAt(value));
    if (granted.length !== names.length) {
      throw new ProtocolError(
        `the server was asked for ${names.length} privileges and tells of ${granted.length}`,
      );
    }
    return names.filter((_, i) => granted[i] !== true);
  } catch (error) {
    if (error instanceof VsphereFault) return undefined;
    throw error;
  }
}
