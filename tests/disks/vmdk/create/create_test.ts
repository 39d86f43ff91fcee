/** The new VMDKs, as other programs and the readers of this one see them. */

import { Buffer } from "node:buffer";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { createDisk, type NewDiskFormat } from "../../../../cli/disks/create.ts";
import { ADAPTER, type WritableDisk } from "../../../../cli/disks/disk.ts";
import { openForReading } from "../../../../cli/disks/open.ts";
import { UsageError } from "../../../../cli/errors.ts";
import {
  assertRandomReads,
  assertSameBytes,
  Folder,
  noise,
  patchyDisk,
  qemuImg,
  qemuTest,
  readByExtents,
  seeded,
} from "../../helpers.ts";
import { create, Outputs } from "../../made_disk.ts";
import { walkStream } from "./stream_walk.ts";

const SECTOR = 512;
const GRAIN = 65536;
const TABLE = 512 * GRAIN;

const GRAIN_FORMATS = ["monolithicSparse", "streamOptimized"] as const;
const FLAT_FORMATS = ["monolithicFlat", "vmfs"] as const;

/** Sizes around the edges of sectors, grains and tables, and possible contents. */
const DISKS: Record<string, () => Uint8Array> = {
  "1 sector": () => noise(SECTOR, 1),
  "1 grain less a sector": () => patchyDisk(127, 2),
  "1 grain": () => patchyDisk(128, 3),
  "1 grain and a sector": () => patchyDisk(129, 4),
  "1 table less a sector": () => patchyDisk(65535, 5),
  "1 table": () => patchyDisk(65536, 6),
  "1 table and a sector": () => patchyDisk(65537, 7),
  "3 tables, the middle one empty": () => {
    const disk = patchyDisk(3 * 65536 - 1, 8);
    disk.fill(0, TABLE, 2 * TABLE);
    return disk;
  },
  "all zero": () => new Uint8Array(1000 * SECTOR),
  "all noise": () => noise(3000 * SECTOR, 9),
  "text": () => new TextEncoder().encode("The quick brown fox. ".repeat(100_000)).subarray(0, 4000 * SECTOR),
  "the last sector alone": () => {
    const disk = new Uint8Array(65537 * SECTOR);
    disk.fill(1, disk.length - SECTOR);
    return disk;
  },
};

/** Makes ascending writes of odd places and lengths, as a restore does. Zeros are sometimes left out. */
async function writeInPieces(disk: WritableDisk, bytes: Uint8Array, seed: number): Promise<void> {
  const random = seeded(seed);
  for (let at = 0; at < bytes.length;) {
    const longest = [700, GRAIN, 3 * GRAIN, 40 * GRAIN][random(4)];
    const part = bytes.slice(at, at + 1 + random(longest));
    if (random(4) === 0 || !isZero(part)) await disk.write(part, at);
    // The memory is overwritten as soon as the promise has settled.
    part.fill(0xee);
    at += part.length;
  }
}

const ZEROS = new Uint8Array(40 * GRAIN);

function isZero(bytes: Uint8Array): boolean {
  return Buffer.compare(bytes, ZEROS.subarray(0, bytes.length)) === 0;
}

function grainsWithData(bytes: Uint8Array): number {
  let count = 0;
  for (let at = 0; at < bytes.length; at += GRAIN) {
    if (!isZero(bytes.subarray(at, at + GRAIN))) count++;
  }
  return count;
}

function fileSize(path: string): number {
  return Deno.statSync(path).size;
}

