/** A server with an inventory: objects and their properties as recorded XML; for tests only. */

import { propertiesReply, refVal, type SoapCall, SoapServer, stringVal } from "./soap_server.ts";

/** Properties of an object by their paths, each a whole `<val>`. */
type Properties = Record<string, string>;

/** Objects, views, tasks. */
export class Inventory {
  readonly server: SoapServer;
  /** By `Type:value`. */
  readonly objects = new Map<string, Properties>();
  /** Properties that the account may not see, by path. */
  readonly hidden = new Set<string>();
  /** Open pages: the rest by token. */
  readonly #pages = new Map<string, { ref: [string, string]; properties: Properties }[]>();
  readonly #pageSize: number;
  viewCount = 0;
  destroyedViews = 0;
  #tokenCount = 0;
  #taskCount = 0;

  constructor(server: SoapServer, { pageSize = 2 } = {}) {
    this.server = server;
    this.#pageSize = pageSize;
    server.on("CreateContainerView", ({ body }) => {
      const type = /<type>(\w+)<\/type>/.exec(body)![1];
      this.viewCount++;
      return `<returnval type="ContainerView">view-${type}-${this.viewCount}</returnval>`;
    });
    server.on("DestroyView", () => {
      this.destroyedViews++;
      return "";
    });
    server.on("RetrievePropertiesEx", (call) => this.#retrieve(call));
    server.on("ContinueRetrievePropertiesEx", ({ body }) => {
      const token = /<token>([^<]*)<\/token>/.exec(body)![1];
      const rest = this.#pages.get(token);
      this.#pages.delete(token);
      if (rest === undefined) throw new Error(`token ${token} is not known`);
      return this.#page(rest);
    });
  }

  static async start(options: Parameters<typeof SoapServer.start>[0] = {}): Promise<Inventory> {
    return new Inventory(await SoapServer.start(options));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
  }

  /** A task that is over, or fails with `error`; gives the answer to the call that started it. */
  task(result?: string, error?: string): string {
    const value = `ha-task-${++this.#taskCount}`;
    this.objects.set(`Task:${value}`, {
      "info.state": `<val xsi:type="TaskInfoState">${error === undefined ? "success" : "error"}</val>`,
      ...(result === undefined ? {} : { "info.result": result }),
      ...(error === undefined ? {} : { "info.error": error }),
    });
    return `<returnval type="Task">${value}</returnval>`;
  }

  #retrieve({ body }: SoapCall): string {
    const paths = [...body.matchAll(/<pathSet>([^<]*)<\/pathSet>/g)].map(([, path]) => path);
    const [, type, value] = /<obj type="(\w+)">([^<]*)<\/obj>/.exec(body)!;
    const [, kind] = /<propSet><type>(\w+)<\/type>/.exec(body)!;
    const keys = type === "ContainerView"
      ? [...this.objects.keys()].filter((key) => key.startsWith(`${kind}:`))
      : [`${type}:${value}`];
    const found = keys.map((key) => {
      const ref = key.split(":") as [string, string];
      const all = this.objects.get(key) ?? {};
      const properties = Object.fromEntries(
        Object.entries(all).filter(([path]) => paths.includes(path) && !this.hidden.has(path)),
      );
      return { ref, properties };
    });
    return this.#page(found);
  }

