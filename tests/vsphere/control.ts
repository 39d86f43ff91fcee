/** What the control URL of the test server takes and gives; `server/README.md` has the list of faults. */

/** A machine to make. */
export interface MachineSpec {
  name: string;
  /** Path below the folder of machines; what is missing of it is made. */
  folder?: string;
  datastore?: string;
  /** Number of the host, for a vCenter with several. */
  host?: number;
  /** Not powered on. */
  off?: boolean;
  /** VMware Tools do not run in it, so that it cannot be quiesced. */
  noTools?: boolean;
  /** Change tracking is on from the start. */
  tracking?: boolean;
  disks: DiskSpec[];
}

/** A disk to make. */
export interface DiskSpec {
  bytes: number;
  /** A file that becomes the disk and that the machine writes to; without it the disk is empty. */
  file?: string;
  /** Disk mode of the API: `independent_persistent`, for instance. */
  mode?: string;
  /** Makes the disk a mapped device. */
  rdm?: "physicalMode" | "virtualMode";
  /** Leaves the disk out of change tracking. */
  untracked?: boolean;
  /** Unit of change tracking, 65536 if absent. */
  trackingBytes?: number;
}

/** A machine that was made. */
export interface Machine {
  /** Value of its reference: `vm-12`. */
  ref: string;
  uuid: string;
  /** Its configuration file: `[datastore1] web01/web01.vmx`. */
  vmx: string;
  disks: MachineDisk[];
}

/** A disk of it. */
export interface MachineDisk {
  /** Device key: 2000 for the first. */
  key: number;
  /** As the API names it: `[datastore1] web01/web01.vmdk`. */
  path: string;
  /** The file that always has the newest bytes. */
  file: string;
}

/** Something that goes wrong at one place; places and kinds are listed in `server/README.md`. */
export interface Fault {
  at:
    | "call"
    | "folder"
    | "changes"
    | "ticket"
    | "connection"
    | "greeting"
    | "tls"
    | "dialogue"
    | "handshake"
    | "record"
    | "fragment";
  kind: string;
  /** How often the place is passed before it happens. */
  skip?: number;
  /** How often it happens; always if absent. */
  count?: number;
  /** Method of the API, for `call`; every one if absent. */
  method?: string;
  /** `quiesce` for `call`; `443`, `session1` or `session2` for `tls`. */
  when?: string;
  /** Opcode, for `record`. */
  opcode?: number;
  /** Name of a fault of the API, for `call`, and its members. */
  type?: string;
  fields?: Record<string, unknown>;
  text?: string;
  code?: number;
  bytes?: number;
  ms?: number;
  reply?: boolean;
  seed?: number;
}

/** How the server behaves while nothing goes wrong. Those of the data port count for new connections. */
export interface Settings {
  page: number;
  ticketMs: number;
  latencyMs: number;
  order: "" | "shuffled" | "mixed" | "reversed";
  fragmentBytes: number;
  odd: boolean;
  stored: "" | "asked" | "always" | "always-asked";
  maxUnderWay: number;
  noErrorReply: boolean;
  earlyAck: boolean;
  handles: "" | "random";
  tls13: boolean;
  taskMs: number;
  missing: string[];
  noReads: boolean;
  seed: number;
}

/** What the server has counted, and what is open. */
export interface State {
  counters: Partial<Record<Counter, number>> & { sessionsOpen: number };
  machines: { machine: string; name: string; running: boolean; snapshots: string[] }[];
  /** Those that may still happen. */
  faults: (Fault & { id: number })[];
}

export type Counter =
  | "aborted"
  | "bytesRead"
  | "bytesWritten"
  | "calls"
  | "changeQueries"
  | "connections"
  | "connectionsMost"
  | "connectionsOpen"
  | "disksMost"
  | "disksOpen"
  | "logins"
  | "loginsRefused"
  | "logouts"
  | "reads"
  | "readsMost"
  | "readsMostOnOne"
  | "readsUnderWay"
  | "refused"
  | "sessionsExpired"
  | "sessionsMost"
  | "sessionsOpen"
  | "tickets"
  | "violations";

