/** The strict test server with one running machine, and a backup of its disk by the clients. */

import { assert } from "@std/assert";
import {
  type ChangeList,
  type ChangeMark,
  changeMarkOf,
  listChanges,
} from "../../cli/vsphere/change_list.ts";
import { datacenterPathOf, findMachine } from "../../cli/vsphere/inventory.ts";
import { readDatastoreFile } from "../../cli/vsphere/datastore_file.ts";
import type { NfcDisk } from "../../cli/vsphere/nfc/disk.ts";
import { chooseDisk, type MachineDiskOptions, openMachineDisk } from "../../cli/vsphere/open_machine_disk.ts";
import { VsphereSession } from "../../cli/vsphere/session.ts";
import { withSnapshot } from "../../cli/vsphere/snapshot.ts";
import { chooseTrust } from "../../cli/vsphere/trust_choice.ts";
import { testWith } from "../support/skip.ts";
import { assertSame } from "./same.ts";

/** The part of the test server's interface that is used here. */
interface Server extends AsyncDisposable {
  readonly control: {
    addMachine(
      spec: { name: string; tracking?: boolean; disks: { bytes: number }[] },
    ): Promise<{ ref: string }>;
    fill(machine: string, key: number, offset: number, length: number, seed?: number): Promise<void>;
    grow(machine: string, key: number, bytes: number): Promise<void>;
    resetTracking(machine: string, key: number): Promise<void>;
    createSnapshot(machine: string, name: string): Promise<string>;
    removeSnapshot(machine: string, ref: string): Promise<void>;
    revertTo(machine: string, ref: string): Promise<void>;
    copyFrozen(machine: string, key: number, snapshot: string, file: string): Promise<unknown>;
    fault(fault: Record<string, unknown>): Promise<number>;
    clear(id: number): Promise<void>;
    settings(changes: Record<string, unknown>): Promise<unknown>;
    expire(): Promise<number>;
    disconnect(): Promise<void>;
    state(): Promise<{ counters: Record<string, number | undefined> }>;
    secrets(): Promise<string[]>;
  };
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly sha1: string;
  readonly folder: string;
  events(name?: string): unknown[];
  assertClean(snapshots?: string[]): Promise<void>;
}

interface ServerModule {
  VsphereServer: { start(options: { vcenter?: boolean; release?: string }): Promise<Server> };
  MISSING_VSPHERE_SERVER: string | undefined;
}

/** Absent until the test server is in the same tree. */
const MODULE = new URL("test_server.ts", import.meta.url);
const hasModule = (() => {
  try {
    return Deno.statSync(MODULE).isFile;
  } catch {
    return false;
  }
})();
const server: ServerModule | undefined = hasModule ? await import(MODULE.href) : undefined;
/** Registers a test that needs the server. */
export function testWithServer(name: string, fn: () => Promise<void>): void {
  if (server !== undefined) testWith({ missing: server.MISSING_VSPHERE_SERVER }, name, fn);
  else Deno.test({ name: `${name} (skipped: the test server is not in this tree)`, ignore: true, fn });
}

export const MIB = 1 << 20;
export const KEY = 2000;
export const BYTES = 12 * MIB;

/** A server with one running machine. */
export class ServerWorld implements AsyncDisposable {
  readonly events: string[] = [];

  private constructor(readonly server: Server, readonly machine: string) {}

  static async create(
    options: { vcenter?: boolean; release?: string } = {},
    bytes = BYTES,
  ): Promise<ServerWorld> {
    const started = await server!.VsphereServer.start(options);
    const { ref } = await started.control.addMachine({ name: "web01", tracking: true, disks: [{ bytes }] });
    const world = new ServerWorld(started, ref);
    // Noise, nothing, something, and an end that is no whole mebibyte of content.
    await world.fill(0, MIB, 1);
    await world.fill(bytes - MIB + 512, 70_144, 2);
    await world.fill(bytes - 99_840, 99_840, 3);
    return world;
  }

  async fill(offset: number, length: number, seed?: number): Promise<void> {
    await this.server.control.fill(this.machine, KEY, offset, length, seed);
  }

  async open(): Promise<VsphereSession> {
    const { host, port, user, password, sha1 } = this.server;
    return await VsphereSession.open(
      { endpoint: { host, port }, trust: await chooseTrust({ thumbprint: sha1 }), user, password },
      { retries: 3, firstWaitMs: 1, onEvent: ({ text }) => this.events.push(text) },
    );
  }

  /** Backs the disk up, and compares what was read with what the server has frozen. */
  async backUp(
    options: MachineDiskOptions = {},
    { since, during }: { since?: ChangeMark; during?: () => Promise<void> } = {},
  ): Promise<{ list?: ChangeList; mark?: ChangeMark; content: Uint8Array }> {
    await using session = await this.open();
    const machine = await findMachine(session, { name: "web01" });
    const path = await datacenterPathOf(session, machine);
    const vmx = new TextDecoder().decode(
      await readDatastoreFile(session, machine.vmxPath!, { datacenterPath: path }),
    );
    assert(vmx.includes("displayName"), vmx);
    const wish = { name: "vmdkbkp", description: "a test", quiesce: "try" as const };
    return await withSnapshot(session, machine, wish, async (snapshot) => {
      const disk = chooseDisk(machine, { key: KEY }, snapshot);
      const list = since && await listChanges(session, {
        machine: machine.ref,
        snapshot: snapshot.ref,
        disk,
        since,
        currentSnapshot: machine.currentSnapshot ?? null,
      });
      const open = await openMachineDisk(session, { machine, disk }, {
        ...{ snapshot, retries: 3, firstWaitMs: 1, patienceMs: 20_000 },
        ...options,
      });
      try {
        await during?.();
        const content = await readMapped(open);
        assertSame(content, await this.frozen(snapshot.ref.value), "the disk of the snapshot");
        return { list, mark: changeMarkOf(disk, machine.currentSnapshot), content };
      } finally {
        await open.close();
      }
    });
  }

  async frozen(snapshot: string): Promise<Uint8Array> {
    const file = await Deno.makeTempFile();
    try {
      await this.server.control.copyFrozen(this.machine, KEY, snapshot, file);
      return await Deno.readFile(file);
    } finally {
      await Deno.remove(file);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
  }
}

/** As the pipeline does: holes are not read. */
async function readMapped(disk: NfcDisk): Promise<Uint8Array> {
  const memory = new Uint8Array(new SharedArrayBuffer(disk.capacityBytes));
  for (let at = 0; at < memory.length;) {
    const { endBytes, zero } = await disk.extentAt(at);
    if (!zero) await disk.read(memory.subarray(at, endBytes), at);
    at = endBytes;
  }
  return memory;
}
