/** Disks behind libvixDiskLib, as the command line describes them. */

import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { openForReading } from "../disks/open.ts";
import { VddkDisk } from "../disks/vddk/disk.ts";
import { type FoundLibrary, LIBDIR_VARIABLE, libraryIn, placesFor } from "../disks/vddk/find.ts";
import { addStats, type LibraryEvent, type SessionSetup } from "../disks/vddk/session.ts";
import { LibraryProcess } from "../disks/vddk/process.ts";
import { DiskLibraryError, UsageError } from "../errors.ts";
import { temporaryNameOf } from "../files/hidden_names.ts";
import { print } from "../files/standard_streams.ts";
import { fileError } from "../files/system_errors.ts";
import { SECTOR_BYTES } from "../sector.ts";
import { deniedFlags, type LibraryOptions, passwordStreams } from "./library_options.ts";
import { readPassword } from "../files/password.ts";
import { parseServer } from "../vsphere/net/server_address.ts";
import type { DiskHost, DiskProvider, DiskPurpose, ProviderReport } from "../jobs/disk_source.ts";

type ServerTarget = NonNullable<SessionSetup["target"]>;

const DEFAULT_MODES = "nbdssl:nbd";
const LOCAL_MODES = "file";
const SAN_MODES = "san:nbdssl:nbd";
const TIMEOUT_SECONDS = 600;

/**
 * Opens disks behind the library, and collects what is to be said of it.
 *
 * The password is asked for once.
 */
export class LibraryDisks implements AsyncDisposable, DiskProvider<VddkDisk> {
  /** What did not go as it should and was not the end. */
  readonly events: LibraryEvent[] = [];
  readonly #options: LibraryOptions;
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
  constructor(options: LibraryOptions, { writes = false }: { writes?: boolean } = {}) {
    if (options.remote === undefined && options.local === undefined) {
      throw new UsageError("Cannot tell which disk is meant: --remote or --local is missing");
    }
    this.#options = options;
    if (options.remote !== undefined) this.#target = targetOf(options);
    this.#timeoutSeconds = options.timeout ?? TIMEOUT_SECONDS;
    const need = writes && options.remote !== undefined ? "writing disks of a server needs" : undefined;
    this.#library = findLibrary(options.libdir, need);
    const denied = deniedFlags();
    if (denied.length > 0) {
      throw new DiskLibraryError(
        `Cannot use VMware's disk library: Deno was started without ${denied.join(" ")}`,
      );
    }
    // The library would say no more than that an argument is wrong.
    if (options.config !== undefined) assertReadable(options.config);
  }

  /** Standard input, if the password comes from there: archives may want it as well. */
  get inputs(): readonly string[] {
    return passwordStreams(this.#options);
  }

  /** Starts the library's process, so that it is there when a disk is opened: it takes a tenth of a second. */
  start(): this {
    const { bundleDir } = this.#library;
    this.#process = new LibraryProcess({ bundleDir, timeoutSeconds: this.#timeoutSeconds });
    return this;
  }

  /** Opens the disk that the options name. @throws {DiskLibraryError} if the library does not */
  async open(host: DiskHost, { readOnly, mapped, create }: DiskPurpose): Promise<VddkDisk> {
    const options = this.#options;
    const target = this.#target && await this.#logIn(host, this.#target);
    const path = target === undefined ? absolute(options.local!) : options.remote!;
    const files = target === undefined && create === undefined ? await filesOf(path) : [];
    host.addInputs(files);
    const log = this.#logSink(host);
    const opening = VddkDisk.open({
      library: this.#library,
      process: this.#process,
      configFile: options.config,
      target,
      snapshot: options.snapshot?.replace(/^moref=/i, ""),
      // VMware's library finds this mode by itself; replacements may not.
      modes: target === undefined ? LOCAL_MODES : modesOf(options),
      path,
      files,
      readOnly,
      create: create && {
        path: temporaryDiskName(path),
        capacitySectors: create.capacityBytes / SECTOR_BYTES,
        adapterType: create.adapterType,
      },
      retries: options.retries,
      firstWaitMs: options.retryWait * 1000,
      timeoutSeconds: this.#timeoutSeconds,
      callBytes: options.readSize,
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
    const { password, passwordFile } = this.#options;
    return this.#target = {
      ...target,
      password: await readPassword(
        { password, passwordFile, signal: host.signal },
        { user: target.userName, server: target.serverName, warn: (line) => host.warn(line) },
      ),
    };
  }

  #logSink(host: DiskHost): (line: string) => void {
    const path = this.#options.libraryLog;
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
function targetOf(options: LibraryOptions): ServerTarget {
  for (const name of ["server", "username", "vm"] as const) {
    if (!options[name]) throw new UsageError(`Cannot reach a remote disk: --${name} is missing`);
  }
  if (options.thumbprint === undefined && !options.insecure) {
    throw new UsageError("Cannot reach a remote disk: --thumbprint is missing, and so is --insecure");
  }
  const { host, port } = parseServer(options.server!);
  return {
    serverName: host,
    port,
    userName: options.username!,
    password: "",
    thumbprint: options.thumbprint === undefined ? undefined : thumbprintOf(options.thumbprint),
    vm: options.vm!.replace(/^mo(ref|id)=/i, ""),
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

function modesOf(options: LibraryOptions): string {
  const modes = options.transportModes ?? (options.san ? SAN_MODES : DEFAULT_MODES);
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
