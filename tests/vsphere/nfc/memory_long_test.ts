import { assert, assertEquals } from "@std/assert";
import { MemoryPort } from "./memory_port.ts";
import { isolateBytes } from "../isolate_bytes.ts";

const MIB = 1 << 20;
/** What is under way, and what the collector has not come to yet. */
const MAX_GROWTH_BYTES = 160 * MIB;

Deno.test("the memory for a disk does not grow with the disk", async () => {
  const part = new Uint8Array(MIB).map((_, i) => i * 31);
  const capacityBytes = 4096 * MIB;
  // All parts of it are the same, so that the test has no memory for it either.
  const content = new Proxy({ length: capacityBytes } as Uint8Array, {
    get: (target, key) =>
      key === "subarray"
        ? (start: number, end: number) => part.subarray(start % MIB, start % MIB + (end - start))
        : Reflect.get(target, key),
  });
  const port = new MemoryPort(content);
  const disk = await port.open({ compression: "none" });
  const memory = new Uint8Array(new SharedArrayBuffer(16 * MIB));
  const read = async (start: number, end: number) => {
    for (let at = start; at < end; at += memory.length) {
      await disk.read(memory, at);
      assertEquals(memory[5 * MIB + 7777], part[7777]);
    }
  };
  await read(0, capacityBytes / 8);
  const before = isolateBytes();
  await read(capacityBytes / 8, capacityBytes);
  const grown = isolateBytes() - before;
  await disk.close();
  console.log(`memory grew by ${grown >> 20} MiB`);
  assert(grown < MAX_GROWTH_BYTES, `memory grew by ${grown >> 20} MiB`);
});
