import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ServerError } from "../../../cli/errors.ts";
import { AreaList } from "../../../cli/vsphere/area_list.ts";
import { TrustError } from "../../../cli/vsphere/errors.ts";
import type { NfcDisk, NfcDiskOptions } from "../../../cli/vsphere/nfc/disk.ts";
import { mixedContent, randomFrom } from "../random.ts";
import { assertSame } from "../same.ts";
import { MemoryPort } from "./memory_port.ts";

const MIB = 1 << 20;
const CHUNK = 65_536;

/** All of a disk, by parts of `partBytes` at a time. */
async function readAll(disk: NfcDisk, partBytes = disk.capacityBytes): Promise<Uint8Array> {
  const memory = new Uint8Array(new SharedArrayBuffer(disk.capacityBytes)).fill(0xee);
  const parts: Promise<void>[] = [];
  for (let at = 0; at < memory.length; at += partBytes) {
    parts.push(disk.read(memory.subarray(at, at + partBytes), at));
  }
  for (const outcome of await Promise.allSettled(parts)) {
    if (outcome.status === "rejected") throw outcome.reason;
  }
  return memory;
}

Deno.test("reads end at whole mebibytes, whatever is asked", async () => {
  const port = new MemoryPort(mixedContent(5 * MIB + 1536, 1));
  const disk = await port.open();
  const into = new Uint8Array(3 * MIB);
  await disk.read(into, MIB - 512);
  assertSame(into, port.content.subarray(MIB - 512, 4 * MIB - 512));
  assertEquals(port.disks[0].reads.map(({ offsetBytes, lengthBytes }) => [offsetBytes, lengthBytes]), [
    [MIB - 512, 512],
    [MIB, MIB],
    [2 * MIB, MIB],
    [3 * MIB, MIB - 512],
  ]);
  assertEquals(disk.bytesRead, into.length);
  await assertRejects(() => disk.read(new Uint8Array(100), 0), RangeError, "no whole sectors");
  await assertRejects(() => disk.read(new Uint8Array(512), 100), RangeError, "no whole sectors");
  await assertRejects(
    () => disk.read(new Uint8Array(1024), disk.capacityBytes - 512),
    RangeError,
    "are wanted",
  );
  await assertRejects(() => disk.read(new Uint8Array(512), -512), RangeError, "are wanted");
  await disk.read(new Uint8Array(0), 0);
  await disk.close();
  await port.settled();
  assertEquals(port.violations, []);
  assertEquals([port.disks[0].isComplete, port.disks[0].isOpen], [true, false]);
});

Deno.test("fragments of any size and order, coded in every way, make the disk", async () => {
  for (let seed = 0; seed < 12; seed++) {
    const content = mixedContent(2 * MIB + 512 * (seed + 1), seed);
    const port = new MemoryPort(content, () => ({ random: randomFrom(seed), marksStored: seed % 2 === 1 }));
    for (const compression of ["none", "zlib", "skipz"] as const) {
      const disk = await port.open({ compression });
      assertSame(await readAll(disk, 300 * 1024), content, `seed ${seed}, ${compression}`);
      await disk.close();
    }
    assertEquals(port.violations, [], `seed ${seed}`);
  }
});

Deno.test("stored bytes that look like skipz and are marked so are read again without compression", async () => {
  // The first words of an icon are those of a fragment of 64 KiB in skipz.
  const content = mixedContent(4 * CHUNK, 7).map((byte) => byte | 1);
  content.set([0, 0, 1, 0, 0, 0, 0, 0], CHUNK);
  const port = new MemoryPort(content, () => ({ marksStored: true }));
  const disk = await port.open();
  assertSame(await readAll(disk), content);
  assertEquals(port.disks[0].reads.map(({ compression }) => compression), [3, 0]);
  await disk.close();
});

