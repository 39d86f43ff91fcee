/** `vmdkbkp print`: show what is in an archive. */

import { EXIT, FormatError, UsageError } from "../errors.ts";
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
  using session = await Session.start(options, { inputs: paths });
  const { core } = session;
  const memory = core.mark();
  for (const [i, path] of paths.entries()) {
    const reader = await openArchive(core, await session.source(path));
    const batches = reader instanceof DumpReader ? listDump(core, reader) : listDigest(core, reader);
    const shown = { path, header: headerJson(reader.header), batches: options.headers ? undefined : batches };
    if (options.json) {
      session.write(i === 0 ? "[\n" : ",\n");
      const damage = await showJson(session, shown);
      if (damage !== undefined || i === paths.length - 1) session.write("\n]\n");
      if (damage !== undefined) return reportDamage(damage);
    } else {
      session.write(i === 0 ? "" : "\n");
      await showText(session, shown);
    }
    core.release(memory);
  }
  return EXIT.done;
}

/** The result on standard output says it already, in its own place. */
function reportDamage(damage: FormatError): number {
  console.error(`vmdkbkp: ${damage.message}`);
  return EXIT.corrupt;
}

/** What is shown of one file. */
interface Shown {
  path: string;
  header: Record<string, unknown>;
  batches?: AsyncIterable<ListedRecord[]>;
}

async function showText(session: Session, { path, header, batches }: Shown): Promise<void> {
  session.write(`file: ${path}\n${headerLines(header)}`);
  if (batches === undefined) return;
  for await (const records of batches) {
    session.write(
      records.map(({ block, md5 }) => `${String(block).padStart(10)} ${md5 ?? "zero"}\n`).join(""),
    );
  }
}

/** One object a file. The records stream into it, so damage becomes its last member; the object is whole all the same. */
async function showJson(
  session: Session,
  { path, header, batches }: Shown,
): Promise<FormatError | undefined> {
  session.write(JSON.stringify({ file: path, ...header }).slice(0, -1));
  let damage: FormatError | undefined;
  if (batches !== undefined) {
    session.write(',"records":[');
    try {
      let separator = "\n";
      for await (const records of batches) {
        for (const record of records) {
          session.write(separator + JSON.stringify(record));
          separator = ",\n";
        }
      }
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      damage = error;
    }
    session.write("\n]");
  }
  if (damage !== undefined) session.write(`,"error":${JSON.stringify({ message: damage.message })}`);
  session.write("}");
  return damage;
}

function headerLines(header: Record<string, unknown>): string {
  return Object.entries(header).map(([name, value]) =>
    name === "metadata"
      ? Object.entries(value as Record<string, string>).map(([key, text]) => `metadata ${key}: ${text}\n`)
        .join("")
      : `${name}: ${value}\n`
  ).join("");
}
