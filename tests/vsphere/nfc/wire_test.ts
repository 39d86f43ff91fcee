import { assertEquals } from "@std/assert";
import { mutateWires } from "./wire_mutations.ts";

Deno.test("20 conversations over a bad network end in the right bytes or a clear error", async () => {
  const { read, refused } = await mutateWires({ first: 1, count: 20 });
  assertEquals(read + refused, 20);
});
