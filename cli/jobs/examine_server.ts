/** Examines a server without changing it: what a backup without VMware's library finds there. */

import { finishBeforeExit } from "../files/last_work.ts";
import { examineServer, type ServerFindings } from "../vsphere/examine.ts";
import { TrustError } from "../vsphere/errors.ts";
import { formatEndpoint } from "../vsphere/net/tcp_link.ts";
import { BACKUP_PRIVILEGES } from "../vsphere/rights.ts";
import { loginOf, type ServerAccount } from "./server_disk.ts";

export type { MachineFindings, ServerFindings } from "../vsphere/examine.ts";

/** The findings, and a verdict. */
export interface ServerExamination extends ServerFindings {
  /** There is a session, a machine is visible, and the data port of each host answers. */
  usable: boolean;
}

/**
 * Logs in and looks. Failures are findings.
 *
 * @throws {UsageError} if nothing proves which server it is, or there is no password
 * @throws the reason of `signal`
 */
export async function examineAccount(
  account: ServerAccount,
  host: { signal?: AbortSignal; warn: (line: string) => void },
): Promise<ServerExamination> {
  const examining = examine(account, host);
  // The session is logged out also when the signal stops the examination.
  finishBeforeExit(examining);
  const findings = await examining;
  const ports = findings.dataPorts ?? [];
  const usable = findings.failure === undefined && ports.length > 0 &&
    ports.every(({ failure }) => failure === undefined);
  return { ...findings, usable };
}

async function examine(
  account: ServerAccount,
  host: { signal?: AbortSignal; warn: (line: string) => void },
): Promise<ServerFindings> {
  try {
    return await examineServer(await loginOf(account, host), { signal: host.signal });
  } catch (error) {
    // This Deno cannot connect to any server.
    if (!(error instanceof TrustError)) throw error;
    return { server: formatEndpoint(account.endpoint), failure: error.message, remarks: [] };
  }
}

/** Returns what a privilege is for, after its name: `VirtualMachine.State.CreateSnapshot (to take snapshots)`. */
export function explainPrivilege(name: keyof typeof BACKUP_PRIVILEGES): string {
  return `${name} (${BACKUP_PRIVILEGES[name]})`;
}
