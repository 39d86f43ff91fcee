import { assert, assertEquals } from "@std/assert";
import { mutateSessions } from "./mutations.ts";

Deno.test("300 mutated SOAP replies end in the right answer or a clear error", async () => {
  const { read, refused } = await mutateSessions({ first: 1, count: 300 });
  assertEquals(read + refused, 300);
  // Neither is all refused, nor is nothing looked at.
  assert(read > 20 && refused > 60, `${read} read, ${refused} refused`);
});
