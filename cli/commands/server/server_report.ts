/** What `doctor --server` prints. */

import type { explainPrivilege, MachineFindings, ServerExamination } from "../../jobs/examine_server.ts";

/** Returns the purpose of a privilege with its name. */
type Explain = typeof explainPrivilege;

/** Returns the lines for people. */
export function serverLines(found: ServerExamination, explain: Explain): string[] {
  const { server, usable, failure, fullName, apiVersion, thumbprints, dataPorts, machines, remarks } = found;
  return [
    `Disks of ${server} without VMware's library (--transport nfc): ${usable ? "usable" : "not usable"}`,
    ...(fullName === undefined ? [] : [`  product: ${fullName}, API ${apiVersion}`]),
    ...thumbprintLines(thumbprints, "  "),
    ...(failure === undefined ? [] : [`  failure: ${failure}`]),
    ...(dataPorts ?? []).flatMap(({ address, machine, failure, version, thumbprints }) => [
      `  data port ${address ?? "of an unknown host"} (asked for machine "${machine}"): ${
        failure === undefined ? `answers, ${version}` : failure
      }`,
      ...thumbprintLines(thumbprints, "    "),
    ]),
    ...(machines?.length === 0 ? ["  machines: none that this account can see"] : []),
    ...(machines ?? []).flatMap((machine) => machineLines(machine, explain)),
    ...remarks.map((remark) => `  remark: ${remark}`),
  ];
}

function thumbprintLines(found: { sha1: string; sha256: string } | undefined, indent: string): string[] {
  return found === undefined ? [] : [`${indent}SHA-1 ${found.sha1}`, `${indent}SHA-256 ${found.sha256}`];
}

function machineLines(machine: MachineFindings, explain: Explain): string[] {
  const { name, moref, isPoweredOn, snapshotCount, tracking, missingPrivileges } = machine;
  const list = (missingPrivileges ?? []).map((right) => `    missing right: ${explain(right)}`);
  return [
    `  machine "${name}" (${moref}): switched ${isPoweredOn ? "on" : "off"}, ${snapshotCount} snapshots, ` +
    `change tracking ${tracking}`,
    ...(machine.trackingObstacle === undefined ? [] : [`    no changes known: ${machine.trackingObstacle}`]),
    ...(machine.needsConsolidation ? ["    its disks need consolidation"] : []),
    ...machine.obstacles.map(({ disk, reason }) => `    ${disk} is left out: ${reason}`),
    ...(missingPrivileges === undefined ? ["    its rights are not told by the server"] : list),
  ];
}
