/** The test server with one running machine, and a folder in which commands back its disk up. */

import { assert, assertEquals } from "@std/assert";
import { Workspace } from "../integration/workspace.ts";
import { callMain, type CliResult } from "../support/run_cli.ts";
import { MISSING_VSPHERE_SERVER, VsphereServer, type VsphereServerOptions } from "./test_server.ts";

export { MISSING_VSPHERE_SERVER };

export const MIB = 1 << 20;
export const KEY = 2000;
export const BLOCK = ["--blocksize", "65536"];

/** The names of the files of a generation. */
export function outputsOf(world: Workspace, name: string): string[] {
  return ["--dumpout", world.file(`${name}.dump`), "--digestout", world.file(`${name}.digest`)];
}

/** A server with the machine `web01`, and a folder. */
export class RemoteWorld extends Workspace implements AsyncDisposable {
  #snapshots: string[] = [];

  private constructor(
    readonly server: VsphereServer,
    /** The reference of the machine. */
    readonly machine: string,
    /** `[datastore1] web01/web01.vmdk`. */
    readonly diskPath: string,
    /** The file that always has the bytes that the machine has written last. */
    readonly live: string,
  ) {
    super();
  }

  static async create(
    options: VsphereServerOptions = {},
    { bytes = 12 * MIB, off = false, tracking = true } = {},
  ): Promise<RemoteWorld> {
    const server = await VsphereServer.start(options);
    const machine = await server.control.addMachine({
      name: "web01",
      off,
      tracking,
      disks: [{ bytes }],
    });
    const [{ path, file }] = machine.disks;
    const world = new RemoteWorld(server, machine.ref, path, file);
    Deno.writeTextFileSync(world.file("password"), `${server.password}\n`, { mode: 0o600 });
    return world;
  }

  /** The options that name the server, the account, the machine and the disk. */
  get disk(): string[] {
    return [
      "--remote",
      this.diskPath,
      "--vm",
      "web01",
      "--transport",
      "nfc",
      ...this.account,
      "--retry-wait",
      "0.001",
    ];
  }

  /** The options that name the server and the account. */
  get account(): string[] {
    const { host, port, user, sha1 } = this.server;
    return [
      ...["--server", `${host}:${port}`, "--username", user, "--password-file", this.file("password")],
      ...["--thumbprint", sha1],
    ];
  }

  /** The machine writes. Without a seed, zeros. */
  async fill(offset: number, length: number, seed?: number): Promise<void> {
    await this.server.control.fill(this.machine, KEY, offset, length, seed);
  }

  /** Takes a snapshot, and copies the disk that it freezes into `NAME.raw`. */
  async snapshot(name: string): Promise<string> {
    const ref = await this.server.control.createSnapshot(this.machine, name);
    await this.server.control.copyFrozen(this.machine, KEY, ref, this.file(`${name}.raw`));
    this.#snapshots.push(name);
    return ref;
  }

  async removeSnapshot(name: string, ref: string): Promise<void> {
    await this.server.control.removeSnapshot(this.machine, ref);
    this.#snapshots = this.#snapshots.filter((other) => other !== name);
  }

  async call(...args: string[]): Promise<CliResult> {
    return await callMain(args);
  }

  /** Runs a command line, checks its exit code, and returns its JSON. */
  // deno-lint-ignore no-explicit-any -- JSON of any command
  async json(args: string[], exitCode = 0): Promise<any> {
    const { code, stdout, stderr } = await callMain([...args, "--json"]);
    assertEquals(code, exitCode, `vmdkbkp ${args.join(" ")}\n${stdout}${stderr}`);
    return JSON.parse(stdout);
  }

  /** Checks that an archive has the blocks of a raw image. */
  async assertDumpOf(raw: string, dump: string): Promise<void> {
    const name = `${dump}.of-the-file`;
    await this.json([
      "dump",
      "--mode",
      "full",
      "--local",
      this.file(raw),
      ...BLOCK,
      ...outputsOf(this, name),
    ]);
    await this.assertCompare(`${name}.dump`, dump);
    for (const suffix of ["dump", "digest", "seal.json"]) Deno.removeSync(this.file(`${name}.${suffix}`));
  }

  /** Checks that the client has broken no rule and left nothing on the server. */
  async assertClean(): Promise<void> {
    await this.server.assertClean(this.#snapshots);
  }

  /** Checks that a command has left no file but those that are named. */
  assertFiles(names: readonly string[]): void {
    const found = [...Deno.readDirSync(this.path)].map(({ name }) => name);
    assertEquals(found.filter((name) => !names.includes(name)), []);
    assert(names.every((name) => found.includes(name)), `${names} are wanted, ${found} are there`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    this[Symbol.dispose]();
  }
}
