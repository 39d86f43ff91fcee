import { assertDisk, run } from "./expect.ts";
import { goldenTest, SERIES } from "./manifest.ts";

goldenTest("restore of each dump makes its disk", async (set, folder) => {
  for (const generation of set.generations()) {
    const disk = folder.file(`${generation}.raw`);
    await run(["restore", "--create", "--local", disk, set.path(`g${generation}.dump`)]);
    assertDisk(disk, set.disks[generation]);
  }
});

goldenTest("restore of the newest dump and the rdiffs makes every older disk", async (set, folder) => {
  for (const generation of set.generations()) {
    const disk = folder.file(`${generation}.raw`);
    await run(["restore", "--create", "--local", disk, ...set.chain(generation)]);
    assertDisk(disk, set.disks[generation]);
  }
}, SERIES);

goldenTest("restore overwrites a disk full of other data with every disk", async (set, folder) => {
  for (const generation of set.generations()) {
    const old = new Uint8Array(set.disks[generation].bytes).fill(0xa5);
    const disk = folder.file(`${generation}.raw`, old);
    await run(["restore", "--local", disk, ...set.chain(generation)]);
    assertDisk(disk, set.disks[generation]);
  }
});

goldenTest("restore of an rdiff alone turns the newer disk into the older one", async (set, folder) => {
  const disk = folder.file("disk.raw", set.content(`d${set.newest}.raw`));
  for (const generation of set.generations().slice(0, -1).reverse()) {
    await run(["restore", "--local", disk, set.path(`g${generation}.rdiff`)]);
    assertDisk(disk, set.disks[generation]);
  }
}, SERIES);

goldenTest("restore to a flat VMDK makes a disk that can be dumped again", async (set, folder) => {
  await run([
    "restore",
    "--create",
    "--metadata",
    "--local",
    folder.file("disk.vmdk"),
    set.path("g0.dump"),
  ]);
  assertDisk(folder.file("disk-flat.vmdk"), set.disks[0]);
  await run([
    "dump",
    "--mode",
    "full",
    "--local",
    folder.file("disk.vmdk"),
    "--dumpout",
    folder.file("again.dump"),
    "--digestout",
    folder.file("again.digest"),
  ]);
  await run([
    "restore",
    "--create",
    "--local",
    folder.file("again.raw"),
    folder.file("again.dump"),
  ]);
  assertDisk(folder.file("again.raw"), set.disks[0]);
});
