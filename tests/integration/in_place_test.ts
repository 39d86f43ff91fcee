/** Restores onto disks in files: only what differs is written, holes stay, and what becomes zero becomes a hole. */

import { assert, assertEquals } from "@std/assert";
import { openHoleMap } from "../../ffi/hole_map.ts";
import { noise, seeded } from "../disks/helpers.ts";
import { denoArgs } from "../support/run_cli.ts";
import { equalBytes } from "./same_bytes.ts";
import { Workspace } from "./workspace.ts";

const MIB = 1 << 20;
const SIZE_BYTES = 28 * MIB;
const PAGE_BYTES = 4096;
const ZEROS = new Uint8Array(PAGE_BYTES);

/** Kinds of disks that are written in place, with their files in the order of their bytes. */
const KINDS: Record<string, { disk: string; files: [name: string, bytes: number][] }> = {
  raw: { disk: "disk.raw", files: [["disk.raw", SIZE_BYTES]] },
  monolithicFlat: { disk: "disk.vmdk", files: [["disk-flat.vmdk", SIZE_BYTES]] },
  twoGbMaxExtentFlat: {
    disk: "disk.vmdk",
    files: [["disk-f001.vmdk", 10 * MIB + 512], ["disk-f002.vmdk", SIZE_BYTES - 10 * MIB - 512]],
  },
};

/** A disk of one kind that holds `bytes`, with holes for all pages of zeros. */
function make(work: Workspace, kind: string, bytes: Uint8Array): void {
  const { disk, files } = KINDS[kind];
  let at = 0;
  for (const [name, sizeBytes] of files) {
    writeSparse(work.file(name), bytes.subarray(at, at + sizeBytes));
    at += sizeBytes;
  }
  if (kind === "raw") return;
  const extents = files.map(([name, sizeBytes]) => `RW ${sizeBytes / 512} FLAT "${name}" 0`).join("\n");
  work.file(
    disk,
    `# Disk DescriptorFile\nversion=1\nCID=11112222\nparentCID=ffffffff\ncreateType="${kind}"\n${extents}\n`,
  );
}

function writeSparse(path: string, bytes: Uint8Array): void {
  using file = Deno.openSync(path, { write: true, create: true, truncate: true });
  file.truncateSync(bytes.length);
  for (let at = 0; at < bytes.length; at += PAGE_BYTES) {
    const page = bytes.subarray(at, at + PAGE_BYTES);
    if (equalBytes(page, ZEROS.subarray(0, page.length))) continue;
    file.seekSync(at, Deno.SeekMode.Start);
    file.writeSync(page);
  }
  file.syncSync();
}

/** The bytes of the disk, and how many of them take room. */
function stateOf(work: Workspace, kind: string): { bytes: Uint8Array; allocatedBytes: number } {
  const bytes = new Uint8Array(SIZE_BYTES);
  let at = 0;
  let allocatedBytes = 0;
  for (const [name, sizeBytes] of KINDS[kind].files) {
    bytes.set(Deno.readFileSync(work.file(name)), at);
    at += sizeBytes;
    {
      // Some file systems count when the bytes are stored.
      using file = Deno.openSync(work.file(name));
      file.syncSync();
    }
    allocatedBytes += Deno.statSync(work.file(name)).blocks! * 512;
  }
  return { bytes, allocatedBytes };
}

function hasHoles(work: Workspace): boolean {
  writeSparse(work.file("holes"), new Uint8Array(MIB));
  using file = Deno.openSync(work.file("holes"));
  using map = openHoleMap(work.file("holes"), file);
  return map !== undefined && map.runAt(0).hole;
}

/** Noise, of which a part is drawn and repeated. */
function longNoise(lenBytes: number, seed: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(lenBytes);
  const part = noise(Math.min(lenBytes, MIB - 1), seed);
  for (let at = 0; at < lenBytes; at += part.length) bytes.set(part.subarray(0, lenBytes - at), at);
  return bytes;
}

/** A disk that is mostly zeros: some pages of noise in some blocks. */
function patchy(seed: number): Uint8Array<ArrayBuffer> {
  const random = seeded(seed);
  const bytes = new Uint8Array(SIZE_BYTES);
  for (let i = 0; i < 12; i++) {
    const at = random(SIZE_BYTES / PAGE_BYTES - 20) * PAGE_BYTES;
    bytes.set(noise(PAGE_BYTES * (1 + random(20)), seed * 100 + i), at);
  }
  return bytes;
}

