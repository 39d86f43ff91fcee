/** Loops over damaged digests that do not wait for input or output let the event loop run now and then. */

import { Bitmap } from "../../cli/archive/bitmap.ts";
import { digestHeaderBytes } from "../../cli/archive/header.ts";
import { Core } from "../../cli/core.ts";
import { surveyDigest } from "../../cli/damage/digest_survey.ts";
import { visitLost } from "../../cli/damage/lost_blocks.ts";
import { assertGivesWay, repeated } from "../archive/busy_loops.ts";
import { concat } from "../archive/files.ts";
import { headerOf } from "../pipeline/drawn_archives.ts";
import { damagedFile } from "./damaged.ts";

const core = await Core.load();

const BLOCKS = 20_000;
const BLOCK_BYTES = 512;

/** The digest of a disk of zeros. */
function zeroDigest(blockCount: number): Uint8Array {
  const head = digestHeaderBytes(headerOf("", { blockCount, blockBytes: BLOCK_BYTES }));
  return concat(head, repeated(Uint8Array.of(0x31, 0), blockCount, new Uint8Array(0)));
}

const MANY_BLOCKS = 4_000_000;
const NO_RECORD = Uint8Array.of(0x39, 0x39);

for (
  const [what, bytes] of [
    ["without damage", zeroDigest(MANY_BLOCKS)],
    [
      "whose end holds no records",
      concat(zeroDigest(MANY_BLOCKS).subarray(0, 200), repeated(NO_RECORD, MANY_BLOCKS, NO_RECORD)),
    ],
  ] as const
) {
  Deno.test(`surveyDigest() reads a digest ${what} and lets the event loop run`, async () => {
    await assertGivesWay(({ pace }) => surveyDigest(core, damagedFile("digest", bytes, { pace })));
  });
}

Deno.test("visitLost() passes over blocks that are not lost and lets the event loop run", async () => {
  const file = damagedFile("digest", zeroDigest(BLOCKS));
  const digest = { file, findings: await surveyDigest(core, file) };
  const lost = new Bitmap(BLOCKS);
  await assertGivesWay(({ options }) => visitLost(core, { digest, lost }, options, () => {}));
});
