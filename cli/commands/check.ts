/** `vmdkbkp check`: prove archives with the digest of their generation. */

import { EXIT, FormatError, MismatchError } from "../errors.ts";
import { DigestReader } from "../pipeline/archive_reader.ts";
import { check, type CheckResult, MAX_BAD_RUNS } from "../pipeline/check.ts";
import type { ValuesOf } from "./options.ts";
import { newCommand, type Report, Session } from "./session.ts";
import { headerJson, secondsSince, speedText } from "./summary.ts";

const SHOWN_RUNS = 20;

export const command = newCommand("check", {
  description: `Check archives, newest first, against the digest of the generation that they lead to.

Every block is read and hashed; every checksum of a compressed file is verified. The last line on standard
output is "Check: OK" or "Check: WRONG". Rdiffs without a dump are checked for the blocks that they hold.`,
  examples: `
vmdkbkp check --digestin 2.digest 2.dump.zst
vmdkbkp check --digestin 0.digest 2.dump.zst 1.rdiff.zst 0.rdiff.zst`,
  args: { "<archives...>": "a dump and rdiffs, newest first" },
  options: {
    digestin: { value: "file", required: true, help: "digest of the last archive's generation" },
  },
});

type Options = ValuesOf<typeof command>;

export async function run(options: Options, archives: string[]): Promise<number> {
  const start = performance.now();
  using session = await Session.start(options, { inputs: [...archives, options.digestin] });
  try {
    const { core } = session;
    const chain = await session.chain(archives);
    const digest = await DigestReader.open(core, await session.source(options.digestin));
    const result = await check(session.core, { chain, digest }, session.run);
    const seconds = secondsSince(start);
    return session.report({
      text: [...findings(result), speedText(chain.header.capacityBytes, seconds), verdict(result)],
      json: {
        command: "check",
        ok: result.badBlocks === 0,
        archives,
        digest: options.digestin,
        generation: headerJson(chain.header),
        ...result,
        seconds,
      },
      exitCode: result.badBlocks === 0 ? EXIT.done : EXIT.corrupt,
    });
  } catch (error) {
    // Scripts look at the last line; an archive that cannot be read is wrong, a file that cannot be opened is another matter.
    if ((error instanceof FormatError || error instanceof MismatchError) && !options.json) {
      session.report({ text: ["Check: WRONG"], json: {} });
    }
    throw error;
  }
}

function verdict(result: CheckResult): string {
  return result.badBlocks === 0 ? "Check: OK" : "Check: WRONG";
}

function findings(
  { blocks, goodBlocks, zeroBlocks, absentBlocks, badBlocks, badRuns, badRunCount }: CheckResult,
): Report["text"] {
  const absent = absentBlocks > 0 ? `, ${absentBlocks} not in these archives` : "";
  const lines = [`${blocks} blocks: ${goodBlocks} good (${zeroBlocks} zero), ${badBlocks} bad${absent}`];
  for (const { start, end } of badRuns.slice(0, SHOWN_RUNS)) {
    lines.push(end - start === 1 ? `  bad: block ${start}` : `  bad: blocks ${start} to ${end - 1}`);
  }
  if (badRunCount > SHOWN_RUNS) {
    lines.push(`  bad: ${badRunCount - SHOWN_RUNS} more runs (--json lists the first ${MAX_BAD_RUNS})`);
  }
  return lines;
}
