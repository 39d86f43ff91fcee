import { assertEquals, assertRejects } from "@std/assert";
import { ServerError } from "../../cli/errors.ts";
import { type Area, AreaList } from "../../cli/vsphere/area_list.ts";
import {
  bitmapOf,
  type ChangeList,
  changeMarkOf,
  type ChangeQuery,
  listAllocated,
  listChanges,
} from "../../cli/vsphere/change_list.ts";
import type { MachineDisk } from "../../cli/vsphere/machine_disk.ts";
import type { VsphereSession } from "../../cli/vsphere/session.ts";
import { VsphereFault } from "../../cli/vsphere/soap/fault.ts";
import { randomFrom } from "./random.ts";
import { faultReply, type SoapReply, SoapServer } from "./soap_server.ts";

const MIB = 1 << 20;
const CAPACITY = 10 * MIB + 512;
const MACHINE = { type: "VirtualMachine", value: "vm-42" };
const SNAPSHOT = { type: "VirtualMachineSnapshot", value: "snapshot-70" };
const EPOCH = "52 2d 7b 11 22 33 44 55-66 77 88 99 aa bb bb 7b";

function diskWith(changeId: string | undefined, capacityBytes = CAPACITY): MachineDisk {
  return {
    ...{
      key: 2000,
      label: "Hard disk 1",
      adapterType: 3,
      capacityBytes,
      path: "[ds1] a/a.vmdk",
      parentPaths: [],
    },
    ...{ backing: "VirtualDiskFlatVer2BackingInfo", mode: "persistent", isShared: false, changeId },
  };
}

/** One answer: what it covers, and its areas as starts and lengths. */
function answer(start: number, length: number, areas: [number, number][] = []): string {
  const list = areas.map(([at, count]) =>
    `<changedArea><start>${at}</start><length>${count}</length></changedArea>`
  );
  return `<returnval><startOffset>${start}</startOffset><length>${length}</length>${
    list.join("")
  }</returnval>`;
}

const QUERY: ChangeQuery = {
  machine: MACHINE,
  snapshot: SNAPSHOT,
  disk: diskWith(`${EPOCH}/7`),
  since: { changeId: `${EPOCH}/5`, capacityBytes: CAPACITY, currentSnapshot: null },
  currentSnapshot: null,
};

/** What `listChanges` makes of a server that answers `reply`, and the offsets that it was asked. */
async function changes(
  reply: (startOffset: number, call: number) => SoapReply,
  query: Partial<ChangeQuery> = {},
): Promise<{ list: ChangeList; offsets: number[] }> {
  return await withServer(reply, (session) => listChanges(session, { ...QUERY, ...query }));
}

async function withServer<T>(
  reply: (startOffset: number, call: number) => SoapReply,
  work: (session: VsphereSession) => Promise<T>,
): Promise<{ list: T; offsets: number[] }> {
  await using server = await SoapServer.start();
  const offsets: number[] = [];
  server.on("QueryChangedDiskAreas", ({ body }) => {
    const [, start] = /<startOffset>(\d+)<\/startOffset>/.exec(body)!;
    offsets.push(Number(start));
    return reply(Number(start), offsets.length);
  });
  await using session = await server.open({ retries: 0 });
  return { list: await work(session), offsets };
}

function areasOf(list: ChangeList): Area[] {
  if (list.kind !== "changes") throw new Error(list.reason);
  return [...list.areas];
}

Deno.test("changes are asked for up to the capacity, and never at it", async () => {
  const { list, offsets } = await changes((start) =>
    start === 0
      ? answer(0, 4 * MIB, [[65536, 65536], [MIB, 512]])
      : start === 4 * MIB
      ? answer(start, 2 * MIB)
      : answer(start, CAPACITY - start, [[9 * MIB, 65536], [CAPACITY - 512, 65536]])
  );
  assertEquals(offsets, [0, 4 * MIB, 6 * MIB]);
  assertEquals(areasOf(list), [
    { startBytes: 65536, endBytes: 131072 },
    { startBytes: MIB, endBytes: MIB + 512 },
    { startBytes: 9 * MIB, endBytes: 9 * MIB + 65536 },
    { startBytes: CAPACITY - 512, endBytes: CAPACITY },
  ]);
  assertEquals(list.changeId, `${EPOCH}/7`);
});