  #page(found: { ref: [string, string]; properties: Properties }[]): string {
    if (found.length <= this.#pageSize) return propertiesReply(found);
    const token = `token-${++this.#tokenCount}`;
    this.#pages.set(token, found.slice(this.#pageSize));
    return propertiesReply(found.slice(0, this.#pageSize), token);
  }
}

/** What a recorded machine differs in. */
export interface RecordedMachine {
  moref: string;
  name: string;
  isPoweredOn?: boolean;
  isTracked?: boolean;
  areToolsRunning?: boolean;
  disks?: string[];
  snapshot?: string;
  host?: string;
}

/** The properties of a machine as an ESXi 8 writes them. */
export function machineProperties(machine: RecordedMachine): Properties {
  const { moref, name, isPoweredOn = true, isTracked = true, areToolsRunning = true, disks = [], snapshot } =
    machine;
  const number = moref.replace(/\D/g, "").padStart(12, "0");
  return {
    "name": stringVal(name),
    "parent": refVal("Folder", "ha-folder-vm"),
    "config.uuid": stringVal(`564d0000-0000-0000-0000-${number}`),
    "config.instanceUuid": stringVal(`52000000-0000-0000-0000-${number}`),
    "config.template": '<val xsi:type="xsd:boolean">false</val>',
    "config.version": stringVal("vmx-19"),
    "config.files.vmPathName": stringVal(`[ds1] ${name}/${name}.vmx`),
    "config.changeTrackingEnabled": `<val xsi:type="xsd:boolean">${isTracked}</val>`,
    "config.hardware.device": devices(disks),
    "capability.changeTrackingSupported": '<val xsi:type="xsd:boolean">true</val>',
    "guest.toolsRunningStatus": stringVal(areToolsRunning ? "guestToolsRunning" : "guestToolsNotRunning"),
    "runtime.powerState": `<val xsi:type="VirtualMachinePowerState">${
      isPoweredOn ? "poweredOn" : "poweredOff"
    }</val>`,
    "runtime.connectionState": '<val xsi:type="VirtualMachineConnectionState">connected</val>',
    "runtime.host": refVal("HostSystem", machine.host ?? "ha-host"),
    ...(snapshot === undefined ? {} : { "snapshot": snapshot }),
  };
}

/** The property `config.hardware.device` with a controller and these disks. */
export function devices(disks: readonly string[]): string {
  const controller = `<VirtualDevice xsi:type="ParaVirtualSCSIController"><key>1000</key>` +
    `<deviceInfo><label>SCSI controller 0</label></deviceInfo><busNumber>0</busNumber><device>2000</device>` +
    `<sharedBus>noSharing</sharedBus></VirtualDevice>`;
  const other =
    `<VirtualDevice xsi:type="VirtualKeyboard"><key>600</key><unitNumber>0</unitNumber></VirtualDevice>`;
  return `<val xsi:type="ArrayOfVirtualDevice">${other}${controller}${disks.join("")}</val>`;
}

/** What a recorded disk differs in. */
export interface RecordedDisk {
  key?: number;
  path: string;
  parents?: string[];
  capacityBytes?: number;
  changeId?: string;
  mode?: string;
  sharing?: string;
}

export function diskDevice(disk: RecordedDisk): string {
  const { key = 2000, path, parents = [], capacityBytes = 10 << 20, changeId, mode = "persistent", sharing } =
    disk;
  const parent = parents.reduceRight(
    (inner, file) => `<parent><fileName>${file}</fileName><diskMode>persistent</diskMode>${inner}</parent>`,
    "",
  );
  return `<VirtualDevice xsi:type="VirtualDisk"><key>${key}</key><deviceInfo><label>Hard disk ${
    key - 1999
  }</label>` +
    `<summary>10,240 KB</summary></deviceInfo><backing xsi:type="VirtualDiskFlatVer2BackingInfo">` +
    `<fileName>${path}</fileName><diskMode>${mode}</diskMode><thinProvisioned>true</thinProvisioned>` +
    `<uuid>6000C29e-0000-0000-0000-000000000000</uuid>${
      changeId === undefined ? "" : `<changeId>${changeId}</changeId>`
    }${parent}${
      sharing === undefined ? "" : `<sharing>${sharing}</sharing>`
    }</backing><controllerKey>1000</controllerKey><unitNumber>${key - 2000}</unitNumber>` +
    `<capacityInKB>${
      capacityBytes / 1024
    }</capacityInKB><capacityInBytes>${capacityBytes}</capacityInBytes></VirtualDevice>`;
}

/** The property `snapshot` with a chain of snapshots, the oldest first. */
export function snapshotTree(names: readonly [moref: string, name: string][]): string {
  const node = (index: number, tag: string): string => {
    if (index === names.length) return "";
    const [moref, name] = names[index];
    return `<${tag}><snapshot type="VirtualMachineSnapshot">${moref}</snapshot><name>${name}</name>` +
      `<description>by hand</description><id>${index + 1}</id><createTime>2026-11-30T02:00:05Z</createTime>` +
      `<state>poweredOn</state><quiesced>false</quiesced>${node(index + 1, "childSnapshotList")}</${tag}>`;
  };
  return `<val xsi:type="VirtualMachineSnapshotInfo">` +
    `<currentSnapshot type="VirtualMachineSnapshot">${names.at(-1)![0]}</currentSnapshot>` +
    `${node(0, "rootSnapshotList")}</val>`;
}
