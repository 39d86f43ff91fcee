/** A disk on the data port of a host, for the pipeline. */

import type { Extent, ReadableDisk } from "../../disks/disk.ts";
import { adapterTypeOf } from "../../disks/vmdk/descriptor/ddb.ts";
import { ServerError } from "../../errors.ts";
import { AllocationMap, CHUNK_BYTES } from "./allocation.ts";
import { Budget, budgetOf } from "./budget.ts";
import type { AreaList } from "../area_list.ts";
import { DiskSession, type DiskSessionSetup, UnansweredError } from "./disk_session.ts";
import { type CompressionName, MAX_READ_BYTES } from "./fragment.ts";
import { SECTOR_BYTES } from "./open_disk.ts";

/** Options of opening a disk. */
export interface NfcDiskOptions extends DiskSessionSetup {
  /** The name of the disk in messages, if it is not the file that is opened. */
  name?: string;
  /** Reads under way at a time, 1 to 32. */
  window?: number;
  compression?: CompressionName;
  /** Whether the host is asked which blocks are allocated; what is not is not read. */
  isMapped: boolean;
  /** Asked if the host does not tell which blocks are allocated. */
  areasInstead?: () => Promise<AreaList | undefined>;
  /** The disk as the management interface describes it. */
  known: { capacityBytes: number; adapterType: number };
  /** From 0 to below 1: which of the empty blocks are looked at. */
  random?: () => number;
}

const DEFAULTS = { window: 16, compression: "skipz" as CompressionName };
export const MAX_WINDOW = 32;

/** The values of a disk's data base that are asked for: there is no request that lists them. */
const KEYS = [
  "adapterType",
  "uuid",
  "geometry.cylinders",
  "geometry.heads",
  "geometry.sectors",
  "geometry.biosCylinders",
  "geometry.biosHeads",
  "geometry.biosSectors",
  "logicalSectorSize",
  "physicalSectorSize",
];

/** An open disk. */
export class NfcDisk implements ReadableDisk, AsyncDisposable {
  readonly path: string;
  readonly files: readonly string[] = [];
  readonly format: string;
  readonly overlaps = true;
  readonly capacityBytes: number;
  readonly adapterType: number;
  readonly metadata: ReadonlyMap<string, string>;
  readonly #session: DiskSession;
  readonly #options: NfcDiskOptions & typeof DEFAULTS;
  readonly #window: Budget;
  readonly #map?: AllocationMap;
  #areas?: AreaList;
  #bytesRead = 0;
  #closing?: Promise<void>;

  private constructor(
    session: DiskSession,
    metadata: ReadonlyMap<string, string>,
    options: NfcDiskOptions & typeof DEFAULTS,
  ) {
    this.#session = session;
    this.#options = options;
    this.#window = new Budget(options.window);
    this.path = options.name ?? options.path;
    this.capacityBytes = session.capacityBytes;
    this.adapterType = metadata.has("adapterType") ? adapterTypeOf(metadata) : options.known.adapterType;
    this.metadata = metadata;
    this.format = `NFC, ${options.isEncrypted ? "nbdssl" : "nbd"}`;
    if (options.isMapped) this.#map = this.#newMap();
  }

  /**
   * @throws {ServerError} if the disk cannot be opened, or is another one than the management interface knows
   */
  static async open(given: NfcDiskOptions): Promise<NfcDisk> {
    const options = { ...DEFAULTS, ...given };
    const { window, known, path } = options;
    if (!Number.isInteger(window) || window < 1 || window > MAX_WINDOW) {
      throw new RangeError(`A window of ${window} reads is not possible: 1 to ${MAX_WINDOW} are`);
    }
    const session = await DiskSession.open(options);
    try {
      if (session.capacityBytes !== known.capacityBytes) {
        throw new ServerError(
          `Cannot open disk "${path}": the host opens one of ${session.capacityBytes} bytes, the snapshot has one of ` +
            `${known.capacityBytes}`,
        );
      }
      return new NfcDisk(session, await readMetadata(session, options), options);
    } catch (error) {
      session.leave();
      throw error;
    }
  }

  /** Bytes of the disk that were asked for so far. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  /** The host that the disk is read from. */
  get host(): string {
    return this.#session.host;
  }

  async extentAt(offsetBytes: number): Promise<Extent> {
    this.#check(offsetBytes, 1);
    return await this.#map?.extentAt(offsetBytes) ?? { endBytes: this.capacityBytes, zero: false };
  }

