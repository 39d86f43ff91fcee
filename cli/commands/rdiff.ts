/** `vmdkbkp rdiff`: make the rdiff between two dumps. */

import { formatTimeStamp } from "../archive/time_stamp.ts";
import { DumpReader } from "../pipeline/archive_reader.ts";
import { rdiffBetween } from "../pipeline/compare.ts";
import { formatSize } from "./progress.ts";
import type { ValuesOf } from "./options.ts";
import { LEVEL, newCommand, WITHOUT_SEAL } from "./common.ts";
import { SIGN, TRUSTED_KEY } from "./signing.ts";
import { Session } from "./session.ts";
import { Sealing } from "./sealing.ts";
import { Chain } from "../pipeline/chain.ts";
import { proofOf, unprovedText } from "./proof.ts";
import { assertHash } from "./seals.ts";
import { blocksText, headerJson, secondsSince, speedText } from "./summary.ts";

export const command = newCommand("rdiff", {
  description: `Write the rdiff that leads from a newer dump back to an older one of the same series.

With it the older dump need not be kept: merge makes it again from the newer dump and the rdiff.`,
  examples: "vmdkbkp rdiff 0.dump.zst 1.dump.zst --rdiffout 0.rdiff.zst",
  args: { "<older>": "the older dump", "<newer>": "the newer dump" },
  options: {
    rdiffout: { value: "file", required: true, help: "the rdiff" },
    level: LEVEL,
    sign: SIGN,
    trustedKey: TRUSTED_KEY,
    withoutSeal: WITHOUT_SEAL,
    force: { help: "replace the output if it exists" },
  },
});

type Options = ValuesOf<typeof command>;

export async function run(options: Options, [olderPath, newerPath]: string[]): Promise<number> {
  const start = performance.now();
  await using session = await Session.start(options, {
    inputs: [olderPath, newerPath],
    outputs: [options.rdiffout],
  });
  const { core } = session;
  const older = await DumpReader.open(core, await session.source(olderPath));
  const newer = await DumpReader.open(core, await session.source(newerPath));
  const ends = [];
  let isProved = true;
  for (const dump of [newer, older]) {
    const { by, last: sealed } = await proofOf(session, new Chain([dump]));
    // Damage of a dump would become a difference. No root is computed of the blocks, so only the file can prove them.
    if (sealed !== undefined) await assertHash(sealed, session.run);
    isProved &&= by !== "nothing" && sealed !== undefined;
    ends.push({ time: formatTimeStamp(dump.header.time), root: sealed?.generation.root ?? null });
  }
  const [from, to] = ends;
  const sink = await session.sink(options.rdiffout, options);
  const sealing = await Sealing.begin(session, older.header, [{ role: "rdiff", path: options.rdiffout }]);
  const { zeroRecords, ...result } = await rdiffBetween(core, { older, newer, out: sink }, session.run);
  await sealing.complete({
    root: to.root,
    mode: { asked: "rdiff", done: "rdiff" },
    written: {
      [options.rdiffout]: { dataRecords: result.records - zeroRecords, zeroRecords, isProved, from, to },
    },
  });
  session.commit();
  const seconds = secondsSince(start);
  const { header } = older;
  return session.report({
    text: [
      `Wrote ${options.rdiffout}: ${result.records} of ${
        blocksText(result.blocks, header.blockBytes)
      } differ, ` +
      formatSize(sink.storedBytes),
      ...unprovedText(isProved ? "files" : "nothing"),
      `  ${speedText(header.capacityBytes, seconds)}`,
    ],
    json: {
      command: "rdiff",
      ...headerJson({ ...header, full: false }),
      ...result,
      proof: isProved ? "files" : "nothing",
      storedBytes: { rdiff: sink.storedBytes },
      seals: sealing.paths,
      seconds,
    },
  });
}
