/**
 * Reads a disk through a server that standard input names, and prints what it has read; started by a test.
 */

import { listChanges } from "../../cli/vsphere/change_list.ts";
import { findMachine } from "../../cli/vsphere/inventory.ts";
import { chooseDisk, openMachineDisk } from "../../cli/vsphere/open_machine_disk.ts";
import { type ServerLogin, VsphereSession } from "../../cli/vsphere/session.ts";
import { readSnapshot } from "../../cli/vsphere/snapshot.ts";

const login: ServerLogin = JSON.parse(await new Response(Deno.stdin.readable).text());
{
  await using session = await VsphereSession.open(login);
  const machine = await findMachine(session, { name: "web01" });
  const snapshot = await readSnapshot(session, machine.currentSnapshot!);
  const disk = chooseDisk(machine, { key: 2000 }, snapshot);
  const since = { changeId: "52 2d bb/3", capacityBytes: disk.capacityBytes };
  const changes = await listChanges(session, { machine: machine.ref, snapshot: snapshot.ref, disk, since });
  await using open = await openMachineDisk(session, { machine, disk }, { snapshot, compression: "zlib" });
  const memory = new Uint8Array(open.capacityBytes);
  await open.read(memory, 0);
  const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", memory));
  console.log(JSON.stringify({ sum: [...sum], changes: changes.kind }));
}
