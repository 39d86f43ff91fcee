/** Examines a server without changing it: for `doctor`. */

import { ServerError } from "../errors.ts";
import { reasonOf } from "./errors.ts";
import { listMachines } from "./inventory.ts";
import { allSnapshots, type Machine } from "./machine.ts";
import { obstacleOf } from "./machine_disk.ts";
import { probeDataPort } from "./nfc/data_port.ts";
import { formatEndpoint } from "./net/tcp_link.ts";
import { thumbprintOf } from "./net/trust.ts";
import { type BackupPrivilege, missingPrivileges } from "./rights.ts";
import { type ServerLogin, type SessionOptions, VsphereSession } from "./session.ts";
import { formatRef } from "./soap/envelope.ts";
import { takeTicket } from "./ticket.ts";
import { trackingObstacle } from "./tracking.ts";

/** The findings; a part that is absent was not reached. */
export interface ServerFindings {
  /** `host:port`. */
  server: string;
  /** The reason why there is no session. */
  failure?: string;
  /** `VMware ESXi 8.0.1 build-21495797`. */
  fullName?: string;
  isVCenter?: boolean;
  apiVersion?: string;
  thumbprints?: { sha1: string; sha256: string };
  dataPorts?: DataPortFindings[];
  machines?: MachineFindings[];
  /** Problems that did not end the examination. */
  remarks: string[];
}

/** The answer of a host's data port. */
export interface DataPortFindings {
  /** `host:port`, if a ticket was had. */
  address?: string;
  /** The machine whose ticket was used. */
  machine: string;
  failure?: string;
  /** `VMware Authentication Daemon Version 1.10`. */
  version?: string;
  items?: string[];
  thumbprints?: { sha1: string; sha256: string };
}

/** The state of a machine, as far as it matters for backups. */
export interface MachineFindings {
  name: string;
  moref: string;
  isPoweredOn: boolean;
  snapshotCount: number;
  tracking: "on" | "off" | "not supported";
  /** The reason why changed blocks cannot be had from the server. */
  trackingObstacle?: string;
  needsConsolidation: boolean;
  /** Disks that a snapshot leaves out, by their labels. */
  obstacles: { disk: string; reason: string }[];
  /** Undefined if the server does not tell. */
  missingPrivileges?: BackupPrivilege[];
}

/** The longest wait for an answer. */
const PATIENCE_MS = 20_000;
/** Hosts whose data ports are tried. */
const MAX_HOSTS = 64;

/**
 * Looks at a server without changing anything. What fails is a finding; nothing is thrown but the signal's
 * reason.
 */
export async function examineServer(
  login: ServerLogin,
  options: Omit<SessionOptions, "onEvent"> = {},
): Promise<ServerFindings> {
  const findings: ServerFindings = { server: formatEndpoint(login.endpoint), remarks: [] };
  try {
    await using session = await VsphereSession.open(login, {
      retries: 0,
      ...options,
      onEvent: ({ text }) => findings.remarks.push(text),
    });
    const { fullName, isVCenter, apiVersion } = session.content;
    Object.assign(findings, {
      fullName,
      isVCenter,
      apiVersion,
      thumbprints: bothThumbprints(session.certificate),
    });
    const { signal } = options;
    const machines = await listMachines(session, { signal });
    const missing = await missingPrivileges(session, machines.map(({ ref }) => ref), { signal });
    findings.machines = machines.map((machine) =>
      examineMachine(machine, missing?.get(formatRef(machine.ref)))
    );
    findings.dataPorts = [];
    for (const machine of onePerHost(machines)) {
      findings.dataPorts.push(await examinePort(session, machine, signal));
    }
  } catch (error) {
    options.signal?.throwIfAborted();
    if (!(error instanceof ServerError)) throw error;
    findings.failure = reasonOf(error);
  }
  return findings;
}

function examineMachine(machine: Machine, missingPrivileges: BackupPrivilege[] | undefined): MachineFindings {
  const { tracking } = machine;
  return {
    name: machine.name,
    moref: machine.ref.value,
    isPoweredOn: machine.isPoweredOn,
    snapshotCount: allSnapshots(machine).length,
    tracking: !tracking.isSupported ? "not supported" : tracking.isEnabled ? "on" : "off",
    trackingObstacle: trackingObstacle(machine),
    needsConsolidation: machine.needsConsolidation,
    obstacles: machine.disks.flatMap((disk) => {
      const reason = obstacleOf(disk);
      return reason === undefined ? [] : [{ disk: disk.label, reason }];
    }),
    missingPrivileges,
  };
}

/** The first connected machine of each host. */
function onePerHost(machines: readonly Machine[]): Machine[] {
  const byHost = new Map<string, Machine>();
  for (const machine of machines) {
    const host = machine.host === undefined ? "" : formatRef(machine.host);
    if (machine.connectionState === "connected" && !byHost.has(host)) byHost.set(host, machine);
  }
  return [...byHost.values()].slice(0, MAX_HOSTS);
}

async function examinePort(
  session: VsphereSession,
  machine: Machine,
  signal?: AbortSignal,
): Promise<DataPortFindings> {
  const findings: DataPortFindings = { machine: machine.name };
  try {
    const ticket = await takeTicket(session, machine, { signal });
    findings.address = formatEndpoint(ticket.endpoint);
    const found = await probeDataPort(ticket, { isEncrypted: true, patienceMs: PATIENCE_MS, signal });
    findings.version = found.greeting.version;
    findings.items = [...found.greeting.items];
    findings.thumbprints = bothThumbprints(found.certificate);
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof ServerError)) throw error;
    findings.failure = reasonOf(error);
  }
  return findings;
}

function bothThumbprints(certificate: Uint8Array): { sha1: string; sha256: string } {
  return { sha1: thumbprintOf(certificate, "SHA-1").text, sha256: thumbprintOf(certificate, "SHA-256").text };
}
