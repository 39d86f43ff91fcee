/**
 * Sends single calls to a server, each on a verified connection of its own, with the cookie of the session.
 */

import { scrub } from "../../disks/vddk/scrub.ts";
import { ServerError } from "../../errors.ts";
import { ConnectionError, ProtocolError, shown } from "../errors.ts";
import type { ByteLink } from "../net/byte_link.ts";
import { exchange, type HttpAnswer, type HttpRequest } from "../net/http.ts";
import { type Endpoint, formatEndpoint, TcpLink } from "../net/tcp_link.ts";
import { TlsLink } from "../net/tls_link.ts";
import type { Trust } from "../net/trust.ts";
import { decodeAnswer, encodeCall, type ObjectRef } from "./envelope.ts";
import { VsphereFault } from "./fault.ts";
import { type Passing, type XmlElement, XmlReader } from "./xml.ts";

/** Options of a single call. */
export interface SoapOptions {
  /** Ends the wait for the answer; the server may do the work all the same. */
  signal?: AbortSignal;
  /** Elements of the answer that are handed over one by one, so that it may have any number of them. */
  passing?: Passing;
  /** The longest silence of the server: 60 seconds by default. */
  patienceMs?: number;
}

/** A connection to a server that was verified. */
export interface VerifiedLink {
  link: ByteLink;
  /** The server's certificate, DER. */
  certificate: Uint8Array;
}

/** Makes a connection; what is thrown is a `ServerError`, or the reason of `signal`. */
export type Connector = (signal?: AbortSignal) => Promise<VerifiedLink>;

/** Connects over TCP and TLS. */
export function connectorFor(endpoint: Endpoint, trust: Trust): Connector {
  return async (signal) => {
    const tcp = await TcpLink.connect(endpoint, { signal });
    try {
      const link = await TlsLink.start(tcp, { trust, host: endpoint.host });
      return { link, certificate: link.certificate };
    } catch (error) {
      tcp.close();
      throw error;
    }
  };
}

/** A file that was asked for. */
export interface FileAnswer {
  status: number;
  /** Empty unless the status is 200. */
  bytes: Uint8Array<ArrayBuffer>;
}

const PATIENCE_MS = 60_000;
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
/** Of answers whose elements are handed over. */
const MAX_PASSING_BYTES = 1024 * 1024 * 1024;
const MAX_COOKIE_CHARS = 4096;
/** Calls whose answers open something: of a damaged one, nothing is shown. */
const SECRET_ANSWERS = /^(Login|Nfc)/;
const HTTPS_PORT = 443;
/** A gateway's failures, as while services of a vCenter start. */
const TRANSIENT_STATUSES = [502, 503, 504];

/** A server, and what opens its session. */
export class SoapClient {
  readonly endpoint: Endpoint;
  readonly #connect: Connector;
  /** Texts that no message may have: servers like to repeat what they were sent. */
  readonly #secrets: Set<string>;
  #certificate?: Uint8Array;
  #cookie?: string;
  /** The version of the interface that is spoken; without one the server takes the caller for one of 2006. */
  apiVersion?: string;

  /** @param secrets are taken out of all messages, also those that are added later */
  constructor(
    { endpoint, connect, secrets }: { endpoint: Endpoint; connect: Connector; secrets: Set<string> },
  ) {
    this.endpoint = endpoint;
    this.#connect = connect;
    this.#secrets = secrets;
  }