Deno.test("no change at all is an empty list, and an answer may tell of more than the disk has", async () => {
  assertEquals(areasOf((await changes(() => answer(0, CAPACITY))).list), []);
  const { list } = await changes(() =>
    answer(0, 2 * CAPACITY, [[CAPACITY - 512, CAPACITY], [CAPACITY, 512]])
  );
  assertEquals(areasOf(list), [{ startBytes: CAPACITY - 512, endBytes: CAPACITY }]);
});

Deno.test("an answer that does not go on where it was asked to means the whole disk", async () => {
  const answers: [string, (start: number) => string][] = [
    ["nothing covered", (start) => answer(start, 0)],
    ["back to the start", () => answer(0, MIB)],
    ["from elsewhere", (start) => answer(start + 512, CAPACITY)],
    ["no length", () => "<returnval><startOffset>0</startOffset></returnval>"],
    ["nothing", () => ""],
    ["two answers", () => answer(0, CAPACITY) + answer(0, CAPACITY)],
    [
      "an area without a length",
      () =>
        `<returnval><startOffset>0</startOffset><length>${CAPACITY}</length><changedArea><start>0</start></changedArea>` +
        "</returnval>",
    ],
    [
      "an area of another name",
      () =>
        `<returnval><startOffset>0</startOffset><length>${CAPACITY}</length><changedAreb><start>0</start><length>1</length>` +
        "</changedAreb></returnval>",
    ],
    ["a negative length", () => answer(0, CAPACITY, [[0, -1]])],
    [
      "a place that is no number",
      () => answer(0, CAPACITY).replace("<length>", "<length>1e3</length><length>"),
    ],
  ];
  for (const [what, reply] of answers) {
    const { list } = await changes(reply);
    assertEquals([list.kind, list.changeId], ["all", `${EPOCH}/7`], what);
  }
});

Deno.test("a fault of the query means the whole disk, wherever it comes, with the server's words", async () => {
  const faults = [
    faultReply("FileFault", "Error caused by file /vmfs/volumes/ds1/a/a-000003.vmdk"),
    faultReply(
      "InvalidArgument",
      "A specified parameter was not correct: changeId",
      "<invalidProperty>changeId</invalidProperty>",
    ),
    faultReply("InvalidArgument", "A specified parameter was not correct: startOffset"),
    faultReply("NoPermission", "Permission to perform this operation was denied."),
    faultReply("MethodNotFound", "VirtualMachine:vm-42 does not implement: QueryChangedDiskAreas"),
    faultReply("SystemError", "A general system error occurred"),
  ];
  for (const fault of faults) {
    for (const first of [1, 2]) {
      const copy = fault.clone();
      const { list } = await changes((_, call) => call === first ? copy : answer(0, MIB, [[0, 512]]));
      assertEquals(list.kind, "all");
      if (list.kind === "all") {
        assertEquals(/Error|correct|denied|implement/.test(list.reason), true, list.reason);
      }
    }
  }
});

Deno.test("a machine or a snapshot that is gone, and a server that is gone, are errors", async () => {
  for (const type of ["ManagedObjectNotFound", "NotFound", "NotAuthenticated"]) {
    const error = await assertRejects(() => changes(() => faultReply(type, "gone")), VsphereFault);
    assertEquals(error.faultType, type);
  }
  await assertRejects(
    () => changes(() => new Response("busy", { status: 503 })),
    ServerError,
    "HTTP status 503",
  );
});

Deno.test("a list that could be wrong is not asked for", async () => {
  const cases: [string, Partial<ChangeQuery>][] = [
    ["change tracking is off", { disk: diskWith(undefined) }],
    ["has no change id", { since: { ...QUERY.since, changeId: "" } }],
    ["has no change id", { since: { ...QUERY.since, changeId: "*" } }],
    ["the capacity has changed", { disk: diskWith(`${EPOCH}/7`, CAPACITY + 512) }],
    ["begun anew", { disk: diskWith("53 2d 7b/7") }],
    ["begun anew", { disk: diskWith("no slash") }],
    ["counts backwards", { disk: diskWith(`${EPOCH}/4`) }],
    ["gone back to an earlier snapshot", {
      disk: diskWith(`${EPOCH}/5`),
      currentSnapshot: SNAPSHOT,
      since: { ...QUERY.since, currentSnapshot: "VirtualMachineSnapshot:snapshot-70" },
    }],
    ["another one than at the last backup", { currentSnapshot: SNAPSHOT }],
    ["another one than at the last backup", {
      since: { ...QUERY.since, currentSnapshot: "VirtualMachineSnapshot:x" },
    }],
  ];
  for (const [reason, query] of cases) {
    const { list, offsets } = await changes(() => answer(0, CAPACITY), query);
    assertEquals(list.kind, "all");
    if (list.kind === "all") assertEquals(list.reason.includes(reason), true, `${reason} / ${list.reason}`);
    assertEquals(offsets, []);
  }
});