Deno.test("no more reads are under way than the window has, and none waits while it has room", async () => {
  const content = new Uint8Array(24 * MIB);
  for (const window of [1, 4, 16]) {
    let [underWay, most] = [0, 0];
    const port = new MemoryPort(content, () => ({
      fault: (opcode) => {
        if (opcode === 7) most = Math.max(most, ++underWay);
        return undefined;
      },
      // The last fragment of a read ends it.
      mutate: (record) => {
        const view = new DataView(record.buffer);
        if (record[4] === 7 && view.getUint32(44, true) + view.getUint32(48, true) === MIB) underWay--;
        return record;
      },
    }));
    const disk = await port.open({ window, compression: "none" });
    const memory = new Uint8Array(MIB);
    await Promise.all(Array.from({ length: 24 }, (_, i) => disk.read(memory, i * MIB)));
    assert(most <= window, `${most} of ${window}`);
    await disk.close();
  }
  // A service that answers nothing gets as many requests as the window has.
  for (const window of [1, 4, 16]) {
    const silent = new MemoryPort(
      content,
      () => ({ fault: (opcode) => opcode === 7 ? "silence" : undefined }),
    );
    const disk = await silent.open({ window });
    const reading = disk.read(new Uint8Array(content.length), 0).catch(() => {});
    for (let i = 0; i < 200; i++) await new Promise((resolve) => setTimeout(resolve, 0));
    assertEquals(silent.disks[0].requests.filter((opcode) => opcode === 7).length, window);
    disk[Symbol.dispose]();
    await reading;
  }
  const port = new MemoryPort(content);
  for (const window of [0, 33, 1.5]) await assertRejects(() => port.open({ window }), RangeError, "window");
});

Deno.test("all disks of one host together have 32 reads under way at most", async () => {
  const content = new Uint8Array(32 * MIB);
  const ports = Array.from(
    { length: 4 },
    () => new MemoryPort(content, () => ({ fault: (opcode) => opcode === 7 ? "silence" : undefined })),
  );
  const disks = await Promise.all(ports.map((port) =>
    port.open({
      takeTicket: async () => {
        const ticket = await port.options().takeTicket();
        return { ...ticket, endpoint: { host: "one-host", port: 902 } };
      },
    })
  ));
  const reads = disks.map((disk) => disk.read(new Uint8Array(32 * MIB), 0).catch(() => {}));
  // The services answer nothing, so whatever is asked stays under way.
  for (let i = 0; i < 200; i++) await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals(
    ports.reduce((sum, { disks }) => sum + disks[0].requests.filter((opcode) => opcode === 7).length, 0),
    32,
  );
  for (const disk of disks) disk[Symbol.dispose]();
  await Promise.all(reads);
});

Deno.test("the disk data base is read key by key, and a host that does not tell it costs one connection", async () => {
  const content = new Uint8Array(MIB);
  const ddb = { "adapterType": "ide", "geometry.sectors": "63", "uuid": "60 00\u0007" };
  const port = new MemoryPort(content, () => ({ ddb }));
  const disk = await port.open();
  assertEquals(disk.metadata, new Map([["adapterType", "ide"], ["geometry.sectors", "63"]]));
  assertEquals(disk.adapterType, 1);
  assertStringIncludes(port.events[0], "no ASCII: uuid");
  await disk.close();
  const silent = new MemoryPort(content, (connection) => ({
    ddb,
    fault: (opcode) => connection === 0 && opcode === 11 ? { code: 6, text: "no such thing" } : undefined,
  }));
  const other = await silent.open();
  assertEquals([other.metadata.size, other.adapterType], [0, 3]);
  assertSame(await readAll(other), content);
  assertEquals(silent.connectionCount, 2);
  assert(silent.events.some((text) => text.startsWith("downgrade") && text.includes("no such thing")));
  await other.close();
});

Deno.test("a host that takes no wish for buffers is asked without one", async () => {
  const content = mixedContent(MIB, 1);
  const port = new MemoryPort(content, (connection) => ({
    fault: (opcode) => connection === 0 && opcode === 2 ? { code: 3, text: "buffers" } : undefined,
  }));
  const disk = await port.open();
  assertSame(await readAll(disk), content);
  const sizes = port.links.map(({ written }) => new DataView(written[0].buffer).getUint32(20, true));
  assertEquals(sizes, [65_536, 0]);
  await disk.close();
});

/** The stretches of a disk, as `+` for data and `-` for holes with their lengths in chunks. */
async function mapOf(disk: NfcDisk): Promise<string> {
  let text = "";
  for (let at = 0; at < disk.capacityBytes;) {
    const { endBytes, zero } = await disk.extentAt(at);
    text += `${zero ? "-" : "+"}${(endBytes - at) / CHUNK} `;
    at = endBytes;
  }
  return text.trim();
}

