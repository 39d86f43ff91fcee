/** A disk of a machine on an ESXi host or a vCenter, which is read without VMware's library. */

import type { Extent } from "../disks/disk.ts";
import { finishBeforeExit } from "../files/last_work.ts";
import { listChanges } from "../vsphere/change_list.ts";
import { findMachineOf } from "../vsphere/inventory.ts";
import { type Machine, readMachine } from "../vsphere/machine.ts";
import type { MachineDisk } from "../vsphere/machine_disk.ts";
import type { Endpoint } from "../vsphere/net/tcp_link.ts";
import { checkRuntime } from "../vsphere/net/trust.ts";
import type { NfcDisk } from "../vsphere/nfc/disk.ts";
import { chooseDisk, openMachineDisk } from "../vsphere/open_machine_disk.ts";
import { type ServerEvent, type ServerLogin, VsphereSession } from "../vsphere/session.ts";
import { chooseSnapshot, readSnapshot, type SnapshotDisks } from "../vsphere/snapshot.ts";
import { chooseTrust } from "../vsphere/trust_choice.ts";
import type {
  ChangedAreas,
  DiskHost,
  DiskProvider,
  DiskPurpose,
  EarlierState,
  ProvidedDisk,
  ProviderReport,
} from "./disk_source.ts";

/** A server, and an account on it. */
export interface ServerAccount {
  endpoint: Endpoint;
  user: string;
  /** Asks for the password. */
  password: (host: Pick<DiskHost, "signal" | "warn">) => Promise<string>;
  /** SHA-1 or SHA-256 of the server's certificate in hexadecimal digits. It or `caFile` is needed. */
  thumbprint?: string;
  /** A file with the certificates of authorities (PEM), one of which has signed the server's. */
  caFile?: string;
}

/** A disk of a server. */
export interface ServerDiskRequest {
  account: ServerAccount;
  /** The machine: its name, `moref=vm-16`, `uuid=...`, or its inventory path. */
  vm: string;
  /** The snapshot, by its name or reference. A running machine needs one. */
  snapshot?: string;
  /** `[datastore] folder/disk.vmdk`: the file of any link of the disk. */
  path: string;
  /** Reads under way at a time, 1 to 32; 16 by default. */
  window?: number;
  /** The number of further tries of a read or a connection, in a row; 10 by default. */
  retries?: number;
  /** Milliseconds before the first of them, doubled each time; 1000 by default. */
  firstWaitMs?: number;
  /** Milliseconds after which a host that is silent counts as gone; 60 000 by default. */
  patienceMs?: number;
  /** `-` if the password comes from standard input, which archives may want as well. */
  inputs?: readonly string[];
}

/** The management port is asked a few times only: a server that is not there should be reported soon. */
const MANAGEMENT_RETRIES = 3;

/** Opens the disk, and collects what is to be said of the session. */
export class ServerDisk implements DiskProvider<OpenServerDisk>, AsyncDisposable {
  readonly inputs: readonly string[];
  /** Problems that did not end the job. */
  readonly events: ServerEvent[] = [];
  readonly #request: ServerDiskRequest;
  #opened?: OpenServerDisk;

  constructor(request: ServerDiskRequest) {
    this.#request = request;
    this.inputs = request.inputs ?? [];
  }

  /**
   * Logs in, finds the machine, the snapshot and the disk, and opens it.
   *
   * @throws {ServerError} if the server, the machine or the disk cannot be used, or if the machine is running
   *   and writes to the disk
   * @throws {UsageError} if nothing proves which server it is
   */
  async open(host: DiskHost, { mapped: isMapped }: DiskPurpose): Promise<OpenServerDisk> {
    const { vm, snapshot: wanted, path, window, retries = 10, firstWaitMs, patienceMs } = this.#request;
    const { signal } = host;
    const session = await this.#logIn(host);
    const machine = await findMachineOf(session, vm, { signal });
    const snapshot = wanted === undefined
      ? undefined
      : await readSnapshot(session, chooseSnapshot(machine, wanted), { signal });
    const disk = chooseDisk(machine, { path }, snapshot);
    // This thread waits for the network from now on, and should not be hashing.
    host.expectWork();
    const options = { name: path, snapshot, window, retries, firstWaitMs, patienceMs, isMapped, signal };
    const port = await openMachineDisk(session, { machine, disk }, definedOf(options));
    return this.#opened = host.using(new OpenServerDisk(port, { session, machine, disk, snapshot, signal }));
  }

  /** Lines and values for a report, when the job has ended. */
  report(): ProviderReport {
    return {
      text: this.events.map(({ kind, text }) => `  ${kind}: ${text}`),
      json: {
        transport: {
          name: "nfc",
          host: this.#opened?.host,
          bytesRead: this.#opened?.bytesRead,
          events: this.events,
        },
      },
    };
  }

