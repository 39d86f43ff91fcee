/**
 * Requests and their answers on one connection: many reads may be under way, their fragments come in any
 * order.
 */

import { ConnectionError, ProtocolError } from "../errors.ts";
import type { ByteLink } from "../net/byte_link.ts";
import {
  Coverage,
  decodeFragment,
  decodeInto,
  encodeRead,
  type Fragment,
  FRAGMENT_BYTES,
  IO_BYTES,
  isAmbiguous,
  type ReadRequest,
} from "./fragment.ts";
import {
  decodeError,
  decodeHeader,
  encodeRecord,
  ERROR_BYTES,
  errorTextBytes,
  HEADER_BYTES,
  OPCODE,
} from "./record.ts";

/** The longest payload of an answer. */
const MAX_PAYLOAD_BYTES = 60;

/** A request whose answer has a known form. */
export interface PlainRequest {
  opcode: number;
  /** For messages: `to open the disk`. */
  action: string;
  payload: Uint8Array;
  extra?: Uint8Array;
  /** Length of the payload of the answer, where it is not that of the request. */
  replyBytes?: number;
  /**
   * The number of bytes behind the payload of the answer.
   *
   * @throws {ProtocolError} if the payload is not right
   */
  extraBytes?: (payload: DataView) => number;
}

/** The answer to a plain request. */
export interface PlainReply {
  payload: DataView;
  extra: Uint8Array;
}

/** The handling of the records that answer a request. */
interface Exchange {
  opcode: number;
  action: string;
  replyBytes: number;
  /** A payload is there. Gives the place for the bytes behind it. */
  begin(payload: DataView): Uint8Array;
  /** The bytes behind the payload are there. True if the request is answered. */
  complete(extra: Uint8Array): boolean;
  resolve(): void;
  reject(error: unknown): void;
}

/** A record whose header is there. */
interface ComingRecord {
  exchange: Exchange;
  sequence: number;
  isError: boolean;
  payloadBytes: number;
}

/** A connection on which records go. Any failure ends it, and all that is under way. */
export class RecordChannel {
  readonly #link: ByteLink;
  readonly #patienceMs: number;
  readonly #underWay = new Map<number, Exchange>();
  #sequence = 0;
  #failure?: unknown;
  /** Compressed fragments wait here until they are whole. */
  readonly #coded = new Uint8Array(FRAGMENT_BYTES);

  /** Header and payload of the record that is coming. */
  readonly #head = new Uint8Array(HEADER_BYTES + MAX_PAYLOAD_BYTES);
  readonly #headView = new DataView(this.#head.buffer);
  #headBytes = 0;
  #current?: ComingRecord;
  /** The bytes behind the payload, and how many of them have come. */
  #extra?: Uint8Array;
  #extraBytes = 0;

  #lastHeard = 0;
  #timer?: ReturnType<typeof setTimeout>;

  /** @param options `patienceMs` is the longest silence of the host while an answer is due */
  constructor(link: ByteLink, { patienceMs }: { patienceMs: number }) {
    this.#link = link;
    this.#patienceMs = patienceMs;
    void this.#receive();
  }

  /** Whether the connection is of no use any more. */
  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  /**
   * Sends a request and waits for its answer.
   *
   * @throws {ServerError} if the host refuses or the connection fails
   */
  async request(request: PlainRequest): Promise<PlainReply> {
    const { opcode, action, payload, extra, replyBytes = payload.length, extraBytes = () => 0 } = request;
    const reply: Partial<PlainReply> = {};
    await this.#send(
      {
        opcode,
        action,
        replyBytes,
        begin: (view) => {
          // The view is used again for the next record.
          reply.payload = new DataView(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
          return reply.extra = new Uint8Array(extraBytes(view));
        },
        complete: () => true,
      },
      payload,
      extra,
    );
    return reply as PlainReply;
  }

