import { assertEquals, assertStringIncludes } from "@std/assert";
import { Engine } from "../../cli/jobs/engine.ts";
import { backup } from "../../cli/jobs/repository/backup.ts";
import { restoreFromRepository } from "../../cli/jobs/repository/restore.ts";
import { Folder, noise } from "../disks/helpers.ts";
import { descriptorText } from "../disks/vmdk/builder.ts";
import { buildCowd } from "../disks/vmdk/esx_builder.ts";

const SECTORS = 5000;

/** Writes a flat base and a snapshot of it that has some sectors of its own. Returns the bytes of the snapshot. */
function writeSnapshot(folder: Folder, base: Uint8Array, order: readonly number[]): Uint8Array {
  const content = noise(SECTORS * 512, 7);
  folder.file("snap-delta.vmdk", buildCowd(content, { order: [...order] }).bytes);
  const text = descriptorText([`RW ${SECTORS} VMFSSPARSE "snap-delta.vmdk"`], {
    createType: "vmfsSparse",
    header: ['parentFileNameHint="base.vmdk"'],
  });
  folder.file("snap.vmdk", text.replace("parentCID=ffffffff", "parentCID=3f2a90c1"));
  const bytes = base.slice();
  for (const sector of order) {
    bytes.set(content.subarray(sector * 512, (sector + 1) * 512), sector * 512);
  }
  return bytes;
}

Deno.test("a snapshot of the disk that was backed up last tells itself which blocks changed", async () => {
  await using engine = await Engine.start({ threads: 1 });
  using folder = new Folder();
  const base = noise(SECTORS * 512, 1);
  folder.file("base-flat.vmdk", base);
  const disk = folder.file("base.vmdk", descriptorText([`RW ${SECTORS} FLAT "base-flat.vmdk" 0`]));
  const repository = `${folder.path}/backup`;
  const request = { repository, machine: "m", init: true, blocksize: 65536, audit: 100 };
  await backup({ ...request, disks: [{ disk }] }, { engine });
  const bytes = writeSnapshot(folder, base, [3, 2999, 4999]);
  const { disks: [done] } = await backup({ ...request, disks: [{ disk: folder.file("snap.vmdk") }] }, {
    engine,
  });
  assertEquals([done.key, done.mode, done.written?.blocksRead], ["base", "incr", 3]);
  assertStringIncludes(done.reason, "it is a snapshot of");
  const out = `${folder.path}/out.raw`;
  await restoreFromRepository({ repository, machine: "m", disk: out, create: true }, { engine });
  assertEquals(Deno.readFileSync(out), bytes);
});

Deno.test("a snapshot of a disk that changed since its backup is read as a whole", async () => {
  await using engine = await Engine.start({ threads: 1 });
  using folder = new Folder();
  const base = noise(SECTORS * 512, 1);
  folder.file("base-flat.vmdk", base);
  const text = descriptorText([`RW ${SECTORS} FLAT "base-flat.vmdk" 0`]);
  const disk = folder.file("base.vmdk", text.replaceAll("3f2a90c1", "11111111"));
  const request = { repository: `${folder.path}/backup`, machine: "m", init: true, blocksize: 65536 };
  await backup({ ...request, disks: [{ disk }] }, { engine });
  folder.file("base.vmdk", text);
  writeSnapshot(folder, base, [3]);
  const { disks: [{ mode }] } = await backup({ ...request, disks: [{ disk: folder.file("snap.vmdk") }] }, {
    engine,
  });
  assertEquals(mode, "diff");
});