  /** The job that opens the disk also ends the session: there is nothing left to do. */
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  async #logIn(host: DiskHost): Promise<VsphereSession> {
    const { retries = MANAGEMENT_RETRIES, firstWaitMs, account } = this.#request;
    const { signal } = host;
    const login = await loginOf(account, host);
    const session = await VsphereSession.open(
      login,
      definedOf({
        signal,
        retries: Math.min(retries, MANAGEMENT_RETRIES),
        firstWaitMs,
        onEvent: (event: ServerEvent) => {
          this.events.push(event);
          host.warn(event.text);
        },
      }),
    );
    return host.using(new EndingSession(session, signal)).session;
  }
}

/**
 * Reads the certificates of authorities, then asks for the password.
 *
 * @throws {UsageError} if nothing proves which server it is, or there is no password
 * @throws {TrustError} on a Deno that a server with another key can deceive
 */
export async function loginOf(
  { endpoint, user, thumbprint, caFile, password }: ServerAccount,
  host: Pick<DiskHost, "signal" | "warn">,
): Promise<ServerLogin> {
  // Each connection is checked as well; here before the user types a password in vain.
  checkRuntime();
  const trust = await chooseTrust({ thumbprint, caFile });
  return { endpoint, trust, user, password: await password(host) };
}

/** A session that is logged out when its job ends, or at once when the job is stopped. */
class EndingSession implements AsyncDisposable {
  readonly #signal?: AbortSignal;
  // The job may be waiting for a pipe, and never get to its own clean-up.
  readonly #onAbort = () => finishBeforeExit(this.session.logOut());

  constructor(readonly session: VsphereSession, signal: AbortSignal | undefined) {
    this.#signal = signal;
    signal?.addEventListener("abort", this.#onAbort);
    if (signal?.aborted) this.#onAbort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#signal?.removeEventListener("abort", this.#onAbort);
    await this.session.logOut();
  }
}

/** The parts of the server that belong to an open disk. */
interface Place {
  session: VsphereSession;
  machine: Machine;
  disk: MachineDisk;
  snapshot?: SnapshotDisks;
  signal?: AbortSignal;
}

/** An open disk of a server. */
export class OpenServerDisk implements ProvidedDisk, AsyncDisposable {
  readonly files: readonly string[] = [];
  readonly overlaps = true;
  readonly path: string;
  readonly format: string;
  readonly capacityBytes: number;
  readonly adapterType: number;
  readonly metadata: ReadonlyMap<string, string>;
  readonly #port: NfcDisk;
  readonly #place: Place;

  constructor(port: NfcDisk, place: Place) {
    this.#port = port;
    this.#place = place;
    const { path, format, capacityBytes, adapterType, metadata } = port;
    [this.path, this.format, this.capacityBytes] = [path, format, capacityBytes];
    [this.adapterType, this.metadata] = [adapterType, metadata];
  }

  /** The host that the disk is read from. */
  get host(): string {
    return this.#port.host;
  }

  /** Bytes that were asked of the host. */
  get bytesRead(): number {
    return this.#port.bytesRead;
  }

  /** The server's id for the state in the snapshot; undefined if its changes are not tracked. */
  get changeId(): string | undefined {
    return this.#place.snapshot === undefined ? undefined : this.#place.disk.changeId;
  }

  extentAt(offsetBytes: number): Promise<Extent> {
    return this.#port.extentAt(offsetBytes);
  }

  read(into: Uint8Array, offsetBytes: number): Promise<void> {
    return this.#port.read(into, offsetBytes);
  }

  /** Asks for the areas that have changed between an earlier state and the snapshot. */
  async changesSince(earlier: EarlierState): Promise<ChangedAreas> {
    const { session, machine, disk, snapshot, signal } = this.#place;
    if (snapshot === undefined) return { reason: "changes are listed for snapshots only: name one" };
    const query = { machine: machine.ref, snapshot: snapshot.ref, disk, since: earlier, signal };
    const list = await listChanges(session, query);
    return list.kind === "changes" ? { areas: list.areas } : { reason: list.reason };
  }

  /** A disk outside a snapshot changes when its machine is switched on. */
  async changes(): Promise<string[]> {
    const { session, machine, snapshot, signal } = this.#place;
    if (snapshot !== undefined || machine.isPoweredOn) return [];
    const now = await readMachine(session, machine.ref, { signal });
    return now.isPoweredOn ? ["its machine was switched on"] : [];
  }

  close(): Promise<void> {
    return this.#port.close();
  }

  [Symbol.dispose](): void {
    this.#port[Symbol.dispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#port.close();
  }
}

/** Without the properties that are undefined, which would override defaults. */
function definedOf<T extends object>(given: T): T {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as T;
}
