import { assertEquals, assertRejects } from "@std/assert";
import { ServerError } from "../../cli/errors.ts";
import { type Machine, readMachine } from "../../cli/vsphere/machine.ts";
import type { VsphereSession } from "../../cli/vsphere/session.ts";
import { createSnapshot, type Quiescing, removeSnapshot, withSnapshot } from "../../cli/vsphere/snapshot.ts";
import { VsphereFault } from "../../cli/vsphere/soap/fault.ts";
import { enableTracking } from "../../cli/vsphere/tracking.ts";
import {
  devices,
  diskDevice,
  Inventory,
  machineProperties,
  type RecordedMachine,
  snapshotTree,
} from "./inventory_server.ts";
import { faultReply, refVal, stringVal } from "./soap_server.ts";

const NEW = refVal("VirtualMachineSnapshot", "snapshot-70");
const WISH = { name: "vmdkbkp 1", description: "<made> by the test", quiesce: "try" as Quiescing };
const QUIESCE_FAILS = '<val xsi:type="LocalizedMethodFault"><fault xsi:type="ApplicationQuiesceFault"/>' +
  "<localizedMessage>An error occurred while quiescing the virtual machine.</localizedMessage></val>";

/** A server with one machine. */
class World implements AsyncDisposable {
  readonly events: string[] = [];
  /** For each snapshot that was asked for: whether the guest was to rest. */
  readonly quiesced: boolean[] = [];
  readonly removed: string[] = [];

  constructor(readonly inventory: Inventory, readonly session: VsphereSession, readonly machine: Machine) {
    inventory.server.on("CreateSnapshot_Task", ({ body }) => {
      this.quiesced.push(body.includes("<memory>false</memory><quiesce>true</quiesce>"));
      return inventory.task(NEW);
    });
    inventory.server.on("RemoveSnapshot_Task", ({ target, body }) => {
      this.removed.push(target);
      assertEquals(
        body.includes("<removeChildren>false</removeChildren><consolidate>true</consolidate>"),
        true,
      );
      return inventory.task();
    });
    inventory.objects.set("VirtualMachineSnapshot:snapshot-70", {
      "config.hardware.device": devices([diskDevice({ path: "[ds1] a/a.vmdk", changeId: "52 2d bb/4" })]),
    });
  }

  static async create(machine: Partial<RecordedMachine> = {}): Promise<World> {
    const inventory = await Inventory.start();
    const disks = [diskDevice({ path: "[ds1] a/a.vmdk" })];
    inventory.objects.set(
      "VirtualMachine:7",
      machineProperties({ moref: "7", name: "a", disks, ...machine }),
    );
    const events: string[] = [];
    const session = await inventory.server.open({ onEvent: ({ text }) => events.push(text) });
    const world = new World(
      inventory,
      session,
      await readMachine(session, { type: "VirtualMachine", value: "7" }),
    );
    Object.assign(world, { events });
    return world;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.session.logOut();
    await this.inventory[Symbol.asyncDispose]();
  }
}

Deno.test("a snapshot of a running guest with tools is quiesced, and others are not", async () => {
  const cases: [Partial<RecordedMachine>, Quiescing, boolean, number][] = [
    [{}, "try", true, 0],
    [{}, "yes", true, 0],
    [{}, "no", false, 0],
    [{ areToolsRunning: false }, "try", false, 1],
    [{ areToolsRunning: false }, "yes", true, 0],
    [{ isPoweredOn: false }, "try", false, 0],
    [{ isPoweredOn: false }, "yes", false, 0],
  ];
  for (const [machine, quiesce, isQuiesced, eventCount] of cases) {
    await using world = await World.create(machine);
    const taken = await createSnapshot(world.session, world.machine, { ...WISH, quiesce });
    assertEquals(taken, { ref: { type: "VirtualMachineSnapshot", value: "snapshot-70" }, isQuiesced });
    assertEquals(world.quiesced, [isQuiesced]);
    assertEquals(world.events.length, eventCount);
  }
});

Deno.test("a snapshot whose quiescing fails is taken once more without, and says so", async () => {
  for (const quiesce of ["try", "yes"] as const) {
    await using world = await World.create();
    const { inventory } = world;
    const create = inventory.server.replyOf("CreateSnapshot_Task");
    inventory.server.on("CreateSnapshot_Task", (call) => {
      const reply = create(call);
      return world.quiesced.at(-1) ? inventory.task(undefined, QUIESCE_FAILS) : reply;
    });
    const taking = createSnapshot(world.session, world.machine, { ...WISH, quiesce });
    if (quiesce === "yes") {
      const error = await assertRejects(() => taking, VsphereFault, "while quiescing");
      assertEquals(error.faultType, "ApplicationQuiesceFault");
      assertEquals(world.quiesced, [true]);
    } else {
      assertEquals((await taking).isQuiesced, false);
      assertEquals(world.quiesced, [true, false]);
      assertEquals(world.events.length, 1);
      assertEquals(world.events[0].includes("as after a power failure"), true);
    }
  }
});

