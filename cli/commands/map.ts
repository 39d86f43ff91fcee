/** `vmdkbkp map`: the extents of a disk, and where their bytes lie. */

import { EXIT } from "../errors.ts";
import { type DiskStretch, map, type MappedDisk } from "../jobs/map.ts";
import { jsonText, printable } from "../printable.ts";
import { newCommand } from "./common.ts";
import type { ValuesOf } from "../options/option.ts";
import { Printer } from "./printer.ts";
import { formatSize } from "./progress.ts";

export const command = newCommand("map", {
  description:
    `Show what a disk consists of, without reading its bytes: stretches with data, stretches that are
known to be zeros, and holes, which no file of the disk has.

The JSON has the shape of "qemu-img map --output=json": an array of objects with start, length, depth (the
number of snapshots above the one that has it), present, zero and data; of data also the file, and the offset
in it unless they are compressed.`,
  examples: `
vmdkbkp map disk.vmdk
vmdkbkp map --output json snapshot.vmdk`,
  args: { "<disk>": "raw image, block device or VMDK" },
  options: {
    output: {
      type: "choice",
      value: "form",
      choices: ["human", "json"],
      help: "how to print it; --json is --output json",
    },
    format: {
      type: "choice",
      value: "format",
      choices: ["raw", "vmdk"],
      help: "take the disk as this, whatever its name",
    },
    allowOutside: { type: "flag", help: "let a VMDK name files outside its folder" },
  },
});

type Options = ValuesOf<typeof command>;

export async function run(options: Options, [disk]: string[]): Promise<number> {
  const { format, allowOutside } = options;
  const asJson = options.json === true || options.output === "json";
  using printer = new Printer(options);
  const show = (mapped: MappedDisk) => printer.writeLines(asJson ? jsonLines(mapped) : textLines(mapped));
  await map({ disk, format, allowOutside }, show, await printer.jobOptions());
  return EXIT.done;
}

function* jsonLines({ stretches }: MappedDisk): Generator<string, void> {
  yield "[";
  let separator = "";
  for (const stretch of stretches) {
    yield separator + jsonText(jsonOf(stretch));
    separator = ",\n";
  }
  yield "]\n";
}

function* textLines({ path, format, stretches }: MappedDisk): Generator<string, void> {
  yield `${line("start", "length", "kind", "depth", "offset")} file\n`;
  const totals = { data: 0, zero: 0, hole: 0 };
  for (const stretch of stretches) {
    totals[kindOf(stretch)] += stretch.endBytes - stretch.startBytes;
    yield `${textOf(stretch)}\n`;
  }
  const sums = Object.entries(totals).map(([kind, bytes]) => `${formatSize(bytes)} ${kind}`).join(", ");
  yield `${printable(path)} (${format}): ${sums}\n`;
}

function kindOf({ present, zero }: DiskStretch): "data" | "zero" | "hole" {
  return !zero ? "data" : present ? "zero" : "hole";
}

function jsonOf({ startBytes, endBytes, depth, present, zero, path, fileBytes }: DiskStretch): unknown {
  return {
    start: startBytes,
    length: endBytes - startBytes,
    depth,
    present,
    zero,
    data: !zero,
    ...(zero ? {} : fileBytes === undefined ? { compressed: true } : { offset: fileBytes }),
    ...(path === undefined ? {} : { filename: path }),
  };
}

function textOf(stretch: DiskStretch): string {
  const { startBytes, endBytes, depth, zero, path, fileBytes } = stretch;
  const offset = zero ? "" : fileBytes === undefined ? "compressed" : String(fileBytes);
  const text = line(
    String(startBytes),
    String(endBytes - startBytes),
    kindOf(stretch),
    String(depth),
    offset,
  );
  return path === undefined ? text.trimEnd() : `${text} ${printable(path)}`;
}

function line(start: string, length: string, kind: string, depth: string, offset: string): string {
  return `${start.padStart(15)} ${length.padStart(15)} ${kind.padEnd(5)} ${depth.padStart(5)} ${
    offset.padStart(15)
  }`;
}
