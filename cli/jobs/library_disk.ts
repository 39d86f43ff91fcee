/** Disks behind VMware's disk library: those of a server, and files of this machine. */

import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { openForReading } from "../disks/open.ts";
import { VddkDisk } from "../disks/vddk/disk.ts";
import { deniedFlags, type FoundLibrary, LIBDIR_VARIABLE, libraryIn, placesFor } from "../disks/vddk/find.ts";
import { addStats, type LibraryEvent, type SessionSetup } from "../disks/vddk/session.ts";
import { LibraryProcess } from "../disks/vddk/process.ts";
import { DiskLibraryError, UsageError } from "../errors.ts";
import { temporaryNameOf } from "../files/hidden_names.ts";
import { print } from "../files/standard_streams.ts";
import { fileError } from "../files/system_errors.ts";
import { SECTOR_BYTES } from "../sector.ts";
import type { DiskHost, DiskProvider, DiskPurpose, ProviderReport } from "./disk_source.ts";
import type { ServerAccount } from "./server_disk.ts";

type ServerTarget = NonNullable<SessionSetup["target"]>;

const DEFAULT_MODES = "nbdssl:nbd";
const LOCAL_MODES = "file";
const SAN_MODES = "san:nbdssl:nbd";
const TIMEOUT_SECONDS = 600;

/** A disk of a server, and how the library reaches it. */
export interface LibraryServerDisk {
  account: Pick<ServerAccount, "endpoint" | "user" | "password" | "thumbprint">;
  /** Connect without a thumbprint, to whoever answers. */
  insecure?: boolean;
  /** The managed object reference of the machine, such as `vm-16`. */
  vm: string;
  /** That of its snapshot. */
  snapshot?: string;
  /** `[datastore] folder/disk.vmdk`. */
  path: string;
  /** Transport modes in the order of preference, with colons between; `nbdssl:nbd` by default. */
  modes?: string;
  /** Prefer the storage network. */
  san?: boolean;
}

/** A disk that the library opens. Either `server` or `local` is needed. */
export interface LibraryDiskRequest {
  server?: LibraryServerDisk;
  /** Path of a disk of this machine. */
  local?: string;
  /** The folder of the library; without it the usual places are looked at. */
  libdir?: string;
  /** The configuration file of the library. */
  config?: string;
  /** Seconds after which a silent library counts as gone; 600 by default. */
  timeout?: number;
  /** The number of further tries of a failed call, and milliseconds before the first of them. */
  retries: number;
  firstWaitMs: number;
  /** Bytes of a transfer. */
  callBytes: number;
  /** A file to which the log of the library is appended. */
  log?: string;
  /** The disk is written. */
  writes?: boolean;
  /** `-` if the password comes from standard input, which archives may want as well. */
  inputs?: readonly string[];
}

/** Opens disks behind the library, and collects what is to be said of it. The password is asked for once. */
export class LibraryDisks implements AsyncDisposable, DiskProvider<VddkDisk> {
  /** What did not go as it should and was not the end. */
  readonly events: LibraryEvent[] = [];
  readonly #request: LibraryDiskRequest;
  readonly #library: FoundLibrary;
  readonly #timeoutSeconds: number;
  #target?: ServerTarget;
  /** Not in use yet. */
  #process?: LibraryProcess;
  readonly #opened: VddkDisk[] = [];

  /**
   * @throws {UsageError} if the options do not name a disk, or contradict each other
   * @throws {DiskLibraryError} if there is no library
   */
  constructor(request: LibraryDiskRequest) {
    const { server, local, libdir, timeout = TIMEOUT_SECONDS, writes = false } = request;
    if (server === undefined && local === undefined) {
      throw new UsageError("Cannot tell which disk is meant: --remote or --local is missing");
    }
    this.#request = request;
    if (server !== undefined) this.#target = targetOf(server);
    this.#timeoutSeconds = timeout;
    const need = writes && server !== undefined ? "writing disks of a server needs" : undefined;
    this.#library = findLibrary(libdir, need);
    const denied = deniedFlags();
    if (denied.length > 0) {
      throw new DiskLibraryError(
        `Cannot use VMware's disk library: Deno was started without ${denied.join(" ")}`,
      );
    }
    // The library would say no more than that an argument is wrong.
    if (request.config !== undefined) assertReadable(request.config);
  }

  /** Standard input, if the password comes from there: archives may want it as well. */
  get inputs(): readonly string[] {
    return this.#request.inputs ?? [];
  }

  /** Starts the library's process, so that it is there when a disk is opened: it takes a tenth of a second. */
  start(): this {
    const { bundleDir } = this.#library;
    this.#process = new LibraryProcess({ bundleDir, timeoutSeconds: this.#timeoutSeconds });
    return this;
  }

