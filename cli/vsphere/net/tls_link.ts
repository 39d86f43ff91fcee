/** TLS on a connection of bytes, with a certificate that was verified before the first byte is sent. */

import { isIP } from "node:net";
import { Duplex } from "node:stream";
import { connect, type TLSSocket } from "node:tls";
import { ConnectionError, reasonOf, TrustError } from "../errors.ts";
import type { ByteLink } from "./byte_link.ts";
import { checkRuntime, checkThumbprint, checkVersion3, type Trust } from "./trust.ts";

/** The longest time of a handshake; a busy host takes seconds. */
const HANDSHAKE_TIMEOUT_MS = 60_000;

/** Received bytes that wait for a reader; above this number the socket pauses. */
const MAX_WAITING_BYTES = 1024 * 1024;

/** The identity that the server has to prove. */
export interface TlsOptions {
  trust: Trust;
  /** The name that an authority must have vouched for; a thumbprint needs none. */
  host: string;
  timeoutMs?: number;
}

/** A verified TLS session on a link. */
export class TlsLink implements ByteLink {
  readonly peer: string;
  /** The server's certificate, DER. */
  readonly certificate: Uint8Array;
  readonly #socket: TLSSocket;
  readonly #carrier: Carrier;
  readonly #waiting: Uint8Array<ArrayBuffer>[] = [];
  #waitingBytes = 0;
  /** The end of the session: null if it was in order. */
  #end?: null | Error;
  #wake?: () => void;
  /** Ends the writes under way. */
  readonly #writes = new Set<(error: Error) => void>();

