/** A server with a virtual machine and its disks, which the stand-in for VMware's disk library simulates. */

import { assertEquals } from "@std/assert";
import { hasCompiler } from "../../scripts/c_compiler.ts";
import { type Api, buildStandin } from "../../scripts/standin.ts";
import { Workspace } from "../integration/workspace.ts";
import { callMain, type CliResult } from "./run_cli.ts";

/** Why tests with the stand-in cannot run here; undefined if they can. */
export const MISSING_STANDIN: string | undefined = hasCompiler()
  ? undefined
  : "the stand-in for the disk library needs Linux and a C compiler";

/** The password of the server's user. */
export const PASSWORD = "s3cret pass/word";
/** The thumbprint of the server's certificate. */
export const THUMBPRINT = Array.from({ length: 20 }, (_, i) => (i + 0x10).toString(16)).join(":")
  .toUpperCase();

/**
 * Waits until other processes have made a condition true.
 *
 * @throws {Error} if the condition is still false after ten seconds
 */
export async function until(happened: () => boolean): Promise<void> {
  for (let tries = 0; !happened(); tries++) {
    if (tries > 2000) throw new Error("The condition has not become true in ten seconds");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A line of the stand-in's log: a call, a violation of the library's rules, a leak, or a summary. */
export interface TracedCall {
  /** Name of the function, without `VixDiskLib_`. */
  call?: string;
  /** Result of the function, 0 for success. */
  code?: number;
  /** Bytes that were read or written. */
  bytes?: number;
  /** First sector of a read or write. */
  start?: number;
  /** Number of sectors of a read or write. */
  sectors?: number;
  /** The process that called the library. */
  pid: number;
  /** The rule that was violated. */
  violation?: string;
  /** What was not freed. */
  leak?: string;
  /** Numbers about the whole process. */
  summary?: Record<string, unknown>;
}

/** A folder, a server `vc1.example` with the machine `vm-16`, and the options of commands that use them. */
export class World extends Workspace {
  /** Folder of the stand-in. */
  readonly libdir: string;
  #settings: string[] = [];
  #count = 0;

  private constructor(libdir: string) {
    super();
    this.libdir = libdir;
  }

  /**
   * Compiles the stand-in if needed, and configures it.
   *
   * @param options `level`: the API level; `server`: further settings of the server; `settings`: further
   * lines of the stand-in's configuration, without `standin.`
   */
  static async create(
    { level = 80, server = "", settings = [] }: { level?: Api; server?: string; settings?: string[] } = {},
  ): Promise<World> {
    const world = new World(await buildStandin(level));
    world.set(`trace = ${world.tracePath}`);
    world.set(`state = ${world.file("state")}`);
    world.set(
      `server.1 = host=vc1.example user=backup password="${PASSWORD}" thumbprint=${THUMBPRINT} kind=vcenter ${server}`,
    );
    world.set("vm.1 = server=vc1.example moref=vm-16 snapshots=snapshot-47");
    settings.forEach((line) => world.set(line));
    return world;
  }

  /** Path of the stand-in's log. */
  get tracePath(): string {
    return this.file("trace.jsonl");
  }

  /** Path of the library's configuration. */
  get configPath(): string {
    return this.file("config");
  }

  /** Adds a line to the configuration, without `standin.`. */
  set(line: string): void {
    this.#settings.push(`standin.${line}`);
    Deno.writeTextFileSync(this.configPath, this.#settings.join("\n") + "\n");
  }

  /** Adds a fault that occurs in later runs. */
  fault(description: string): void {
    this.set(`fault.${++this.#count} = ${description}`);
  }

  /**
   * Adds a disk of the server: `[ds1] web/NAME.vmdk`, whose content is in the file `name` of the folder.
   * Returns the options of commands that use the disk.
   *
   * @param options further settings of the disk
   */
  disk(name: string, options = ""): string[] {
    const path = `[ds1] web/${name.replace(/\..*/, "")}.vmdk`;
    this.set(
      `disk.${++this.#count} = server=vc1.example vm=vm-16 path="${path}" file=${this.file(name)} ` +
        `meta=${this.file(`${name}.meta`)} ${options}`,
    );
    return ["--remote", path, ...this.connection];
  }

  /** The options of all commands that use the server, without the disk. */
  get connection(): string[] {
    return [
      ...this.library,
      ...["--server", "vc1.example", "--username", "backup", "--password-file", this.passwordFile],
      ...["--thumbprint", THUMBPRINT, "--vm", "vm-16", "--snapshot", "snapshot-47"],
    ];
  }

  /** The options of all commands that use the library. */
  get library(): string[] {
    return ["--libdir", this.libdir, "--config", this.configPath, "--retry-wait", "0.001"];
  }

  /** Path of a file with the password, which is written now. */
  get passwordFile(): string {
    const path = this.file("password");
    Deno.writeTextFileSync(path, `${PASSWORD}\n`, { mode: 0o600 });
    return path;
  }

  /** Runs a command line, whose arguments are passed on unchanged. */
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

  /** Returns the stand-in's log so far. */
  trace(): TracedCall[] {
    try {
      // The last line is left out, because another process may be writing it.
      const lines = Deno.readTextFileSync(this.tracePath).split("\n").slice(0, -1);
      return lines.filter((line) => line !== "").map((line) => JSON.parse(line));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  }

  /** Empties the log. */
  forget(): void {
    Deno.writeTextFileSync(this.tracePath, "");
  }

  /** Returns the calls of a function so far. */
  calls(name: string): TracedCall[] {
    return this.trace().filter(({ call }) => call === name);
  }

  /** Checks that all processes of the library have ended without violations of its rules and leaks. */
  assertClean(): void {
    const bad = this.trace().filter(({ violation, leak }) => violation !== undefined || leak !== undefined);
    assertEquals(bad, []);
    const [started, ended] = ["InitEx", "Exit"].map((name) => this.calls(name).length);
    assertEquals(ended, started, "processes that have called Exit, and that have called InitEx");
  }
}
