/**
 * Connections that break, hosts that refuse, answers that do not come: the reads under way are asked again on
 * a new one.
 */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ServerError } from "../../../cli/errors.ts";
import { mixedContent } from "../random.ts";
import { assertSame } from "../same.ts";
import { MemoryPort, type PortBehaviour } from "./memory_port.ts";

const MIB = 1 << 20;
const PART = MIB / 8;
const CONTENT = mixedContent(24 * PART, 5);

async function readAllOf(port: MemoryPort, more = {}): Promise<Uint8Array> {
  const disk = await port.open(more);
  try {
    const memory = new Uint8Array(port.content.length);
    const parts: Promise<void>[] = [];
    for (let at = 0; at < memory.length; at += PART) {
      parts.push(disk.read(memory.subarray(at, at + PART), at));
    }
    for (const outcome of await Promise.allSettled(parts)) {
      if (outcome.status === "rejected") throw outcome.reason;
    }
    return memory;
  } finally {
    await disk.close();
  }
}

Deno.test("a connection that breaks in the midst is replaced, with a new ticket, and only what is missing is asked again", async () => {
  const port = new MemoryPort(CONTENT, (connection) => ({
    fault: (opcode, count) => opcode === 7 && connection < 3 && count === 5 ? "close" : undefined,
  }));
  const found = await readAllOf(port, { window: 4 });
  assertSame(found, CONTENT);
  assertEquals([port.connectionCount, port.ticketCount], [4, 4]);
  const answered = port.disks.slice(0, 3).reduce((sum, { reads }) => sum + reads.length, 0);
  const all = answered + port.disks[3].reads.length;
  // Each break costs at most the window.
  assert(all <= 24 + 3 * 4, `${all} reads`);
  assertEquals(port.events.filter((text) => text.startsWith("retry")).length, 3);
  assertEquals(port.violations, []);
});

Deno.test("a read that is refused, or comes damaged, is asked again on a new connection", async () => {
  const faults: [string, PortBehaviour][] = [
    ["an error record", (connection) => ({
      fault: (opcode, count) =>
        connection === 0 && opcode === 7 && count === 3 ? { code: 7, text: "I/O error" } : undefined,
    })],
    ["a wrong place", (connection) => ({
      mutate: (record) => {
        if (connection === 0 && record[4] === 7) record[44] ^= 1;
        return record;
      },
    })],
    ["garbage", (connection) => ({
      mutate: (record) => connection === 0 && record[4] === 7 ? record.map((byte) => byte ^ 0x55) : record,
    })],
    ["a fragment twice", (connection) => ({
      mutate: (record) =>
        connection === 0 && record[4] === 7 ? new Uint8Array([...record, ...record]) : record,
    })],
  ];
  for (const [what, behaviour] of faults) {
    const port = new MemoryPort(CONTENT, behaviour);
    const found = await readAllOf(port);
    assertSame(found, CONTENT, what);
    assertEquals(port.connectionCount, 2, what);
  }
});

Deno.test("a host that does not answer is left after the patience, and asked on a new connection", async () => {
  const port = new MemoryPort(CONTENT.subarray(0, MIB), (connection) => ({
    fault: (opcode) => connection === 0 && opcode === 7 ? "silence" : undefined,
  }));
  const found = await readAllOf(port, { patienceMs: 100 });
  assertSame(found, CONTENT.subarray(0, MIB));
  assertEquals(port.connectionCount, 2);
  assertStringIncludes(port.events[0], "does not answer within 0.1 s");
});

Deno.test("what fails again and again ends with the action, the reason and the number of tries", async () => {
  const port = new MemoryPort(CONTENT, () => ({ fault: (opcode) => opcode === 7 ? "close" : undefined }));
  const disk = await port.open({ retries: 3 });
  const error = await assertRejects(() => disk.read(new Uint8Array(3 * MIB), 0), ServerError);
  assertStringIncludes(error.message, 'Cannot read disk "[ds1] web01/web01.vmdk" at byte ');
  assertStringIncludes(error.message, "(tried 4 times)");
  assertEquals(port.connectionCount, 4);
  // It has failed for good: nothing is tried any more.
  await assertRejects(() => disk.read(new Uint8Array(512), 0), ServerError, "tried 4 times");
  assertEquals(port.connectionCount, 4);
  await disk.close();
});

Deno.test("new connections that fail are tried again, too, and a host that comes back is used", async () => {
  const port = new MemoryPort(CONTENT.subarray(0, 2 * MIB), (connection) => {
    if (connection === 0) return { fault: (opcode) => opcode === 7 ? "close" : undefined };
    return connection < 4 ? "refuse" : {};
  });
  const found = await readAllOf(port, { retries: 5 });
  assertSame(found, CONTENT.subarray(0, 2 * MIB));
  assertEquals([port.connectionCount, port.ticketCount], [5, 5]);
});

Deno.test("an error that the same request meets again ends at once", async () => {
  for (const code of [3, 4, 6, 11, 13]) {
    const port = new MemoryPort(CONTENT, () => ({
      fault: (opcode) => opcode === 7 ? { code, text: "permission check failed" } : undefined,
    }));
    const disk = await port.open();
    const error = await assertRejects(
      () => disk.read(new Uint8Array(MIB), 0),
      ServerError,
      "permission check failed",
    );
    assertEquals(error.fault?.code, code);
    assertEquals(port.connectionCount, 1);
    await disk.close();
  }
});

Deno.test("opening is tried again for a moment's lack, and not for a refusal", async () => {
  const refusals: [number, number][] = [[1, 1], [2, 3], [4, 1], [5, 3], [11, 1]];
  for (const [code, connections] of refusals) {
    const port = new MemoryPort(CONTENT, (connection) => ({
      fault: (opcode) =>
        connection < 2 && opcode === 4 ? { code, text: "Failed to lock the file" } : undefined,
    }));
    const opening = port.open({ hint: "name a snapshot" });
    if (connections === 1) {
      const error = await assertRejects(() => opening, ServerError, "Failed to lock the file");
      assertStringIncludes(error.message, "name a snapshot");
    } else {
      await (await opening).close();
    }
    assertEquals(port.connectionCount, connections, `code ${code}`);
  }
  const gone = new MemoryPort(CONTENT, () => "refuse");
  await assertRejects(() => gone.open({ retries: 2 }), ServerError, "tried 3 times");
  assertEquals(gone.connectionCount, 3);
});

Deno.test("a cut after any byte of an answer ends in the right disk or a clear error, never in another disk", async () => {
  const content = mixedContent(66_048, 9);
  // How much a whole conversation has.
  let total = 0;
  const whole = new MemoryPort(content, () => ({ mutate: (record) => (total += record.length, record) }));
  await readAllOf(whole);
  for (let cutAt = 0; cutAt < total; cutAt += cutAt < 800 ? 1 : 997) {
    const port = new MemoryPort(content, (connection) => {
      let sent = 0;
      if (connection > 0) return {};
      return {
        mutate: (record) => {
          const part = record.subarray(0, Math.max(0, cutAt - sent));
          sent += record.length;
          if (sent >= cutAt) queueMicrotask(() => port.links[0].close());
          return part;
        },
      };
    });
    const found = await readAllOf(port).catch((error) => error);
    if (found instanceof Uint8Array) assertSame(found, content, `cut at ${cutAt}`);
    else assert(found instanceof ServerError, `cut at ${cutAt}: ${found}`);
  }
});
