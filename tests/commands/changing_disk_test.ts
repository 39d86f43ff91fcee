/** Disks that change while they are read, or that something else has open. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path/posix/join";
import { noise } from "../disks/helpers.ts";
import { Archives, assertRefusal, EXIT } from "../refusals/refusal.ts";
import { denoArgs } from "../support/run_cli.ts";
import { BEFORE, changing, disks, FULL, MODES, poke } from "./changing_disk.ts";

function replaceText(path: string, from: string, to: string): void {
  const { mtime } = Deno.statSync(path);
  const text = Deno.readTextFileSync(path);
  assertStringIncludes(text, from);
  Deno.writeTextFileSync(path, text.replace(from, to));
  Deno.utimeSync(path, mtime!, mtime!);
}

/** A change of a disk: which disk is read, what happens, and what is said of it. */
const CHANGES: Record<string, { disk: string; change: (archives: Archives) => void; says: string[] }> = {
  "a raw disk is written": {
    disk: "d1.raw",
    change: (archives) => poke(archives.file("d1.raw")),
    says: ['d1.raw" was written at 20'],
  },
  "a raw disk grows": {
    disk: "d1.raw",
    change: (archives) => Deno.truncateSync(archives.file("d1.raw"), 4096),
    says: ['d1.raw" had 3072 bytes and has 4096'],
  },
  "a raw disk becomes shorter, and cannot be read to its end": {
    disk: "d1.raw",
    change: (archives) => Deno.truncateSync(archives.file("d1.raw"), 1024),
    says: ['d1.raw" had 3072 bytes and has 1024'],
  },
  "a raw disk is removed": {
    disk: "d1.raw",
    change: (archives) => Deno.removeSync(archives.file("d1.raw")),
    says: ['d1.raw" is gone'],
  },
  "another file takes the name of a raw disk": {
    disk: "d1.raw",
    change: (archives) => {
      Deno.copyFileSync(archives.file("d1.raw"), archives.file("other"));
      Deno.utimeSync(archives.file("other"), BEFORE, BEFORE);
      Deno.renameSync(archives.file("other"), archives.file("d1.raw"));
    },
    says: ["another file has the name", "d1.raw"],
  },
  "the extent of a flat VMDK is written": {
    disk: "flat.vmdk",
    change: (archives) => poke(archives.file("flat-flat.vmdk"), { at: 3000 }),
    says: ['flat-flat.vmdk" was written at 20'],
  },
  "the second piece of a split VMDK is written": {
    disk: "split.vmdk",
    change: (archives) => poke(archives.file("split-f002.vmdk")),
    says: ['split-f002.vmdk" was written at 20'],
  },
  "the descriptor gets another content id, in secret": {
    disk: "flat.vmdk",
    change: (archives) => replaceText(archives.file("flat.vmdk"), "CID=11112222", "CID=33334444"),
    says: ["content id was 11112222 and is 33334444"],
  },
  "the parent of a snapshot is written": {
    disk: "snap.vmdk",
    change: (archives) => poke(archives.file("flat-flat.vmdk")),
    says: ['flat-flat.vmdk" was written at 20'],
  },
  "the parent of a snapshot gets another content id, in secret": {
    disk: "snap.vmdk",
    change: (archives) => replaceText(archives.file("flat.vmdk"), "CID=11112222", "CID=33334444"),
    says: ["it does not open any more", "flat.vmdk"],
  },
  "the descriptor names another extent, in secret": {
    disk: "flat.vmdk",
    change: (archives) => replaceText(archives.file("flat.vmdk"), "flat-flat.vmdk", "snap-flat.vmdk"),
    says: ["it consists of other files"],
  },
};

for (const [name, { disk, change, says }] of Object.entries(CHANGES)) {
  const isReadable = !/shorter/.test(name);
  Deno.test(`dump ends with 1 and makes nothing if ${name} while it reads`, async () => {
    for (const [mode, line] of Object.entries(MODES)) {
      if (mode !== "full" && disk === "snap.vmdk") continue;
      using archives = disks();
      const before = Object.keys(archives.snapshot());
      const result = await changing(archives, `${line} --local ${disk}`, () => change(archives));
      const error = result.stderr.trimEnd().split("\n").at(-1)!;
      assertRefusal(`${mode}, ${name}`, { code: result.code, stderr: `${error}\n` }, {
        code: EXIT.environment,
        says: [
          disk,
          "changed while it was read",
          ...says,
          isReadable ? "--allow-changes" : "dump a snapshot",
        ],
      });
      const made = Object.keys(archives.snapshot()).filter((file) => !before.includes(file));
      // What --resume keeps does not fit the disk any more, and has no name.
      assertEquals(made.filter((file) => !/^\.new\..*\.vmdkbkp$/.test(file)), [], mode);
      if (!mode.includes("--resume")) assertEquals(made, [], mode);
    }
  });

  Deno.test(`dump --allow-changes ${isReadable ? "marks what it makes" : "fails"} if ${name} while it reads`, async () => {
    for (const [mode, line] of Object.entries(MODES)) {
      if (mode !== "full" && disk === "snap.vmdk") continue;
      using archives = disks();
      const words = `${line} --local ${disk} --allow-changes --json`;
      const { code, stdout, stderr } = await changing(archives, words, () => change(archives));
      if (!isReadable) {
        assertEquals(code, EXIT.environment, stderr);
        for (const text of says) assertStringIncludes(stderr, text);
        continue;
      }
      assertEquals(code, EXIT.done, stderr);
      for (const text of ["Warning: disk", "changed while it was read", ...says]) {
        assertStringIncludes(stderr, text);
      }
      const { sourceChanged } = JSON.parse(stdout);
      assert(Array.isArray(sourceChanged) && sourceChanged.length > 0, stdout);
      for (const text of says) assertStringIncludes(sourceChanged.join("; "), text);
      const seal = JSON.parse(new TextDecoder().decode(archives.read("new.seal.json")));
      for (const text of says) assertStringIncludes(seal.source.changed, text);
    }
  });
}

