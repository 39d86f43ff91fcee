/** `vmdkbkp print`: show what is in an archive. */

import { UsageError } from "../errors.ts";
import { DumpReader, openArchive } from "../pipeline/archive_reader.ts";
import { listDigest, listDump, type ListedRecord } from "../pipeline/list.ts";
import { newCommand, Session } from "./session.ts";
import { headerJson } from "./summary.ts";

const HELP = {
  summary: "show headers and records of archives",
  description:
    'Print the header of dumps, rdiffs and digests, and a line for each record: block number, MD5 or "zero".',
  examples: `
vmdkbkp print 0.dump.zst
vmdkbkp print --headers --dumpin 0.dump.zst --digestin 0.digest
vmdkbkp print --json 0.rdiff.zst`,
};

export const command = () =>
  newCommand("print", HELP)
    .argument("[archives...]", "dumps, rdiffs, digests")
    .option("--dumpin <file>", "a dump or rdiff")
    .option("--digestin <file>", "a digest")
    .option("--headers", "leave out the records");

type Options = ReturnType<ReturnType<typeof command>["opts"]>;

export async function run(options: Options, archives: string[]): Promise<number> {
  const paths = [options.dumpin, options.digestin, ...archives].filter((path) => path !== undefined);
  if (paths.length === 0) throw new UsageError("Cannot print: no archive is named");
  using session = new Session(options, { inputs: paths });
  const core = await session.core();
  const memory = core.mark();
  if (options.json) session.write("[");
  for (const [i, path] of paths.entries()) {
    const reader = await openArchive(core, await session.source(path));
    const header = headerJson(reader.header);
    const batches = reader instanceof DumpReader ? listDump(core, reader) : listDigest(core, reader);
    if (options.json) {
      const members = JSON.stringify({ file: path, ...header }).slice(0, -1);
      session.write(`${i > 0 ? "," : ""}\n${members}`);
      if (!options.headers) await writeJson(session, batches);
      session.write("}");
    } else {
      session.write(`${i > 0 ? "\n" : ""}file: ${path}\n${headerLines(header)}`);
      if (!options.headers) await writeText(session, batches);
    }
    core.release(memory);
  }
  if (options.json) session.write("\n]\n");
  return 0;
}

function headerLines(header: Record<string, unknown>): string {
  return Object.entries(header).map(([name, value]) =>
    name === "metadata"
      ? Object.entries(value as Record<string, string>).map(([key, text]) => `metadata ${key}: ${text}\n`)
        .join("")
      : `${name}: ${value}\n`
  ).join("");
}

async function writeText(session: Session, batches: AsyncIterable<ListedRecord[]>): Promise<void> {
  for await (const records of batches) {
    session.write(
      records.map(({ block, md5 }) => `${String(block).padStart(10)} ${md5 ?? "zero"}\n`).join(""),
    );
  }
}

async function writeJson(session: Session, batches: AsyncIterable<ListedRecord[]>): Promise<void> {
  session.write(',"records":[');
  let separator = "";
  for await (const records of batches) {
    for (const record of records) {
      session.write(`${separator}\n${JSON.stringify(record)}`);
      separator = ",";
    }
  }
  session.write("\n]");
}