for (const [what, disk] of Object.entries(DISKS)) {
  qemuTest(`qemu-img reads every new VMDK of ${what}`, async () => {
    using folder = new Folder();
    const expected = disk();
    const raw = folder.file("source.raw", expected);
    // A flat disk has no grains and no tables.
    const formats = [...GRAIN_FORMATS, ...expected.length < TABLE / 2 ? FLAT_FORMATS : []];
    for (const [seed, format] of formats.entries()) {
      const path = folder.file(`${format}.vmdk`);
      await create(
        path,
        { capacityBytes: expected.length, adapterType: ADAPTER.lsiLogic, format },
        (disk) => {
          assertEquals(disk.format, format);
          return writeInPieces(disk, expected, seed);
        },
      );
      qemuImg("check", "-f", "vmdk", path);
      qemuImg("compare", "-f", "vmdk", "-F", "raw", path, raw);
      const info = JSON.parse(qemuImg("info", "--output=json", path));
      assertEquals([info.format, info["virtual-size"]], ["vmdk", expected.length]);
      assertEquals(info["format-specific"].data["create-type"], format);
      const back = folder.file("back.raw");
      qemuImg("convert", "-f", "vmdk", "-O", "raw", path, back);
      assertSameBytes(Deno.readFileSync(back), expected, format);
    }
  });

  Deno.test(`a new monolithicSparse VMDK of ${what} is read back, and stores no zero grain`, async () => {
    using folder = new Folder();
    const expected = disk();
    const path = folder.file("a.vmdk");
    const options = { capacityBytes: expected.length, adapterType: 3, format: "monolithicSparse" } as const;
    const names = await create(path, options, (disk) => writeInPieces(disk, expected, 7));
    assertEquals(names, ["a.vmdk"]);
    using made = await openForReading(path);
    assertEquals(made.format, "monolithicSparse");
    assertSameBytes(await readByExtents(made), expected, what);
    await assertRandomReads(made, expected, { seed: 1, count: 20 });
    const overhead = new DataView(Deno.readFileSync(path).buffer).getUint32(64, true);
    assertEquals(fileSize(path), overhead * SECTOR + grainsWithData(expected) * GRAIN);
  });

  Deno.test(`a new streamOptimized VMDK of ${what} follows the technical note`, async () => {
    using folder = new Folder();
    const expected = disk();
    const path = folder.file("a.vmdk");
    const options = { capacityBytes: expected.length, adapterType: 3, format: "streamOptimized" } as const;
    const names = await create(path, options, (disk) => writeInPieces(disk, expected, 7));
    assertEquals(names, ["a.vmdk"]);
    const walked = walkStream(Deno.readFileSync(path));
    assertSameBytes(walked.disk, expected, what);
    assertEquals(walked.grains, grainsWithData(expected));
    assertStringIncludes(walked.descriptor, `\nRW ${expected.length / SECTOR} SPARSE "a.vmdk"\n`);
    if (walked.grains === 0) assertEquals([walked.tables, fileSize(path)], [0, 133 * SECTOR]);
  });
}

/** The places where the disks of gigabytes and terabytes have data; the last one is their end. */
const FAR = [0, 2 ** 31 - SECTOR, 2 ** 32 + 3 * GRAIN];

async function createFar(path: string, capacityBytes: number, format: NewDiskFormat): Promise<void> {
  await create(path, { capacityBytes, adapterType: 3, format }, async (disk) => {
    for (const at of [...FAR, capacityBytes - GRAIN]) await disk.write(noise(GRAIN, at % 1000), at);
  });
  const { blocks } = Deno.statSync(path);
  assert(blocks === null || blocks * 512 < 2 ** 22, `${format}: ${blocks} blocks are allocated`);
}

qemuTest("new VMDKs of more than 4 GiB compare with their source", async () => {
  const capacityBytes = 5 * 2 ** 30 + SECTOR;
  for (const format of [...GRAIN_FORMATS, "vmfs"] as const) {
    using folder = new Folder();
    const path = folder.file("far.vmdk");
    await createFar(path, capacityBytes, format);
    const raw = folder.file("far.raw", new Uint8Array());
    Deno.truncateSync(raw, capacityBytes);
    using source = Deno.openSync(raw, { write: true });
    for (const at of [...FAR, capacityBytes - GRAIN]) {
      source.seekSync(at, Deno.SeekMode.Start);
      source.writeSync(noise(GRAIN, at % 1000));
    }
    qemuImg("check", "-f", "vmdk", path);
    qemuImg("compare", "-f", "vmdk", "-F", "raw", path, raw);
  }
});