for (const kind of Object.keys(KINDS)) {
  Deno.test(`restore in place of a ${kind} disk writes what differs and keeps holes`, async () => {
    using work = new Workspace();
    if (!hasHoles(work)) return;
    const older = patchy(1);
    make(work, kind, older);
    const { disk } = KINDS[kind];
    await work.run(`dump --mode full --local ${disk} --dumpout 0.dump --digestout 0.digest`);
    const before = stateOf(work, kind);

    // Nothing differs: nothing is written, and a VMDK keeps its content id.
    const times = () => KINDS[kind].files.map(([name]) => Deno.statSync(work.file(name)).mtime?.getTime());
    const timesBefore = times();
    const unchanged = await work.runJson(`restore --local ${disk} 0.dump`);
    assertEquals([unchanged.writtenBlocks, unchanged.unchangedBlocks], [0, 28]);
    assertEquals(times(), timesBefore);
    if (kind !== "raw") assert(Deno.readTextFileSync(work.file(disk)).includes("CID=11112222"));

    // The guest wrote here and there, and filled a region that was a hole.
    const newer = older.slice();
    newer.set(noise(3 * PAGE_BYTES, 7), 5 * MIB);
    newer.set(longNoise(6 * MIB, 8), 20 * MIB);
    newer[0] ^= 1;
    make(work, kind, newer);
    const grown = stateOf(work, kind);
    assert(grown.allocatedBytes > before.allocatedBytes + 5 * MIB);
    const result = await work.runJson(`restore --local ${disk} --verify 0.dump`);
    const after = stateOf(work, kind);
    assert(equalBytes(after.bytes, older), "the disk is what was dumped");
    assert(
      after.allocatedBytes <= before.allocatedBytes + 64 * 1024,
      `${after.allocatedBytes} bytes take room, ${before.allocatedBytes} did`,
    );
    assert(
      result.writtenBlocks >= 7 && result.writtenBlocks <= 9,
      `${result.writtenBlocks} blocks are written`,
    );
    assertEquals(result.writtenBlocks + result.unchangedBlocks, 28);
    if (kind !== "raw") assert(!Deno.readTextFileSync(work.file(disk)).includes("CID=11112222"));
  });

  Deno.test(`restore in place of a ${kind} disk, of which every byte differs, in blocks of many sizes`, async () => {
    for (const blockBytes of [512, 4096, 65536, 3 * MIB]) {
      using work = new Workspace();
      if (!hasHoles(work)) return;
      const wanted = patchy(blockBytes);
      make(work, kind, wanted);
      const { disk } = KINDS[kind];
      const line =
        `dump --mode full --blocksize ${blockBytes} --local ${disk} --dumpout 0.dump --digestout 0.digest`;
      await work.run(line);
      const before = stateOf(work, kind);
      make(work, kind, longNoise(SIZE_BYTES, 3));
      await work.run(`restore --local ${disk} 0.dump`);
      const after = stateOf(work, kind);
      assert(equalBytes(after.bytes, wanted), `${blockBytes}`);
      // Blocks with data are written whole.
      assert(
        after.allocatedBytes <= before.allocatedBytes + 12 * 2 * blockBytes + MIB,
        `${after.allocatedBytes}`,
      );
    }
  });
}

Deno.test("restore in place without the permission for holes gives the same bytes", async () => {
  using work = new Workspace();
  const wanted = patchy(4);
  make(work, "raw", wanted);
  await work.run("dump --mode full --local disk.raw --dumpout 0.dump --digestout 0.digest");
  make(work, "raw", longNoise(SIZE_BYTES, 5));
  const args = denoArgs().flatMap((arg) =>
    arg === "-A" ? ["--no-prompt", "--allow-read", "--allow-write"] : [arg]
  );
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args, "restore", "--local", work.file("disk.raw"), work.file("0.dump")],
    stdin: "null",
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  assert(equalBytes(stateOf(work, "raw").bytes, wanted));
});

Deno.test("restore in place leaves an extent of type ZERO alone", async () => {
  using work = new Workspace();
  const data = noise(2 * MIB, 6);
  work.file("disk-flat.vmdk", noise(2 * MIB, 7));
  work.file(
    "disk.vmdk",
    '# Disk DescriptorFile\nversion=1\nCID=11112222\nparentCID=ffffffff\ncreateType="custom"\n' +
      `RW ${MIB / 512} FLAT "disk-flat.vmdk" 0\nRW ${4 * MIB / 512} ZERO\nRW ${
        MIB / 512
      } FLAT "disk-flat.vmdk" ${MIB / 512}\n`,
  );
  const wanted = new Uint8Array(6 * MIB);
  wanted.set(data.subarray(0, MIB));
  wanted.set(data.subarray(MIB), 5 * MIB);
  work.file("wanted.raw", wanted);
  await work.run("dump --mode full --local wanted.raw --dumpout 0.dump --digestout 0.digest");
  const { writtenBlocks, unchangedBlocks } = await work.runJson("restore --local disk.vmdk 0.dump");
  assertEquals([writtenBlocks, unchangedBlocks], [2, 4]);
  assert(equalBytes(Deno.readFileSync(work.file("disk-flat.vmdk")), data));
});