Deno.test("a counter above 2^53 is compared exactly, and one that is no number not at all", async () => {
  const of = (before: string, now: string) =>
    changes(() => answer(0, CAPACITY), {
      disk: diskWith(`${EPOCH}/${now}`),
      since: { ...QUERY.since, changeId: `${EPOCH}/${before}` },
    });
  assertEquals((await of("9007199254740993", "9007199254740992")).list.kind, "all");
  assertEquals((await of("9007199254740992", "9007199254740993")).list.kind, "changes");
  assertEquals((await of("5", "5")).list.kind, "changes");
  assertEquals((await of("b", "a")).list.kind, "changes");
});

Deno.test("what is recorded of a disk leads to the next list", () => {
  assertEquals(changeMarkOf(diskWith(undefined), undefined), undefined);
  assertEquals(changeMarkOf(diskWith("x/1"), undefined), {
    changeId: "x/1",
    capacityBytes: CAPACITY,
    currentSnapshot: null,
  });
  assertEquals(
    changeMarkOf(diskWith("x/1"), SNAPSHOT)?.currentSnapshot,
    "VirtualMachineSnapshot:snapshot-70",
  );
});

Deno.test("allocated areas are asked for by a star, and a refusal is told", async () => {
  const { list } = await withServer(
    () => answer(0, CAPACITY, [[0, MIB]]),
    (session) => listAllocated(session, QUERY),
  );
  assertEquals([...list!], [{ startBytes: 0, endBytes: MIB }]);
  const refused = await withServer(
    () => faultReply("FileFault", "no"),
    (session) => listAllocated(session, QUERY),
  );
  assertEquals(refused.list, undefined);
});

Deno.test("areas become bits of blocks, rounded outwards", () => {
  const areas = new AreaList();
  areas.add({ startBytes: 65536, endBytes: 65537 });
  areas.add({ startBytes: 3 * MIB - 1, endBytes: 3 * MIB + 1 });
  areas.add({ startBytes: 5 * MIB, endBytes: 6 * MIB });
  areas.add({ startBytes: CAPACITY - 1, endBytes: CAPACITY + MIB });
  const bitmap = bitmapOf(areas, { capacityBytes: CAPACITY, blockBytes: MIB });
  assertEquals(bitmap.bitCount, 11);
  assertEquals(Array.from({ length: 11 }, (_, i) => bitmap.get(i) ? 1 : 0).join(""), "10110100001");
});

Deno.test("a list of areas is what was added, in any order, and says at most more when it is full", () => {
  for (let seed = 0; seed < 200; seed++) {
    const random = randomFrom(seed);
    const maxAreas = seed % 2 === 0 ? 8 : 1000;
    const list = new AreaList({ maxAreas });
    const sectors = new Uint8Array(2000);
    const count = 1 + Math.floor(random() * 60);
    for (let i = 0; i < count; i++) {
      const start = Math.floor(random() * 1990);
      const length = Math.floor(random() * 10);
      sectors.fill(1, start, start + length);
      list.add({ startBytes: start * 512, endBytes: (start + length) * 512 });
    }
    const areas = [...list];
    const named = new Uint8Array(2000);
    let last = -1;
    for (const { startBytes, endBytes } of areas) {
      assertEquals(startBytes > last && endBytes > startBytes, true, `seed ${seed}`);
      last = endBytes;
      named.fill(1, startBytes / 512, endBytes / 512);
    }
    const lost = sectors.findIndex((bit, i) => bit === 1 && named[i] === 0);
    assertEquals(lost, -1, `seed ${seed}`);
    if (maxAreas > count) assertEquals(named, sectors, `seed ${seed}`);
    assertEquals(list.count <= maxAreas, true, `seed ${seed}`);
    assertEquals(list.totalBytes, named.reduce((sum, bit) => sum + bit * 512, 0), `seed ${seed}`);
    for (const at of [0, 1000, 511 * 512, 1999 * 512]) {
      assertEquals(list.areaFrom(at), areas.find(({ endBytes }) => endBytes > at), `seed ${seed}`);
    }
  }
});
