import { assert, assertEquals } from "@std/assert";
import { mutateConversations } from "./mutations.ts";

Deno.test("400 mutated replies of a data port end in the right bytes or a clear error", async () => {
  const { read, refused } = await mutateConversations({ first: 1, count: 400 });
  assertEquals(read + refused, 400);
  // Neither is all refused, nor is nothing looked at.
  assert(read > 20 && refused > 100, `${read} read, ${refused} refused`);
});