// qemu-img examines every grain of a disk, even of an empty one, so it reads parts of it only.
qemuTest("new VMDKs of more than 2 TiB have their data at the far end", async () => {
  const capacityBytes = 2 ** 41 + 2 ** 40;
  for (const format of GRAIN_FORMATS) {
    using folder = new Folder();
    const path = folder.file("far.vmdk");
    await createFar(path, capacityBytes, format);
    for (const at of [...FAR.filter((at) => at % GRAIN === 0), capacityBytes - GRAIN]) {
      const part = folder.file("part.raw");
      qemuImg(
        ...["dd", "-f", "vmdk", "-O", "raw", "bs=65536", `skip=${at / GRAIN}`, `count=${at / GRAIN + 1}`],
        ...[`if=${path}`, `of=${part}`],
      );
      assertSameBytes(Deno.readFileSync(part), noise(GRAIN, at % 1000), `${format} at ${at}`);
    }
  }
});

Deno.test("a new monolithicSparse VMDK of 3 TiB is read back", async () => {
  using folder = new Folder();
  const path = folder.file("far.vmdk");
  const capacityBytes = 2 ** 41 + 2 ** 40;
  await createFar(path, capacityBytes, "monolithicSparse");
  using made = await openForReading(path);
  for (const at of [...FAR, capacityBytes - GRAIN]) {
    const part = new Uint8Array(GRAIN);
    await made.read(part, at);
    assertSameBytes(part, noise(GRAIN, at % 1000), `at ${at}`);
  }
});

Deno.test("createDisk() writes the given metadata, adapter and content id", async () => {
  using folder = new Folder();
  const metadata = new Map([
    ["adapterType", "buslogic"],
    ["geometry.cylinders", "9"],
    ["geometry.heads", "64"],
    ["geometry.sectors", "32"],
    ["longContentID", "00112233445566778899aabb0badcafe"],
    ["uuid", "60 00 C2 99 d3 f5 dc ad-9e 25 3e 89 48 2c 3f de"],
    ["virtualHWVersion", "13"],
  ]);
  const types = { vmfs: "VMFS", monolithicSparse: "SPARSE", streamOptimized: "SPARSE" };
  for (const [format, type] of Object.entries(types) as [NewDiskFormat, string][]) {
    const path = folder.file(`${format}.vmdk`);
    const options = { capacityBytes: 2 ** 20, adapterType: ADAPTER.busLogic, metadata, format };
    await create(path, options, (disk) => disk.writeMetadata(metadata));
    const bytes = Deno.readFileSync(path);
    const text = new TextDecoder().decode(format === "vmfs" ? bytes : bytes.subarray(512, 11 * 1024));
    assertEquals(
      text.split("\0")[0],
      `# Disk DescriptorFile
version=1
encoding="UTF-8"
CID=0badcafe
parentCID=ffffffff
createType="${format}"

# Extent description
RW 2048 ${type} "${format}${format === "vmfs" ? "-flat" : ""}.vmdk"

# The Disk Data Base
#DDB

ddb.adapterType = "buslogic"
ddb.geometry.cylinders = "9"
ddb.geometry.heads = "64"
ddb.geometry.sectors = "32"
ddb.longContentID = "00112233445566778899aabb0badcafe"
ddb.uuid = "60 00 C2 99 d3 f5 dc ad-9e 25 3e 89 48 2c 3f de"
ddb.virtualHWVersion = "13"
`,
    );
  }
});

