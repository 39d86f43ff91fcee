/** Disks whose data port is in memory, behind the handshake: for tests of what goes on records. */

import { ConnectionError } from "../../../cli/vsphere/errors.ts";
import { NfcDisk, type NfcDiskOptions } from "../../../cli/vsphere/nfc/disk.ts";
import type { Ticket } from "../../../cli/vsphere/nfc/ticket.ts";
import { parseThumbprint } from "../../../cli/vsphere/net/trust.ts";
import { MemoryLink } from "../memory_link.ts";
import { DiskPeer, type DiskPeerOptions } from "./disk_peer.ts";

export const PATH = "[ds1] web01/web01.vmdk";

/** How the port behaves: for each connection, by its number from 0. */
export type PortBehaviour = (connection: number) => Partial<DiskPeerOptions> | "refuse";

/** A host with one disk. */
export class MemoryPort {
  readonly content: Uint8Array;
  readonly #behaviour: PortBehaviour;
  readonly disks: DiskPeer[] = [];
  readonly links: MemoryLink[] = [];
  readonly events: string[] = [];
  readonly #running: Promise<void>[] = [];
  ticketCount = 0;
  connectionCount = 0;
  /** Another host for each disk, so that tests do not share permits. */
  readonly host = `host-${crypto.randomUUID()}`;

  constructor(content: Uint8Array, behaviour: PortBehaviour = () => ({})) {
    this.content = content;
    this.#behaviour = behaviour;
  }

  /** Options for a disk on this port. */
  options(more: Partial<NfcDiskOptions> = {}): NfcDiskOptions {
    return {
      path: PATH,
      takeTicket: () => Promise.resolve(this.#ticket()),
      isEncrypted: true,
      retries: 3,
      firstWaitMs: 1,
      patienceMs: 20_000,
      onEvent: ({ kind, text }) => this.events.push(`${kind}: ${text}`),
      isMapped: false,
      known: { capacityBytes: this.content.length, adapterType: 3 },
      connect: () => this.#connect(),
      ...more,
    };
  }

  async open(more: Partial<NfcDiskOptions> = {}): Promise<NfcDisk> {
    return await NfcDisk.open(this.options(more));
  }

  /** What the client has done wrong on all connections. */
  get violations(): string[] {
    return this.disks.flatMap(({ violations }) => violations);
  }

  /** Returns when all connections have ended. */
  async settled(): Promise<void> {
    await Promise.all(this.#running);
  }

  #ticket(): Ticket {
    this.ticketCount++;
    return {
      endpoint: { host: this.host, port: 902 },
      service: "nfc",
      sessionId: "52-ticket",
      thumbprint: parseThumbprint("aa".repeat(20)),
    };
  }

  #connect(): Promise<MemoryLink> {
    const behaviour = this.#behaviour(this.connectionCount++);
    if (behaviour === "refuse") {
      return Promise.reject(new ConnectionError("Cannot connect to memory: refused"));
    }
    const [near, far] = MemoryLink.pair();
    const disk = new DiskPeer(far, { content: this.content, path: PATH, ...behaviour });
    this.disks.push(disk);
    this.links.push(near);
    this.#running.push(disk.run());
    return Promise.resolve(near);
  }
}
