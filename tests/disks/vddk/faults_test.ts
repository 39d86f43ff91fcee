/**
 * The known faults of the disk library and of servers: the archive is complete and correct, or there is none.
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { noise, seeded } from "../helpers.ts";
import { testWith } from "../../support/skip.ts";
import { MISSING_STANDIN, PASSWORD, until, World } from "../../support/standin_world.ts";

const MIB = 1024 * 1024;
const SIZE_BYTES = 9 * MIB + 512;

interface Event {
  kind: string;
  text: string;
}

/** Makes a world with a disk of noise that has a hole, and its correct archives. */
async function worldWithDisk(
  options: Parameters<typeof World.create>[0] = {},
): Promise<{ world: World; disk: string[]; dump: (more?: string[]) => string[] }> {
  const world = await World.create(options);
  using file = Deno.createSync(world.file("disk.raw"));
  file.writeSync(noise(5 * MIB, 1));
  file.truncateSync(SIZE_BYTES);
  file.seekSync(SIZE_BYTES - MIB, Deno.SeekMode.Start);
  file.writeSync(noise(MIB, 2));
  const disk = world.disk("disk.raw");
  const dump = (more: string[] = []) => [
    ...["dump", "--mode", "full", ...disk, "--blocksize", "131072", ...more],
    ...["--dumpout", world.file("new.dump"), "--digestout", world.file("new.digest")],
  ];
  await world.run(
    "dump --mode full --local disk.raw --blocksize 131072 --dumpout right.dump --digestout right.digest",
  );
  return { world, disk, dump };
}

/** Checks that the dump succeeds, is correct, and reports the event. */
async function assertSurvives(
  { world, dump }: Awaited<ReturnType<typeof worldWithDisk>>,
  { kind, said, more = [] as string[] }: { kind: string; said: RegExp; more?: string[] },
): Promise<void> {
  const { library } = await world.json(dump(more));
  await world.assertCompare("right.dump", "new.dump");
  await world.assertCompare("right.digest", "new.digest");
  const events: Event[] = library.events;
  assert(events.some((event) => event.kind === kind && said.test(event.text)), JSON.stringify(events));
}

/** Checks that the dump fails with code 4 and leaves nothing. */
async function assertRefuses(
  { world, dump }: Pick<Awaited<ReturnType<typeof worldWithDisk>>, "world" | "dump">,
  { said, more = [] as string[] }: { said: RegExp; more?: string[] },
): Promise<void> {
  const { code, stderr } = await world.call(...dump(more));
  assertEquals(code, 4, stderr);
  assertMatch(stderr, said);
  assertEquals([...Deno.readDirSync(world.path)].filter(({ name }) => /new\./.test(name)), []);
}

testWith({ missing: MISSING_STANDIN }, "dump repeats a read that fails once", async () => {
  const made = await worldWithDisk();
  using world = made.world;
  world.fault("call=Read after=2 times=1 code=14011 high=0x12340000");
  await assertSurvives(made, { kind: "retry", said: /Read failed with code 14011.*trying again/ });
  assertEquals(world.calls("InitEx").length, 1);
  world.assertClean();
});

testWith({ missing: MISSING_STANDIN }, "dump connects anew after a read failed twice", async () => {
  const made = await worldWithDisk();
  using world = made.world;
  world.fault("call=Read sector=4096 times=2 code=7");
  await assertSurvives(made, { kind: "retry", said: /connecting anew/ });
  assertEquals(world.calls("ConnectEx").length, 2);
  assertEquals(world.calls("InitEx").length, 1);
  world.assertClean();
});

testWith(
  { missing: MISSING_STANDIN },
  "dump starts a new process after a fault that lasts as long as the process",
  async () => {
    const made = await worldWithDisk();
    using world = made.world;
    world.fault("call=Read after=3 times=1 code=7 action=sticky scope=world");
    await assertSurvives(made, { kind: "retry", said: /starting the library afresh/ });
    assertEquals(world.calls("InitEx").length, 2);
  },
);

testWith(
  { missing: MISSING_STANDIN },
  "dump starts a new process after a crash of the library in a read",
  async () => {
    const made = await worldWithDisk();
    using world = made.world;
    world.fault("call=Read after=3 times=1 action=crash scope=world");
    await assertSurvives(made, { kind: "retry", said: /ended: SIGABRT; starting the library afresh/ });
  },
);

testWith({ missing: MISSING_STANDIN }, "dump opens a session that expires again, however often", async () => {
  const made = await worldWithDisk({ server: "session_calls=24" });
  using world = made.world;
  await assertSurvives(made, {
    kind: "retry",
    said: /code 3047.*connecting anew/,
    more: ["--read-size", "131072"],
  });
  assert(world.calls("ConnectEx").length > 2);
});

