/**
 * The three kinds of JSON files of a repository. Nothing else describes it: whatever a command needs to know, it finds in the
 * folders again.
 *
 *     repository.json                the repository
 *     MACHINE/machine.json           a machine and its disks
 *     MACHINE/ID/generation.json     a generation: its seal, written last
 */

import {
  closedJsonBytes,
  type ClosedJsonKind,
  type JsonFields,
  parseClosedJson,
} from "../archive/closed_json.ts";
import { MAX_BLOCK_BYTES } from "../archive/header.ts";
import { SECTOR_BYTES } from "../sector.ts";
import { isDiskKey, timeOfGeneration } from "./names.ts";

/** `repository.json`. */
export interface RepositoryDocument {
  /** Tells repositories apart: 32 hexadecimal digits. */
  id: string;
  /** When it was made. */
  created: Date;
}

/** `machine.json`. */
export interface MachineDocument {
  /** The name as the user wrote it. */
  name: string;
  /** When it was made. */
  created: Date;
  /** The disks, each with a key of its own. */
  disks: MachineDisk[];
}

/** A disk of a machine. */
export interface MachineDisk {
  /** The key of the disk in its machine. */
  key: string;
  /** Where it lay when it was backed up first: what tells it again when it is backed up the next time. */
  source: string;
}

/** `generation.json`. */
export interface GenerationDocument {
  /** The name of its folder. */
  id: string;
  /** The generation before, from which the rdiffs lead back to; undefined for the oldest one. */
  parent?: string;
  /** The name of the machine. */
  machine: string;
  /** The program and its version. */
  program: string;
  /** When the backup began. */
  begun: Date;
  /** When the backup ended. */
  ended: Date;
  /** What the user noted about the generation. */
  note?: string;
  /** The disks, each with a key of its own. */
  disks: GenerationDisk[];
}

/** What is known of one disk in one generation. */
export interface GenerationDisk {
  /** The key of the disk in its machine. */
  key: string;
  /** The size of the disk in bytes, at least 1. */
  capacityBytes: number;
  /** Bytes of a block, a multiple of 512. */
  blockBytes: number;
  /** Blocks of the disk, at least 1. */
  blockCount: number;
  /** One of `ADAPTER` in `disk.ts`. */
  adapterType: number;
  /** The disk data base without the prefix `ddb.`. */
  metadata: Record<string, string>;
  /** Series id of its archives in hexadecimal digits, and the time stamp of this generation in them. */
  series: string;
  /** The time stamp of this generation in archives, local time. */
  stamp: string;
  /** SHA-256 over the MD5s of all blocks, as in a seal. */
  root: string;
  /** What was read, and why. */
  mode: "full" | "diff" | "incr";
  /** Why the disk is read in this mode: a phrase. */
  reason: string;
  /** Blocks that differ from the generation before; all data blocks of the first one. */
  changedBlocks: number;
  /** Blocks whose bytes are all zero. */
  zeroBlocks: number;
  /** What tells the disk apart from others: path, format, CID, virtual machine, change id. */
  source: Record<string, string>;
  /** The MD5s of all blocks. */
  digest: GenerationFile;
  /** The way back to the generation before; absent in the oldest one. */
  rdiff?: GenerationFile;
}

/** An archive in the folder of a generation. */
export interface GenerationFile {
  /** Length of the file in bytes. */
  bytes: number;
  /** SHA-256 of the file as 64 hexadecimal digits. */
  sha256: string;
  /** Records of blocks that are not zero. */
  dataRecords: number;
  /** Records of zero blocks. */
  zeroRecords: number;
}

const REPOSITORY: ClosedJsonKind = {
  what: "repository",
  versionName: "vmdkbkpRepository",
  version: 1,
  maxBytes: 4096,
};
const MACHINE: ClosedJsonKind = {
  what: "machine",
  versionName: "vmdkbkpMachine",
  version: 1,
  maxBytes: 256 * 1024,
};
const GENERATION: ClosedJsonKind = {
  what: "generation",
  versionName: "vmdkbkpGeneration",
  version: 1,
  maxBytes: 8 * 1024 * 1024,
};

/** The longest files of each kind; of longer ones no more need be read. */
export const MAX_DOCUMENT_BYTES = {
  repository: REPOSITORY.maxBytes,
  machine: MACHINE.maxBytes,
  generation: GENERATION.maxBytes,
} as const;

/** A virtual machine has up to 256 disks. */
const MAX_DISKS = 1024;
const MAX_METADATA = 4096;

const ID = /^[0-9a-f]{32}$/;
const HASH = /^[0-9a-f]{64}$/;
const STAMP = /^[0-9]{4,}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}( summer time)?$/;
const TIME = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{3})?Z$/;

/** The bytes of `repository.json`. */
export function repositoryBytes({ id, created }: RepositoryDocument): Promise<Uint8Array<ArrayBuffer>> {
  return closedJsonBytes(REPOSITORY, { id, created: created.toISOString() });
}

/** Reads `repository.json`. @throws {FormatError} if it is none, or was damaged */
export async function parseRepository(bytes: Uint8Array, path: string): Promise<RepositoryDocument> {
  const fields = await parseClosedJson(REPOSITORY, bytes, path);
  return { id: fields.text("id", { form: ID }), created: timeIn(fields, "created") };
}

