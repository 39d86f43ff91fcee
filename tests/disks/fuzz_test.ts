import { assert } from "@std/assert";
import { Fuzzer } from "./fuzz.ts";

const COUNT = 2000;

Deno.test(`${COUNT} damaged disks are refused, or read the same in every way`, async () => {
  using fuzzer = new Fuzzer();
  const counts = { read: 0, refused: 0 };
  for (let number = 0; number < COUNT; number++) counts[await fuzzer.run(number)]++;
  // Neither all mutations hit something that counts, nor does none of them.
  assert(Math.min(counts.read, counts.refused) > COUNT / 10, JSON.stringify(counts));
});
