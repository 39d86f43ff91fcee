/**
 * vmdkbkp as a library: jobs that dump, check, restore, merge and salvage, as functions of typed requests.
 *
 * Each job takes a request and {@linkcode JobOptions}, and returns a typed result when all its outputs are
 * complete and have their names. Paths are those of files; `-` is standard input or output. Errors are
 * {@linkcode UsageError} (the request cannot be meant), {@linkcode FormatError} (a file is damaged),
 * {@linkcode MismatchError} (files or blocks are not what they must be), and other errors of the system.
 *
 * @example A dump, its check, and a disk made of it.
 * ```ts
 * import { check, dump, Engine, restore } from "./mod.ts";
 *
 * const folder = Deno.makeTempDirSync();
 * const at = (name: string) => `${folder}/${name}`;
 * Deno.writeFileSync(at("disk.raw"), new Uint8Array(3 * 1024 * 1024));
 *
 * await using engine = await Engine.start({ threads: 1 });
 * const backup = { dumpout: at("0.dump"), digestout: at("0.digest") };
 * await dump({ mode: "full", disk: at("disk.raw"), ...backup }, { engine });
 * const { ok } = await check({ archives: [at("0.dump")], digestin: at("0.digest") }, { engine });
 * if (!ok) throw new Error("the dump is not good");
 * await restore({ archives: [at("0.dump")], disk: at("copy.raw"), create: true }, { engine });
 * Deno.removeSync(folder, { recursive: true });
 * ```
 *
 * @module
 */

export { DiskLibraryError, FormatError, InterruptedError, MismatchError, UsageError } from "./errors.ts";
export { Engine, type EngineOptions } from "./jobs/engine.ts";
export type { FinishedFile, JobObserver, JobOptions } from "./jobs/options.ts";
export type { WorkDone } from "./jobs/work.ts";

export {
  type AnyDumpRequest,
  type ChangedDumpRequest,
  dump,
  type DumpRequest,
  type DumpResult,
  type FullDumpRequest,
} from "./jobs/dump.ts";
export { restore, type RestoreRequest, type RestoreResult } from "./jobs/restore.ts";
export {
  check,
  checkFolders,
  type CheckFoldersRequest,
  type CheckRequest,
  type CheckResult,
} from "./jobs/check.ts";
export { merge, type MergeRequest, type MergeResult } from "./jobs/merge.ts";
export { digest, type DigestRequest, type DigestResult } from "./jobs/digest.ts";
export { rdiff, type RdiffRequest, type RdiffResult } from "./jobs/rdiff.ts";
export { compare, type CompareRequest } from "./jobs/compare.ts";
export { seal, type SealRequest, type SealResult } from "./jobs/seal.ts";
export {
  type BlockRun,
  type ProvedSalvage,
  salvage,
  type SalvageRequest,
  type SalvageResult,
} from "./jobs/salvage.ts";
export { type OpenArchive, readArchives, type ReadArchivesRequest } from "./jobs/print.ts";
export { map, type MappedDisk, type MapRequest, type Stretch } from "./jobs/map.ts";
export { changed, type ChangedRequest } from "./jobs/changed.ts";
export { type BitmapCounts, bitmapOfRdiff, type RdiffBitmapRequest, readBitmapFile } from "./jobs/bitmaps.ts";
