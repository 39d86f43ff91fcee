import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ADAPTER, type Extent, type ReadableDisk } from "../../cli/disks/disk.ts";
import { FormatError, MismatchError } from "../../cli/errors.ts";
import { FolderLock, pidsOfLocks } from "../../cli/files/folder_lock.ts";
import { Engine } from "../../cli/jobs/engine.ts";
import { backup } from "../../cli/jobs/repository/backup.ts";
import { checkRepository } from "../../cli/jobs/repository/check.ts";
import { assertEqualBytes } from "../integration/same_bytes.ts";
import { noise } from "../disks/helpers.ts";
import { denoArgs } from "../support/run_cli.ts";
import { testWith } from "../support/skip.ts";
import { SmallFileSystem } from "../support/small_file_system.ts";
import { BLOCK_BYTES, RepositoryWorld } from "./world.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** A world with two generations. */
async function worldOfTwo(engine: Engine, blocks = 8): Promise<{ world: RepositoryWorld; a: Bytes }> {
  const world = new RepositoryWorld(engine);
  const a = noise(blocks * BLOCK_BYTES, 1) as Bytes;
  await world.backup({ a });
  a.fill(2, BLOCK_BYTES, 2 * BLOCK_BYTES);
  await world.backup({ a });
  return { world, a };
}

Deno.test("a damaged block of the image stops a backup before it is lost, with block, file and way out", async () => {
  await using engine = await Engine.start({ threads: 1 });
  for (const changes of [undefined, [{ start: 0, length: 8 * BLOCK_BYTES }]]) {
    const { world, a } = await worldOfTwo(engine);
    using _world = world;
    const image = `${world.machine}/image/a-flat.vmdk`;
    const bytes = Deno.readFileSync(image);
    bytes[5 * BLOCK_BYTES + 7] ^= 1;
    Deno.writeFileSync(image, bytes);
    a.fill(3, 0, 7 * BLOCK_BYTES);
    const error = await assertRejects(
      () => world.backup({ a }, { changes: changes && { a: changes } }),
      MismatchError,
    );
    assertEquals(error.block, 5);
    assertStringIncludes(error.message, `image "${image}": block 5 does not have the MD5`);
    assertStringIncludes(error.message, "run check");
    assertEqualBytes(Deno.readFileSync(image), bytes, "the image");
    assertEquals(await world.listed(), [...world.wanted.keys()].reverse());
  }
});

Deno.test("a damaged digest, seal or length of the image stops a backup before anything is written", async () => {
  await using engine = await Engine.start({ threads: 1 });
  const { world, a } = await worldOfTwo(engine);
  using _world = world;
  const [newest] = await world.listed();
  for (const name of [`${newest}/a.digest.zst`, `${newest}/generation.json`, "image/a-flat.vmdk"]) {
    const file = `${world.machine}/${name}`;
    const bytes = Deno.readFileSync(file);
    const damaged = name.startsWith("image") ? bytes.slice(0, -512) : bytes.with(bytes.length >> 1, 0x7f);
    Deno.writeFileSync(file, damaged);
    const error = await assertRejects(() => world.backup({ a }), Error);
    assert(error instanceof FormatError || error instanceof MismatchError, `${name}: ${error}`);
    assertStringIncludes(error.message, file);
    Deno.writeFileSync(file, bytes);
  }
  await world.assertWhole();
  assertEquals(await world.faults(), []);
});

Deno.test("a list of changes that is wrong is found, and all of the disk is read", async () => {
  await using engine = await Engine.start({ threads: 1 });
  const { world, a } = await worldOfTwo(engine);
  using _world = world;
  a.fill(4, 6 * BLOCK_BYTES, 6 * BLOCK_BYTES + 1);
  const warnings: string[] = [];
  const { disks: [{ mode, reason }] } = await world.backup({ a }, {
    changes: { a: [{ start: 0, length: 1 }] },
    warn: (line) => warnings.push(line),
  });
  assertEquals(mode, "diff");
  assertStringIncludes(reason, "calls block 6 unchanged, and it differs");
  assertStringIncludes(warnings.join(), "the list of changes is wrong");
  await world.assertWhole();
  const beyond = { a: [{ start: 8 * BLOCK_BYTES, length: 1 }] };
  await assertRejects(
    () => world.backup({ a }, { changes: beyond }),
    MismatchError,
    "the disk has 32768 bytes",
  );
});

Deno.test("a source that fails in the middle leaves the repository as it was", async () => {
  await using engine = await Engine.start({ threads: 1 });
  const { world, a } = await worldOfTwo(engine, 9000);
  using _world = world;
  const changed = noise(a.length, 9);
  const disk = `${world.folder}/a.raw`;
  const source: ReadableDisk = {
    ...{ path: disk, files: [disk], format: "raw", capacityBytes: a.length, adapterType: ADAPTER.unknown },
    metadata: new Map(),
    extentAt: (): Extent => ({ endBytes: a.length, zero: false }),
    read: (into, offsetBytes) => {
      if (offsetBytes + into.length === a.length) throw new Error("the source ends here");
      into.set(changed.subarray(offsetBytes, offsetBytes + into.length));
    },
    [Symbol.dispose]: () => {},
  };
  const image = `${world.machine}/image/a-flat.vmdk`;
  await assertRejects(
    () => backup({ repository: world.repository, machine: "m", disks: [{ disk: source }] }, { engine }),
    Error,
    "the source ends here",
  );
  assertEqualBytes(Deno.readFileSync(image), a, "the image");
  await world.assertWhole();
  assertEquals(await world.faults(), []);
});