Deno.test("unallocated chunks are holes, and the rest behind the last whole chunk is data", async () => {
  const content = new Uint8Array(10 * CHUNK + 512);
  content.fill(1, 2 * CHUNK, 5 * CHUNK);
  content[9 * CHUNK + 5] = 1;
  const port = new MemoryPort(content);
  const disk = await port.open({ isMapped: true });
  assertEquals(await mapOf(disk), "-2 +3 -4 +1 +0.0078125");
  assertEquals((await disk.extentAt(3 * CHUNK + 512)).endBytes, 5 * CHUNK);
  assertEquals((await disk.extentAt(6 * CHUNK)).zero, true);
  await disk.close();
  assertEquals(port.violations, []);
});

Deno.test("a large disk is asked about in windows, in any order of the questions", async () => {
  // No memory is needed behind it: nothing of it is read but what is said to be empty.
  const content = { length: 3 * 2 ** 30 + 7 * CHUNK } as Uint8Array;
  const allocated = new Set([0, 16_383, 16_384, 40_000, 49_158]);
  const fake = new Proxy(content, {
    get: (target, key) =>
      key === "subarray"
        ? (start: number, end: number) => new Uint8Array(end - start)
        : Reflect.get(target, key),
  });
  const port = new MemoryPort(fake, () => ({ isAllocated: (chunk) => allocated.has(chunk) }));
  const disk = await port.open({ isMapped: true });
  assertEquals(await mapOf(disk), "+1 -16382 +1 +1 -16383 -7232 +1 -9151 -6 +1");
  assertEquals((await disk.extentAt(40_000 * CHUNK)).zero, false);
  assertEquals((await disk.extentAt(1 * CHUNK)).zero, true);
  // Windows that are asked for side by side.
  const answers = await Promise.all([0, 2 ** 30, 2 * 2 ** 30, 512].map((at) => disk.extentAt(at)));
  assertEquals(answers.map(({ zero }) => zero), [false, false, true, false]);
  assertEquals(port.disks[0].violations, []);
  await disk.close();
});

Deno.test("a map that calls content empty is not believed, and one that was used already ends the read", async () => {
  const content = mixedContent(32 * CHUNK, 3).map((byte) => byte | 1);
  const port = new MemoryPort(content, () => ({ isAllocated: (chunk) => chunk % 2 === 0 }));
  const disk = await port.open({ isMapped: true, random: randomFrom(1) });
  assertEquals(await mapOf(disk), "+32");
  assertEquals(port.events.length, 1);
  assertStringIncludes(port.events[0], "not believed");
  await disk.close();
  // In the second window only: what was passed over in the first one cannot be had back.
  const length = 2 ** 30 + 4 * CHUNK;
  const fake = new Proxy({ length } as Uint8Array, {
    get: (target, key) =>
      key === "subarray"
        ? (start: number, end: number) => new Uint8Array(end - start).fill(start >= 2 ** 30 ? 1 : 0)
        : Reflect.get(target, key),
  });
  const late = new MemoryPort(fake, () => ({ isAllocated: () => false }));
  const second = await late.open({ isMapped: true });
  assertEquals((await second.extentAt(0)).zero, true);
  await assertRejects(() => second.extentAt(2 ** 30), ServerError, "without the map");
  await second.close();
});

Deno.test("a host that does not tell what is allocated costs one connection, and the server's list is used if there is one", async () => {
  const content = new Uint8Array(16 * CHUNK);
  content.fill(1, 4 * CHUNK, 6 * CHUNK);
  const areas = new AreaList();
  areas.add({ startBytes: 4 * CHUNK, endBytes: 6 * CHUNK });
  const lists: [NfcDiskOptions["areasInstead"], string][] = [
    [undefined, "+16"],
    [() => Promise.resolve(undefined), "+16"],
    [() => Promise.resolve(areas), "-4 +2 -10"],
  ];
  for (const [areasInstead, map] of lists) {
    const port = new MemoryPort(content, () => ({
      fault: (opcode) => opcode === 13 ? { code: 6, text: "not supported on this datastore" } : undefined,
    }));
    const disk = await port.open({ isMapped: true, areasInstead });
    assertEquals(await mapOf(disk), map);
    assertSame(await readAll(disk), content);
    assertEquals(port.connectionCount, 2);
    assertEquals(port.disks.map(({ requests }) => requests.filter((opcode) => opcode === 13).length), [1, 0]);
    assert(port.events.some((text) => text.includes("not supported on this datastore")));
    await disk.close();
  }
});

