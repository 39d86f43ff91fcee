/** Disks that change at a certain moment of a dump. */

import { assertEquals } from "@std/assert";
import { basename } from "@std/path/posix/basename";
import { Archives } from "../refusals/refusal.ts";
import type { CliResult } from "../support/run_cli.ts";

const SECTORS = 6;
const NEW = "--dumpout new.dump --digestout new.digest";
/** A full dump, without the disk. */
export const FULL = `dump --mode full --blocksize 512 ${NEW}`;
/** Dumps of every mode, without the disk. */
export const MODES: Record<string, string> = {
  full: FULL,
  "full --resume": `${FULL} --resume`,
  diff: `dump --mode diff --dumpin g0.dump --digestin g0.digest ${NEW} --rdiffout new.rdiff`,
  incr: `dump --mode incr --bmpin all.bmp --dumpin g0.dump --digestin g0.digest ${NEW} --rdiffout new.rdiff`,
};

/** Yesterday: what was written then was not written while the test runs. */
export const BEFORE = new Date(Date.now() - 86_400_000);

/** The series, and disks of every kind that were written long ago. */
export function disks(): Archives {
  const archives = new Archives();
  const bytes = archives.read("d1.raw");
  const descriptor = (extents: string, more = "") =>
    `# Disk DescriptorFile\nversion=1\nCID=11112222\nparentCID=ffffffff\n${more}createType="monolithicFlat"\n${extents}\n`;
  archives.file("flat.vmdk", descriptor(`RW ${SECTORS} FLAT "flat-flat.vmdk" 0`));
  archives.file("flat-flat.vmdk", bytes);
  archives.file("split.vmdk", descriptor('RW 2 FLAT "split-f001.vmdk" 0\nRW 4 FLAT "split-f002.vmdk" 0'));
  archives.file("split-f001.vmdk", bytes.subarray(0, 1024));
  archives.file("split-f002.vmdk", bytes.subarray(1024));
  archives.file(
    "snap.vmdk",
    descriptor(`RW ${SECTORS} FLAT "snap-flat.vmdk" 0`).replace("parentCID=ffffffff", "parentCID=11112222") +
      'parentFileNameHint="flat.vmdk"\n',
  );
  archives.file("snap-flat.vmdk", bytes);
  for (const name of Object.keys(archives.snapshot())) Deno.utimeSync(archives.file(name), BEFORE, BEFORE);
  return archives;
}

/** Runs `line`; at the moment at which its dump is opened, after the disk and before it is read, `change` happens. */
export async function changing(archives: Archives, line: string, change: () => void): Promise<CliResult> {
  const { openSync } = Deno;
  let count = 0;
  Deno.openSync = (path, options) => {
    if (
      options?.createNew && /^\.new\.dump\.[0-9a-f]{8}\.vmdkbkp$/.test(basename(`${path}`)) && count++ === 0
    ) change();
    return openSync(path, options);
  };
  try {
    return await archives.run(line);
  } finally {
    Deno.openSync = openSync;
    assertEquals(count, 1, line);
  }
}

/** Writes a byte into a file; its time stays as it was with `secretly`. */
export function poke(path: string, { at = 0, byte = "Z", secretly = false } = {}): void {
  const { mtime } = Deno.statSync(path);
  {
    using file = Deno.openSync(path, { write: true });
    file.seekSync(at, Deno.SeekMode.Start);
    file.writeSync(new TextEncoder().encode(byte));
  }
  if (secretly) Deno.utimeSync(path, mtime!, mtime!);
}