  private constructor(socket: TLSSocket, carrier: Carrier, certificate: Uint8Array) {
    this.peer = carrier.link.peer;
    this.certificate = certificate;
    this.#socket = socket;
    this.#carrier = carrier;
    socket.on("data", (bytes: Uint8Array<ArrayBuffer>) => this.#receive(bytes));
    socket.on("end", () => this.#finish(null));
    socket.on("close", () => this.#finish(null));
    socket.on("error", (error: Error) => this.#finish(carrier.failure ?? error));
  }

  /**
   * Does the handshake on `link`, which belongs to the session from then on.
   *
   * @throws {TrustError} if the server is not proved to be the one that is meant; nothing but the handshake
   * was sent
   * @throws {ConnectionError} if the connection breaks or the server does not do TLS
   */
  static async start(
    link: ByteLink,
    { trust, host, timeoutMs = HANDSHAKE_TIMEOUT_MS }: TlsOptions,
  ): Promise<TlsLink> {
    checkRuntime();
    const carrier = new Carrier(link);
    const socket = connect({
      socket: carrier,
      host,
      // An address is no name that a server could choose its certificate by (RFC 6066, 3).
      ...(isIP(host) === 0 ? { servername: host } : {}),
      // An empty list instead of none: Deno would ask the system for its certificates.
      ..."thumbprint" in trust
        ? { ca: [], rejectUnauthorized: false }
        : { ca: [trust.authoritiesPem], rejectUnauthorized: true },
    });
    try {
      await handshake(socket, { link, carrier, timeoutMs, isPinned: "thumbprint" in trust });
      const certificate = socket.getPeerCertificate()?.raw as Uint8Array | undefined;
      if (certificate === undefined) {
        throw new TrustError(`Cannot trust ${link.peer}: it shows no certificate`);
      }
      checkVersion3(certificate, link.peer);
      if ("thumbprint" in trust) checkThumbprint(certificate, trust.thumbprint, link.peer);
      else if (!socket.authorized) {
        throw new TrustError(`Cannot trust ${link.peer}: ${socket.authorizationError}`);
      }
      return new TlsLink(socket, carrier, certificate);
    } catch (error) {
      drop(socket, carrier);
      throw error;
    }
  }

  async read(): Promise<Uint8Array<ArrayBuffer> | null> {
    for (;;) {
      const bytes = this.#waiting.shift();
      if (bytes !== undefined) {
        this.#waitingBytes -= bytes.length;
        if (this.#socket.isPaused() && this.#waitingBytes <= MAX_WAITING_BYTES / 2) this.#socket.resume();
        return bytes;
      }
      if (this.#end === null) return null;
      if (this.#end !== undefined) throw this.#failure("read from", this.#end);
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  release(bytes: Uint8Array<ArrayBuffer>): void {
    // A part of a larger buffer may have neighbours.
    if (bytes.length === bytes.buffer.byteLength) bytes.buffer.transfer(0);
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#end !== undefined) throw this.#failure("write to", this.#end);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#writes.add(reject);
    this.#socket.write(bytes, (error) => error ? reject(error) : resolve());
    try {
      await promise;
    } catch (error) {
      throw this.#failure("write to", this.#carrier.failure ?? error as Error);
    } finally {
      this.#writes.delete(reject);
    }
  }

  /** Forgets the session without a word to the server; the link below goes on. */
  abandon(): void {
    drop(this.#socket, this.#carrier);
    this.#finish(new Error("the TLS session is over"));
  }

  close(): void {
    this.abandon();
    this.#carrier.link.close();
  }

  #receive(bytes: Uint8Array<ArrayBuffer>): void {
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes > MAX_WAITING_BYTES) this.#socket.pause();
    this.#wake?.();
  }

  #finish(end: null | Error): void {
    if (this.#end === undefined) this.#end = end;
    this.#wake?.();
    // A socket that is destroyed does not always call back.
    for (const reject of this.#writes) reject(end ?? new Error("the connection is closed"));
  }

  #failure(action: string, cause: Error | null): unknown {
    if (cause !== null && cause === this.#carrier.failure) return cause;
    const reason = cause === null ? "the connection is closed" : cause.message;
    return new ConnectionError(`Cannot ${action} ${this.peer}: ${reason}`, { cause });
  }
}

/** The stream of bytes that `node:tls` works on. */
class Carrier extends Duplex {
  readonly link: ByteLink;
  /** The failure of the link, if it has failed. */
  failure?: Error;
  #isDetached = false;

  constructor(link: ByteLink) {
    super();
    this.link = link;
  }

  /** From now on nothing comes and nothing goes: a session that ends would still send its alert. */
  detach(): void {
    this.#isDetached = true;
    this.destroy();
  }

  override _read(): void {
    if (this.#isDetached) return;
    this.link.read().then((bytes) => this.#isDetached || this.push(bytes), (error) => this.#fail(error));
  }

  override _write(bytes: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    if (this.#isDetached) return done();
    this.link.write(bytes).then(() => done(), (error) => {
      this.#fail(error);
      done(error);
    });
  }

  #fail(error: Error): void {
    if (this.#isDetached) return;
    this.failure ??= error;
    this.destroy(error);
  }
}

/** Ends a session without sending anything more. */
function drop(socket: TLSSocket, carrier: Carrier): void {
  socket.on("error", () => {});
  carrier.on("error", () => {});
  carrier.detach();
  socket.destroy();
}

async function handshake(
  socket: TLSSocket,
  { link, carrier, timeoutMs, isPinned }: {
    link: ByteLink;
    carrier: Carrier;
    timeoutMs: number;
    isPinned: boolean;
  },
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(
    () => reject(new ConnectionError(`${link.peer} does not end the TLS handshake in ${timeoutMs / 1000} s`)),
    timeoutMs,
  );
  const fail = (error: Error) => reject(carrier.failure ?? handshakeFailure(error, link.peer, isPinned));
  const onClose = () => fail(new Error("the connection ends in the midst of it"));
  // The session handles an error that comes after the handshake; this listener stays so that none is
  // unheard.
  socket.on("error", fail);
  carrier.on("error", fail);
  socket.once("secureConnect", resolve);
  socket.once("close", onClose);
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    socket.off("close", onClose);
  }
}

/** Codes of verification by `node:tls`: the peer did a handshake, but as another one than is meant. */
const DISTRUST = /^(DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|CERT_|ERR_TLS_CERT)/;

function handshakeFailure(error: Error, peer: string, isPinned: boolean): Error {
  const code = (error as { code?: string }).code ?? "";
  if (DISTRUST.test(code)) {
    // With a thumbprint, chains and names are not looked at: Deno gives such a code for a wrong signature.
    const reason = isPinned
      ? "it does not prove that it has the key of its certificate"
      : `its certificate is not accepted: ${error.message}`;
    return new TrustError(`Cannot trust ${peer}: ${reason}; nothing was sent`, { cause: error });
  }
  return new ConnectionError(`Cannot start TLS with ${peer}: ${reasonOf(error)}`, { cause: error });
}