/** The bytes of `machine.json`. */
export function machineBytes({ name, created, disks }: MachineDocument): Promise<Uint8Array<ArrayBuffer>> {
  return closedJsonBytes(MACHINE, {
    name,
    created: created.toISOString(),
    disks: disks.map(({ key, source }) => ({ key, source })),
  });
}

/** Reads `machine.json`. @throws {FormatError} if it is none, or was damaged */
export async function parseMachine(bytes: Uint8Array, path: string): Promise<MachineDocument> {
  const fields = await parseClosedJson(MACHINE, bytes, path);
  const disks = fields.list("disks", { max: MAX_DISKS }).map((disk) => ({
    key: keyIn(disk),
    source: disk.text("source"),
  }));
  assertDistinct(fields, "disks", disks.map(({ key }) => key.toLowerCase()));
  return { name: fields.text("name"), created: timeIn(fields, "created"), disks };
}

/** The bytes of `generation.json`. */
export function generationBytes(document: GenerationDocument): Promise<Uint8Array<ArrayBuffer>> {
  const { id, parent, machine, program, begun, ended, note, disks } = document;
  return closedJsonBytes(GENERATION, {
    id,
    ...(parent === undefined ? {} : { parent }),
    machine,
    program,
    begun: begun.toISOString(),
    ended: ended.toISOString(),
    ...(note === undefined ? {} : { note }),
    disks,
  });
}

/** Reads `generation.json`. @throws {FormatError} if it is none, or was damaged */
export async function parseGeneration(bytes: Uint8Array, path: string): Promise<GenerationDocument> {
  const fields = await parseClosedJson(GENERATION, bytes, path);
  const disks = fields.list("disks", { max: MAX_DISKS }).map(diskIn);
  assertDistinct(fields, "disks", disks.map(({ key }) => key.toLowerCase()));
  return {
    id: idIn(fields, "id"),
    ...(fields.has("parent") ? { parent: idIn(fields, "parent") } : {}),
    machine: fields.text("machine"),
    program: fields.text("program"),
    begun: timeIn(fields, "begun"),
    ended: timeIn(fields, "ended"),
    ...(fields.has("note") ? { note: fields.text("note") } : {}),
    disks,
  };
}

function diskIn(fields: JsonFields): GenerationDisk {
  const blockBytes = fields.integer("blockBytes", { min: SECTOR_BYTES, max: MAX_BLOCK_BYTES });
  if (blockBytes % SECTOR_BYTES !== 0) throw fields.fault("blockBytes", "a multiple of 512");
  const blockCount = fields.integer("blockCount", { min: 1 });
  const capacityBytes = fields.integer("capacityBytes", { min: 1 });
  if (Math.ceil(capacityBytes / blockBytes) !== blockCount) {
    throw fields.fault("capacityBytes", `the bytes of ${blockCount} blocks of ${blockBytes}`);
  }
  return {
    key: keyIn(fields),
    capacityBytes,
    blockBytes,
    blockCount,
    adapterType: fields.integer("adapterType", { max: 2 ** 31 - 1 }),
    metadata: fields.texts("metadata", { max: MAX_METADATA, maxLength: 64 * 1024 }),
    series: fields.text("series", { form: ID }),
    stamp: fields.text("stamp", { form: STAMP }),
    root: fields.text("root", { form: HASH }),
    mode: fields.text("mode", { form: /^(full|diff|incr)$/ }) as GenerationDisk["mode"],
    reason: fields.text("reason"),
    changedBlocks: fields.integer("changedBlocks", { max: blockCount }),
    zeroBlocks: fields.integer("zeroBlocks", { max: blockCount }),
    source: fields.texts("source", { max: 64 }),
    digest: fileIn(fields.object("digest"), { blockCount, isWhole: true }),
    ...(fields.has("rdiff") ? { rdiff: fileIn(fields.object("rdiff"), { blockCount, isWhole: false }) } : {}),
  };
}

function fileIn(
  fields: JsonFields,
  { blockCount, isWhole }: { blockCount: number; isWhole: boolean },
): GenerationFile {
  const dataRecords = fields.integer("dataRecords", { max: blockCount });
  const zeroRecords = fields.integer("zeroRecords", { max: blockCount - dataRecords });
  if (isWhole && dataRecords + zeroRecords !== blockCount) {
    throw fields.fault("dataRecords", `${blockCount} records in all`);
  }
  return {
    bytes: fields.integer("bytes", { min: 1 }),
    sha256: fields.text("sha256", { form: HASH }),
    dataRecords,
    zeroRecords,
  };
}

function keyIn(fields: JsonFields): string {
  const key = fields.text("key");
  if (!isDiskKey(key)) throw fields.fault("key", "the key of a disk");
  return key;
}

function idIn(fields: JsonFields, name: string): string {
  const id = fields.text(name);
  if (timeOfGeneration(id) === undefined) throw fields.fault(name, "the id of a generation");
  return id;
}

function timeIn(fields: JsonFields, name: string): Date {
  const time = new Date(fields.text(name, { form: TIME }));
  if (Number.isNaN(time.getTime())) throw fields.fault(name, "a time");
  return time;
}

function assertDistinct(fields: JsonFields, name: string, keys: readonly string[]): void {
  if (new Set(keys).size !== keys.length) throw fields.fault(name, "disks with different keys");
}
