import { assert, assertEquals } from "@std/assert";
import { mutateWires } from "./wire_mutations.ts";

Deno.test("1000 conversations over a bad network end in the right bytes or a clear error", async () => {
  const { read, refused } = await mutateWires({ first: 1000, count: 1000 });
  console.log(`${read} read, ${refused} refused`);
  assertEquals(read + refused, 1000);
  assert(refused > 500, `${read} read, ${refused} refused`);
});