Deno.test("a stopped program cancels its snapshot, and removes it if it was taken all the same", async () => {
  for (const end of ["error", "success"] as const) {
    await using world = await World.create();
    const { inventory, session, machine } = world;
    const controller = new AbortController();
    let polls = 0;
    inventory.server.on("CreateSnapshot_Task", () => {
      inventory.objects.set("Task:t", {
        "info.state": stringVal("running"),
        "info.progress": stringVal("40"),
      });
      return '<returnval type="Task">t</returnval>';
    });
    inventory.server.on("CancelTask", ({ target }) => {
      assertEquals(target, "t");
      inventory.objects.set("Task:t", {
        "info.state": stringVal(end),
        "info.result": NEW,
        "info.error": QUIESCE_FAILS,
      });
      return "";
    });
    const wish = {
      ...WISH,
      signal: controller.signal,
      onProgress: (percent: number) => {
        polls++;
        assertEquals(percent, 40);
        controller.abort(new Error("stopped by the test"));
      },
    };
    await assertRejects(() => createSnapshot(session, machine, wish), Error, "stopped by the test");
    assertEquals(polls, 1);
    assertEquals(world.removed, end === "success" ? ["snapshot-70"] : []);
  }
});

Deno.test("a snapshot lives as long as the work with it, however that ends", async () => {
  await using world = await World.create();
  const { session, machine, inventory } = world;
  const read = await withSnapshot(session, machine, WISH, ({ disks, isQuiesced }) => {
    assertEquals(world.removed, []);
    return Promise.resolve([disks[0].changeId, isQuiesced]);
  });
  assertEquals(read, ["52 2d bb/4", true]);
  assertEquals(world.removed, ["snapshot-70"]);
  const failing = withSnapshot(session, machine, WISH, () => Promise.reject(new Error("the work fails")));
  await assertRejects(() => failing, Error, "the work fails");
  assertEquals(world.removed.length, 2);
  // What is left behind is told, and the result counts.
  inventory.server.on("RemoveSnapshot_Task", () => faultReply("InvalidState", "The disks are in use."));
  assertEquals(await withSnapshot(session, machine, WISH, () => Promise.resolve(7)), 7);
  assertEquals(world.events.at(-1)!.includes("has to be removed by hand"), true);
  inventory.server.on(
    "RemoveSnapshot_Task",
    () => faultReply("ManagedObjectNotFound", "has already been deleted"),
  );
  await removeSnapshot(session, { type: "VirtualMachineSnapshot", value: "snapshot-70" });
});

Deno.test("a task that fails, vanishes or has an unknown state is an error", async () => {
  await using world = await World.create();
  const { inventory, session, machine } = world;
  const create = () => createSnapshot(session, machine, { ...WISH, quiesce: "no" });
  inventory.server.on("CreateSnapshot_Task", () => inventory.task(undefined, QUIESCE_FAILS));
  await assertRejects(create, VsphereFault, "refuses CreateSnapshot_Task: An error occurred while quiescing");
  inventory.server.on("CreateSnapshot_Task", () => '<returnval type="Task">none</returnval>');
  await assertRejects(create, ServerError, "state");
  inventory.server.on("CreateSnapshot_Task", () => inventory.task());
  await assertRejects(create, ServerError, "the new snapshot");
  inventory.server.on(
    "CreateSnapshot_Task",
    () => faultReply("TooManySnapshotLevels", "Snapshot hierarchy is too deep."),
  );
  const error = await assertRejects(create, VsphereFault, "Snapshot hierarchy is too deep.");
  assertEquals(error.faultType, "TooManySnapshotLevels");
});

Deno.test("change tracking is switched on without snapshots only, and has to stay on", async () => {
  const snapshot = snapshotTree([["snapshot-1", "by hand"]]);
  const cases: [Partial<RecordedMachine>, boolean | string, number][] = [
    [{ isTracked: false }, true, 1],
    [{ isTracked: true, snapshot }, true, 0],
    [{ isTracked: false, snapshot }, "1 snapshots are in the way", 0],
    [{ isTracked: false, disks: [] }, "no disk", 0],
  ];
  for (const [given, outcome, calls] of cases) {
    await using world = await World.create(given);
    const { inventory, session, machine } = world;
    inventory.server.on("ReconfigVM_Task", ({ body }) => {
      assertEquals(body.includes("<spec><changeTrackingEnabled>true</changeTrackingEnabled></spec>"), true);
      const properties = inventory.objects.get("VirtualMachine:7")!;
      properties["config.changeTrackingEnabled"] = '<val xsi:type="xsd:boolean">true</val>';
      return inventory.task();
    });
    if (typeof outcome === "string") {
      await assertRejects(() => enableTracking(session, machine), ServerError, outcome);
    } else {
      assertEquals((await enableTracking(session, machine)).tracking.isEnabled, outcome);
    }
    assertEquals(inventory.server.callsOf("ReconfigVM_Task").length, calls);
  }
  await using world = await World.create({ isTracked: false });
  world.inventory.server.on("ReconfigVM_Task", () => world.inventory.task());
  await assertRejects(() => enableTracking(world.session, world.machine), ServerError, "it is off");
});
