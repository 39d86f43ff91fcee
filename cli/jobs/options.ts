/**
 * What every job takes besides its request: the engine, the signal that stops it, the observer, and the keys
 * of seals.
 */

import type { PublicKey } from "../archive/minisign/public_key.ts";
import type { SecretKey } from "../archive/minisign/secret_key.ts";
import type { Engine } from "./engine.ts";
import type { WorkDone } from "./work.ts";

/** A file that a job has written. */
export interface FinishedFile {
  /** The path, as the request names it; of a seal or a signature, the path that the job gave it. */
  path: string;
  /** Length of the file in bytes; of a block device 0. */
  bytes: number;
  /**
   * SHA-256 of the file as 64 hexadecimal digits. Only archives and digests have it: the job hashes them as
   * it writes.
   */
  sha256?: string;
}

/**
 * Receives what a job reports while it runs. Every method is optional. An error that a method throws ends the
 * job as an error of its own.
 */
export interface JobObserver {
  /** How far the job is: for the first time after half a second, then at most 20 times a second. */
  progress?(done: WorkDone): void;
  /** A sentence without a full stop about something that the user should know, whatever the result. */
  warning?(text: string): void;
  /**
   * One output is complete and has its name: called once for each output, when all of them have their names.
   */
  file?(file: FinishedFile): void;
}

/** What every job takes besides its request. */
export interface JobOptions {
  /** The engine that the job uses and leaves running. Without one, the job starts an engine and ends it. */
  engine?: Engine;
  /**
   * Threads of the engine that the job starts, as in {@linkcode EngineOptions}. Not used if `engine` is
   * given.
   */
  threads?: number;
  /**
   * Starts all threads before the work begins. Otherwise a thread is started when there is enough work for
   * it.
   */
  startsThreads?: boolean;
  /**
   * Stops the job: it removes outputs that are not complete, gives its memory back, and throws the signal's
   * reason. A job that waits for standard input or another pipe ends when the pipe gives bytes or ends. A job
   * that is giving the outputs their names when the signal is aborted completes.
   */
  signal?: AbortSignal;
  /** Receives progress, warnings and the files that are written. */
  observer?: JobObserver;
  /** Replace outputs that exist. Otherwise a job refuses to write where a file is. */
  force?: boolean;
  /** Read no seals: neither those beside the inputs, nor what they prove. */
  withoutSeal?: boolean;
  /** Signs the seals that the job writes: `NAME.seal.json.minisig` is written beside each. */
  signingKey?: SecretKey;
  /** Use only seals that this key has signed, and refuse inputs that no such seal describes. */
  trustedKey?: PublicKey;
}
