/** `vmdkbkp print`: show what is in an archive. */

import { EXIT, fileFaultOf, InterruptedError, ReportedError, UsageError } from "../errors.ts";
import { readArchives } from "../jobs/print.ts";
import { jsonText, printable } from "../printable.ts";
import { newCommand } from "./common.ts";
import type { ValuesOf } from "../options/option.ts";
import { Printer } from "./printer.ts";
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
    dumpin: { type: "input", value: "file", help: "a dump or rdiff" },
    digestin: { type: "input", value: "file", help: "a digest" },
    headers: { type: "flag", help: "leave out the records" },
  },
});

type Options = ValuesOf<typeof command>;

export async function run(options: Options, paths: string[]): Promise<number> {
  const archives = [options.dumpin, options.digestin, ...paths].filter((path) => path !== undefined);
  if (archives.length === 0) throw new UsageError("Cannot print: no archive is named");
  using printer = new Printer(options);
  await (options.json ? printJson : printText)(printer, archives, options);
  return EXIT.done;
}

async function printText(printer: Printer, archives: string[], options: Options): Promise<void> {
  let separator = "";
  await readArchives({ archives }, async ({ path, header, records }) => {
    await printer.write(`${separator}file: ${printable(path)}\n${headerLines(headerJson(header))}`);
    separator = "\n";
    if (options.headers) return;
    for await (const batch of records) {
      const lines = batch.map(({ block, md5 }) => `${String(block).padStart(10)} ${md5 ?? "zero"}\n`);
      await printer.write(lines.join(""));
    }
  }, await printer.jobOptions());
}

/** One object, into which files and records stream; what goes wrong becomes its last member, so that it is whole always. */
async function printJson(printer: Printer, archives: string[], options: Options): Promise<void> {
  const jobOptions = await printer.jobOptions();
  await printer.write('{"command":"print","files":[');
  let comma = "";
  let close = "";
  try {
    await readArchives({ archives }, async ({ path, header, records }) => {
      await printer.write(`${comma}\n${jsonText({ file: path, ...headerJson(header) }).slice(0, -1)}`);
      comma = ",";
      close = "}";
      if (!options.headers) {
        await printer.write(',"records":[');
        close = "\n]}";
        let separator = "\n";
        for await (const batch of records) {
          if (batch.length === 0) continue;
          await printer.write(separator + batch.map((record) => jsonText(record)).join(",\n"));
          separator = ",\n";
        }
      }
      await printer.write(close);
      close = "";
    }, jobOptions);
  } catch (error) {
    if (!(error instanceof Error) || error instanceof InterruptedError) throw error;
    const details = jsonText({ message: error.message, ...fileFaultOf(error) });
    await printer.write(`${close}],"ok":false,"error":${details}}\n`);
    throw new ReportedError(error);
  }
  await printer.write('\n],"ok":true}\n');
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