  /** The certificate (DER) that the server has shown last. */
  get certificate(): Uint8Array {
    if (this.#certificate === undefined) throw new TypeError("There was no connection yet");
    return this.#certificate;
  }

  get hasCookie(): boolean {
    return this.#cookie !== undefined;
  }

  forgetCookie(): void {
    this.#cookie = undefined;
  }

  /**
   * Calls `method` of `target` once.
   *
   * @param args elements in the order of the schema
   * @returns the element `...Response`
   * @throws {VsphereFault} if the server refuses
   * @throws {TrustError} if the server is not proved to be the one that is meant; the call was not sent
   * @throws {ServerError} if the connection or the answer fails
   */
  async call(method: string, target: ObjectRef, args: string, options: SoapOptions): Promise<XmlElement> {
    const { passing } = options;
    const request: HttpRequest = {
      method: "POST",
      target: "/sdk",
      headers: {
        "Content-Type": "text/xml; charset=utf-8",
        "SOAPAction": this.apiVersion === undefined ? '"urn:vim25"' : `"urn:vim25/${this.apiVersion}"`,
        ...this.#cookieHeader(),
      },
      body: encodeCall(method, target, args),
    };
    const maxBytes = passing === undefined ? MAX_ANSWER_BYTES : MAX_PASSING_BYTES;
    const isSecret = SECRET_ANSWERS.test(method);
    return await this.#told(
      `Cannot call ${method} of ${formatEndpoint(this.endpoint)}`,
      () =>
        this.#exchange(request, { ...options, maxBytes }, async (answer) => {
          const element = await readAnswer(answer, method, passing);
          if (method === "Login") this.#takeCookie(answer);
          return element;
        }),
      { isSecret },
    );
  }

  /**
   * Reads a file that the server has under `target` (path and query, encoded).
   *
   * @param options `what` is the file for messages
   * @throws {ServerError} if it is cut, or longer than `maxBytes`
   */
  async download(
    target: string,
    { maxBytes, what, signal }: { maxBytes: number; what: string; signal?: AbortSignal },
  ): Promise<FileAnswer> {
    const request: HttpRequest = { method: "GET", target, headers: this.#cookieHeader() };
    return await this.#told(
      `Cannot read ${what}`,
      () =>
        this.#exchange(request, { maxBytes, signal }, async (answer) => {
          const { status, isDelimited } = answer;
          // The page that comes with an error is of no use.
          if (status !== 200) return { status, bytes: new Uint8Array(0) };
          if (!isDelimited) {
            throw new ServerError(`${formatEndpoint(this.endpoint)} does not tell its length`);
          }
          return { status, bytes: await collect(answer) };
        }),
    );
  }

  /** A text without what opens a session. */
  hide(text: string): string {
    return [...this.#secrets].reduce(scrub, text);
  }

  async #exchange<T>(
    request: HttpRequest,
    { maxBytes, signal, patienceMs = PATIENCE_MS }: SoapOptions & { maxBytes: number },
    read: (answer: HttpAnswer) => Promise<T>,
  ): Promise<T> {
    const { host, port } = this.endpoint;
    const named = host.includes(":") ? `[${host}]` : host;
    const bounds = {
      host: port === HTTPS_PORT ? named : `${named}:${port}`,
      patienceMs,
      maxBodyBytes: maxBytes,
    };
    try {
      const { link, certificate } = await this.#connect(signal);
      this.#certificate = certificate;
      try {
        return await read(await exchange(link, request, bounds));
      } finally {
        link.close();
      }
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    }
  }

  #cookieHeader(): Record<string, string> {
    return this.#cookie === undefined ? {} : { "Cookie": this.#cookie };
  }

  /** Keeps the cookie that a login brings: the first `name=value`, verbatim, quotes included. */
  #takeCookie({ headers }: HttpAnswer): void {
    const [first = ""] = headers.get("set-cookie") ?? [];
    const [, cookie, value] = /^([!#$%&'*+.^_`|~\w-]+=([\x21\x23-\x3a\x3c-\x7e"]+))/.exec(first) ?? [];
    if (cookie === undefined || cookie.length > MAX_COOKIE_CHARS) return;
    this.#cookie = cookie;
    this.#secrets.add(value.replaceAll('"', ""));
  }

  /** Gives errors the action before them and takes the secrets out of them; their class stays. */
  async #told<T>(action: string, work: () => Promise<T>, { isSecret = false } = {}): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof VsphereFault) throw error.withText((text) => this.hide(text));
      if (!(error instanceof ServerError)) throw error;
      const message = isSecret ? withoutQuotes(error.message) : error.message;
      const text = this.hide(message);
      // The error itself may hold a secret, so it is no cause of the new one.
      throw new (error.constructor as typeof ServerError)(
        text.startsWith("Cannot ") ? text : `${action}: ${text}`,
      );
    }
  }
}

/**
 * The element of the answer. A fault counts first, then the status: a proxy answers with a page of its own.
 */
async function readAnswer(answer: HttpAnswer, method: string, passing?: Passing): Promise<XmlElement> {
  const reader = new XmlReader(passing);
  let beginning: Uint8Array | undefined;
  let element: XmlElement | undefined;
  try {
    for await (const piece of answer.body) {
      beginning ??= piece;
      reader.write(piece);
    }
    element = decodeAnswer(reader.end(), method);
  } catch (error) {
    if (answer.status === 200 || !(error instanceof ProtocolError)) throw error;
  }
  if (element !== undefined && answer.status === 200) return element;
  const Kind = TRANSIENT_STATUSES.includes(answer.status) ? ConnectionError : ServerError;
  throw new Kind(`it answers with HTTP status ${answer.status}: ${startOf(beginning)}`);
}

function startOf(bytes: Uint8Array | undefined): string {
  const maxBytes = 200;
  return bytes === undefined
    ? "nothing"
    : `"${shown(new TextDecoder().decode(bytes.subarray(0, maxBytes)))}"`;
}

/** A message as far as the server's own words. */
function withoutQuotes(message: string): string {
  return message.replace(/(:? "| XML: ).*$/s, " (what it says is not shown)");
}

async function collect({ body }: HttpAnswer): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  for await (const piece of body) pieces.push(piece);
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
}
