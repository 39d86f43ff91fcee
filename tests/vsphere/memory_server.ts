/**
 * A management interface in memory: recorded replies as bytes of HTTP, behind a certificate that was
 * verified.
 */

import type { VerifiedLink } from "../../cli/vsphere/soap/client.ts";
import { devices, diskDevice, machineProperties, snapshotTree } from "./inventory_server.ts";
import { MemoryLink } from "./memory_link.ts";
import {
  COOKIE,
  envelope,
  propertiesReply,
  refVal,
  serviceContent,
  SESSION_KEY,
  stringVal,
} from "./soap_server.ts";

/** What the recorded server tells of its one disk. */
export const RECORDED = {
  capacityBytes: 10 << 20,
  areas: [[65_536, 65_536], [1_048_576, 131_072], [9_437_184, 65_536]],
  ticket: "52f1-ticket-of-the-recorded-host",
} as const;

/** Answers each call with a recorded reply. */
export class MemoryServer {
  /** Methods in the order of the calls. */
  readonly calls: string[] = [];
  readonly #change: (reply: Uint8Array, call: number) => Uint8Array;

  /** @param change sees, and may change, each reply before it is sent */
  constructor(change: (reply: Uint8Array, call: number) => Uint8Array = (reply) => reply) {
    this.#change = change;
  }

  /** Makes a connection, on which one request is answered. */
  readonly connect = (): Promise<VerifiedLink> => {
    const [near, far] = MemoryLink.pair();
    void this.#serve(far).catch(() => {});
    return Promise.resolve({ link: near, certificate: new Uint8Array([0x30, 0]) });
  };

  async #serve(link: MemoryLink): Promise<void> {
    const bytes = await link.read();
    const request = new TextDecoder().decode(bytes ?? undefined);
    const method = /<soapenv:Body><(\w+)/.exec(request)?.[1] ?? "GET";
    this.calls.push(method);
    await link.write(this.#change(replyTo(method, request), this.calls.length - 1));
    link.close();
  }
}

function replyTo(method: string, request: string): Uint8Array {
  if (method === "GET") return http("200 OK", "", '.encoding = "UTF-8"\n');
  const inner = innerOf(method, request);
  if (inner === undefined) {
    const fault =
      `<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>Not implemented</faultstring>` +
      `<detail><Fault xmlns="urn:vim25" xsi:type="MethodNotFound"><method>${method}</method></Fault></detail></soapenv:Fault>`;
    return http("500 Internal Server Error", "", envelope(fault));
  }
  const text = envelope(`<${method}Response xmlns="urn:vim25">${inner}</${method}Response>`);
  return http("200 OK", method === "Login" ? `Set-Cookie: ${COOKIE}; Path=/\r\n` : "", text);
}

function http(status: string, headers: string, text: string): Uint8Array {
  const body = new TextEncoder().encode(text);
  const head =
    `HTTP/1.1 ${status}\r\nContent-Type: text/xml\r\n${headers}Content-Length: ${body.length}\r\n\r\n`;
  return new Uint8Array([...new TextEncoder().encode(head), ...body]);
}

const DISK = { path: "[ds1] web01/web01.vmdk", capacityBytes: RECORDED.capacityBytes };

function innerOf(method: string, request: string): string | undefined {
  switch (method) {
    case "RetrieveServiceContent":
      return serviceContent("VirtualCenter");
    case "Login":
      return `<returnval><key>${SESSION_KEY}</key><userName>x</userName></returnval>`;
    case "CreateContainerView":
      return '<returnval type="ContainerView">view-1</returnval>';
    case "DestroyView":
    case "Logout":
      return "";
    case "RetrievePropertiesEx":
      return propertiesOf(request);
    case "CreateSnapshot_Task":
    case "RemoveSnapshot_Task":
      return '<returnval type="Task">task-1</returnval>';
    case "RetrieveInternalContent":
      return '<returnval><nfcService type="NfcService">nfcService</nfcService></returnval>';
    case "NfcGetVmFiles":
      return `<returnval><host>192.0.2.7</host><port>902</port><sslThumbprint>${
        "AB:".repeat(19)
      }AB</sslThumbprint>` +
        `<service>vpxa-nfc</service><serviceVersion>1.1</serviceVersion><sessionId>${RECORDED.ticket}</sessionId></returnval>`;
    case "QueryChangedDiskAreas": {
      const start = Number(/<startOffset>(\d+)/.exec(request)![1]);
      const end = start === 0 ? 5 << 20 : RECORDED.capacityBytes;
      const areas = RECORDED.areas.filter(([at]) => at >= start && at < end).map(([at, length]) =>
        `<changedArea><start>${at}</start><length>${length}</length></changedArea>`
      );
      return `<returnval><startOffset>${start}</startOffset><length>${end - start}</length>${
        areas.join("")
      }</returnval>`;
    }
  }
}

function propertiesOf(request: string): string {
  const [, type, value] = /<obj type="(\w+)">([^<]*)/.exec(request)!;
  if (type === "Task") {
    const result = refVal("VirtualMachineSnapshot", "snapshot-70");
    return propertiesReply([{
      ref: ["Task", value],
      properties: { "info.state": stringVal("success"), "info.result": result },
    }]);
  }
  if (type === "VirtualMachineSnapshot") {
    const properties = { "config.hardware.device": devices([diskDevice({ ...DISK, changeId: "52 2d/5" })]) };
    return propertiesReply([{ ref: [type, value], properties }]);
  }
  const machine = machineProperties({
    ...{ moref: "vm-1", name: "web01", disks: [diskDevice(DISK)] },
    snapshot: snapshotTree([["snapshot-1", "a"], ["snapshot-2", "b"]]),
  });
  return propertiesReply([{ ref: ["VirtualMachine", "vm-1"], properties: machine }]);
}
