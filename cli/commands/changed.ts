/** `vmdkbkp changed`: the blocks that the snapshots above a link of a chain name, as a bitmap. */

import { Bitmap } from "../archive/bitmap.ts";
import { openChain } from "../disks/open.ts";
import type { VmdkDisk } from "../disks/vmdk/disk.ts";
import { MismatchError, UsageError } from "../errors.ts";
import { Checkpoint, type RunOptions } from "../pipeline/run.ts";
import { blockBytesOf, DEFAULT_BLOCK_BYTES } from "./block_size.ts";
import type { ValuesOf } from "./options.ts";
import { STREAM } from "./input_file.ts";
import { newCommand } from "./common.ts";
import { Session } from "./session.ts";

export const command = newCommand("changed", {
  description:
    `Write a bitmap with a bit set for every block that the snapshots above a parent of a VMDK name: what
--bmpin of an incremental dump takes. The previous dump must be one of that parent, with blocks of this size.

Change tracking files (-ctk.vmdk) are not read: their format is not documented, and a missed bit loses a
change.`,
  examples: `
vmdkbkp changed disk-000002.vmdk --since disk-000001.vmdk --bmpout changed.bmp
vmdkbkp dump --mode incr --local disk-000002.vmdk --bmpin changed.bmp \\
    --dumpin 1.dump.zst --digestin 1.digest \\
    --dumpout 2.dump.zst --digestout 2.digest --rdiffout 1.rdiff.zst`,
  args: { "<disk>": "the VMDK as it is now" },
  options: {
    since: { value: "parent", required: true, help: "the parent of it, near or far, that was dumped" },
    bmpout: { value: "file", default: STREAM, help: "the bitmap" },
    blocksize: { value: "bytes", help: `bytes of a block (default: ${DEFAULT_BLOCK_BYTES})` },
    format: { value: "format", choices: ["vmdk"], help: "take the disk as this, whatever its name" },
    allowOutside: { help: "let a VMDK name files outside its folder" },
    force: { help: "replace the output if it exists" },
  },
});

type Options = ValuesOf<typeof command>;

/** Stretches between two looks at the clock. */
const STRETCHES_PER_LOOK = 1000;

export async function run(options: Options, [path]: string[]): Promise<number> {
  const { since, bmpout } = options;
  const blockBytes = blockBytesOf(options.blocksize) ?? DEFAULT_BLOCK_BYTES;
  await using session = await Session.start(options, { inputs: [path, since], outputs: [bmpout] });
  const disk = session.using(
    await openChain(path, { ...options, ...session.diskHelp, allowEncrypted: true }),
  );
  session.lockDisk(disk);
  session.addInputs(disk.files);
  const bitmap = newBitmap(session, Math.ceil(disk.capacityBytes / blockBytes), blockBytes);
  await mark(bitmap, { disk, blockBytes, linkCount: linksAbove(disk, since), run: session.run });
  await session.writeBitmap(bmpout, bitmap);
  session.commit();
  const blocks = bitmap.bitCount;
  const setBlocks = bitmap.count();
  return session.report({
    text: bmpout === STREAM ? [] : [`Wrote ${bmpout}: ${setBlocks} of ${blocks} bits set`],
    json: { command: "changed", disk: path, since, blockSize: blockBytes, blocks, setBlocks },
  });
}

function newBitmap(session: Session, blocks: number, blockBytes: number): Bitmap {
  try {
    return new Bitmap(blocks, session.run.pages);
  } catch (cause) {
    throw new UsageError(`Cannot use --blocksize ${blockBytes}: ${(cause as Error).message}`, { cause });
  }
}

/** How many links lie above the parent `since`. */
function linksAbove(disk: VmdkDisk, since: string): number {
  let depth: number;
  try {
    depth = disk.depthOf(since);
  } catch (cause) {
    throw new Error(`Cannot open "${since}": ${(cause as Error).message}`, { cause });
  }
  if (depth > 0) return depth;
  if (depth === 0) {
    throw new UsageError(`Cannot tell what changed in "${disk.path}" since itself: name one of its parents`);
  }
  const parents = disk.chain.slice(1).map((parent) => `"${parent}"`).join(", ");
  throw new MismatchError(
    `Cannot tell what changed in "${disk.path}" since "${since}": ` +
      (parents === "" ? "it is no snapshot" : `its parents are ${parents}`),
  );
}

async function mark(
  bitmap: Bitmap,
  { disk, blockBytes, linkCount, run }: {
    disk: VmdkDisk;
    blockBytes: number;
    linkCount: number;
    run: RunOptions;
  },
): Promise<void> {
  const checkpoint = new Checkpoint(run);
  for (let at = 0, count = 1; at < disk.capacityBytes; count++) {
    const { endBytes, named } = disk.namedAt(at, linkCount);
    if (named) bitmap.setRange(Math.floor(at / blockBytes), Math.ceil(endBytes / blockBytes));
    at = endBytes;
    if (count % STRETCHES_PER_LOOK !== 0) continue;
    await checkpoint.pass({
      doneBlocks: Math.floor(at / blockBytes),
      totalBlocks: bitmap.bitCount,
      blockBytes,
    });
  }
}