Deno.test("a lock names the process that holds it, and lists are read all the same", async () => {
  await using engine = await Engine.start({ threads: 1 });
  const { world, a } = await worldOfTwo(engine);
  using _world = world;
  const what = 'machine "m"';
  {
    using _lock = FolderLock.take(world.machine, { write: true, what });
    for (const write of [true, false]) {
      const holder = Deno.build.os === "linux" ? `process ${Deno.pid}` : "another process";
      const error = assertThrowsLocked(() => FolderLock.take(world.machine, { write, what }));
      assertStringIncludes(error.message, `Cannot ${write ? "write" : "read"} machine "m": ${holder}`);
    }
    await assertRejects(() => world.backup({ a }), Error, "reads or writes it; wait until it has ended");
    for (const isUnfinished of [false, true]) {
      if (isUnfinished) Deno.writeTextFileSync(`${world.machine}/.unfinished`, "");
      const error = await assertRejects(
        () => world.restored("latest"),
        Error,
        "writes it; wait until it has ended",
      );
      assertStringIncludes(error.message, 'Cannot read machine "m"');
    }
    Deno.removeSync(`${world.machine}/.unfinished`);
    const { machines: [machine], ok } = await checkRepository({ repository: world.repository }, { engine });
    assertEquals([ok, machine.isRead], [false, false]);
    assertEquals((await world.listed()).length, 2);
  }
  using _lock = FolderLock.take(world.machine, { write: false, what });
  await assertRejects(() => world.backup({ a }), Error, "reads or writes it");
  await world.assertWhole();
});

function assertThrowsLocked(call: () => FolderLock): Error {
  try {
    using _lock = call();
  } catch (error) {
    return error as Error;
  }
  throw new Error("The lock was taken twice");
}

Deno.test("pidsOfLocks() finds the processes in the text of /proc/locks", () => {
  const text =
    "1: FLOCK  ADVISORY  WRITE 4711 08:01:1312 0 EOF\n2: POSIX  ADVISORY  READ 4 08:01:1312 0 EOF\n" +
    "3: FLOCK  ADVISORY  READ 12 08:01:131 0 EOF\n4: FLOCK  ADVISORY  READ 0 08:01:1312 0 EOF\n" +
    "4: -> FLOCK  ADVISORY  READ 13 08:01:1312 0 EOF\n";
  assertEquals(pidsOfLocks(text, 1312), [4711]);
});

Deno.test("two backups at once make one generation each, or one of them says why not", async () => {
  await using engine = await Engine.start({ threads: 1 });
  const { world, a } = await worldOfTwo(engine, 600);
  using _world = world;
  a.fill(5);
  Deno.writeFileSync(`${world.folder}/a.raw`, a);
  const words = ["backup", "--repo", world.repository, "--machine", "m", `${world.folder}/a.raw`];
  const runs = await Promise.all(
    [1, 2].map(() =>
      new Deno.Command(Deno.execPath(), { args: [...denoArgs(), ...words], stdout: "null", stderr: "piped" })
        .output()
    ),
  );
  const good = runs.filter(({ code }) => code === 0);
  for (const { code, stderr } of runs) {
    if (code !== 0) assertStringIncludes(new TextDecoder().decode(stderr), 'machine "m": ');
  }
  assert(good.length > 0);
  const listed = await world.listed();
  assertEquals(listed.length, 2 + good.length);
  for (const id of listed.slice(0, good.length)) world.wanted.set(id, { a });
  await world.assertWhole();
  assertEquals(await world.faults(), []);
});

testWith(
  { missing: SmallFileSystem.canBeMade() ? undefined : "mounting is not allowed" },
  "a full or read-only file system stops a backup, and the repository is as before",
  async () => {
    await using engine = await Engine.start({ threads: 1 });
    using world = new RepositoryWorld(engine);
    using small = new SmallFileSystem(world.repository);
    const a = noise(80 * BLOCK_BYTES, 1) as Bytes;
    a.fill(0, 0, 40 * BLOCK_BYTES);
    await world.backup({ a });
    small.fill();
    const other = noise(80 * BLOCK_BYTES, 2) as Bytes;
    await assertRejects(() => world.backup({ a: other }), Error, "No space left on device");
    assertEquals(await world.faults(), []);
    small.empty();
    await world.assertWhole();
    small.setReadOnly(true);
    await assertRejects(() => world.backup({ a: other }), Error, "Read-only file system");
    await world.assertWhole("read-only");
    small.setReadOnly(false);
    await world.backup({ a: other });
    await world.assertWhole();
  },
);