testWith({ missing: MISSING_STANDIN }, "dump makes smaller reads from a host without memory", async () => {
  const made = await worldWithDisk({ server: "nfc_max_bytes=300000" });
  using world = made.world;
  await assertSurvives(made, {
    kind: "downgrade",
    said: /no memory for transfers of 524288 bytes, going on with 262144/,
  });
  const sizes = world.calls("Read").filter(({ code }) => code === 0).map(({ sectors }) => sectors! * 512);
  assert(Math.max(...sizes) <= 262_144);
  world.assertClean();
});

testWith(
  { missing: MISSING_STANDIN },
  "dump reads everything if the library cannot tell the allocated blocks",
  async () => {
    const made = await worldWithDisk();
    using world = made.world;
    world.fault("call=QueryAllocatedBlocks code=1 times=1000");
    await assertSurvives(made, { kind: "downgrade", said: /allocated blocks are not known/ });
    const bytes = world.calls("Read").reduce((sum, { bytes = 0 }) => sum + bytes, 0);
    assertEquals(bytes, SIZE_BYTES);
    world.assertClean();
  },
);

testWith(
  { missing: MISSING_STANDIN },
  "dump reports that the preferred transport mode is not available",
  async () => {
    const made = await worldWithDisk({ settings: ["transports = file:nbdssl:nbd"] });
    using world = made.world;
    await assertSurvives(made, {
      kind: "downgrade",
      said: /transport mode san is not available, nbdssl is used/,
      more: ["--san"],
    });
    world.assertClean();
  },
);

for (
  const [call, action] of [["Exit", "crash"], ["Disconnect", "code"], ["EndAccess", "code"], [
    "Cleanup",
    "crash",
  ]]
) {
  testWith(
    { missing: MISSING_STANDIN },
    `dump succeeds if the library fails in ${call} (${action}) after the archives are complete`,
    async () => {
      const made = await worldWithDisk();
      using _world = made.world;
      made.world.fault(`call=${call} action=${action} code=1 times=1`);
      await assertSurvives(made, { kind: "remark", said: /./ });
    },
  );
}

testWith(
  { missing: MISSING_STANDIN },
  "dump fails after as many tries of a read as --retries allows",
  async () => {
    const made = await worldWithDisk();
    using world = made.world;
    world.fault("call=Read after=4 times=100000 code=14011 scope=world");
    await assertRefuses(made, {
      said: /Cannot read disk .* at byte \d+: Read failed with code 14011.*tried 4 times/,
      more: ["--retries", "3"],
    });
    world.assertClean();
  },
);

testWith({ missing: MISSING_STANDIN }, "dump fails after --timeout if the library hangs", async () => {
  for (const call of ["Read", "Open", "ConnectEx", "InitEx"]) {
    const made = await worldWithDisk();
    using _world = made.world;
    made.world.fault(`call=${call} action=hang`);
    await assertRefuses(made, { said: /gave no answer for 1 s/, more: ["--timeout", "1"] });
  }
});

testWith(
  { missing: MISSING_STANDIN },
  "dump ends a library that hangs in Exit after a finished dump",
  async () => {
    const made = await worldWithDisk();
    using _world = made.world;
    made.world.fault("call=Exit action=hang");
    await assertSurvives(made, { kind: "remark", said: /SIGALRM/, more: ["--timeout", "1"] });
  },
);

