/** A session with the management interface of an ESXi host or a vCenter. */

import { ServerError } from "../errors.ts";
import { ConnectionError, reasonOf } from "./errors.ts";
import { type Endpoint, formatEndpoint } from "./net/tcp_link.ts";
import type { Trust } from "./net/trust.ts";
import { pause } from "./pause.ts";
import { parseServiceContent, SERVICE_INSTANCE, type ServiceContent } from "./service_content.ts";
import { type Connector, connectorFor, SoapClient, type SoapOptions } from "./soap/client.ts";
import { type ObjectRef, textElement } from "./soap/envelope.ts";
import { VsphereFault } from "./soap/fault.ts";
import { childOf, textAt, type XmlElement } from "./soap/xml.ts";

/** A server and an account on it. */
export interface ServerLogin {
  endpoint: Endpoint;
  trust: Trust;
  user: string;
  password: string;
}

/** How a session handles failures. */
export interface SessionOptions {
  /** Ends connecting and logging in. */
  signal?: AbortSignal;
  /** The number of further tries of a repeatable call when the connection breaks. */
  retries?: number;
  /** The wait before the first of them; twice as long each time, at most a minute. */
  firstWaitMs?: number;
  /** Gets the problems that did not end the session. */
  onEvent?: (event: ServerEvent) => void;
  /** For tests: connects without a network. */
  connect?: Connector;
}

/** A problem that did not end the session: a call was tried again, or something was left out. */
export interface ServerEvent {
  kind: "retry" | "downgrade" | "remark";
  /** The problem and the reaction to it. */
  text: string;
}

/** Options of a call. */
export interface CallOptions extends SoapOptions {
  /**
   * Doing it twice does no harm, so that it is tried again when the connection breaks; so with all that only
   * reads.
   */
  isRepeatable?: boolean;
}

const DEFAULTS = { retries: 3, firstWaitMs: 1000 };
const LONGEST_WAIT_MS = 60_000;

/** Calls that only read. Paging is not among them: a token is good for one call. */
const READS = /^(Retrieve|Query|Find|NfcGet|HasPrivilege)/;

/** A session; a call that finds it expired logs in again, once. */
export class VsphereSession implements AsyncDisposable {
  readonly #client: SoapClient;
  readonly #login: Pick<ServerLogin, "user" | "password">;
  readonly #options: SessionOptions & typeof DEFAULTS;
  readonly #secrets: Set<string>;
  #content!: ServiceContent;
  #sessionKey = "";
  #epoch = 0;
  #renewing?: Promise<void>;

  private constructor({ endpoint, trust, user, password }: ServerLogin, options: SessionOptions) {
    this.#login = { user, password };
    this.#secrets = new Set([password]);
    const connect = options.connect ?? connectorFor(endpoint, trust);
    this.#client = new SoapClient({ endpoint, connect, secrets: this.#secrets });
    this.#options = { ...DEFAULTS, ...options };
  }

  /**
   * Connects and logs in.
   *
   * @throws {TrustError} if the server is not proved to be the one that is meant; the password was not sent
   * @throws {VsphereFault} if the server refuses the login
   * @throws {ServerError} if it cannot be reached or is no vSphere server
   */
  static async open(login: ServerLogin, options: SessionOptions = {}): Promise<VsphereSession> {
    const session = new VsphereSession(login, options);
    const { signal } = options;
    const answer = await session.#attempt("RetrieveServiceContent", SERVICE_INSTANCE, "", { signal });
    session.#content = parseServiceContent(childOf(answer, "returnval"));
    session.#client.apiVersion = session.#content.apiVersion;
    await session.#logIn(signal);
    return session;
  }

  get endpoint(): Endpoint {
    return this.#client.endpoint;
  }

  /** The server's description of itself. */
  get content(): ServiceContent {
    return this.#content;
  }

  /** The certificate (DER) that the server has shown last. */
  get certificate(): Uint8Array {
    return this.#client.certificate;
  }

  /** The number of logins: objects that live in a session are gone when it has changed. */
  get epoch(): number {
    return this.#epoch;
  }

  /** The key of the session, by which rights are asked for. A secret, as good as the cookie. */
  get sessionKey(): string {
    return this.#sessionKey;
  }