Deno.test("dump finds another content id in the embedded descriptor of a sparse VMDK, whatever its time", async () => {
  for (const format of ["monolithicSparse", "streamOptimized"]) {
    using archives = disks();
    await archives.done(`restore --create --local s.vmdk --format ${format} g1.dump`);
    Deno.utimeSync(archives.file("s.vmdk"), BEFORE, BEFORE);
    const text = new TextDecoder("latin1").decode(archives.read("s.vmdk"));
    const { index } = /^CID=/m.exec(text)!;
    const cid = text.slice(index + 4, index + 12);
    const other = cid.startsWith("0") ? "1" : "0";
    const change = () => poke(archives.file("s.vmdk"), { at: index + 4, byte: other, secretly: true });
    const { code, stderr } = await changing(archives, `${FULL} --local s.vmdk`, change);
    assertRefusal(format, { code, stderr }, {
      code: EXIT.environment,
      says: ["s.vmdk", `content id was ${cid} and is ${other}${cid.slice(1)}`, "--allow-changes"],
    });
    assertEquals(Object.keys(archives.snapshot()).filter((name) => /new/.test(name)), []);
  }
});

Deno.test("dump of a disk that does not change has no mark, with and without --allow-changes", async () => {
  for (const [mode, line] of Object.entries(MODES)) {
    for (const disk of ["d1.raw", "flat.vmdk", "split.vmdk"]) {
      for (const option of ["", " --allow-changes"]) {
        using archives = disks();
        const { code, stdout, stderr } = await archives.run(`${line} --local ${disk}${option} --json`);
        assertEquals([code, stderr], [EXIT.done, ""], mode);
        assertEquals(JSON.parse(stdout).sourceChanged, undefined);
        const seal = JSON.parse(new TextDecoder().decode(archives.read("new.seal.json")));
        assertEquals(seal.source.changed, undefined);
      }
    }
  }
});

