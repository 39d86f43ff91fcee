/**
 * libvixDiskLib: the functions that backup and restore use, as methods that throw {@linkcode VixError}.
 *
 * All calls are synchronous and must be made on one thread, the one that called `init`: the library requires
 * open, close and allocation queries on one thread, and never two calls at a time on a disk (Virtual Disk
 * Programming Guide, "Multiple Threads and VixDiskLib"). Offsets and lengths are sectors of 512 bytes, as
 * safe integers.
 */

import { VixCalls } from "./calls.ts";
import { ConnectParams, type Target } from "./connect_params.ts";
import { Connection } from "./connection.ts";
import { cString, cStringOrNull, OutPointer, textAt } from "./native_strings.ts";

/** The version for which the program is written. Every library from 6.5 to 9 accepts it. */
const API_MAJOR = 6;
const API_MINOR = 5;

/** How the library starts. */
export interface InitOptions {
  /** The root of the unpacked tree, to which the library appends the folders of its plug-ins. */
  libDir: string;
  configFile?: string;
  /**
   * The address of a `void (const char *fmt, va_list args)` that may be called on any thread; with NULL the
   * library writes to a log file of its own.
   */
  log: Deno.PointerValue;
}

/** A loaded library, from its start to its end. */
export class VixDiskLib extends VixCalls {
  init({ libDir, configFile, log }: InitOptions): void {
    const [dir, config] = [cString(libDir), cStringOrNull(configFile)];
    this.check(
      "InitEx",
      () => this.symbols.VixDiskLib_InitEx(API_MAJOR, API_MINOR, log, log, log, dir, config),
    );
  }

  exit(): void {
    const exit = this.optional("VixDiskLib_Exit");
    if (exit !== null) this.time("Exit", () => exit());
  }

  /** Returns the names of the transport modes, separated by colons, the preferred first. */
  transportModes(): string {
    const list = this.optional("VixDiskLib_ListTransportModes");
    return list === null ? "" : textAt(this.time("ListTransportModes", () => list()));
  }

  /**
   * Tells vCenter that a backup of the machine has begun. A single ESXi host does not support this and
   * returns an error. Returns false if the library does not have the function.
   */
  prepareForAccess(params: ConnectParams, identity: string): boolean {
    const prepare = this.optional("VixDiskLib_PrepareForAccess");
    if (prepare === null) return false;
    this.check("PrepareForAccess", () => prepare(params.pointer, cString(identity)));
    return true;
  }

  /** Tells vCenter that a backup has ended, if the library can. */
  endAccess(params: ConnectParams, identity: string): void {
    const end = this.optional("VixDiskLib_EndAccess");
    if (end !== null) this.check("EndAccess", () => end(params.pointer, cString(identity)));
  }

  /**
   * Removes what a connection left on this machine, and hot-added disks of earlier runs. `params` must not
   * name a machine. Does nothing if the library does not have the function.
   */
  cleanup(params: ConnectParams): void {
    const cleanup = this.optional("VixDiskLib_Cleanup");
    if (cleanup !== null) this.check("Cleanup", () => cleanup(params.pointer, null, null));
  }

  params(target: Target, options?: { withVm?: boolean }): ConnectParams {
    return new ConnectParams(this.symbols, target, options);
  }

  /**
   * Connects to a server, or without `params` to the local machine. `params` must exist until after the
   * disconnection.
   */
  connect(
    params: ConnectParams | undefined,
    { readOnly, snapshot, modes }: { readOnly: boolean; snapshot?: string; modes?: string },
  ): Connection {
    const out = new OutPointer();
    const [snapshotText, modesText] = [cStringOrNull(snapshot), cStringOrNull(modes)];
    this.check("ConnectEx", () =>
      this.symbols.VixDiskLib_ConnectEx(
        params?.pointer ?? null,
        readOnly ? 1 : 0,
        snapshotText,
        modesText,
        out.room,
      ));
    return new Connection(this, out.value);
  }

  /** Renames a closed local disk. */
  rename(from: string, to: string): void {
    const rename = this.needed("VixDiskLib_Rename");
    this.check("Rename", () => rename(cString(from), cString(to)));
  }
}