  /** Reports a problem that did not end the session. */
  tell(event: ServerEvent): void {
    this.#options.onEvent?.({ ...event, text: this.#client.hide(event.text) });
  }

  /**
   * Calls `method` of `target`.
   *
   * @param args elements in the order of the schema
   * @returns the element `...Response`
   * @throws {VsphereFault} if the server refuses
   * @throws {ServerError} if the connection or the answer fails
   */
  async call(method: string, target: ObjectRef, args = "", options: CallOptions = {}): Promise<XmlElement> {
    const epoch = this.#epoch;
    try {
      return await this.#attempt(method, target, args, options);
    } catch (error) {
      if (!isExpiry(error)) throw error;
      await this.#renew(epoch, options.signal);
      return await this.#attempt(method, target, args, options);
    }
  }

  /**
   * Reads a file that the server has under `target` (path and query, encoded).
   *
   * @param options `what` is the file for messages
   * @throws {ServerError} if it cannot be had, is cut, or is longer than `maxBytes`
   */
  async download(
    target: string,
    options: { maxBytes: number; what: string; signal?: AbortSignal },
  ): Promise<Uint8Array<ArrayBuffer>> {
    const { what, signal } = options;
    const epoch = this.#epoch;
    const read = () => this.#again(`read ${what}`, () => this.#client.download(target, options), signal);
    let answer = await read();
    if (answer.status === 401) {
      await this.#renew(epoch, signal);
      answer = await read();
    }
    if (answer.status === 200) return answer.bytes;
    throw new ServerError(
      `Cannot read ${what}: ${formatEndpoint(this.endpoint)} answers with HTTP status ${answer.status}`,
    );
  }

  /** Ends the session. One that had expired, or a server that is gone, is no error. */
  async logOut(): Promise<void> {
    if (!this.#client.hasCookie) return;
    try {
      await this.#client.call("Logout", this.#content.sessionManager, "", {});
    } catch (error) {
      if (isExpiry(error)) return;
      this.tell({ kind: "remark", text: `the session may not be logged out: ${reasonOf(error)}` });
    } finally {
      this.#client.forgetCookie();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.logOut();
  }

  async #logIn(signal?: AbortSignal): Promise<void> {
    const { user, password } = this.#login;
    this.#client.forgetCookie();
    const args = textElement("userName", user) + textElement("password", password);
    const answer = await this.#client.call("Login", this.#content.sessionManager, args, { signal });
    if (!this.#client.hasCookie) {
      throw new ServerError(`Cannot log in to ${formatEndpoint(this.endpoint)}: it gives no session cookie`);
    }
    this.#sessionKey = textAt(answer, "returnval", "key") ?? "";
    this.#secrets.add(this.#sessionKey);
    this.#epoch++;
  }

  /** Logs in again, unless another call has done so since `epoch`. */
  async #renew(epoch: number, signal?: AbortSignal): Promise<void> {
    if (this.#epoch !== epoch) return;
    if (this.#renewing === undefined) {
      const text = `the session with ${formatEndpoint(this.endpoint)} has expired; logging in again`;
      this.tell({ kind: "retry", text });
      this.#renewing = this.#logIn(signal).finally(() => this.#renewing = undefined);
    }
    await this.#renewing;
  }

  async #attempt(method: string, target: ObjectRef, args: string, options: CallOptions): Promise<XmlElement> {
    const call = () => this.#client.call(method, target, args, options);
    // Elements that were handed over cannot be taken back: a caller that can get them twice says so.
    const { passing, isRepeatable = passing === undefined && READS.test(method) } = options;
    return isRepeatable ? await this.#again(`call ${method}`, call, options.signal) : await call();
  }

  /** Does `work`, again after a while if the connection breaks. */
  async #again<T>(action: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const { retries, firstWaitMs } = this.#options;
    for (let failures = 0;;) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof ConnectionError) || ++failures > retries) throw error;
        this.tell({ kind: "retry", text: `could not ${action}: ${error.message}; trying again` });
        await pause(Math.min(LONGEST_WAIT_MS, firstWaitMs * 2 ** (failures - 1)), signal);
        signal?.throwIfAborted();
      }
    }
  }
}

function isExpiry(error: unknown): boolean {
  return error instanceof VsphereFault && error.faultType === "NotAuthenticated";
}
