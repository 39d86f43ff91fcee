import { assert, assertEquals } from "@std/assert";
import { goldenProofs, tallyText, tryChanges } from "./every_byte.ts";
import { trySealed } from "./sealed.ts";
import { UNNOTICED } from "./unnoticed.ts";

/** No divisor of the changes of a byte, so that all kinds of change have their turn. */
const STEP = 31;

Deno.test("check with a digest notices a byte that changed, but for what a digest does not prove", async () => {
  const tally = await tryChanges(goldenProofs(), { step: STEP });
  console.log(tallyText(tally));
  assert(tally.changes > 4000 && tally.noticed > tally.changes * 0.8, tallyText(tally));
  const known = new Set<string>(UNNOTICED);
  assertEquals(Object.keys(tally.unnoticed).filter((what) => !known.has(what)), []);
});

for (const suffix of ["", ".gz", ".zst"]) {
  Deno.test(`check with a seal notices a byte of "${suffix}" archives that changed`, async () => {
    const changes = await trySealed(suffix, suffix === "" ? 401 : 113);
    assert(changes > 50, `${changes} changes`);
  });
}
