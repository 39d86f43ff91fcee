/**
 * A few lines of SOAP for tests of the test server. It is no client to learn from: it takes any certificate and finds
 * elements by patterns.
 */

import https from "node:https";
import type { VsphereServer } from "./test_server.ts";

/** What the server has answered. */
export interface PlainAnswer {
  status: number;
  body: string;
  headers: Record<string, string | string[] | undefined>;
}

/** The texts of all elements of a name. */
export function texts(xml: string, element: string): string[] {
  const found = xml.matchAll(new RegExp(`<${element}(?: [^>]*)?>([^<]*)</${element}>`, "g"));
  return [...found].map(([, text]) =>
    text.replaceAll(/&#34;|&quot;/g, '"').replaceAll("&lt;", "<").replaceAll("&gt;", ">")
      .replaceAll("&#xA;", "\n").replaceAll("&amp;", "&")
  );
}

/** One account on one server. */
export class PlainSoap {
  readonly server: VsphereServer;
  cookie: string | undefined;
  /** References that differ between products. */
  readonly sessions: string;
  readonly collector: string;
  readonly nfc: string;

  constructor(server: VsphereServer, { vcenter }: { vcenter: boolean }) {
    this.server = server;
    this.sessions = vcenter ? "SessionManager" : "ha-sessionmgr";
    this.collector = vcenter ? "propertyCollector" : "ha-property-collector";
    this.nfc = vcenter ? "nfcService" : "ha-nfc-service";
  }

  /** Sends an HTTP request. */
  request(
    method: string,
    path: string,
    body = "",
    headers: Record<string, string> = {},
  ): Promise<PlainAnswer> {
    return new Promise((resolve, reject) => {
      const request = https.request({
        host: this.server.host,
        port: this.server.port,
        method,
        path,
        headers: {
          ...(this.cookie === undefined ? {} : { cookie: this.cookie }),
          ...(body === "" ? {} : { "content-length": String(new TextEncoder().encode(body).length) }),
          ...headers,
        },
        rejectUnauthorized: false,
        agent: false,
      }, (response) => {
        const parts: Uint8Array[] = [];
        response.on("data", (part: Uint8Array) => parts.push(part));
        response.on("error", reject);
        response.on("aborted", () => reject(new Error("aborted")));
        response.on("end", () => {
          const text = new TextDecoder().decode(Uint8Array.from(parts.flatMap((part) => [...part])));
          resolve({ status: response.statusCode ?? 0, body: text, headers: response.headers });
        });
      });
      request.on("error", reject);
      request.end(body);
    });
  }

  /** Calls a method; `children` are in XML. */
  async call(
    method: string,
    type: string,
    ref: string,
    children = "",
    headers: Record<string, string> = {},
  ): Promise<PlainAnswer> {
    const answer = await this.request(
      "POST",
      "/sdk",
      '<?xml version="1.0" encoding="UTF-8"?>' +
        '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" ' +
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>' +
        `<${method} xmlns="urn:vim25"><_this type="${type}">${ref}</_this>${children}</${method}>` +
        "</soapenv:Body></soapenv:Envelope>",
      { "content-type": "text/xml; charset=utf-8", soapaction: '"urn:vim25/8.0.1.0"', ...headers },
    );
    const cookie = answer.headers["set-cookie"];
    if (cookie !== undefined) this.cookie = String(cookie).split(";")[0];
    return answer;
  }

  /** Calls a method that must succeed, and returns the body. */
  async good(method: string, type: string, ref: string, children = ""): Promise<string> {
    const { status, body } = await this.call(method, type, ref, children);
    if (status !== 200) throw new Error(`${method}: ${status} ${body}`);
    return body;
  }

  /** Calls a method that must be refused, and returns the name of the fault and the words. */
  async refused(method: string, type: string, ref: string, children = ""): Promise<[string, string]> {
    const { status, body } = await this.call(method, type, ref, children);
    if (status !== 500) throw new Error(`${method}: ${status} ${body}`);
    return [/Fault xmlns="urn:vim25" xsi:type="(\w+)"/.exec(body)?.[1] ?? "", texts(body, "faultstring")[0]];
  }

  login(password = this.server.password): Promise<PlainAnswer> {
    return this.call(
      "Login",
      "SessionManager",
      this.sessions,
      `<userName>${this.server.user}</userName><password>${password}</password>`,
    );
  }

  logout(): Promise<string> {
    return this.good("Logout", "SessionManager", this.sessions);
  }

  /** Properties of one object, as XML. */
  properties(type: string, ref: string, ...paths: string[]): Promise<string> {
    const set = paths.map((path) => `<pathSet>${path}</pathSet>`).join("");
    return this.good(
      "RetrievePropertiesEx",
      "PropertyCollector",
      this.collector,
      `<specSet><propSet><type>${type}</type>${set}</propSet><objectSet><obj type="${type}">${ref}</obj>` +
        "</objectSet></specSet><options/>",
    );
  }

  /** Waits for a task that a call has begun, and returns its properties. */
  async task(answer: string): Promise<string> {
    const [ref] = texts(answer, "returnval");
    while (true) {
      const info = await this.properties("Task", ref, "info");
      if (["success", "error"].includes(texts(info, "state")[0])) return info;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** Takes a snapshot and returns its reference. */
  async snapshot(machine: string, name = "one", quiesce = false): Promise<string> {
    const info = await this.task(
      await this.good(
        "CreateSnapshot_Task",
        "VirtualMachine",
        machine,
        `<name>${name}</name><memory>false</memory><quiesce>${quiesce}</quiesce>`,
      ),
    );
    return texts(info, "result")[0];
  }

  /** Files of the disks of a machine or a snapshot: newest first, each chain up to its base. */
  async files(type: string, ref: string): Promise<string[]> {
    const devices = await this.properties(type, ref, "config.hardware.device");
    return texts(devices, "fileName").filter((name) => name.endsWith(".vmdk"));
  }

  /** Change ids of the disks of a snapshot, "" for those without. */
  async changeIds(snapshot: string): Promise<string[]> {
    const devices = await this.properties("VirtualMachineSnapshot", snapshot, "config.hardware.device");
    const disks = devices.split("<VirtualDevice ").filter((device) => device.includes('"VirtualDisk"'));
    return disks.map((disk) => texts(disk, "changeId")[0] ?? "");
  }

  /** The elements of a change query after `_this`. */
  query(snapshot: string, key: number, start: number, changeId: string): string {
    return `<snapshot type="VirtualMachineSnapshot">${snapshot}</snapshot><deviceKey>${key}</deviceKey>` +
      `<startOffset>${start}</startOffset><changeId>${changeId}</changeId>`;
  }

  /** All areas of a change query, from as many answers as it takes. */
  async areas(
    machine: string,
    snapshot: string,
    key: number,
    changeId: string,
    capacity: number,
  ): Promise<{ areas: [number, number][]; answers: number }> {
    const areas: [number, number][] = [];
    let answers = 0;
    for (let start = 0; start < capacity; answers++) {
      const body = await this.good(
        "QueryChangedDiskAreas",
        "VirtualMachine",
        machine,
        this.query(snapshot, key, start, changeId),
      );
      for (const [, at, length] of body.matchAll(/<start>(\d+)<\/start><length>(\d+)<\/length>/g)) {
        areas.push([Number(at), Number(length)]);
      }
      start = Number(texts(body, "startOffset")[0]) + Number(/<\/startOffset><length>(\d+)/.exec(body)?.[1]);
    }
    return { areas, answers };
  }
}
