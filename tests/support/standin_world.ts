/** A server with virtual machines and disks, which the stand-in for VMware's disk library plays. */

import { assertEquals } from "@std/assert";
import { hasCompiler } from "../../scripts/c_compiler.ts";
import { type Api, buildStandin } from "../../scripts/standin.ts";
import { Workspace } from "../integration/workspace.ts";
import { callMain, type CliResult } from "./run_cli.ts";

/** The reason why tests with the stand-in cannot run, if they cannot. */
export const MISSING_STANDIN: string | undefined = hasCompiler()
  ? undefined
  : "the stand-in for the disk library needs Linux and a C compiler";

export const PASSWORD = "s3cret pass/word";
export const THUMBPRINT = Array.from({ length: 20 }, (_, i) => (i + 0x10).toString(16)).join(":")
  .toUpperCase();

/**
 * Waits for something that other processes do.
 * @throws {Error} if it does not happen in ten seconds
 */
export async function until(happened: () => boolean): Promise<void> {
  for (let tries = 0; !happened(); tries++) {
    if (tries > 2000) throw new Error("it did not happen");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** One line of the stand-in's log of calls. */
export interface TracedCall {
  call?: string;
  code?: number;
  bytes?: number;
  start?: number;
  sectors?: number;
  pid: number;
  violation?: string;
  leak?: string;
  summary?: Record<string, unknown>;
}

/** A folder, a server `vc1.example` with the machine `vm-16`, and command lines that reach it. */
export class World extends Workspace {
  readonly libdir: string;
  #settings: string[] = [];
  #count = 0;

  private constructor(libdir: string) {
    super();
    this.libdir = libdir;
  }

  /** @param settings more lines of the stand-in's configuration, without `standin.` */
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

  get tracePath(): string {
    return this.file("trace.jsonl");
  }

  get configPath(): string {
    return this.file("config");
  }

  /** Adds a line to the configuration. */
  set(line: string): void {
    this.#settings.push(`standin.${line}`);
    Deno.writeTextFileSync(this.configPath, this.#settings.join("\n") + "\n");
  }

  /** Adds a fault of the next runs. */
  fault(description: string): void {
    this.set(`fault.${++this.#count} = ${description}`);
  }

  /**
   * Makes the file `name` of the folder the disk `[ds1] web/NAME.vmdk`, and returns the options that reach
   * it.
   */
  disk(name: string, options = ""): string[] {
    const path = `[ds1] web/${name.replace(/\..*/, "")}.vmdk`;
    this.set(
      `disk.${++this.#count} = server=vc1.example vm=vm-16 path="${path}" file=${this.file(name)} ` +
        `meta=${this.file(`${name}.meta`)} ${options}`,
    );
    return ["--remote", path, ...this.connection];
  }

  /** The options of every remote command. */
  get connection(): string[] {
    return [
      ...this.library,
      ...["--server", "vc1.example", "--username", "backup", "--password-file", this.passwordFile],
      ...["--thumbprint", THUMBPRINT, "--vm", "vm-16", "--snapshot", "snapshot-47"],
    ];
  }

  get library(): string[] {
    return ["--libdir", this.libdir, "--config", this.configPath, "--retry-wait", "0.001"];
  }

  get passwordFile(): string {
    const path = this.file("password");
    Deno.writeTextFileSync(path, `${PASSWORD}\n`, { mode: 0o600 });
    return path;
  }

  /** Runs a command line unchanged. */
  async call(...args: string[]): Promise<CliResult> {
    return await callMain(args);
  }

  /** Runs a command line that must end with that code, and returns its JSON. */
  // deno-lint-ignore no-explicit-any -- JSON of any command
  async json(args: string[], exitCode = 0): Promise<any> {
    const { code, stdout, stderr } = await callMain([...args, "--json"]);
    assertEquals(code, exitCode, `vmdkbkp ${args.join(" ")}\n${stdout}${stderr}`);
    return JSON.parse(stdout);
  }

  /** Returns the log of calls so far. */
  trace(): TracedCall[] {
    try {
      // The last line may be written at this moment.
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

  calls(name: string): TracedCall[] {
    return this.trace().filter(({ call }) => call === name);
  }

  /** Checks that every process of the library ended without a violation of its rules and without a leak. */
  assertClean(): void {
    const bad = this.trace().filter(({ violation, leak }) => violation !== undefined || leak !== undefined);
    assertEquals(bad, []);
    const [started, ended] = ["InitEx", "Exit"].map((name) => this.calls(name).length);
    assertEquals(ended, started, "processes that did not end the library");
  }
}