/** One line of the log. */
export interface LogEvent {
  event: string;
  ms: number;
  [field: string]: unknown;
}

/** A client of the control URL. */
export class Control {
  readonly url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.url = url;
    this.#token = token;
  }

  async #send<Answer>(command: string, request: object): Promise<Answer> {
    const response = await fetch(`${this.url}/${command}`, {
      method: "POST",
      headers: { authorization: `Bearer ${this.#token}` },
      body: JSON.stringify(request),
    });
    const answer = await response.text();
    if (!response.ok) throw new Error(`Cannot ${command}: ${response.status} ${answer}`);
    return JSON.parse(answer);
  }

  addMachine(spec: MachineSpec): Promise<Machine> {
    return this.#send("machine", spec);
  }

  async removeMachine(machine: string): Promise<void> {
    await this.#send("remove-machine", { machine });
  }

  /** Switches a machine on or off. */
  async power(machine: string, on: boolean): Promise<void> {
    await this.#send("power", { machine, on });
  }

  /** Writes bytes into a disk, as what runs in the machine does. */
  async write(machine: string, key: number, offset: number, bytes: Uint8Array): Promise<void> {
    let text = "";
    for (const byte of bytes) text += String.fromCharCode(byte);
    await this.#send("write", { machine, key, offset, data: btoa(text) });
  }

  /** Writes random bytes, the same for the same seed, or zeros without one. */
  async fill(machine: string, key: number, offset: number, length: number, seed?: number): Promise<void> {
    await this.#send("write", { machine, key, offset, length, seed });
  }

  async grow(machine: string, key: number, bytes: number): Promise<void> {
    await this.#send("grow", { machine, key, bytes });
  }

  /** Locks a disk, as while its file is being copied. */
  async lock(machine: string, key: number, locked: boolean): Promise<void> {
    await this.#send("lock", { machine, key, locked });
  }

  /** Voids all change ids so far, of one disk or of all. */
  async resetTracking(machine: string, key = 0): Promise<void> {
    await this.#send("reset-tracking", { machine, key });
  }

  /** Makes a snapshot that is not ours, and returns its reference. */
  async createSnapshot(machine: string, name: string): Promise<string> {
    return (await this.#send<{ ref: string }>("snapshot", { machine, create: name })).ref;
  }

  async removeSnapshot(machine: string, ref: string): Promise<void> {
    await this.#send("snapshot", { machine, remove: ref });
  }

  /** Makes the disks what they were at a snapshot, and switches the machine off. */
  async revertTo(machine: string, ref: string): Promise<void> {
    await this.#send("snapshot", { machine, revertTo: ref });
  }

  /** Copies what a snapshot has frozen of a disk into a sparse file. */
  copyFrozen(
    machine: string,
    key: number,
    snapshot: string,
    file: string,
  ): Promise<{ changeId: string; path: string }> {
    return this.#send("frozen", { machine, key, snapshot, file });
  }

  /** Arms a fault and returns its number. */
  async fault(fault: Fault): Promise<number> {
    return (await this.#send<{ id: number }>("fault", fault)).id;
  }

  /** Disarms a fault, or all. */
  async clear(id = 0): Promise<void> {
    await this.#send("clear", { id });
  }

  /** Changes some settings and returns all. */
  settings(changes: Partial<Settings>): Promise<Settings> {
    return this.#send("settings", changes);
  }

  /** Ends all sessions of the management port, and returns how many there were. */
  async expire(): Promise<number> {
    return (await this.#send<{ sessions: number }>("expire", {})).sessions;
  }

  /** Cuts all connections of the data port. */
  async disconnect(): Promise<void> {
    await this.#send("disconnect", {});
  }

  state(): Promise<State> {
    return this.#send("state", {});
  }

  /** Sets the counters back to 0, but for those of what is open. */
  async resetCounters(): Promise<void> {
    await this.#send("reset-counters", {});
  }

  /** Everything that must appear in no log, no message and no list of processes. */
  async secrets(): Promise<string[]> {
    const { password, cookies, tickets } = await this.#send<
      { password: string; cookies: string[]; tickets: string[] }
    >("secrets", {});
    return [password, ...cookies, ...tickets];
  }
}
