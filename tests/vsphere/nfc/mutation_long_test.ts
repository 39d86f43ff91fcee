import { assert, assertEquals } from "@std/assert";
import { mutateConversations } from "./mutations.ts";
import { isolateBytes } from "../isolate_bytes.ts";

const MAX_GROWTH_BYTES = 256 << 20;

Deno.test("10 000 mutated replies of a data port end in the right bytes or a clear error, in bounded memory", async () => {
  await mutateConversations({ first: 100_000, count: 2500 });
  const before = isolateBytes();
  const { read, refused } = await mutateConversations({ first: 1, count: 10_000 });
  const grown = isolateBytes() - before;
  console.log(`${read} read, ${refused} refused, memory grew by ${grown >> 20} MiB`);
  assertEquals(read + refused, 10_000);
  assert(read > 500 && refused > 2500, `${read} read, ${refused} refused`);
  assert(grown < MAX_GROWTH_BYTES, `memory grew by ${grown >> 20} MiB`);
});
