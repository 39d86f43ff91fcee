/**
 * The protocol between the program and the process of the disk library: one JSON object on each line,
 * requests on standard input, answers on standard output in the same order. The bytes of disks lie in shared
 * memory instead.
 */

import type { Target } from "../../../ffi/vix/connect_params.ts";
import type { CallStats } from "../../../ffi/vix/calls.ts";
import type { DiskInfo, SectorRange } from "../../../ffi/vix/disk_handle.ts";
import type { VixFault } from "../../../ffi/vix/vix_error.ts";

/**
 * The argument with which the program runs as this process instead of a command: the executable starts itself
 * with it.
 */
export const SERVER_COMMAND = "disk-library-process";

/**
 * A run of sectors of a disk, the place of its bytes in the shared memory, and the most sectors that one call
 * of the library moves.
 */
export interface Transfer extends SectorRange {
  memoryBytes: number;
  callSectors: number;
}

/** The number of sectors that were moved, and the error that stopped the transfer. */
export interface Moved {
  sectors: number;
  failed?: VixFault;
}

/** The requests and their answers. */
export interface Calls {
  /** Loads and starts the library. This is the first request. */
  start: {
    request: {
      libraryPath: string;
      libDir: string;
      configFile?: string;
      memory?: { path: string; lenBytes: number };
      /** The seconds after which the system ends the process during a call. */
      timeoutSeconds: number;
    };
    reply: { modes: string; missing: string[] };
  };
  /**
   * Tells vCenter that a backup of the machine has begun. Returns whether it was told, and what failed and is not
   * needed.
   */
  prepare: { request: { target: Target }; reply: { isPrepared: boolean; remarks: string[] } };
  /** Tells vCenter that a backup of the machine has ended whose process has crashed. */
  endAccess: { request: { target: Target }; reply: { remarks: string[] } };
  /** Connects to a server, or without `target` to the local machine. */
  connect: {
    request: { target?: Target; readOnly: boolean; snapshot?: string; modes?: string };
    reply: null;
  };
  /**
   * Opens a disk. With `isNew` the disk has no name yet, and is deleted if the process ends before it gets
   * one.
   */
  open: { request: { path: string; readOnly: boolean; isNew: boolean }; reply: DiskInfo };
  metadata: { request: Empty; reply: [string, string][] };
  allocated: { request: SectorRange & { chunkSectors: number }; reply: [number, number][] };
  read: { request: Transfer; reply: Moved };
  write: { request: Transfer; reply: Moved };
  writeMetadata: { request: { pairs: [string, string][] }; reply: null };
  flush: { request: Empty; reply: null };
  create: { request: { path: string; capacitySectors: number; adapterType: number }; reply: null };
  /**
   * Closes a new disk and gives it its name. A disk that has the name already is renamed to `aside`, and then
   * deleted.
   */
  rename: { request: { to: string; aside?: string }; reply: null };
  /** Closes the disk and the connection. Returns what went wrong after the disk was closed. */
  close: { request: Empty; reply: { remarks: string[] } };
  /** Leaves a new disk to another process: this one does not delete it. */
  handOver: { request: Empty; reply: null };
  stats: { request: Empty; reply: Record<string, CallStats> };
}

/** A request without fields. */
export type Empty = Record<never, never>;

/** One line to the library's process. */
export type Request = { [Name in keyof Calls]: { name: Name } & Calls[Name]["request"] }[keyof Calls];

/** One line back. */
export type Answer = { value: unknown } | { failed: VixFault } | { broken: string };
