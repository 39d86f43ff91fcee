/** What every job takes besides its request, and whom it tells what happens. */

import type { PublicKey } from "../archive/minisign/public_key.ts";
import type { SecretKey } from "../archive/minisign/secret_key.ts";
import type { PaceOptions } from "../pace.ts";
import type { Engine } from "./engine.ts";
import type { WorkDone } from "./work.ts";

/** A file that a job has written. */
export interface FinishedFile {
  /** The path, as the request names it. */
  path: string;
  /** Its length. */
  bytes: number;
  /** Its SHA-256 as 64 hexadecimal digits, where the job computed it. */
  sha256?: string;
}

/** Hears what happens in a job. Every function is optional; none may throw. */
export interface JobObserver {
  /** How far the job is; called up to five times a second. */
  progress?(done: WorkDone): void;
  /** Something the user should know, whatever the result; one line without a full stop. */
  warning?(text: string): void;
  /** A file has its name and is complete: once for each output, after all of them have. */
  file?(file: FinishedFile): void;
}

/** What every job takes besides its request. */
export interface JobOptions extends PaceOptions {
  /** The engine that the job uses and leaves running; without one it starts its own. */
  engine?: Engine;
  /** Threads of the job's own engine, as in {@linkcode EngineOptions}. */
  threads?: number;
  /** Starts all threads before the work begins, so that short jobs have them too. */
  startsThreads?: boolean;
  /** Stops the job, which then throws the signal's reason. */
  signal?: AbortSignal;
  /** Hears what happens. */
  observer?: JobObserver;
  /** Replace outputs that exist. */
  force?: boolean;
  /** Go by no seal. */
  withoutSeal?: boolean;
  /** Signs the seals that are written. */
  signingKey?: SecretKey;
  /** Go by those seals alone that this key has signed. */
  trustedKey?: PublicKey;
}
