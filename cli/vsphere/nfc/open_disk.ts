/** The calls of the disk service on one connection with one open disk. */

import { ProtocolError } from "../errors.ts";
import type { ByteLink } from "../net/byte_link.ts";
import { type CompressionName, FRAGMENT_BYTES } from "./fragment.ts";
import { encodeMessage, MESSAGE } from "./message.ts";
import { makePayload, OPCODE, safeUint64 } from "./record.ts";
import { RecordChannel } from "./record_channel.ts";

export const SECTOR_BYTES = 512;

/** Options of opening a disk on a connection. */
export interface OpenOptions {
  /** `[datastore] folder/name.vmdk`. */
  path: string;
  patienceMs: number;
  /** Whether the size of fragments is asked for, as VMware's library does, or left to the host. */
  asksForBuffers: boolean;
}

/** Buffers of a session, as VMware's library asks for them. */
const BUFFER_COUNT = 4;

const OPEN_BYTES = 60;
/** The kind of file: a disk, also if it is a delta. */
const KIND_DISK = 2;
const FLAGS_READ_ONLY = 0x1e;

/** A value of a disk's data base is a short text. */
const MAX_VALUE_BYTES = 4096;

/** The most chunks of an allocation request, each a bit of the answer: so many were tried with hosts. */
export const MAX_CHUNKS = 16_384;
const ALLOCATION_BYTES = 48;

/** A disk that is open for reading. */
export class OpenDisk {
  readonly capacityBytes: number;
  readonly #channel: RecordChannel;
  readonly #handle: bigint;

  private constructor(channel: RecordChannel, handle: bigint, capacityBytes: number) {
    this.#channel = channel;
    this.#handle = handle;
    this.capacityBytes = capacityBytes;
  }

  /**
   * Opens a disk on a connection that takes records; the connection belongs to the disk from then on.
   *
   * @throws {NfcRefusal} if the host does not open it
   * @throws {ServerError} if the connection fails
   */
  static async open(link: ByteLink, { path, patienceMs, asksForBuffers }: OpenOptions): Promise<OpenDisk> {
    const channel = new RecordChannel(link, { patienceMs });
    try {
      await channel.request({
        opcode: OPCODE.openSession,
        action: "the session",
        payload: makePayload(16, (view) => {
          if (!asksForBuffers) return;
          view.setUint32(4, FRAGMENT_BYTES, true);
          view.setUint32(8, BUFFER_COUNT, true);
        }),
      });
      await channel.request({
        opcode: OPCODE.socketOptions,
        action: "its socket options",
        payload: makePayload(12),
      });
      await channel.request({
        opcode: OPCODE.resourcePool,
        action: "its resource pool",
        payload: makePayload(4, (view) => view.setUint32(0, 1, true)),
      });
      return await openFile(
        channel,
        path,
        (handle, capacityBytes) => new OpenDisk(channel, handle, capacityBytes),
      );
    } catch (error) {
      channel.close();
      throw error;
    }
  }

  /** Whether the connection is of no use any more. */
  get hasFailed(): boolean {
    return this.#channel.hasFailed;
  }

  /**
   * Reads whole sectors, at most 1 MiB.
   *
   * @returns false if it has to be read again without compression
   */
  async read(into: Uint8Array, offsetBytes: number, compression: CompressionName): Promise<boolean> {
    return await this.#channel.read({ handle: this.#handle, offsetBytes, compression }, into);
  }

  /** A value of the disk's data base; `key` without `ddb.`. Undefined if the disk has no such key. */
  async readValue(key: string): Promise<string | undefined> {
    const name = new TextEncoder().encode(key);
    const { extra } = await this.#channel.request({
      opcode: OPCODE.ddbGet,
      action: `the disk's ${key}`,
      payload: makePayload(16, (view) => {
        view.setBigUint64(0, this.#handle, true);
        view.setUint32(8, name.length, true);
      }),
      extra: name,
      extraBytes: (payload) => {
        const length = payload.getUint32(12, true);
        if (length > MAX_VALUE_BYTES) {
          throw new ProtocolError(`the data port tells a ${key} of ${length} bytes`);
        }
        return length;
      },
    });
    return extra.length === 0 ? undefined : new TextDecoder().decode(extra);
  }

  /**
   * The allocation of the chunks from `startBytes` on: one bit each, the lowest of a byte first; 1 is
   * allocated.
   *
   * @param options `startBytes` is a multiple of `chunkBytes`, and that one of 64 KiB; at most 16384 chunks
   */
  async allocated(
    { chunkBytes, startBytes, chunkCount }: { chunkBytes: number; startBytes: number; chunkCount: number },
  ): Promise<Uint8Array> {
    // The bitmap is padded to words of 32 bits.
    const bitmapBytes = Math.ceil(chunkCount / 32) * 4;
    const { extra } = await this.#channel.request({
      opcode: OPCODE.allocatedBlocks,
      action: "the allocated blocks",
      payload: makePayload(ALLOCATION_BYTES, (view) => {
        view.setBigUint64(0, this.#handle, true);
        view.setBigUint64(16, BigInt(chunkBytes), true);
        view.setBigUint64(24, BigInt(startBytes), true);
        view.setBigUint64(32, BigInt(chunkCount), true);
      }),
      extraBytes: (payload) => {
        const count = safeUint64(payload, 32, "a number of chunks");
        if (count !== chunkCount) {
          throw new ProtocolError(`the data port tells of ${count} chunks of ${chunkCount}`);
        }
        return bitmapBytes;
      },
    });
    return extra;
  }

  /** Closes the disk and the session in order, when nothing is under way. */
  async close(): Promise<void> {
    await this.#channel.request({
      opcode: OPCODE.closeFile,
      action: "to close the disk",
      payload: makePayload(8, (view) => view.setBigUint64(0, this.#handle, true)),
    });
    await this.#channel.request({
      opcode: OPCODE.closeSession,
      action: "to end the session",
      payload: makePayload(4),
    });
    await this.#channel.finish(encodeMessage(MESSAGE.complete));
  }

  /** Drops the connection: the host closes the disk. What is under way fails with `reason`. */
  drop(reason?: unknown): void {
    this.#channel.close(reason);
  }
}

async function openFile(
  channel: RecordChannel,
  path: string,
  make: (handle: bigint, capacityBytes: number) => OpenDisk,
): Promise<OpenDisk> {
  const name = new TextEncoder().encode(path);
  const { payload } = await channel.request({
    opcode: OPCODE.openFile,
    action: "to open the disk",
    payload: makePayload(OPEN_BYTES, (view) => {
      view.setUint32(0, name.length, true);
      view.setUint32(16, KIND_DISK, true);
      view.setUint32(20, FLAGS_READ_ONLY, true);
    }),
    extra: name,
  });
  const status = payload.getBigUint64(0, true);
  if (status !== 0n) throw new ProtocolError(`the data port opens the disk with status ${status}`);
  const capacityBytes = safeUint64(payload, 28, "a capacity");
  const sectorBytes = payload.getUint32(36, true);
  if (sectorBytes !== 0 && sectorBytes !== SECTOR_BYTES) {
    throw new ProtocolError(`the disk has sectors of ${sectorBytes} bytes, ${SECTOR_BYTES} are supported`);
  }
  if (capacityBytes === 0 || capacityBytes % SECTOR_BYTES !== 0) {
    throw new ProtocolError(`the data port tells a capacity of ${capacityBytes} bytes`);
  }
  return make(payload.getBigUint64(8, true), capacityBytes);
}
