/**
 * A host on loopback: its management interface with one running machine, and its data port; for tests only.
 */

import { type Machine, readMachine } from "../../cli/vsphere/machine.ts";
import type { SessionOptions, VsphereSession } from "../../cli/vsphere/session.ts";
import { readSnapshot, type SnapshotDisks } from "../../cli/vsphere/snapshot.ts";
import type { DiskPeerOptions } from "./nfc/disk_peer.ts";
import { PortPeer, type PortPeerOptions } from "./nfc/port_peer.ts";
import {
  devices,
  diskDevice,
  Inventory,
  machineProperties,
  type RecordedMachine,
  snapshotTree,
} from "./inventory_server.ts";

/** The file of the snapshot, and the one that the machine writes to. */
export const FROZEN = "[ds1] web01/web01.vmdk";
export const LIVE = "[ds1] web01/web01-000001.vmdk";

/** The world of a test. */
export class DataPortWorld implements AsyncDisposable {
  /** Session ids of all tickets that were given. */
  readonly tickets: string[] = [];

  private constructor(readonly inventory: Inventory, readonly port: PortPeer) {}

  static async create(
    options: Omit<PortPeerOptions, "path"> & Partial<Pick<DiskPeerOptions, "path">>,
    { machine = {}, apiType = "HostAgent" }: {
      machine?: Partial<RecordedMachine>;
      apiType?: "HostAgent" | "VirtualCenter";
    } = {},
  ): Promise<DataPortWorld> {
    const isHost = apiType === "HostAgent";
    const port = await PortPeer.start({ path: FROZEN, service: isHost ? "nfc" : "vpxa-nfc", ...options });
    // On a host, one certificate is that of both ports.
    const inventory = await Inventory.start({
      apiType,
      ...(isHost ? { certificate: port.certificate } : {}),
    });
    const world = new DataPortWorld(inventory, port);
    const capacityBytes = options.capacityBytes ?? options.content.length;
    inventory.objects.set(
      "VirtualMachine:vm-1",
      machineProperties({
        ...{ moref: "vm-1", name: "web01", snapshot: snapshotTree([["snapshot-70", "vmdkbkp"]]) },
        disks: [diskDevice({ path: LIVE, parents: [FROZEN], capacityBytes })],
        ...machine,
      }),
    );
    inventory.objects.set("VirtualMachineSnapshot:snapshot-70", {
      "config.hardware.device": devices([
        diskDevice({ path: FROZEN, capacityBytes, changeId: "52 2d bb/4" }),
      ]),
    });
    const service = isHost ? "ha-nfc-service" : "nfcService";
    inventory.server.on(
      "RetrieveInternalContent",
      () =>
        `<returnval><other type="Other">x</other><nfcService type="NfcService">${service}</nfcService></returnval>`,
    );
    inventory.server.on("NfcGetVmFiles", ({ target }) => target === service ? world.giveTicket(isHost) : "");
    return world;
  }

  /** The answer to `NfcGetVmFiles`, as a host or a vCenter writes it. */
  giveTicket(isHost: boolean): string {
    const { endpoint, service, sessionId, thumbprint } = this.port.ticket();
    this.tickets.push(sessionId);
    return `<returnval>${isHost ? "" : `<host>${endpoint.host}</host>`}<port>${endpoint.port}</port>` +
      `<sslThumbprint>${thumbprint.text}</sslThumbprint><service>${service}</service>` +
      `<serviceVersion>1.1</serviceVersion><sessionId>${sessionId}</sessionId></returnval>`;
  }

  async open(
    options: SessionOptions = {},
  ): Promise<{ session: VsphereSession; machine: Machine; snapshot: SnapshotDisks }> {
    const session = await this.inventory.server.open(options);
    return {
      session,
      machine: await readMachine(session, { type: "VirtualMachine", value: "vm-1" }),
      snapshot: await readSnapshot(session, { type: "VirtualMachineSnapshot", value: "snapshot-70" }),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.port[Symbol.asyncDispose]();
    await this.inventory[Symbol.asyncDispose]();
  }
}
