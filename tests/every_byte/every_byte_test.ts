import { assert, assertEquals } from "@std/assert";
import { goldenProofs, tallyText, tryChanges } from "./every_byte.ts";
import { trySealed } from "./sealed.ts";
import { UNNOTICED } from "./unnoticed.ts";

/** Has no common divisor with the number of changes of a byte, so that all kinds of change are tried. */
const STEP = 31;

Deno.test("check with a digest notices a changed byte, except what a digest cannot prove", async () => {
  const tally = await tryChanges(goldenProofs(), { step: STEP });
  console.log(tallyText(tally));
  assert(tally.changes > 4000 && tally.noticed > tally.changes * 0.8, tallyText(tally));
  const known = new Set<string>(UNNOTICED);
  assertEquals(Object.keys(tally.unnoticed).filter((what) => !known.has(what)), []);
});

for (const suffix of ["", ".gz", ".zst"]) {
  Deno.test(`check with a seal notices a changed byte of "${suffix}" archives`, async () => {
    const changes = await trySealed(suffix, suffix === "" ? 401 : 113);
    assert(changes > 50, `${changes} changes`);
  });
}
