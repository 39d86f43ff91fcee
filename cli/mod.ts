/**
 * vmdkbkp as a library: jobs that dump, check, restore, merge and salvage, as functions of typed requests.
 *
 * Each job takes a request and {@linkcode JobOptions}. It returns a typed result when all its outputs are
 * complete and have their names, and prints nothing: progress, warnings and a record of each finished file go
 * to an observer. Disks and archives are paths, or objects that implement {@linkcode ReadableDisk},
 * {@linkcode WritableDisk} and {@linkcode ArchiveObject}. Errors are {@linkcode UsageError} (the request
 * contradicts itself, or is refused), {@linkcode FormatError} (a file is damaged), {@linkcode MismatchError}
 * (files or blocks are not what they must be), {@linkcode FileError} and {@linkcode ThreadError} (the system
 * refused something), other errors of the system, and the reason of the signal that stopped the job.
 *
 * A job needs permission to read its inputs and their folders, and to read and write the folders of its
 * outputs; with permission to read this library it uses threads, and with `--allow-ffi` it finds the holes of
 * sparse files.
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

// What all jobs share.
export {
  FileError,
  type FileFault,
  FormatError,
  type FormatFault,
  MismatchError,
  ThreadError,
  UsageError,
} from "./errors.ts";
export { Engine, type EngineOptions } from "./jobs/engine.ts";
export type { FinishedFile, JobObserver, JobOptions } from "./jobs/options.ts";
export type { WorkDone } from "./jobs/work.ts";
export type { ProofKind } from "./jobs/proof.ts";

// Disks and archives as objects.
export {
  ADAPTER,
  type DiskDescription,
  type Extent,
  type MappedExtent,
  type ReadableDisk,
  type WritableDisk,
} from "./disks/disk.ts";
export type {
  ChangedAreas,
  DiskHost,
  DiskPathOptions,
  DiskProvider,
  DiskPurpose,
  DiskSource,
  EarlierState,
  ProvidedDisk,
} from "./jobs/disk_source.ts";
export type {
  RestoreTarget,
  TargetFormat,
  TargetHost,
  TargetOptions,
  TargetProvider,
  TargetSource,
} from "./jobs/restore_target.ts";
export type { ArchiveBytes, ArchiveInput, ArchiveObject } from "./jobs/archive_input.ts";

// The contents of archives and seals.
export { type DigestHeader, type DumpHeader, formatSeriesId, type Generation } from "./archive/header.ts";
export { formatTimeStamp, type TimeStamp } from "./archive/time_stamp.ts";
export type { Role, Seal, SealedAudit, SealedFile, SealedGeneration } from "./archive/seal.ts";
export { type PublicKey, readPublicKey } from "./archive/minisign/public_key.ts";
export { readSecretKey, type SecretKey, WrongPasswordError } from "./archive/minisign/secret_key.ts";
export type { Sealed, SignedBy } from "./jobs/seals.ts";

// The jobs.
export {
  type AnyDumpRequest,
  type ChangedDumpRequest,
  dump,
  type DumpRequest,
  type DumpResult,
  type FullDumpRequest,
} from "./jobs/dump.ts";
export type { DumpCounts } from "./pipeline/dump.ts";
export { restore, type RestoreRequest, type RestoreResult } from "./jobs/restore.ts";
export type { RestoreCounts } from "./pipeline/restore.ts";
export {
  check,
  checkFolders,
  type CheckFoldersRequest,
  type CheckRequest,
  type CheckResult,
} from "./jobs/check.ts";
export type { ListFindings } from "./jobs/check_list.ts";
export type { CheckCounts } from "./pipeline/check.ts";
export type { CheckedGeneration, CheckedSeries, FolderFindings } from "./jobs/check_folders.ts";
export type { BadFile, FolderContent, FolderInventory, FoundArchive } from "./jobs/folder_inventory.ts";
export type { GenerationId, KnownGeneration } from "./pipeline/generations.ts";
export type { Explanation } from "./jobs/diagnosis.ts";
export type { BlockState, DiagnosedRun, Diagnosis } from "./damage/diagnose.ts";
export type { ArchiveFault } from "./damage/fault_log.ts";
export { merge, type MergeRequest, type MergeResult } from "./jobs/merge.ts";
export { digest, type DigestRequest, type DigestResult } from "./jobs/digest.ts";
export { rdiff, type RdiffRequest, type RdiffResult } from "./jobs/rdiff.ts";
export { compare, type CompareRequest } from "./jobs/compare.ts";
export type { CompareResult } from "./pipeline/compare.ts";
export { seal, type SealRequest, type SealResult } from "./jobs/seal.ts";
export { type ProvedSalvage, salvage, type SalvageRequest, type SalvageResult } from "./jobs/salvage.ts";
export { type OpenArchive, readArchives, type ReadArchivesRequest } from "./jobs/print.ts";
export type { ListedRecord } from "./pipeline/list.ts";
export { type DiskStretch, map, type MappedDisk, type MapRequest } from "./jobs/map.ts";
export { changed, type ChangedRequest } from "./jobs/changed.ts";
export {
  type BitmapCounts,
  bitmapOfRdiff,
  type BlockRange,
  type OpenBitmap,
  type RdiffBitmapRequest,
  readBitmapFile,
} from "./jobs/bitmaps.ts";

// Repositories.
export { backup, type BackupDisk, type BackupRequest, type BackupResult } from "./jobs/repository/backup.ts";
export type { BackedUpDisk } from "./jobs/repository/backup.ts";
export type { DiskReport } from "./jobs/repository/write_disk.ts";
export type { DiskPlan } from "./jobs/repository/plan.ts";
export {
  initRepository,
  type MachineEntry,
  openRepository,
  type Repository,
} from "./jobs/repository/repository.ts";
export {
  type RestoredDisk,
  restoreFromRepository,
  type RestoreFromRepositoryRequest,
  type RestoreFromRepositoryResult,
} from "./jobs/repository/restore.ts";
export {
  type CheckedMachine,
  type CheckedMachineGeneration,
  checkRepository,
  type CheckRepositoryRequest,
  type CheckRepositoryResult,
} from "./jobs/repository/check.ts";
export {
  forget,
  type ForgetDecision,
  type ForgetRequest,
  type ForgetResult,
  type ForgottenMachine,
} from "./jobs/repository/forget.ts";
export {
  type ListedMachine,
  listRepository,
  type ListRepositoryRequest,
  type ListRepositoryResult,
} from "./jobs/repository/list.ts";
export { copyMachine, type CopyRequest, type CopyResult } from "./jobs/repository/copy.ts";
export { exportGeneration, type ExportRequest, type ExportResult } from "./jobs/repository/export.ts";
export type {
  GenerationDisk,
  GenerationDocument,
  GenerationFile,
  MachineDisk,
  MachineDocument,
  RepositoryDocument,
} from "./repository/documents.ts";
export type { Duration, RetentionPolicy } from "./repository/retention.ts";
