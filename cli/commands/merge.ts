/** `vmdkbkp merge`: make one archive of several. */

import { formatTimeStamp } from "../archive/time_stamp.ts";
import { UsageError } from "../errors.ts";
import { merge } from "../pipeline/merge.ts";
import { formatSize } from "./progress.ts";
import type { ValuesOf } from "./options.ts";
import { LEVEL, newCommand, WITHOUT_SEAL } from "./common.ts";
import { proofOf, unprovedText } from "./proof.ts";
import { SIGN, TRUSTED_KEY } from "./signing.ts";
import { Session } from "./session.ts";
import { Sealing } from "./sealing.ts";
import { assertRoot, unsealedText } from "./seals.ts";
import { blocksText, headerJson, secondsSince, speedText } from "./summary.ts";

export const command = newCommand("merge", {
  description: `Merge archives, newest first, into one.

A dump and rdiffs become the dump of the generation that the last rdiff leads to, exactly as it was made then
(--dumpout). Rdiffs alone become one rdiff that leads straight from the newest to the oldest (--rdiffout).`,
  examples: `
vmdkbkp merge --dumpout 0.dump.zst 2.dump.zst 1.rdiff.zst 0.rdiff.zst
vmdkbkp merge --rdiffout 2-0.rdiff.zst 1.rdiff.zst 0.rdiff.zst`,
  args: { "<archives...>": "two or more archives, newest first" },
  options: {
    dumpout: { value: "file", help: "the merged dump" },
    rdiffout: { value: "file", help: "the merged rdiff" },
    level: LEVEL,
    sign: SIGN,
    trustedKey: TRUSTED_KEY,
    withoutSeal: WITHOUT_SEAL,
    force: { help: "replace the output if it exists" },
  },
});

type Options = ValuesOf<typeof command>;

export async function run(options: Options, archives: string[]): Promise<number> {
  const { dumpout, rdiffout } = options;
  const out = dumpout ?? rdiffout;
  if (out === undefined || (dumpout !== undefined && rdiffout !== undefined)) {
    throw new UsageError("Cannot merge: one of --dumpout and --rdiffout is needed");
  }
  if (archives.length < 2) {
    throw new UsageError(`Cannot merge: two or more archives are needed, ${archives.length} is given`);
  }
  const start = performance.now();
  await using session = await Session.start(options, { inputs: archives, outputs: [out] });
  const { core } = session;
  const chain = await session.chain(archives);
  const { header } = chain;
  if (header.full !== (dumpout !== undefined)) {
    throw new UsageError(
      header.full
        ? `Cannot merge into an rdiff: "${archives[0]}" is a dump, use --dumpout`
        : `Cannot merge into a dump: "${archives[0]}" is an rdiff, use --rdiffout`,
    );
  }
  const first = await session.sealed(chain.readers[0]);
  const proof = await proofOf(session, chain);
  // A root proves the blocks, whatever the files are, but not the header that the result has from the last one.
  if (proof.by !== "root") await session.proveSealed();
  const proveHeader = proof.by === "root" && proof.last !== undefined
    ? session.proveWhileRead(chain.readers.at(-1)!, proof.last)
    : () => Promise.resolve();
  const sink = await session.sink(out, options);
  const role = header.full ? "dump" : "rdiff";
  const sealing = await Sealing.begin(session, header, [{ role, path: out }]);
  const sha256 = session.root();
  const { zeroRecords, ...result } = await merge(core, { chain, out: sink, root: sha256 }, session.run);
  const root = header.full ? await sha256.hex() : null;
  if (root !== null) assertRoot(proof.path, proof.roots, root);
  await proveHeader();
  const to = { time: formatTimeStamp(header.time), root: proof.last?.generation.root ?? null };
  await sealing.complete({
    root: root ?? to.root,
    mode: { asked: "merge", done: "merge" },
    written: {
      [out]: {
        dataRecords: result.records - zeroRecords,
        zeroRecords,
        isProved: proof.by !== "nothing",
        ...(header.full ? {} : { from: first?.file.from ?? null, to }),
      },
    },
  });
  session.commit();
  const seconds = secondsSince(start);
  return session.report({
    text: [
      `Merged ${archives.length} archives to ${out}: ${blocksText(result.blocks, header.blockBytes)}, ` +
      `${result.records} records, ${formatSize(sink.storedBytes)}`,
      ...unprovedText(proof.by),
      ...unsealedText(session.unsealed),
      `  ${speedText(header.capacityBytes, seconds)}`,
    ],
    json: {
      command: "merge",
      archives,
      ...headerJson(header),
      ...result,
      storedBytes: { [role]: sink.storedBytes },
      seals: sealing.paths,
      proof: proof.by,
      unsealed: session.unsealed,
      seconds,
    },
  });
}
