/** The test server for vSphere, as a process: an ESXi host or a vCenter on loopback, with its data port. */

import { assertEquals } from "@std/assert";
import { buildVsphereServer, findGo } from "../../scripts/vsphere_server.ts";
import { Control, type LogEvent } from "./control.ts";

/** Why tests with the server cannot run, if they cannot. */
export const MISSING_VSPHERE_SERVER: string | undefined = findGo() === undefined
  ? "the test server for vSphere needs Go 1.19 or newer"
  : undefined;

/** How to start a server. */
export interface VsphereServerOptions {
  /** A vCenter and not an ESXi host. */
  vcenter?: boolean;
  /** Release of the product, `8.0.3` if absent; 7.x has version 9 of the data port's protocol, 8.x version 11. */
  release?: string;
  user?: string;
  password?: string;
  /** Names of datastores, `datastore1` if absent. */
  datastores?: string[];
  /** What they are: `VMFS` if absent. */
  datastoreKind?: string;
  /** Number of hosts of a vCenter, 1 if absent. */
  hosts?: number;
  /** Address of the data port, `127.0.0.1:0` if absent. */
  dataAddress?: string;
  /** Folder for the disks, a temporary one that is removed at the end if absent. */
  folder?: string;
}

/** What the server tells when it is ready. */
interface Ready {
  host: string;
  port: number;
  dataHost: string;
  dataPort: number;
  user: string;
  password: string;
  sha1: string;
  sha256: string;
  certificate: string;
  log: string;
  control: string;
  token: string;
}

/**
 * A server that runs. It ends with its owner, and also if the process of the tests dies.
 *
 * ```ts
 * await using server = await VsphereServer.start({ vcenter: true });
 * const machine = await server.control.addMachine({ name: "web01", disks: [{ bytes: 64 << 20 }] });
 * ```
 */
export class VsphereServer implements AsyncDisposable {
  /** Changes what happens on the server. */
  readonly control: Control;
  /** Where the disks are. */
  readonly folder: string;
  readonly #ready: Ready;
  readonly #process: Deno.ChildProcess;
  readonly #ownsFolder: boolean;

  private constructor(ready: Ready, process: Deno.ChildProcess, folder: string, ownsFolder: boolean) {
    this.#ready = ready;
    this.#process = process;
    this.folder = folder;
    this.#ownsFolder = ownsFolder;
    this.control = new Control(ready.control, ready.token);
  }

  /** Builds the server if need be, starts it, and waits until it is ready. */
  static async start(options: VsphereServerOptions = {}): Promise<VsphereServer> {
    const program = await buildVsphereServer();
    const folder = options.folder ?? await Deno.makeTempDir({ prefix: "vsphere-server-" });
    const args = ["-watch-stdin", "-folder", folder];
    if (options.vcenter) args.push("-vcenter");
    if (options.release !== undefined) args.push("-release", options.release);
    if (options.user !== undefined) args.push("-user", options.user);
    if (options.password !== undefined) args.push("-password", options.password);
    if (options.datastores !== undefined) args.push("-datastores", options.datastores.join(","));
    if (options.datastoreKind !== undefined) args.push("-datastore-kind", options.datastoreKind);
    if (options.hosts !== undefined) args.push("-hosts", String(options.hosts));
    if (options.dataAddress !== undefined) args.push("-data-address", options.dataAddress);
    // The server watches its standard input: when this process is gone, so is the server.
    const process = new Deno.Command(program, {
      args,
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const ready: Ready = JSON.parse(await firstLine(process.stdout));
    return new VsphereServer(ready, process, folder, options.folder === undefined);
  }

  /** Where the management port is. */
  get host(): string {
    return this.#ready.host;
  }

  get port(): number {
    return this.#ready.port;
  }

  /** Where the data port is. */
  get dataHost(): string {
    return this.#ready.dataHost;
  }

  get dataPort(): number {
    return this.#ready.dataPort;
  }

  get user(): string {
    return this.#ready.user;
  }

  get password(): string {
    return this.#ready.password;
  }

  /** Thumbprints of the certificate of both ports, hexadecimal with colons. */
  get sha1(): string {
    return this.#ready.sha1;
  }

  get sha256(): string {
    return this.#ready.sha256;
  }

  /** The certificate in PEM, which signs itself. */
  get certificate(): string {
    return this.#ready.certificate;
  }

  /** The log so far. */
  events(name?: string): LogEvent[] {
    const lines = Deno.readTextFileSync(this.#ready.log).trimEnd().split("\n");
    const events: LogEvent[] = lines.filter((line) => line !== "").map((line) => JSON.parse(line));
    return name === undefined ? events : events.filter(({ event }) => event === name);
  }

  /**
   * Clients have followed the specification, and nothing of theirs is left: no violations, no sessions, no open
   * disks, no snapshots but those that are named.
   */
  async assertClean(snapshots: string[] = []): Promise<void> {
    const { counters, machines } = await this.control.state();
    assertEquals(this.events("violation"), []);
    assertEquals(counters.sessionsOpen, 0, "sessions without a logout");
    assertEquals(counters.disksOpen ?? 0, 0, "disks that are open");
    assertEquals(machines.flatMap((machine) => machine.snapshots).sort(), [...snapshots].sort());
  }

  /** Stops the server and removes its folder, if it is a temporary one. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.stdin.close();
    await this.#process.status;
    if (this.#ownsFolder) await Deno.remove(this.folder, { recursive: true });
  }
}

/** Reads a line; what follows it is nothing that anybody needs. */
async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  const text = new TextDecoder();
  let line = "";
  const reader = stream.getReader();
  while (!line.includes("\n")) {
    const { done, value } = await reader.read();
    if (done) throw new Error("Cannot start the test server for vSphere: it ended without a word");
    line += text.decode(value, { stream: true });
  }
  await reader.cancel();
  return line;
}
