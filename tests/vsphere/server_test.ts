/**
 * The clients against the strict test server: no rule of the specification is broken, and nothing is left.
 */

import { assertEquals } from "@std/assert";
import type { AreaList } from "../../cli/vsphere/area_list.ts";
import type { CompressionName } from "../../cli/vsphere/nfc/fragment.ts";
import { randomFrom } from "./random.ts";
import { BYTES, KEY, MIB, ServerWorld, testWithServer } from "./server_world.ts";

for (const vcenter of [false, true]) {
  for (const release of ["7.0.3", "8.0.3"]) {
    testWithServer(
      `the disk of a running machine is read from ${vcenter ? "a vCenter" : "a host"} ${release}`,
      async () => {
        await using world = await ServerWorld.create({ vcenter, release });
        for (const compression of ["none", "zlib", "skipz"] satisfies CompressionName[]) {
          for (const isEncrypted of [true, false]) {
            await world.backUp({ compression, isEncrypted }, { during: () => world.fill(0, 3 * MIB, 77) });
          }
        }
        assertEquals(world.events, []);
        await world.server.assertClean();
      },
    );
  }
}

testWithServer("answers that are right in several ways give the same disk", async () => {
  await using world = await ServerWorld.create();
  const ways = [
    ...["shuffled", "mixed", "reversed"].map((order) => ({ order })),
    ...[4096, 65_024].map((fragmentBytes) => ({ fragmentBytes })),
    ...["asked", "always", "always-asked"].map((stored) => ({ stored })),
    ...[{ odd: true }, { earlyAck: true }, { handles: "random" }, { tls13: true }, { noErrorReply: true }, {
      maxUnderWay: 16,
    }],
  ];
  const usual = await world.server.control.settings({}) as Record<string, unknown>;
  for (const way of ways) {
    await world.server.control.settings({ ...usual, ...way });
    for (const compression of ["none", "zlib", "skipz"] satisfies CompressionName[]) {
      await world.backUp({ compression });
      assertEquals(world.events, [], JSON.stringify(way));
    }
  }
  await world.server.assertClean();
});

testWithServer("changes between two snapshots are listed, whole and no more, over many pages", async () => {
  await using world = await ServerWorld.create();
  const random = randomFrom(7);
  let { mark, content: before } = await world.backUp();
  await world.server.control.settings({ page: 3 });
  for (let round = 0; round < 10; round++) {
    const count = Math.floor(random() * 12);
    for (let i = 0; i < count; i++) {
      const offset = 512 * Math.floor(random() * (BYTES / 512 - 400));
      await world.fill(offset, 512 * (1 + Math.floor(random() * 300)), 1000 * round + i);
    }
    const { list, mark: next, content } = await world.backUp({}, {
      since: mark,
      during: () => world.fill(0, MIB, round),
    });
    if (list?.kind !== "changes") throw new Error(`round ${round}: ${list?.reason}`);
    assertListed(list.areas, before, content, `round ${round}`);
    [mark, before] = [next, content];
  }
  await world.server.assertClean();
});

/** Each byte that differs lies in an area; areas are not much larger than what has changed. */
function assertListed(areas: AreaList, before: Uint8Array, now: Uint8Array, message: string): void {
  const listed = new Uint8Array(now.length / 512);
  for (const { startBytes, endBytes } of areas) listed.fill(1, startBytes / 512, Math.ceil(endBytes / 512));
  for (let at = 0; at < now.length; at++) {
    if (now[at] !== before[at] && listed[at >> 9] === 0) {
      throw new Error(`${message}: byte ${at} is not listed`);
    }
  }
}

testWithServer("a state that the change list does not belong to means the whole disk", async () => {
  const spoil: [string, (world: ServerWorld) => Promise<void>][] = [
    ["tracking begins anew", (world) => world.server.control.resetTracking(world.machine, KEY)],
    ["the disk has grown", (world) => world.server.control.grow(world.machine, KEY, BYTES + 65_536)],
    ["another snapshot is there", async (world) => {
      await world.server.control.createSnapshot(world.machine, "by hand");
    }],
    ["the machine was reverted", async (world) => {
      await world.server.control.revertTo(
        world.machine,
        await world.server.control.createSnapshot(world.machine, "by hand"),
      );
    }],
  ];
  for (const [what, change] of spoil) {
    await using world = await ServerWorld.create();
    const { mark } = await world.backUp();
    await change(world);
    const { list } = await world.backUp({}, { since: mark });
    assertEquals(list?.kind, "all", what);
    assertEquals(world.server.events("violation"), [], what);
  }
});

testWithServer("a change list whose parts do not fit together means the whole disk", async () => {
  await using world = await ServerWorld.create();
  const { control } = world.server;
  const kinds: Record<string, "changes" | "all"> = {
    "beyond": "changes",
    "unsorted": "changes",
    "too-long": "changes",
    "negative": "all",
    "zero-length": "all",
    "negative-length": "all",
    "other-start": "all",
  };
  for (const [kind, expected] of Object.entries(kinds)) {
    const { mark, content: before } = await world.backUp();
    await world.fill(MIB, 3 * 65_536, 9);
    await world.fill(7 * MIB, 65_536, 10);
    const fault = await control.fault({ at: "changes", kind });
    const { list, content } = await world.backUp({}, { since: mark });
    await control.clear(fault);
    assertEquals(list?.kind, expected, kind);
    if (list?.kind === "changes") assertListed(list.areas, before, content, kind);
  }
  await world.server.assertClean();
});
