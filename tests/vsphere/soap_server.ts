/** A server of the management interface on loopback that answers with recorded replies; for tests only. */

import { makeCertificate, type TestCertificate } from "./certificates.ts";
import { parseThumbprint } from "../../cli/vsphere/net/trust.ts";
import { type ServerLogin, type SessionOptions, VsphereSession } from "../../cli/vsphere/session.ts";

/** A call as it came. */
export interface SoapCall {
  method: string;
  /** The text of `_this` and its type. */
  target: string;
  targetType: string;
  body: string;
  headers: Headers;
}

/** The inside of `...Response`, or a whole answer. */
export type SoapReply = string | Response | Promise<string | Response>;

/** What the tests log in with: nothing of it may show anywhere. */
export const USER = "backup@vsphere.local";
export const PASSWORD = `s3cret&<pass>"'word`;
export const SESSION_KEY = "52a1f0c3-key-of-the-session";
export const COOKIE = 'vmware_soap_session="52d8e6b1-cookie-of-the-session"';

const ENVELOPE = 'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" ' +
  'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema"';

/** An envelope around `inner`. */
export function envelope(inner: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<soapenv:Envelope ${ENVELOPE}>\n<soapenv:Body>${inner}` +
    `</soapenv:Body>\n</soapenv:Envelope>`;
}

/** The answer of a server that refuses. */
export function faultReply(type: string, text: string, inner = ""): Response {
  return xmlReply(
    `<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>${text}</faultstring>` +
      `<detail><${type}Fault xmlns="urn:vim25" xsi:type="${type}">${inner}</${type}Fault></detail></soapenv:Fault>`,
    { status: 500 },
  );
}

export function xmlReply(inner: string, { status = 200, headers = {} }: ResponseInit = {}): Response {
  return new Response(envelope(inner), {
    status,
    headers: { "Content-Type": "text/xml; charset=utf-8", ...headers },
  });
}

/** What a host or a vCenter answers to the first call. */
export function serviceContent(apiType: "HostAgent" | "VirtualCenter"): string {
  const isHost = apiType === "HostAgent";
  return `<returnval>
    <rootFolder type="Folder">${isHost ? "ha-folder-root" : "group-d1"}</rootFolder>
    <propertyCollector type="PropertyCollector">${
    isHost ? "ha-property-collector" : "propertyCollector"
  }</propertyCollector>
    <viewManager type="ViewManager">ViewManager</viewManager>
    <about><name>VMware</name><fullName>VMware ${
    isHost ? "ESXi" : "vCenter Server"
  } 8.0.1 build-21495797</fullName>
      <version>8.0.1</version><apiType>${apiType}</apiType><apiVersion>8.0.1.0</apiVersion></about>
    <sessionManager type="SessionManager">${isHost ? "ha-sessionmgr" : "SessionManager"}</sessionManager>
    <authorizationManager type="AuthorizationManager">ha-authmgr</authorizationManager>
    <searchIndex type="SearchIndex">ha-searchindex</searchIndex>
  </returnval>`;
}

/** A server; a method that is not set answers `MethodNotFound`. */
export class SoapServer implements AsyncDisposable {
  readonly certificate: TestCertificate;
  readonly calls: SoapCall[] = [];
  /** GET requests: target and answer. */
  readonly files = new Map<string, () => Response>();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #replies = new Map<string, (call: SoapCall) => SoapReply>();
  /** Calls are refused until the next login. */
  isExpired = false;
  loginCount = 0;

  private constructor(certificate: TestCertificate, apiType: "HostAgent" | "VirtualCenter") {
    this.certificate = certificate;
    const { cert, key } = certificate;
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, cert, key, onListen: () => {} },
      (request) => this.#answer(request),
    );
    this.on("RetrieveServiceContent", () => serviceContent(apiType));
    this.on("Login", ({ body }) => {
      this.loginCount++;
      const isRight = body.includes("<password>s3cret&amp;&lt;pass&gt;&quot;&apos;word</password>");
      if (!isRight) {
        return faultReply("InvalidLogin", "Cannot complete login due to an incorrect user name or password.");
      }
      this.isExpired = false;
      return xmlReply(
        `<LoginResponse xmlns="urn:vim25"><returnval><key>${SESSION_KEY}</key></returnval></LoginResponse>`,
        {
          headers: { "Set-Cookie": `${COOKIE}; Path=/; HttpOnly; Secure;` },
        },
      );
    });
    this.on("Logout", () => "");
  }

  static async start(
    { apiType = "HostAgent", certificate }: {
      apiType?: "HostAgent" | "VirtualCenter";
      certificate?: TestCertificate;
    } = {},
  ): Promise<SoapServer> {
    return new SoapServer(certificate ?? await makeCertificate(), apiType);
  }

  get port(): number {
    return this.#server.addr.port;
  }

  /** Answers calls of `method`. */
  on(method: string, reply: (call: SoapCall) => SoapReply): this {
    this.#replies.set(method, reply);
    return this;
  }

  /** What answers calls of `method`. */
  replyOf(method: string): (call: SoapCall) => SoapReply {
    return this.#replies.get(method)!;
  }

  /** The calls of `method` so far. */
  callsOf(method: string): SoapCall[] {
    return this.calls.filter((call) => call.method === method);
  }

  /** How to log in; another password or thumbprint is for tests of refusals. */
  login(more: Partial<ServerLogin> = {}): ServerLogin {
    return {
      endpoint: { host: "127.0.0.1", port: this.port },
      trust: { thumbprint: parseThumbprint(this.certificate.sha256) },
      user: USER,
      password: PASSWORD,
      ...more,
    };
  }

  async open(options: SessionOptions = {}): Promise<VsphereSession> {
    return await VsphereSession.open(this.login(), { firstWaitMs: 1, ...options });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname, search } = new URL(request.url);
    const hasCookie = request.headers.get("cookie") === COOKIE;
    if (request.method === "GET") {
      if (!hasCookie || this.isExpired) return new Response("", { status: 401 });
      return this.files.get(pathname + search)?.() ?? new Response("<html>none</html>", { status: 404 });
    }
    const body = await request.text();
    const [, method, targetType, target] =
      /<soapenv:Body><(\w+) xmlns="urn:vim25"><_this type="(\w+)">([^<]*)<\/_this>/.exec(body) ?? [];
    const call = { method, target, targetType, body, headers: request.headers };
    this.calls.push(call);
    const isOpen = ["RetrieveServiceContent", "Login"].includes(method);
    if (!isOpen && (!hasCookie || this.isExpired)) {
      return faultReply("NotAuthenticated", "The session is not authenticated.");
    }
    const reply = await this.#replies.get(method)?.(call);
    if (reply === undefined) return faultReply("MethodNotFound", `${target} does not implement: ${method}`);
    if (reply instanceof Response) return reply;
    return xmlReply(`<${method}Response xmlns="urn:vim25">${reply}</${method}Response>`);
  }
}

/** `returnval` of `RetrievePropertiesEx`, with one object for each entry. */
export function propertiesReply(
  objects: { ref: [type: string, value: string]; properties: Record<string, string> }[],
  token?: string,
): string {
  const entries = objects.map(({ ref: [type, value], properties }) =>
    `<objects><obj type="${type}">${value}</obj>${
      Object.entries(properties).map(([name, val]) => `<propSet><name>${name}</name>${val}</propSet>`).join(
        "",
      )
    }</objects>`
  ).join("");
  return `<returnval>${token === undefined ? "" : `<token>${token}</token>`}${entries}</returnval>`;
}

/** `<val xsi:type="xsd:string">text</val>`. */
export function stringVal(text: string): string {
  return `<val xsi:type="xsd:string">${text}</val>`;
}

/** `<val type="Folder" xsi:type="ManagedObjectReference">group-v3</val>`. */
export function refVal(type: string, value: string): string {
  return `<val type="${type}" xsi:type="ManagedObjectReference">${value}</val>`;
}