Deno.test("createDisk() refuses a VMDK that cannot be described before it opens a file", async () => {
  const never = () => {
    throw new Error("opened");
  };
  const long = new Map([["comment", "x".repeat(10 * 1024)]]);
  for (const format of GRAIN_FORMATS) {
    const refused = (path: string, options: object, message: string) =>
      assertRejects(
        () => createDisk(path, { capacityBytes: 512, adapterType: 3, format, ...options }, never),
        UsageError,
        message,
      );
    await refused("a.vmdk", { metadata: long }, `a ${format} VMDK has room for 10239`);
    await refused("a.vmdk", { capacityBytes: 513 }, "no whole number of sectors");
    await refused("a.vmdk", { capacityBytes: 2 ** 46 + 512 }, "at most 70368744177664 bytes");
    await refused("a.img", {}, "must end in .vmdk");
    await refused('a"b.vmdk', {}, "cannot express");
  }
});

Deno.test("write() of a sparse VMDK refuses earlier places, and everything after sync()", async () => {
  using folder = new Folder();
  for (const format of GRAIN_FORMATS) {
    const outputs = new Outputs();
    {
      const options = { capacityBytes: 2 ** 20, adapterType: 3, format };
      using disk = await createDisk(folder.file(`${format}.vmdk`), options, outputs.open);
      await disk.write(noise(1000, 1), 5000);
      await assertRejects(async () => await disk.write(noise(1, 1), 5999), RangeError, "ascending order");
      await assertRejects(async () => await disk.write(noise(2, 1), 2 ** 20 - 1), RangeError);
      await disk.write(noise(1, 1), 6000);
      await disk.sync();
      await disk.sync();
      await assertRejects(async () => await disk.write(noise(1, 1), 7000), TypeError, "complete");
    }
    outputs.close();
  }
});

Deno.test("createDisk() makes the same stream if grains are packed out of order and on other threads", async () => {
  using folder = new Folder();
  const { packGrains } = await import("../../../../cli/disks/vmdk/create/grain_pack.ts");
  const expected = patchyDisk(70_001, 12);
  const files = [];
  for (const ahead of [1, 2, 5]) {
    const random = seeded(ahead);
    let underWay = 0;
    const pack = async (given: Parameters<typeof packGrains>[0]) => {
      assert(++underWay <= ahead, `${underWay} are under way`);
      await new Promise((resolve) => setTimeout(resolve, random(5)));
      underWay--;
      return packGrains(given);
    };
    const path = folder.file(`${ahead}.vmdk`);
    const options = {
      capacityBytes: expected.length,
      adapterType: 3,
      cid: 1,
      format: "streamOptimized",
      packing: { ahead, pack },
    } as const;
    await create(path, options, (disk) => writeInPieces(disk, expected, ahead));
    const walked = walkStream(Deno.readFileSync(path));
    assertSameBytes(walked.disk, expected, `${ahead} ahead`);
    files.push(Deno.readFileSync(path).subarray(128 * SECTOR, -2 * SECTOR));
  }
  assertSameBytes(files[1], files[0], "2 ahead");
  assertSameBytes(files[2], files[0], "5 ahead");
});

Deno.test("sync() throws the error of a packing thread, and no write is under way afterwards", async () => {
  using folder = new Folder();
  let calls = 0;
  const pack = async () => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    if (++calls === 3) throw new Error("no more");
    return 0;
  };
  const outputs = new Outputs();
  {
    const options = {
      capacityBytes: 2 ** 26,
      adapterType: 3,
      format: "streamOptimized",
      packing: { ahead: 2, pack },
    } as const;
    const disk = await createDisk(folder.file("a.vmdk"), options, outputs.open);
    await assertRejects(
      async () => {
        await disk.write(noise(2 ** 23, 1), 0);
        await disk.sync();
      },
      Error,
      "no more",
    );
    await (disk as WritableDisk & AsyncDisposable)[Symbol.asyncDispose]();
    disk[Symbol.dispose]();
  }
  outputs.close();
});