testWith(
  { missing: MISSING_STANDIN },
  "dump fails at once for wrong options of servers, with advice",
  async () => {
    const made = await worldWithDisk();
    using world = made.world;
    const instead = (option: string, value: string) => {
      const args = made.dump();
      args[args.indexOf(option) + 1] = value;
      return { world, dump: () => args };
    };
    Deno.writeTextFileSync(world.file("wrong"), "wrong\n", { mode: 0o600 });
    const wrong = "AA:".repeat(19) + "AA";
    await assertRefuses(instead("--password-file", world.file("wrong")), {
      said: /code 3014.*check --username/,
    });
    await assertRefuses(instead("--username", "nobody"), { said: /code 3014.*check --username/ });
    await assertRefuses(instead("--thumbprint", wrong), {
      said: /Open failed with code 1,.*wrong --thumbprint.*10:11:12/,
    });
    await assertRefuses(instead("--vm", "vm-17"), { said: /code 4000.*check --vm/ });
    await assertRefuses(instead("--snapshot", "snapshot-1"), { said: /code 13003.*check --snapshot/ });
    await assertRefuses(instead("--server", "vc2.example"), { said: /code (14008|18000).*check --server/ });
    await assertRefuses(instead("--remote", "[ds1] none.vmdk"), {
      said: /Open failed with code 4,.*\[datastore\]/,
    });
    await assertRefuses(instead("--libdir", world.path), { said: /Cannot find VMware's disk library/ });
    for (const { code } of world.calls("Read")) assertEquals(code, 0);
  },
);

testWith(
  { missing: MISSING_STANDIN },
  "dump fails if the disk has another size in a new session",
  async () => {
    const made = await worldWithDisk();
    using world = made.world;
    world.fault("call=Read sector=4096 times=2 code=7");
    world.fault("call=Open after=1 action=delay:300000");
    const running = world.call(...made.dump());
    await until(() => world.calls("ConnectEx").length === 2);
    Deno.truncateSync(world.file("disk.raw"), SIZE_BYTES - MIB);
    const { code, stderr } = await running;
    assertEquals(code, 4, stderr);
    assertStringIncludes(stderr, "sectors and has");
  },
);

testWith(
  { missing: MISSING_STANDIN },
  "restore repeats a write that fails, and the disk is correct",
  async () => {
    const made = await worldWithDisk({ server: "nfc_max_bytes=0" });
    using world = made.world;
    Deno.writeFileSync(world.file("back.raw"), new Uint8Array(SIZE_BYTES).fill(1));
    const back = world.disk("back.raw");
    world.fault("call=Write after=1 times=1 code=14011 scope=world");
    world.fault("call=Write sector=6144 times=2 code=7 scope=world");
    world.fault("call=Write sector=10240 times=1 action=crash scope=world");
    const { library } = await world.json(["restore", ...back, world.file("right.dump")]);
    world.assertSameBytes("back.raw", "disk.raw");
    assert(library.events.length >= 3, JSON.stringify(library.events));
  },
);

testWith(
  { missing: MISSING_STANDIN },
  "restore fails if the disk does not close after it was written",
  async () => {
    const made = await worldWithDisk();
    using world = made.world;
    Deno.writeFileSync(world.file("back.raw"), new Uint8Array(SIZE_BYTES));
    const back = world.disk("back.raw");
    world.fault("call=Close code=7 times=1");
    const { code, stderr } = await world.call("restore", ...back, world.file("right.dump"));
    assertEquals(code, 4);
    assertMatch(stderr, /Cannot close disk .*Close failed with code 7/);
  },
);

testWith({ missing: MISSING_STANDIN }, "restore does not write to a disk that is too small", async () => {
  const made = await worldWithDisk();
  using world = made.world;
  Deno.writeFileSync(world.file("small.raw"), new Uint8Array(SIZE_BYTES - 512));
  const { code, stderr } = await world.call("restore", ...world.disk("small.raw"), world.file("right.dump"));
  assertEquals(code, 3, stderr);
  assertEquals(world.calls("Write"), []);
});

testWith({ missing: MISSING_STANDIN }, "restore --verify finds bytes that the server lost", async () => {
  const made = await worldWithDisk();
  using world = made.world;
  Deno.writeFileSync(world.file("back.raw"), new Uint8Array(SIZE_BYTES));
  const back = world.disk("back.raw");
  const restore = [
    "restore",
    ...back,
    "--verify",
    "--digestin",
    world.file("right.digest"),
    world.file("right.dump"),
  ];
  // Between the writing and the reading back.
  world.fault("call=Close action=delay:500000 times=1");
  const running = world.call(...restore);
  await until(() => world.calls("Flush").length > 0);
  using file = Deno.openSync(world.file("back.raw"), { write: true });
  file.seekSync(3 * MIB, Deno.SeekMode.Start);
  file.writeSync(Uint8Array.of(1, 2, 3));
  const { code, stderr } = await running;
  assertEquals(code, 3, stderr);
  assertStringIncludes(stderr, "block 24 was read back and differs from");
});

testWith(
  { missing: MISSING_STANDIN },
  "restore reads the disk back after a session that may have lost writes",
  async () => {
    for (const kept of [true, false]) {
      const made = await worldWithDisk();
      using world = made.world;
      Deno.writeFileSync(world.file("back.raw"), new Uint8Array(SIZE_BYTES));
      const back = world.disk("back.raw");
      world.fault("call=Write sector=4096 times=2 code=7");
      world.fault("call=Close code=7 times=1");
      if (!kept) world.set("delay.90 = call=Close us=500000");
      const running = world.call("restore", ...back, world.file("right.dump"));
      if (!kept) {
        await until(() => world.calls("Write").length >= 5);
        using file = Deno.openSync(world.file("back.raw"), { write: true });
        file.writeSync(new Uint8Array(512));
      }
      const { code, stdout, stderr } = await running;
      if (kept) {
        assertEquals(code, 0, stderr);
        assertStringIncludes(stdout, "may have lost what it was given to write");
        assertStringIncludes(stdout, "read back: every block is as it should be");
      } else {
        assertEquals(code, 3, stdout);
        assertStringIncludes(stderr, "block 0 was read back and differs from");
      }
    }
  },
);

testWith({ missing: MISSING_STANDIN }, "dump reports another transport mode of a new session", async () => {
  const made = await worldWithDisk();
  using world = made.world;
  // Three times, because the library reads its configuration again when it is started afresh.
  world.fault("call=Read sector=4096 times=3 code=7 scope=world");
  world.set("delay.90 = call=Exit us=500000");
  const running = world.json(made.dump());
  await until(() => world.calls("Disconnect").length === 2);
  world.set("transports = nbd");
  const { library } = await running;
  assertEquals(library.transportMode, "nbd");
  const downgrades = library.events.filter(({ kind }: Event) => kind === "downgrade");
  assertEquals(downgrades.map(({ text }: Event) => text), ["transport mode nbd is used instead of nbdssl"]);
});

testWith(
  { missing: MISSING_STANDIN },
  "dump allows transfers that take longer than a timer can wait",
  async () => {
    const made = await worldWithDisk();
    using world = made.world;
    // A day for each call of a transfer is more than 2^31 milliseconds.
    await world.json(made.dump(["--timeout", "86400", "--read-size", "65536"]));
    await world.assertCompare("right.dump", "new.dump");
  },
);

testWith({ missing: MISSING_STANDIN }, "dump and restore write the password nowhere", async () => {
  const made = await worldWithDisk({ settings: ["log.calls = yes"] });
  using world = made.world;
  world.fault("call=Read after=1 times=3 code=7");
  const log = ["--library-log", world.file("library.log")];
  const said = [
    await world.call(...made.dump([...log, "--json"])),
    await world.call(...made.dump([...log, "--force"])),
  ];
  assertEquals(said.map(({ code }) => code), [0, 0]);
  const texts = [
    ...said.flatMap(({ stdout, stderr }) => [stdout, stderr]),
    Deno.readTextFileSync(world.file("library.log")),
    Deno.readTextFileSync(world.tracePath),
  ];
  for (const text of texts) assert(!text.includes(PASSWORD), text);
  assert(texts[4].length > 100, "the log is empty");
});

testWith(
  { missing: MISSING_STANDIN },
  "A log of the library that cannot be written fails no dump",
  async () => {
    const made = await worldWithDisk({ settings: ["log.calls = yes"] });
    using world = made.world;
    const { code, stderr } = await world.call(...made.dump(["--library-log", "/dev/full"]));
    assertEquals(code, 0, stderr);
    assertEquals(
      stderr,
      'Warning: the log of the library ends here: Cannot write "/dev/full": No space left on device (os error 28)\n',
    );
    await world.assertCompare("right.dump", "new.dump");
  },
);

const KINDS = [
  "code=14011",
  "code=7 times=2",
  "code=7 action=sticky",
  "code=2",
  "code=3047",
  "code=1 high=0x10000",
  "action=crash",
  "action=delay:20000",
];

for (let seed = 1; seed <= 8; seed++) {
  testWith(
    { missing: MISSING_STANDIN },
    `dump and restore are correct with random faults, seed ${seed}`,
    async () => {
      const random = seeded(seed);
      const made = await worldWithDisk({ server: random(2) === 0 ? "session_calls=40" : "" });
      using world = made.world;
      Deno.writeFileSync(world.file("back.raw"), noise(1 << 20, 9));
      Deno.truncateSync(world.file("back.raw"), SIZE_BYTES);
      const back = world.disk("back.raw");
      for (const call of ["Read", "Write", "Read", "Write", "QueryAllocatedBlocks", "Open", "Flush"]) {
        const first = call === "Open" ? 2 : 0;
        world.fault(`call=${call} after=${first + random(12)} scope=world ${KINDS[random(KINDS.length)]}`);
      }
      const readSize = ["--read-size", `${65536 << random(5)}`];
      await world.json(made.dump(readSize));
      await world.assertCompare("right.dump", "new.dump");
      await world.assertCompare("right.digest", "new.digest");
      await world.json(["restore", ...back, ...readSize, world.file("new.dump")]);
      world.assertSameBytes("back.raw", "disk.raw");
    },
  );
}