  /** Opens the disk that the options name. @throws {DiskLibraryError} if the library does not */
  async open(host: DiskHost, { readOnly, mapped, create }: DiskPurpose): Promise<VddkDisk> {
    const { server, local, config, retries, firstWaitMs, callBytes } = this.#request;
    const target = this.#target && await this.#logIn(host, this.#target);
    const path = server === undefined ? absolute(local!) : server.path;
    const files = target === undefined && create === undefined ? await filesOf(path) : [];
    host.addInputs(files);
    const log = this.#logSink(host);
    const opening = VddkDisk.open({
      library: this.#library,
      process: this.#process,
      configFile: config,
      target,
      snapshot: server?.snapshot?.replace(/^moref=/i, ""),
      // VMware's library finds this mode by itself; replacements may not.
      modes: server === undefined ? LOCAL_MODES : modesOf(server),
      path,
      files,
      readOnly,
      create: create && {
        path: temporaryDiskName(path),
        capacitySectors: create.capacityBytes / SECTOR_BYTES,
        adapterType: create.adapterType,
      },
      retries,
      firstWaitMs,
      timeoutSeconds: this.#timeoutSeconds,
      callBytes,
      mapped,
      onEvent: (event) => {
        this.events.push(event);
        if (event.kind === "retry" || event.kind === "warning") host.warn(event.text);
      },
      log,
    });
    this.#process = undefined;
    // This thread has to ask the library for every part, and should not be hashing; the library takes a while to start.
    host.expectWork();
    const disk = host.using(await opening);
    this.#opened.push(disk);
    return disk;
  }

  /** Ends a process that was not needed. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process?.end({ withinSeconds: 1 });
  }

  /** Lines and values for a report, when all disks are closed. */
  report(): ProviderReport {
    const calls = {};
    for (const { stats } of this.#opened) addStats(calls, stats);
    return {
      text: this.events.map(({ kind, text }) => `  ${kind}: ${text}`),
      json: {
        library: {
          version: this.#library.version,
          transportMode: this.#opened.at(-1)?.transportMode,
          events: this.events,
          calls,
        },
      },
    };
  }

  /** Asks for the password, once. */
  async #logIn(host: DiskHost, target: ServerTarget): Promise<ServerTarget> {
    if (target.password !== "") return target;
    const { account } = this.#request.server!;
    return this.#target = {
      ...target,
      password: await account.password({ signal: host.signal, warn: (line) => host.warn(line) }),
    };
  }

  #logSink(host: DiskHost): (line: string) => void {
    const path = this.#request.log;
    if (path === undefined) return () => {};
    const stream = { name: `"${path}"`, file: host.using(host.openLog(path)) };
    let isWritable = true;
    return (line) => {
      if (!isWritable) return;
      try {
        print(`${new Date().toISOString()} ${line}\n`, { stream });
      } catch (error) {
        isWritable = false;
        host.warn(`the log of the library ends here: ${(error as Error).message}`);
      }
    };
  }
}

/** @throws {DiskLibraryError} if there is none; `need` says why nothing else will do */
function findLibrary(libdir: string | undefined, need?: string): FoundLibrary {
  const places = placesFor(libdir);
  for (const place of places) {
    const library = libraryIn(place);
    if (library !== undefined) return library;
  }
  throw new DiskLibraryError(
    `Cannot find VMware's disk library${
      need === undefined ? "" : `, which ${need}`
    }: no libvixDiskLib.so in "${places.join('", "')}" ` +
      `(name its folder with --libdir or ${LIBDIR_VARIABLE}; vmdkbkp doctor tells more)`,
  );
}

function assertReadable(path: string): void {
  try {
    Deno.openSync(path).close();
  } catch (cause) {
    throw fileError("read the configuration of the disk library,", path, cause);
  }
}

/** Server, account and machine; the password comes later. */
function targetOf(
  { account: { endpoint, user, thumbprint }, insecure, vm }: LibraryServerDisk,
): ServerTarget {
  if (thumbprint === undefined && !insecure) {
    throw new UsageError("Cannot reach a remote disk: --thumbprint is missing, and so is --insecure");
  }
  return {
    serverName: endpoint.host,
    port: endpoint.port,
    userName: user,
    password: "",
    thumbprint: thumbprint === undefined ? undefined : thumbprintOf(thumbprint),
    vm: vm.replace(/^mo(ref|id)=/i, ""),
  };
}

/** 20 pairs are SHA-1, the form that the library is known to take; 32 would be SHA-256. */
function thumbprintOf(given: string): string {
  const digits = given.replaceAll(/[:\s]/g, "").toUpperCase();
  if (!/^(?:[0-9A-F]{40}|[0-9A-F]{64})$/.test(digits)) {
    throw new UsageError(`Cannot use --thumbprint "${given}": 20 pairs of hexadecimal digits are needed`);
  }
  return digits.match(/../g)!.join(":");
}

function modesOf({ modes = DEFAULT_MODES, san }: LibraryServerDisk): string {
  if (san) return SAN_MODES;
  if (/^[a-z]+(?::[a-z]+)*$/.test(modes)) return modes;
  throw new UsageError(`Cannot use --transport-modes "${modes}": names such as "san:nbdssl:nbd" are needed`);
}

/** The library knows no current folder. */
export function absolute(path: string): string {
  return path.startsWith("/") ? path : join(Deno.cwd(), path);
}

/** Its own files, as far as this program reads it: an output must be none of them. */
async function filesOf(path: string): Promise<readonly string[]> {
  try {
    using disk = await openForReading(path, { allowOutside: true, allowEncrypted: true });
    return [...new Set([path, ...disk.files])];
  } catch {
    return [path];
  }
}

/** Beside the final name; the library makes more files of it, so it must end like a disk. */
export function temporaryDiskName(path: string): string {
  return `${join(dirname(path), temporaryNameOf(basename(path)))}.vmdk`;
}