Deno.test("a host that hangs up on a request that can be done without, or is silent, is not asked it again", async () => {
  const content = new Uint8Array(16 * CHUNK);
  content.fill(1, 4 * CHUNK, 6 * CHUNK);
  for (const opcode of [11, 13]) {
    for (const reaction of ["close", "silence"] as const) {
      const port = new MemoryPort(
        content,
        () => ({ fault: (asked) => asked === opcode ? reaction : undefined }),
      );
      const disk = await port.open({ isMapped: true, patienceMs: 100 });
      assertEquals(await mapOf(disk), opcode === 13 ? "+16" : "-4 +2 -10");
      assertSame(await readAll(disk), content);
      // The first connection may just have been a bad one.
      assertEquals(port.connectionCount, 3);
      assertEquals(port.events.filter((text) => text.startsWith("downgrade")).length, 1);
      await disk.close();
    }
  }
  // A host that cannot be reached any more is another thing.
  const gone = new MemoryPort(
    content,
    (connection) => connection === 0 ? { fault: () => undefined } : "refuse",
  );
  const disk = await gone.open({ isMapped: true });
  gone.links[0].close();
  await assertRejects(() => disk.extentAt(0), ServerError, "tried 4 times");
  await disk.close();
});

Deno.test("a disk that has another capacity after a new connection is given up", async () => {
  const port = new MemoryPort(mixedContent(2 * MIB, 1), (connection) => ({
    fault: (opcode) => connection === 0 && opcode === 7 ? "close" : undefined,
    ...(connection === 1 ? { capacityBytes: 3 * MIB } : {}),
  }));
  const disk = await port.open();
  await assertRejects(() => readAll(disk), ServerError, "had 2097152 bytes and has 3145728 now");
  await disk.close();
});

Deno.test("closing waits for the reads under way; afterwards nothing is read", async () => {
  const content = mixedContent(8 * MIB, 1);
  const port = new MemoryPort(content);
  const disk = await port.open();
  const memory = new Uint8Array(content.length);
  const reading = disk.read(memory, 0);
  await disk.close();
  await reading;
  assertSame(memory, content);
  assertEquals(port.disks[0].requests.slice(-2), [5, 3]);
  assertEquals(port.violations, []);
  await assertRejects(() => disk.read(memory, 0), ServerError, "closed");
});

Deno.test("a disk that is left at once ends its reads, and writes to no memory any more", async () => {
  const content = new Uint8Array(4 * MIB).fill(1);
  const port = new MemoryPort(content);
  const disk = await port.open({ compression: "none" });
  const memory = new Uint8Array(content.length);
  const reading = assertRejects(() => disk.read(memory, 0), ServerError, "closed");
  disk[Symbol.dispose]();
  await reading;
  memory.fill(7);
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setTimeout(resolve, 0));
  assert(memory.every((byte) => byte === 7));
});

Deno.test("an abort ends reads, waits and connections with its reason", async () => {
  const content = new Uint8Array(MIB);
  const reason = new Error("stopped by the test");
  const controller = new AbortController();
  const silent = new MemoryPort(content, () => ({ fault: (opcode) => opcode === 7 ? "silence" : undefined }));
  const disk = await silent.open({ signal: controller.signal });
  const reading = assertRejects(() => disk.read(new Uint8Array(MIB), 0), Error, reason.message);
  controller.abort(reason);
  await reading;
  await disk.close();
  // In the long wait before a new connection.
  const second = new AbortController();
  const gone = new MemoryPort(
    content,
    (connection) => connection === 0 ? { fault: (opcode) => opcode === 7 ? "close" : undefined } : "refuse",
  );
  const waiting = await gone.open({
    signal: second.signal,
    firstWaitMs: 60_000,
    onEvent: () => second.abort(reason),
  });
  await assertRejects(() => waiting.read(new Uint8Array(MIB), 0), Error, reason.message);
  await waiting.close();
  await assertRejects(() => gone.open({ signal: second.signal }), Error, reason.message);
});

Deno.test("a host that is not the one of the ticket is not tried again", async () => {
  const port = new MemoryPort(new Uint8Array(MIB));
  let connections = 0;
  const connect = () => {
    connections++;
    return Promise.reject(new TrustError("Cannot trust the data port"));
  };
  await assertRejects(() => port.open({ connect }), TrustError, "Cannot trust");
  assertEquals(connections, 1);
});
