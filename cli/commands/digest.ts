/** `vmdkbkp digest`: compute the digest of a dump. */

import { DumpReader } from "../pipeline/archive_reader.ts";
import { digestOf } from "../pipeline/digest.ts";
import type { ValuesOf } from "./options.ts";
import { LEVEL, newCommand, WITHOUT_SEAL } from "./common.ts";
import { SIGN, TRUSTED_KEY } from "./signing.ts";
import { Session } from "./session.ts";
import { Sealing } from "./sealing.ts";
import { Chain } from "../pipeline/chain.ts";
import { proofOf, unprovedText } from "./proof.ts";
import { assertHash, assertRoot } from "./seals.ts";
import { contentText, headerJson, secondsSince, speedText } from "./summary.ts";

export const command = newCommand("digest", {
  description: "Compute the digest of a dump: the MD5 of every block that is not zero.",
  examples: `
vmdkbkp digest --dumpin 0.dump.zst --digestout 0.digest
vmdkbkp merge --dumpout - 1.dump.zst 0.rdiff.zst | vmdkbkp digest --dumpin - --digestout 0.digest`,
  args: {},
  options: {
    dumpin: { value: "file", required: true, help: "the dump" },
    digestout: { value: "file", required: true, help: "its digest" },
    level: LEVEL,
    sign: SIGN,
    trustedKey: TRUSTED_KEY,
    withoutSeal: WITHOUT_SEAL,
    force: { help: "replace the output if it exists" },
  },
});

type Options = ValuesOf<typeof command>;

export async function run(options: Options): Promise<number> {
  const start = performance.now();
  await using session = await Session.start(options, {
    inputs: [options.dumpin],
    outputs: [options.digestout],
  });
  const { core } = session;
  const dumpIn = await DumpReader.open(core, await session.source(options.dumpin));
  const proof = await proofOf(session, new Chain([dumpIn]));
  if (proof.by === "files") await assertHash(proof.last!, session.run);
  const digestOut = await session.sink(options.digestout, options);
  const sealing = await Sealing.begin(session, dumpIn.header, [{ role: "digest", path: options.digestout }]);
  const sha256 = session.root();
  const result = await digestOf(core, { dumpIn, digestOut, root: sha256 }, session.run);
  const root = await sha256.hex();
  assertRoot(dumpIn.path, proof.roots, root);
  const { blocks, zeroBlocks } = result;
  await sealing.complete({
    root,
    mode: { asked: "digest", done: "digest" },
    written: {
      [options.digestout]: {
        dataRecords: blocks - zeroBlocks,
        zeroRecords: zeroBlocks,
        isProved: proof.by !== "nothing",
      },
    },
  });
  session.commit();
  const seconds = secondsSince(start);
  const { header } = dumpIn;
  return session.report({
    text: [
      `Digested ${options.dumpin}: ${contentText(result, header.blockBytes)}`,
      ...unprovedText(proof.by),
      `  ${speedText(header.capacityBytes, seconds)}`,
    ],
    json: {
      command: "digest",
      ...headerJson(header),
      ...result,
      proof: proof.by,
      storedBytes: { digest: digestOut.storedBytes },
      seals: sealing.paths,
      seconds,
    },
  });
}
