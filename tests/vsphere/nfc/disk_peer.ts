/**
 * The disk service of a data port behind its handshake, over any link: reads records, checks them, answers
 * them.
 */

import { deflateSync } from "node:zlib";
import type { ByteLink } from "../../../cli/vsphere/net/byte_link.ts";

/** Numbers of the specification, written down a second time. */
const MAGIC = 0xa100da7a;
const IO = 7;

/** How the service behaves. */
export interface DiskPeerOptions {
  content: Uint8Array;
  path: string;
  /** The data base; a key that is missing has no value. */
  ddb?: Record<string, string>;
  /** Chunks of 64 KiB that are allocated; without it, those with a byte that is not zero. */
  isAllocated?: (chunk: number) => boolean;
  /** From 0 to below 1: cuts and order of fragments. Without it 64 KiB each, in order. */
  random?: () => number;
  /** Marks stored fragments as compressed, if that was asked for. */
  marksStored?: boolean;
  /**
   * Gives an error record for a request, or does something to the connection. Counts from 0, for each opcode.
   */
  fault?: (opcode: number, count: number, peer: DiskPeer) => PeerError | "close" | "silence" | undefined;
  capacityBytes?: number;
  /** Sees, and may change, each record before it is sent. */
  mutate?: (record: Uint8Array) => Uint8Array;
}

export interface PeerError {
  code: number;
  text: string;
}

/** A session of the service. */
export class DiskPeer {
  readonly #link: Pick<ByteLink, "read" | "write" | "close">;
  readonly #options: DiskPeerOptions;
  #held: Uint8Array = new Uint8Array(0);
  readonly #counts = new Map<number, number>();
  #sequence = 0;
  /** What the client did that the specification does not allow. */
  readonly violations: string[] = [];
  /** Opcodes in the order of the requests. */
  readonly requests: number[] = [];
  /** Reads in the order of the requests. */
  readonly reads: { offsetBytes: number; lengthBytes: number; compression: number }[] = [];
  isOpen = false;
  /** The client has sent the last message. */
  isComplete = false;

  constructor(link: Pick<ByteLink, "read" | "write" | "close">, options: DiskPeerOptions) {
    this.#link = link;
    this.#options = options;
  }

  /** Answers until the client ends. */
  async run(): Promise<void> {
    for (;;) {
      const head = await this.#take(16);
      if (head === undefined) return;
      const view = viewOf(head);
      if (view.getUint32(0, true) === 4) {
        this.#expect(
          (await this.#take(264 - 16))?.every((byte) => byte === 0) === true,
          "the last message is not empty",
        );
        this.isComplete = true;
        return;
      }
      this.#expect(view.getUint32(0, true) === MAGIC, "no magic");
      const opcode = view.getUint32(4, true);
      const sequence = view.getUint32(12, true);
      this.#expect(sequence === this.#sequence++, `sequence ${sequence}`);
      const payload = await this.#take(view.getUint32(8, true));
      if (payload === undefined) return;
      this.requests.push(opcode);
      const count = this.#counts.get(opcode) ?? 0;
      this.#counts.set(opcode, count + 1);
      const extra = await this.#take(extraBytes(opcode, viewOf(payload)));
      if (extra === undefined) return;
      const fault = this.#options.fault?.(opcode, count, this);
      if (fault === "close") return this.#link.close();
      if (fault === "silence") continue;
      if (fault !== undefined) await this.#refuse(sequence, fault);
      else await this.#answer(opcode, sequence, payload, extra);
    }
  }

