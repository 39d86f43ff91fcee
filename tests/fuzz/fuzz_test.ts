/** Some cases of every kind of file, the same in every run; `run.ts` tells how to run more. */

import { assert, assertThrows } from "@std/assert";
import { countsText, fuzz, SUBJECTS } from "./run.ts";
import { AllocationLimit } from "./watch.ts";

/** Cases of each kind: a few seconds. */
const CASES: Record<string, number> = {
  dump: 3000,
  rdiff: 3000,
  digest: 5000,
  bitmap: 20_000,
  seal: 5000,
  gzip: 8000,
  zstd: 5000,
  disk: 1000,
};

for (const name of Object.keys(SUBJECTS)) {
  Deno.test(`${CASES[name]} damaged files are refused or read rightly: ${name}`, async () => {
    const counts = await fuzz({ names: [name], first: 0, cases: CASES[name] });
    console.log(countsText(counts));
    // Neither all of the damage hits what counts, nor does none of it.
    const { accepted, refused } = counts[name];
    assert(accepted + refused === CASES[name] && Math.min(accepted, refused) > CASES[name] / 10);
  });
}

Deno.test("AllocationLimit refuses what no case may ask for, and remembers it", () => {
  using limit = new AllocationLimit();
  assert(new Uint8Array(1000) instanceof Uint8Array);
  limit.assertKept();
  for (const array of [Uint8Array, ArrayBuffer, SharedArrayBuffer]) {
    assertThrows(() => new array(2 ** 30), TypeError, "asked for");
  }
  assertThrows(() => limit.assertKept(), TypeError, "asked for");
});
