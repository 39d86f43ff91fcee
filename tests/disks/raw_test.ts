import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { ADAPTER } from "../../cli/disks/disk.ts";
import { ImageFile } from "../../cli/disks/image_file.ts";
import { openForReading, openForWriting } from "../../cli/disks/open.ts";
import { RawDisk } from "../../cli/disks/raw.ts";
import { FormatError, UsageError } from "../../cli/errors.ts";
import { assertRandomReads, assertSameBytes, Folder, noise, readByExtents } from "./helpers.ts";

Deno.test("RawDisk reads images of odd sizes", async () => {
  using folder = new Folder();
  for (const size of [1, 2, 511, 512, 513, 65535, 65537, 1_000_003]) {
    const bytes = noise(size, size);
    using disk = await openForReading(folder.file(`${size}.raw`, bytes));
    assertEquals([disk.capacityBytes, disk.format, disk.adapterType], [size, "raw", ADAPTER.unknown]);
    assertEquals(disk.metadata.size, 0);
    assertSameBytes(await readByExtents(disk), bytes, `size ${size}`);
    await assertRandomReads(disk, bytes, { seed: size, count: 20 });
  }
});

Deno.test("RawDisk fills an empty buffer at the end of the disk", async () => {
  using folder = new Folder();
  using disk = await openForReading(folder.file("a.raw", noise(10, 1)));
  await disk.read(new Uint8Array(0), 10);
});

Deno.test("RawDisk.read() names the file that ends too early, and the offset", async () => {
  using folder = new Folder();
  const path = folder.file("a.raw", noise(4096, 1));
  using disk = await openForReading(path);
  Deno.truncateSync(path, 1000);
  const error = await assertRejects(async () => await disk.read(new Uint8Array(2048), 0), FormatError);
  assertEquals(error.fault, {
    path,
    offsetBytes: 1000,
    expected: "a file of at least 2048 bytes",
    found: "its end",
  });
  assertEquals(
    error.message,
    `Cannot read disk "${path}": at byte 1000 a file of at least 2048 bytes is expected, its end is found`,
  );
});

Deno.test("RawDisk refuses ranges outside the disk", async () => {
  using folder = new Folder();
  using disk = await openForWriting(folder.file("a.raw", noise(1000, 1)));
  for (const offset of [-1, 991, 1000, 0.5, NaN]) {
    await assertRejects(
      async () => await disk.write(new Uint8Array(10), offset),
      RangeError,
      "10 bytes at byte",
    );
  }
});

Deno.test("RawDisk.write() changes the given bytes only", async () => {
  using folder = new Folder();
  const bytes = noise(100_001, 3);
  const path = folder.file("a.img", bytes);
  {
    using disk = await openForWriting(path);
    assertEquals([disk.fresh, disk.capacityBytes, disk.format], [false, 100_001, "raw"]);
    const patch = noise(777, 4);
    await disk.write(patch, 99_224);
    await disk.write(patch.subarray(0, 1), 5);
    await disk.sync();
    bytes.set(patch, 99_224);
    bytes.set(patch.subarray(0, 1), 5);
  }
  assertSameBytes(Deno.readFileSync(path), bytes, "after writing");
});

Deno.test("RawDisk.extentAt() reports data after a write into a hole", async () => {
  using folder = new Folder();
  const path = folder.file("a.raw", "x");
  Deno.truncateSync(path, 1 << 20);
  const file = Deno.openSync(path, { read: true, write: true });
  using disk = new RawDisk(new ImageFile(file, path, { write: true }));
  disk.extentAt(1 << 19);
  await disk.write(noise(512, 1), 1 << 19);
  assertEquals(disk.extentAt(1 << 19).zero, false);
});

Deno.test("RawDisk.extentAt() reports data for a hole that was found during the write into it", async () => {
  using folder = new Folder();
  const path = folder.file("a.raw", "x");
  Deno.truncateSync(path, 8 << 20);
  const file = Deno.openSync(path, { read: true, write: true });
  using disk = new RawDisk(new ImageFile(file, path, { write: true }));
  // From here on, a query is usually answered before another thread begins to write.
  disk.extentAt(0);
  await disk.write(noise(1 << 17, 1), 0);
  for (let at = 1 << 20; at < 8 << 20; at += 1 << 20) {
    const written = disk.write(noise(1 << 18, 1), at);
    disk.extentAt(at);
    await written;
    assertEquals(disk.extentAt(at).zero, false, `byte ${at}`);
  }
});

Deno.test("RawDisk.writeMetadata() refuses metadata", async () => {
  using folder = new Folder();
  using disk = await openForWriting(folder.file("a.raw", noise(10, 1)));
  await disk.writeMetadata(new Map());
  assertThrows(
    () => disk.writeMetadata(new Map([["a", "b"]])),
    UsageError,
    "a raw disk has no place for them",
  );
});

const LOOP = await canLoop();
const LOOP_TEST = "openForReading() reads a block device";

Deno.test(
  LOOP ? LOOP_TEST : `${LOOP_TEST} (skipped: no loop device can be set up)`,
  { ignore: !LOOP },
  async () => {
    using folder = new Folder();
    const bytes = noise(1 << 20, 9);
    const device = losetup("--find", "--show", folder.file("a.raw", bytes)).trim();
    try {
      using disk = await openForReading(device);
      assertEquals(disk.capacityBytes, 1 << 20);
      assertSameBytes(await readByExtents(disk), bytes, device);
    } finally {
      losetup("--detach", device);
    }
  },
);

Deno.test("openForReading() gives the reason why a raw disk cannot be opened", async () => {
  using folder = new Folder();
  const missing = folder.file("missing.raw");
  const error = await assertRejects(() => openForReading(missing), Error);
  assertEquals(error.message, `Cannot open disk "${missing}": no such file`);
  assertEquals(error.cause instanceof Deno.errors.NotFound, true);
  await assertRejects(() => openForReading(folder.path), Error, "it is a directory");
  await assertRejects(() => openForReading("/dev/null"), Error, "it is no regular file and no block device");
  await assertRejects(() => openForReading(folder.file("empty.raw", "")), FormatError, "the file is empty");
});

Deno.test("openForReading() does not read a raw disk as a VMDK because of its contents", async () => {
  using folder = new Folder();
  const secret = folder.file("secret", noise(512, 1));
  const texts = [
    "KDMV....",
    "COWD....",
    '# Disk DescriptorFile\nRW 1 FLAT "secret" 0\n',
    "\n # disk descriptorfile",
  ];
  for (const text of texts) {
    const path = folder.file("guest.img", text);
    const error = await assertRejects(() => openForReading(path), UsageError);
    assertStringIncludes(error.message, "say --format raw");
    await assertRejects(() => openForWriting(path), UsageError, "--format vmdk");
    using disk = await openForReading(path, { format: "raw" });
    assertEquals(disk.capacityBytes, text.length);
  }
  Deno.writeTextFileSync(folder.file("guest.img"), texts[2]);
  using asked = await openForReading(folder.file("guest.img"), { format: "vmdk" });
  assertSameBytes(await readByExtents(asked), Deno.readFileSync(secret), "asked for");
});

function losetup(...args: string[]): string {
  const { success, stdout } = new Deno.Command("losetup", { args }).outputSync();
  if (!success) throw new Error(`losetup ${args.join(" ")} failed`);
  return new TextDecoder().decode(stdout);
}

async function canLoop(): Promise<boolean> {
  try {
    const { success } = await new Deno.Command("losetup", {
      args: ["--find"],
      stdout: "null",
      stderr: "null",
    })
      .output();
    return success && Deno.uid() === 0;
  } catch {
    return false;
  }
}
