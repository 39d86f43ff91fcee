import { assert, assertEquals } from "@std/assert";
import { mutateSessions } from "./mutations.ts";
import { isolateBytes } from "../isolate_bytes.ts";

const MAX_GROWTH_BYTES = 256 << 20;

Deno.test("10 000 mutated SOAP replies end in the right answer or a clear error, in bounded memory", async () => {
  await mutateSessions({ first: 100_000, count: 500 });
  const before = isolateBytes();
  const { read, refused } = await mutateSessions({ first: 1, count: 10_000 });
  const grown = isolateBytes() - before;
  console.log(`${read} read, ${refused} refused, memory grew by ${grown >> 20} MiB`);
  assertEquals(read + refused, 10_000);
  assert(read > 500 && refused > 2000, `${read} read, ${refused} refused`);
  assert(grown < MAX_GROWTH_BYTES, `memory grew by ${grown >> 20} MiB`);
});
