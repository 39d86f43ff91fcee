/** `vmdkbkp map`: the extents of a disk, and where their bytes lie. */

import { jsonText, printable } from "../printable.ts";
import type { MappedExtent, ReadableDisk } from "../disks/disk.ts";
import { openForReading } from "../disks/open.ts";
import { EXIT } from "../errors.ts";
import { formatSize } from "./progress.ts";
import type { ValuesOf } from "./options.ts";
import { newCommand } from "./common.ts";
import { Session } from "./session.ts";

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
    output: { value: "form", choices: ["human", "json"], help: "how to print it; --json is --output json" },
    format: { value: "format", choices: ["raw", "vmdk"], help: "take the disk as this, whatever its name" },
    allowOutside: { help: "let a VMDK name files outside its folder" },
  },
});

type Options = ValuesOf<typeof command>;

/** A stretch with its beginning. */
type Row = MappedExtent & { startBytes: number };

/** Text that is printed at a time. */
const CHUNK_CHARS = 1 << 16;

export async function run(options: Options, [path]: string[]): Promise<number> {
  await using session = await Session.start(options, { inputs: [path] });
  const disk = session.using(
    await openForReading(path, { ...options, ...session.diskHelp, allowEncrypted: true }),
  );
  session.lockDisk(disk);
  const asJson = options.json === true || options.output === "json";
  let text = asJson ? "[" : `${line("start", "length", "kind", "depth", "offset")} file\n`;
  let count = 0;
  const totals = { data: 0, zero: 0, hole: 0 };
  for (const row of rowsOf(disk)) {
    totals[kindOf(row)] += row.endBytes - row.startBytes;
    text += asJson ? `${count === 0 ? "" : ",\n"}${jsonText(jsonOf(row))}` : `${textOf(row)}\n`;
    count++;
    if (text.length < CHUNK_CHARS) continue;
    await session.write(text);
    text = "";
    session.run.signal?.throwIfAborted();
  }
  const sums = Object.entries(totals).map(([kind, bytes]) => `${formatSize(bytes)} ${kind}`).join(", ");
  await session.write(asJson ? `${text}]\n` : `${text}${printable(disk.path)} (${disk.format}): ${sums}\n`);
  return EXIT.done;
}

/** The stretches of a disk; neighbours of one kind that lie together are one. */
function* rowsOf(disk: ReadableDisk): Generator<Row> {
  let last: Row | undefined;
  for (let at = 0; at < disk.capacityBytes;) {
    const row = { startBytes: at, ...disk.mapAt!(at) };
    at = row.endBytes;
    if (last !== undefined && continues(last, row)) {
      last.endBytes = row.endBytes;
      continue;
    }
    if (last !== undefined) yield last;
    last = row;
  }
  if (last !== undefined) yield last;
}

function continues(last: Row, next: Row): boolean {
  return last.depth === next.depth && last.present === next.present && last.zero === next.zero &&
    last.path === next.path &&
    (last.fileBytes === undefined
      ? next.fileBytes === undefined
      : next.fileBytes === last.fileBytes + next.startBytes - last.startBytes);
}

function kindOf({ present, zero }: Row): "data" | "zero" | "hole" {
  return !zero ? "data" : present ? "zero" : "hole";
}

function jsonOf({ startBytes, endBytes, depth, present, zero, path, fileBytes }: Row): unknown {
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

function textOf(row: Row): string {
  const { startBytes, endBytes, depth, zero, path, fileBytes } = row;
  const offset = zero ? "" : fileBytes === undefined ? "compressed" : String(fileBytes);
  const text = line(
    String(startBytes),
    String(endBytes - startBytes),
    kindOf(row),
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