  /**
   * Reads whole sectors, in requests of at most 1 MiB, as many at a time as the window has.
   *
   * @throws {ServerError} if nothing helps against a failure
   */
  async read(into: Uint8Array, offsetBytes: number): Promise<void> {
    this.#check(offsetBytes, into.length);
    if (offsetBytes % SECTOR_BYTES !== 0 || into.length % SECTOR_BYTES !== 0) {
      throw new RangeError(`Cannot read ${into.length} bytes at byte ${offsetBytes}: no whole sectors`);
    }
    const parts: Promise<void>[] = [];
    for (let at = 0; at < into.length;) {
      // Requests end at whole mebibytes of the disk.
      const end = Math.min(into.length, at + MAX_READ_BYTES - (offsetBytes + at) % MAX_READ_BYTES);
      const [part, partOffset] = [into.subarray(at, end), offsetBytes + at];
      parts.push(this.#window.use(() => this.#readPart(part, partOffset)));
      at = end;
    }
    // All of them, even if one fails: until then the memory is in use.
    const outcomes = await Promise.allSettled(parts);
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
  }

  /** Waits for the reads under way and closes the disk; a failure of closing is an event. */
  async close(): Promise<void> {
    await (this.#closing ??= this.#session.close());
  }

  /** Ends the connection at once; reads that are under way fail. */
  [Symbol.dispose](): void {
    if (this.#closing === undefined) this.#session.leave();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #readPart(into: Uint8Array, offsetBytes: number): Promise<void> {
    const { compression } = this.#options;
    this.#bytesRead += into.length;
    await budgetOf(this.#session.host).use(() =>
      this.#session.attempt(async (disk) => {
        if (await disk.read(into, offsetBytes, compression)) return;
        if (!await disk.read(into, offsetBytes, "none")) {
          throw new TypeError("A stored read cannot be ambiguous");
        }
      }, { action: `Cannot read disk "${this.path}" at byte ${offsetBytes}` })
    );
  }

  #newMap(): AllocationMap {
    const { onEvent, random = Math.random } = this.#options;
    return new AllocationMap({
      path: this.path,
      capacityBytes: this.capacityBytes,
      random,
      read: (into, offsetBytes) => this.read(into, offsetBytes),
      ask: ({ startBytes, chunkCount }) => this.#askAllocated(startBytes, chunkCount),
      onDoubt: (reason) =>
        onEvent({
          kind: "downgrade",
          text: `the list of allocated blocks is not believed, all are read: ${reason}`,
        }),
    });
  }

  async #askAllocated(startBytes: number, chunkCount: number): Promise<Uint8Array | undefined> {
    if (this.#areas !== undefined) return chunkBits(this.#areas, { startBytes, chunkCount });
    try {
      return await this.#session.attempt(
        (disk) => disk.allocated({ chunkBytes: CHUNK_BYTES, startBytes, chunkCount }),
        {
          action: `Cannot ask for the allocated blocks of disk "${this.path}" from byte ${startBytes} on`,
          isOptional: true,
        },
      );
    } catch (error) {
      if (!(error instanceof UnansweredError)) throw error;
      this.#areas = await this.#options.areasInstead?.();
      const instead = this.#areas === undefined ? "all blocks are read" : "the server's list is used";
      const text = `the host does not tell the allocated blocks, ${instead}: ${error.message}`;
      this.#options.onEvent({ kind: "downgrade", text });
      return this.#areas && chunkBits(this.#areas, { startBytes, chunkCount });
    }
  }

  #check(offsetBytes: number, lengthBytes: number): void {
    const { capacityBytes } = this;
    if (Number.isSafeInteger(offsetBytes) && offsetBytes >= 0 && offsetBytes + lengthBytes <= capacityBytes) {
      return;
    }
    throw new RangeError(
      `Cannot access disk "${this.path}": ${lengthBytes} bytes at byte ${offsetBytes} are wanted, it has ${capacityBytes}`,
    );
  }
}

/** One bit for each chunk that an area touches, as a host tells the allocated ones. */
function chunkBits(
  areas: AreaList,
  { startBytes, chunkCount }: { startBytes: number; chunkCount: number },
): Uint8Array {
  const bits = new Uint8Array(Math.ceil(chunkCount / 8));
  const endBytes = startBytes + chunkCount * CHUNK_BYTES;
  let area = areas.areaFrom(startBytes);
  while (area !== undefined && area.startBytes < endBytes) {
    const first = Math.floor((Math.max(area.startBytes, startBytes) - startBytes) / CHUNK_BYTES);
    const end = Math.ceil((Math.min(area.endBytes, endBytes) - startBytes) / CHUNK_BYTES);
    for (let chunk = first; chunk < end; chunk++) bits[chunk >> 3] |= 1 << (chunk & 7);
    area = areas.areaFrom(area.endBytes);
  }
  return bits;
}

/** The values of the disk's data base. */
async function readMetadata(
  session: DiskSession,
  { path, onEvent }: NfcDiskOptions,
): Promise<ReadonlyMap<string, string>> {
  const metadata = new Map<string, string>();
  for (const key of KEYS) {
    try {
      const value = await session.attempt((disk) => disk.readValue(key), {
        action: `Cannot read the metadata of disk "${path}"`,
        isOptional: true,
      });
      if (value === undefined) continue;
      // It goes into the header of an archive, whose texts have one line.
      if (/^[\x20-\x7e]*$/.test(value)) metadata.set(key, value);
      else onEvent({ kind: "remark", text: `metadata are no ASCII: ${key}` });
    } catch (error) {
      if (!(error instanceof UnansweredError)) throw error;
      onEvent({ kind: "downgrade", text: `the host does not tell the disk's ${key}: ${error.message}` });
      break;
    }
  }
  return metadata;
}
