/** `vmdkbkp digest`: compute the digest of a dump. */

import { DumpReader } from "../pipeline/archive_reader.ts";
import { digestOf } from "../pipeline/digest.ts";
import { newCommand, Session } from "./session.ts";
import { blocksText, headerJson, secondsSince, speedText } from "./summary.ts";

const HELP = {
  summary: "compute the digest of a dump",
  description: "Compute the digest of a dump: the MD5 of every block that is not zero.",
  examples: `
vmdkbkp digest --dumpin 0.dump.zst --digestout 0.digest
vmdkbkp merge --dumpout - 1.dump.zst 0.rdiff.zst | vmdkbkp digest --dumpin - --digestout 0.digest`,
};

export const command = () =>
  newCommand("digest", HELP)
    .requiredOption("--dumpin <file>", "the dump")
    .requiredOption("--digestout <file>", "its digest")
    .option("--level <n>", "compression: gzip 1 to 9, zstd 1 to 19 (default: 1)")
    .option("--force", "replace the output if it exists");

type Options = ReturnType<ReturnType<typeof command>["opts"]>;

export async function run(options: Options): Promise<number> {
  const start = performance.now();
  using session = await Session.start(options, { inputs: [options.dumpin], outputs: [options.digestout] });
  const { core } = session;
  const dumpIn = await DumpReader.open(core, await session.source(options.dumpin));
  const digestOut = session.sink(options.digestout, options);
  const result = await digestOf(session.core, { dumpIn, digestOut }, session.run);
  session.commit();
  const seconds = secondsSince(start);
  const { header } = dumpIn;
  return session.report({
    text: [
      `Digested ${options.dumpin}: ${
        blocksText(result.blocks, header.blockBytes)
      }, ${result.zeroBlocks} zero`,
      `  ${speedText(header.capacityBytes, seconds)}`,
    ],
    json: {
      command: "digest",
      ...headerJson(header),
      ...result,
      storedBytes: { digest: digestOut.storedBytes },
      seconds,
    },
  });
}