  /**
   * Reads into `into`, which may lie in shared memory; its length is that of the request.
   *
   * @returns false if a fragment was ambiguous: then `into` has to be read again, without compression
   * @throws {ServerError} if the host refuses or the connection fails; `into` may have been written to
   */
  async read(request: Omit<ReadRequest, "lengthBytes">, into: Uint8Array): Promise<boolean> {
    const whole = { ...request, lengthBytes: into.length };
    const coverage = new Coverage();
    let fragment: Fragment;
    let isCertain = true;
    const placeOf = ({ startBytes, lengthBytes }: Fragment) =>
      into.subarray(startBytes, startBytes + lengthBytes);
    await this.#send({
      opcode: OPCODE.io,
      action: `to read ${into.length} bytes at byte ${request.offsetBytes}`,
      replyBytes: IO_BYTES,
      begin: (payload) => {
        fragment = decodeFragment(payload, whole);
        coverage.add(fragment.startBytes, fragment.lengthBytes);
        return fragment.compression === "none"
          ? placeOf(fragment)
          : this.#coded.subarray(0, fragment.codedBytes);
      },
      complete: (extra) => {
        if (isAmbiguous(fragment)) isCertain = false;
        else if (fragment.compression !== "none") decodeInto(extra, placeOf(fragment), fragment.compression);
        return coverage.isWhole(into.length);
      },
    }, encodeRead(whole));
    return isCertain;
  }

  /** Ends the connection; what is under way fails with `reason`. */
  close(reason: unknown = new ConnectionError("the connection is closed")): void {
    this.#fail(reason);
  }

  /** Sends the last message, behind which nothing comes, and ends the connection. */
  async finish(message: Uint8Array): Promise<void> {
    await this.#link.write(message);
    this.close();
  }

  async #send(
    exchange: Omit<Exchange, "resolve" | "reject">,
    payload: Uint8Array,
    extra?: Uint8Array,
  ): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const sequence = this.#sequence;
    this.#sequence = (sequence + 1) >>> 0;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    if (this.#underWay.size === 0) this.#watch();
    this.#underWay.set(sequence, { ...exchange, resolve, reject });
    this.#link.write(encodeRecord(exchange.opcode, sequence, payload, extra)).catch((error) =>
      this.#fail(error)
    );
    await promise;
  }

  async #receive(): Promise<void> {
    try {
      for (let bytes; (bytes = await this.#link.read()) !== null;) {
        // Behind a failure, the memory of the reads is not theirs any more.
        if (this.#failure !== undefined) return;
        this.#lastHeard = performance.now();
        this.#take(bytes);
        this.#link.release?.(bytes);
      }
      this.#fail(new ConnectionError(`${this.#link.peer} ends the connection`));
    } catch (error) {
      this.#fail(error);
    }
  }

  #take(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#extra !== undefined) {
        const part = bytes.subarray(at, at + this.#extra.length - this.#extraBytes);
        this.#extra.set(part, this.#extraBytes);
        this.#extraBytes += part.length;
        at += part.length;
        if (this.#extraBytes === this.#extra.length) this.#endRecord();
      } else {
        const wanted = HEADER_BYTES + (this.#current?.payloadBytes ?? 0);
        const part = bytes.subarray(at, at + wanted - this.#headBytes);
        this.#head.set(part, this.#headBytes);
        this.#headBytes += part.length;
        at += part.length;
        if (this.#headBytes === wanted) this.#goOn();
      }
    }
  }

  /** The header is whole, or header and payload are. */
  #goOn(): void {
    this.#current ??= this.#beginRecord();
    const { exchange, isError, payloadBytes } = this.#current;
    if (this.#headBytes < HEADER_BYTES + payloadBytes) return;
    const payload = new DataView(this.#head.buffer, HEADER_BYTES, payloadBytes);
    this.#extra = isError ? new Uint8Array(errorTextBytes(payload)) : exchange.begin(payload);
    this.#extraBytes = 0;
    if (this.#extra.length === 0) this.#endRecord();
  }

  #beginRecord(): ComingRecord {
    const { opcode, payloadBytes, sequence } = decodeHeader(this.#headView);
    const exchange = this.#underWay.get(sequence);
    if (exchange === undefined) {
      throw new ProtocolError(`the data port answers request ${sequence}, which nobody sent`);
    }
    const isError = opcode === OPCODE.error;
    if (!isError && opcode !== exchange.opcode) {
      throw new ProtocolError(`the data port answers a request ${exchange.opcode} with a record ${opcode}`);
    }
    const expectedBytes = isError ? ERROR_BYTES : exchange.replyBytes;
    if (payloadBytes !== expectedBytes) {
      throw new ProtocolError(
        `the data port answers with ${payloadBytes} bytes where ${expectedBytes} are expected`,
      );
    }
    return { exchange, sequence, isError, payloadBytes };
  }

  #endRecord(): void {
    const { exchange, sequence, isError, payloadBytes } = this.#current!;
    const extra = this.#extra!;
    this.#current = undefined;
    this.#extra = undefined;
    this.#headBytes = 0;
    // Whether an ordinary answer follows depends on the host: the connection is given up.
    if (isError) {
      throw decodeError(new DataView(this.#head.buffer, HEADER_BYTES, payloadBytes), extra, exchange.action);
    }
    if (!exchange.complete(extra)) return;
    this.#underWay.delete(sequence);
    if (this.#underWay.size === 0) this.#rest();
    exchange.resolve();
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#rest();
    this.#link.close();
    for (const { reject } of this.#underWay.values()) reject(this.#failure);
    this.#underWay.clear();
  }

  /** From now on an answer is due. */
  #watch(): void {
    this.#lastHeard = performance.now();
    this.#timer ??= setTimeout(() => this.#look(), this.#patienceMs);
  }

  #look(): void {
    this.#timer = undefined;
    const silentMs = performance.now() - this.#lastHeard;
    if (silentMs < this.#patienceMs) {
      this.#timer = setTimeout(() => this.#look(), this.#patienceMs - silentMs);
    } else {
      this.#fail(
        new ConnectionError(`${this.#link.peer} does not answer within ${this.#patienceMs / 1000} s`),
      );
    }
  }

  #rest(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