  async #answer(opcode: number, sequence: number, payload: Uint8Array, extra: Uint8Array): Promise<void> {
    const view = viewOf(payload);
    const length = { 2: 16, 3: 4, 4: 60, 5: 8, 7: 44, 9: 12, 11: 16, 13: 48, 22: 4 }[opcode];
    this.#expect(payload.length === length, `opcode ${opcode} with ${payload.length} bytes`);
    const reply = new Uint8Array(length ?? 0);
    const out = viewOf(reply);
    if (opcode === 4) {
      const path = new TextDecoder().decode(extra);
      this.#expect(this.requests.slice(0, 4).join() === "2,9,22,4", `order ${this.requests}`);
      this.#expect(view.getUint32(20, true) === 0x1e, "flags");
      if (path !== this.#options.path) {
        return await this.#refuse(sequence, { code: 4, text: `no file "${path}"` });
      }
      out.setBigUint64(8, HANDLE, true);
      out.setUint32(16, 2, true);
      out.setUint32(20, 0x1e, true);
      out.setBigUint64(28, BigInt(this.#options.capacityBytes ?? this.#options.content.length), true);
      out.setUint32(36, 512, true);
      this.isOpen = true;
    }
    if ([5, 7, 11, 13].includes(opcode)) {
      this.#expect(view.getBigUint64(0, true) === HANDLE && this.isOpen, "handle");
    }
    if (opcode === 5) this.isOpen = false;
    if (opcode === 9) out.setUint32(0, 1675000, true);
    if (opcode === IO) return await this.#answerRead(sequence, view);
    if (opcode === 11) {
      const value = new TextEncoder().encode(this.#options.ddb?.[new TextDecoder().decode(extra)] ?? "");
      out.setUint32(12, value.length, true);
      return await this.#send(opcode, sequence, reply, value);
    }
    if (opcode === 13) return await this.#answerAllocated(sequence, view);
    await this.#send(opcode, sequence, reply);
  }

  async #answerRead(sequence: number, request: DataView): Promise<void> {
    const offset = Number(request.getBigUint64(16, true));
    const length = request.getUint32(32, true);
    const wish = request.getUint32(12, true);
    this.reads.push({ offsetBytes: offset, lengthBytes: length, compression: wish });
    const { content, random } = this.#options;
    const isGood = offset % 512 === 0 && length % 512 === 0 && length > 0 && length <= 1 << 20 &&
      offset + length <= content.length && request.getUint32(8, true) === 1;
    this.#expect(isGood, `a read of ${length} at ${offset}`);
    const cuts: [number, number][] = [];
    for (let at = 0; at < length;) {
      const size = random === undefined ? 65536 : 1 + Math.floor(random() * 65536);
      cuts.push([at, Math.min(size, length - at)]);
      at += size;
    }
    if (random !== undefined) shuffle(cuts, random);
    for (const [start, size] of cuts) {
      const bytes = content.subarray(offset + start, offset + start + size);
      const [mark, coded] = this.#code(bytes, wish);
      const reply = new Uint8Array(44);
      const out = viewOf(reply);
      out.setUint32(8, 1, true);
      out.setUint32(12, mark, true);
      out.setBigUint64(16, BigInt(offset), true);
      out.setUint32(24, length, true);
      out.setUint32(28, start, true);
      out.setUint32(32, size, true);
      out.setUint32(36, coded.length, true);
      await this.#send(IO, sequence, reply, coded);
    }
  }

  #code(bytes: Uint8Array, wish: number): [mark: number, coded: Uint8Array] {
    const coded = wish === 1 ? deflateSync(bytes) : wish === 3 ? encodeSkipz(bytes) : bytes;
    if (wish === 0 || coded.length >= bytes.length) {
      return [this.#options.marksStored ? wish : 0, bytes];
    }
    return [wish, coded];
  }

  async #answerAllocated(sequence: number, request: DataView): Promise<void> {
    const chunk = Number(request.getBigUint64(16, true));
    const start = Number(request.getBigUint64(24, true));
    const count = Number(request.getBigUint64(32, true));
    const { content } = this.#options;
    this.#expect(chunk === 65536 && start % chunk === 0 && start + count * chunk <= content.length, "chunks");
    const isAllocated = this.#options.isAllocated ??
      ((i: number) => content.subarray(i * chunk, (i + 1) * chunk).some((byte) => byte !== 0));
    const bits = new Uint8Array(Math.ceil(count / 32) * 4);
    for (let i = 0; i < count; i++) if (isAllocated(start / chunk + i)) bits[i >> 3] |= 1 << (i & 7);
    const reply = new Uint8Array(48);
    viewOf(reply).setBigUint64(32, BigInt(count), true);
    await this.#send(13, sequence, reply, bits);
  }

  async #refuse(sequence: number, { code, text }: PeerError): Promise<void> {
    const words = new TextEncoder().encode(text);
    const payload = new Uint8Array(16);
    viewOf(payload).setBigUint64(0, BigInt(code), true);
    viewOf(payload).setUint32(12, words.length, true);
    await this.#send(1, sequence, payload, words);
  }

  async #send(
    opcode: number,
    sequence: number,
    payload: Uint8Array,
    extra: Uint8Array = new Uint8Array(0),
  ): Promise<void> {
    const record = new Uint8Array(16 + payload.length + extra.length);
    const view = viewOf(record);
    view.setUint32(0, MAGIC, true);
    view.setUint32(4, opcode, true);
    view.setUint32(8, payload.length, true);
    view.setUint32(12, sequence, true);
    record.set(payload, 16);
    record.set(extra, 16 + payload.length);
    await this.#link.write(this.#options.mutate?.(record) ?? record).catch(() => {});
  }

  async #take(count: number): Promise<Uint8Array | undefined> {
    while (this.#held.length < count) {
      const bytes = await this.#link.read().catch(() => null);
      if (bytes === null) return undefined;
      const held = new Uint8Array(this.#held.length + bytes.length);
      held.set(this.#held);
      held.set(bytes, this.#held.length);
      this.#held = held;
    }
    const taken = this.#held.subarray(0, count);
    this.#held = this.#held.subarray(count);
    return taken;
  }

  #expect(holds: boolean, what: string): void {
    if (!holds) this.violations.push(what);
  }
}

/** As a host's: a number of 32 bits with its sign extended. */
const HANDLE = 0xffff_ffff_8765_4321n;

function extraBytes(opcode: number, payload: DataView): number {
  if (opcode === 4) return payload.getUint32(0, true);
  return opcode === 11 ? payload.getUint32(8, true) : 0;
}

/** Runs of bytes that are not zero, each with its place. */
export function encodeSkipz(bytes: Uint8Array): Uint8Array {
  const words = (...values: number[]) => new Uint8Array(new Uint32Array(values).buffer);
  const parts: Uint8Array[] = [words(bytes.length, 0)];
  for (let at = 0; at < bytes.length;) {
    if (bytes[at] === 0) {
      at++;
      continue;
    }
    let end = at;
    while (end < bytes.length && bytes[end] !== 0) end++;
    parts.push(words(at, end - at), bytes.subarray(at, end));
    at = end;
  }
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function shuffle<T>(list: T[], random: () => number): void {
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [list[i], list[j]] = [list[j], list[i]];
  }
}
