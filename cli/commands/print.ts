/** `vmdkbkp print`: show what is in an archive. */

import { jsonText, printable } from "../printable.ts";
import { EXIT, fileFaultOf, InterruptedError, ReportedError, UsageError } from "../errors.ts";
import { DumpReader, openArchive } from "../pipeline/archive_reader.ts";
import { listDigest, listDump } from "../pipeline/list.ts";
import type { ValuesOf } from "./options.ts";
import { newCommand } from "./common.ts";
import type { Reading } from "./reading.ts";
import { Session } from "./session.ts";
import { headerJson } from "./summary.ts";

export const command = newCommand("print", {
  description:
    'Print the header of dumps, rdiffs and digests, and a line for each record: block number, MD5 or "zero".',
  examples: `
vmdkbkp print 0.dump.zst
vmdkbkp print --headers --dumpin 0.dump.zst --digestin 0.digest
vmdkbkp print --json 0.rdiff.zst`,
  args: { "[archives...]": "dumps, rdiffs, digests" },
  options: {
    dumpin: { value: "file", help: "a dump or rdiff" },
    digestin: { value: "file", help: "a digest" },
    headers: { help: "leave out the records" },
  },
});

type Options = ValuesOf<typeof command>;

export async function run(options: Options, archives: string[]): Promise<number> {
  const paths = [options.dumpin, options.digestin, ...archives].filter((path) => path !== undefined);
  if (paths.length === 0) throw new UsageError("Cannot print: no archive is named");
  await using session = await Session.start(options, { inputs: paths });
  await (options.json ? printJson : printText)(session, paths, options);
  return EXIT.done;
}

async function printText(session: Session, paths: string[], options: Options): Promise<void> {
  for (const [i, path] of paths.entries()) {
    await using files = session.reading();
    const { header, batches } = await open(session, { files, path });
    await session.write(`${i > 0 ? "\n" : ""}file: ${printable(path)}\n${headerLines(header)}`);
    if (options.headers) continue;
    for await (const records of batches) {
      const lines = records.map(({ block, md5 }) => `${String(block).padStart(10)} ${md5 ?? "zero"}\n`);
      await session.write(lines.join(""));
    }
  }
}

/** One object, into which files and records stream; what goes wrong becomes its last member, so that it is whole always. */
async function printJson(session: Session, paths: string[], options: Options): Promise<void> {
  await session.write('{"command":"print","files":[');
  let close = "";
  try {
    for (const [i, path] of paths.entries()) {
      await using files = session.reading();
      const { header, batches } = await open(session, { files, path });
      await session.write(`${i > 0 ? "," : ""}\n${jsonText({ file: path, ...header }).slice(0, -1)}`);
      close = "}";
      if (!options.headers) {
        await session.write(',"records":[');
        close = "\n]}";
        let separator = "\n";
        for await (const records of batches) {
          if (records.length === 0) continue;
          await session.write(separator + records.map((record) => jsonText(record)).join(",\n"));
          separator = ",\n";
        }
      }
      await session.write(close);
      close = "";
    }
  } catch (error) {
    if (!(error instanceof Error) || error instanceof InterruptedError) throw error;
    await session.write(
      `${close}],"ok":false,"error":${jsonText({ message: error.message, ...fileFaultOf(error) })}}\n`,
    );
    throw new ReportedError(error);
  }
  await session.write('\n],"ok":true}\n');
}

/** Opens an archive or a digest, which ends with `files`. `batches` reads its records. */
async function open(session: Session, { files, path }: { files: Reading; path: string }) {
  const reader = await openArchive(files.core, await files.source(path));
  const list = reader instanceof DumpReader ? listDump : listDigest;
  return { header: headerJson(reader.header), batches: list(files.core, reader as never, session.run) };
}

function headerLines(header: Record<string, unknown>): string {
  return Object.entries(header).map(([name, value]) =>
    name === "metadata"
      ? Object.entries(value as Record<string, string>).map(([key, text]) =>
        `metadata ${printable(key)}: ${printable(text)}\n`
      )
        .join("")
      : `${name}: ${value}\n`
  ).join("");
}
