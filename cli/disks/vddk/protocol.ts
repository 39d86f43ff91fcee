/**
 * What the program and the process of the disk library say to each other: one JSON object a line, requests on standard
 * input, answers on standard output, in the same order. Bytes of disks do not pass here; they lie in shared memory.
 */

import type { Target } from "../../../ffi/vix/connect_params.ts";
import type { CallStats, DiskInfo, SectorRange } from "../../../ffi/vix/vix_disk_lib.ts";
import type { VixFault } from "../../../ffi/vix/vix_error.ts";

/** The word that makes the program this process, instead of a command: how the executable starts itself. */
export const SERVER_COMMAND = "disk-library-process";

/** A stretch of a disk, where in the shared memory its bytes lie, and how much of it a call of the library moves at most. */
export interface Transfer extends SectorRange {
  memoryBytes: number;
  callSectors: number;
}

/** How many sectors were moved, and why not all. */
export interface Moved {
  sectors: number;
  failed?: VixFault;
}

/** What can be asked for, and what comes back. */
export interface Calls {
  /** Loads and starts the library. First of all. */
  start: {
    request: {
      libraryPath: string;
      libDir: string;
      configFile?: string;
      memory?: { path: string; lenBytes: number };
      /** No call may take longer; then the system ends the process. */
      timeoutSeconds: number;
    };
    reply: { modes: string; missing: string[] };
  };
  /** Connects; without `target` to the local machine. Gives what was tried in vain and is not needed. */
  connect: {
    request: { target?: Target; readOnly: boolean; snapshot?: string; modes?: string };
    reply: { remarks: string[] };
  };
  /** `isNew`: the disk is nobody's yet, and is deleted if the process ends before it got its name. */
  open: { request: { path: string; readOnly: boolean; isNew: boolean }; reply: DiskInfo };
  metadata: { request: Empty; reply: [string, string][] };
  allocated: { request: SectorRange & { chunkSectors: number }; reply: [number, number][] };
  read: { request: Transfer; reply: Moved };
  write: { request: Transfer; reply: Moved };
  writeMetadata: { request: { pairs: [string, string][] }; reply: null };
  flush: { request: Empty; reply: null };
  create: { request: { path: string; capacitySectors: number; adapterType: number }; reply: null };
  /** Gives a new disk its name; the disk is closed for that. One that has the name is called `aside` meanwhile, and deleted. */
  rename: { request: { to: string; aside?: string }; reply: null };
  /** Closes disk and connection; gives what went wrong behind the closing of the disk. */
  close: { request: Empty; reply: { remarks: string[] } };
  /** A new disk is another process's from now on: this one does not delete it. */
  handOver: { request: Empty; reply: null };
  stats: { request: Empty; reply: Record<string, CallStats> };
}

/** A request without anything. */
export type Empty = Record<never, never>;

/** One line to the library's process. */
export type Request = { [Name in keyof Calls]: { name: Name } & Calls[Name]["request"] }[keyof Calls];

/** One line back. */
export type Answer = { value: unknown } | { failed: VixFault } | { broken: string };
