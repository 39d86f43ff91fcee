import { assert, assertEquals } from "@std/assert";
import { goldenTest } from "../golden_original/manifest.ts";
import { CHANGES_PER_BYTE, type Proof } from "./changes.ts";
import { goldenProofs, proofOf, tallyText, tryChanges } from "./every_byte.ts";
import { UNNOTICED } from "./unnoticed.ts";

Deno.test("check with a digest notices every changed byte, except what a digest cannot prove", async () => {
  const tally = await tryChanges(goldenProofs(), { step: 1 });
  console.log(tallyText(tally));
  // Every kind of change of the list occurs, so that the list has no kind too many.
  assertEquals(Object.keys(tally.unnoticed).sort(), [...UNNOTICED].sort());
});

/** Files of the original up to this length are changed byte by byte. */
const SMALL_BYTES = 400;

goldenTest(
  "check with a digest notices every changed byte, except what a digest cannot prove",
  async (set) => {
    const proofs = set.generations().flatMap((generation): Proof[] => {
      const paths = [`g${generation}.digest`, `g${generation}.dump`].map((stem) => set.path(stem));
      return paths.every((path) => Deno.statSync(path).size <= SMALL_BYTES) ? [proofOf(paths)] : [];
    });
    const tally = await tryChanges(proofs, { step: 1 });
    console.log(`${set.name}: ${tallyText(tally)}`);
    assert(tally.changes > CHANGES_PER_BYTE);
  },
  { where: (set) => set.files.some(({ name, bytes }) => name === "g0.dump" && bytes <= SMALL_BYTES) },
);