Deno.test("what was made of a disk that changed is told by the commands that read it, once", async () => {
  using archives = disks();
  const { code } = await changing(archives, `${FULL} --local d1.raw --allow-changes`, () => {
    poke(archives.file("d1.raw"), { at: 3000 });
  });
  assertEquals(code, EXIT.done);
  for (
    const line of [
      "restore --create --local back.raw new.dump",
      "restore --local d0.raw new.dump",
      "check --digestin new.digest new.dump",
      "check .",
      "digest --dumpin new.dump --digestout again.digest",
      "dump --mode diff --local d0.raw --dumpin new.dump --digestin new.digest --dumpout n2.dump --digestout n2.digest --rdiffout n.rdiff",
    ]
  ) {
    const { stderr } = await archives.run(line);
    assertEquals(
      stderr.match(/^Warning: .*new\.(dump|digest)" .*changed while it was read/gm)?.length,
      1,
      `${line}\n${stderr}`,
    );
  }
});

Deno.test("a disk that is written while a real dump is at work gives no output", async () => {
  using archives = new Archives({ "big.raw": noise(8 << 20, 5) });
  Deno.utimeSync(archives.file("big.raw"), BEFORE, BEFORE);
  const fifo = archives.file("fifo");
  assertEquals(new Deno.Command("mkfifo", { args: [fifo] }).outputSync().code, 0);
  const line = "dump --mode full --force --local big.raw --dumpout";
  const child = new Deno.Command(Deno.execPath(), {
    args: [...denoArgs(), ...archives.args(line), fifo, "--digestout", archives.file("new.digest")],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  // The pipe holds 64 KiB: the dump is at work until all is read.
  using pipe = await Deno.open(fifo);
  const bytes = new Uint8Array(1 << 16);
  await pipe.read(bytes);
  poke(archives.file("big.raw"), { at: 100 });
  while (await pipe.read(bytes) !== null);
  const { code, stderr } = await child.output();
  assertEquals(code, EXIT.environment);
  assertStringIncludes(new TextDecoder().decode(stderr), 'big.raw" was written at 20');
  assertEquals(Object.keys(archives.snapshot()).filter((name) => /new/.test(name)), []);
});

/** Which folder says that a disk is in use, by the disk. */
const LOCKS: [disk: string, lock: string][] = [
  ["flat.vmdk", "flat.vmdk.lck"],
  ["flat.vmdk", "flat-flat.vmdk.lck"],
  ["split.vmdk", "split-f002.vmdk.lck"],
  ["snap.vmdk", "flat.vmdk.lck"],
  ["flat-flat.vmdk --format raw", "flat.vmdk.lck"],
  ["d1.raw", "d1.raw.lck"],
];

Deno.test("dump warns at its start of a lock folder beside a file of the disk", async () => {
  for (const [disk, lock] of LOCKS) {
    for (const [mode, line] of Object.entries(MODES)) {
      using archives = disks();
      Deno.mkdirSync(archives.file(lock));
      // Stopped before the disk is read.
      const { stderr } = await changing(archives, `${line} --local ${disk}`, () => {
        throw new Error("Cannot go on");
      });
      const [warning, error] = stderr.split("\n");
      assertEquals(
        warning,
        `Warning: "${archives.file(lock)}" says that a virtual machine has the disk open, or was killed`,
        `${mode}, ${disk}`,
      );
      assertStringIncludes(error, "annot go on");
    }
  }
});

Deno.test("restore onto a disk with a lock folder needs --force, and leaves the disk alone without", async () => {
  for (const [disk, lock] of LOCKS) {
    if (disk === "snap.vmdk") continue;
    using archives = disks();
    Deno.mkdirSync(join(archives.path, lock));
    const line = `restore --local ${disk} g0.dump`;
    await archives.refused(line, { code: EXIT.usage, says: [`${archives.file(lock)}"`, "--force"] });
    const { code, stderr } = await archives.run(`${line} --force`);
    assertEquals(code, EXIT.done, stderr);
    assertStringIncludes(stderr, `Warning: "${archives.file(lock)}"`);
    const bytes = disk.startsWith("split")
      ? [...archives.read("split-f001.vmdk"), ...archives.read("split-f002.vmdk")]
      : [...archives.read(disk.startsWith("flat") ? "flat-flat.vmdk" : "d1.raw")];
    assertEquals(bytes, [...archives.read("d0.raw")]);
  }
});

Deno.test("restore --create beside a lock folder goes on with a warning", async () => {
  using archives = disks();
  Deno.mkdirSync(archives.file("new.vmdk.lck"));
  const { code, stderr } = await archives.run("restore --create --local new.vmdk g0.dump");
  assertEquals(code, EXIT.done, stderr);
  assertStringIncludes(stderr, 'new.vmdk.lck"');
});

const loop = loopDevices();

const MOUNTED = "a block device that is mounted for writing is told, and restored onto with --force alone";

/** No skip that continuous integration could end: to mount is a right. */
Deno.test({
  name: loop === undefined ? MOUNTED : `${MOUNTED} (skipped: ${loop})`,
  ignore: loop !== undefined,
  fn: mounted,
});

async function mounted(): Promise<void> {
  using archives = new Archives({ "image": new Uint8Array(4 << 20) });
  run("mke2fs", "-q", "-F", archives.file("image"));
  const device = run("losetup", "-f", "--show", archives.file("image")).trim();
  const mount = archives.file("mount point");
  Deno.mkdirSync(mount);
  try {
    const dump = ["dump", "--mode", "full", "--local", device, "--force"];
    const outputs = archives.args("--dumpout new.dump --digestout new.digest");
    assertEquals((await archives.call([...dump, ...outputs])).stderr, "");
    for (const [how, isTold] of [["rw", true], ["ro", false]] as const) {
      run("mount", "-o", how, device, mount);
      try {
        const { stderr } = await archives.call([...dump, ...outputs]);
        assertEquals(stderr.includes(`"${device}" is mounted for writing at "${mount}"`), isTold, stderr);
        if (!isTold) continue;
        const restore = ["restore", "--local", device, archives.file("new.dump")];
        const refused = await archives.call(restore);
        assertRefusal("restore", refused, { code: EXIT.usage, says: [device, mount, "--force"] });
      } finally {
        run("umount", mount);
      }
    }
    const { code, stderr } = await archives.call(["restore", "--local", device, archives.file("new.dump")]);
    assertEquals([code, stderr], [EXIT.done, ""]);
  } finally {
    run("losetup", "-d", device);
  }
}

/** Why no block device can be made of a file and mounted; undefined if it can. */
function loopDevices(): string | undefined {
  const folder = Deno.makeTempDirSync({ prefix: "vmdkbkp-loop-" });
  try {
    Deno.writeFileSync(join(folder, "image"), new Uint8Array(1 << 20));
    run("mke2fs", "-q", "-F", join(folder, "image"));
    run("mount", "-o", "loop", join(folder, "image"), folder);
    run("umount", folder);
    return undefined;
  } catch (error) {
    return `no file can be mounted here: ${(error as Error).message.split("\n")[0]}`;
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function run(name: string, ...args: string[]): string {
  const { success, stdout, stderr } = new Deno.Command(name, { args }).outputSync();
  const text = new TextDecoder();
  if (!success) throw new Error(`${name} ${args.join(" ")}: ${text.decode(stderr)}`);
  return text.decode(stdout);
}
