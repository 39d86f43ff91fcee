/** The fault layer itself: it counts every call, and each fault is what the system would do. */

import { assert, assertEquals } from "@std/assert";
import { buildFaultLayer, buildSelfTest } from "../../scripts/fault_layer.ts";
import { Folder } from "../disks/helpers.ts";
import { testWith } from "../support/skip.ts";
import { type CountedCall, FAULTS, ruleFor } from "./calls.ts";
import { type DisturbedRun, MISSING, runDisturbed } from "./disturbed.ts";

/** All kinds of calls that the self-test makes, in its order, with how often it makes them in a row. */
const MADE =
  `create open create write pwrite writev pwritev fsync fdatasync read pread readv preadv copy_file_range
ftruncate fallocate flock chmod chown stat stat link rename rename symlink mkdir unlink unlink unlink opendir close close`
    .split(/\s+/);

/** The names under which the self-test tells them. */
const TOLD =
  `create open create write pwrite writev pwritev fsync fdatasync read pread readv preadv copy_file_range
ftruncate fallocate flock fchmod fchown fstat stat link rename renameat symlink mkdir unlink unlinkat rmdir opendir close close`
    .split(/\s+/);

/** Where the self-test gets its functions: from the program, or from the handle of the C library, as Deno.dlopen does. */
const SOURCES = ["program", "handle"] as const;

type Result = { run: DisturbedRun; told: string[]; folder: Folder };

async function selfTest(source: typeof SOURCES[number], rules = ""): Promise<Result> {
  const folder = new Folder();
  const path = Deno.realPathSync(folder.path);
  const run = await runDisturbed(await buildSelfTest(), [path, source], { folder: path, rules });
  return { run, told: run.stdout.trim().split("\n"), folder };
}

for (const source of SOURCES) {
  testWith({ missing: MISSING }, `the fault layer counts every call that the ${source} gives`, async () => {
    const { run, told, folder } = await selfTest(source);
    using _folder = folder;
    assertEquals(run.code, 0, run.stderr);
    assertEquals(run.calls.map(({ kind }) => kind), MADE);
    assertEquals(run.calls.map(({ number }) => number), MADE.map((_, i) => i + 1));
    assertEquals(told.map((line) => line.split(" ")[0]), TOLD);
    assert(told.every((line) => line.endsWith(" -")), run.stdout);
    const named = run.calls.map(({ path }) => path);
    assertEquals(named[2], "b", "by the descriptor of its folder");
    assertEquals(named[13], "b", "the copy counts for the file that is written");
    const renames = run.calls.filter(({ kind }) => kind === "rename" || kind === "link");
    assertEquals(renames.map(({ from, path }) => [from, path]), [["a", "c"], ["c", "d"], ["d", "e"]]);
    const counts = run.calls.filter(({ countBytes }) => countBytes > 0);
    assertEquals(counts.map(({ countBytes }) => countBytes), Array(9).fill(16));
  });

  testWith({ missing: MISSING }, `every call that the ${source} gives fails as it is told to`, async () => {
    for (const [i, kind] of MADE.entries()) {
      const ordinal = MADE.slice(0, i + 1).filter((other) => other === kind).length;
      const { run, told, folder } = await selfTest(source, ruleFor("EIO", { kind, ordinal }));
      using _folder = folder;
      assertEquals(told[i], `${TOLD[i]} -1 EIO`, `${kind} ${ordinal}`);
      assertEquals(struck(run).map(({ number }) => number), [i + 1]);
    }
  });

  testWith({ missing: MISSING }, `every call that the ${source} gives can be the last one`, async () => {
    for (const [i, kind] of MADE.entries()) {
      const ordinal = MADE.slice(0, i + 1).filter((other) => other === kind).length;
      for (const fault of ["kill", "kill-after"] as const) {
        const { run, told, folder } = await selfTest(source, ruleFor(fault, { kind, ordinal }));
        using _folder = folder;
        assert(run.isKilled && !run.isHung, `${fault} at ${kind} ${ordinal}`);
        // The call that kills is never told, since the process dies before it returns.
        assertEquals(told.filter((line) => line !== "").length, i, `${fault} at ${kind} ${ordinal}`);
      }
    }
  });
}

testWith(
  { missing: MISSING },
  "a process that dies before a rename has not renamed, and one that dies behind it has",
  async () => {
    for (const [fault, names] of [["kill", ["a", "b", "c"]], ["kill-after", ["a", "b", "d"]]] as const) {
      const { folder } = await selfTest("handle", `${fault}@rename:1`);
      using _folder = folder;
      assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name).sort(), [...names]);
    }
  },
);

testWith(
  { missing: MISSING },
  "a transfer is cut to its half or to a byte, and what was moved is in the file",
  async () => {
    for (
      const kind of [
        "write",
        "pwrite",
        "writev",
        "pwritev",
        "read",
        "pread",
        "readv",
        "preadv",
        "copy_file_range",
      ]
    ) {
      for (const [fault, count] of [["short", 8], ["single", 1]] as const) {
        const { told, folder } = await selfTest("handle", `${fault}@${kind}:1`);
        using _folder = folder;
        assertEquals(told[TOLD.indexOf(kind)], `${kind} ${count} -`);
      }
    }
    const { folder } = await selfTest("handle", "kill-torn@write:1");
    using _folder = folder;
    assertEquals(Deno.readTextFileSync(folder.file("a")), "01234567");
  },
);

testWith(
  { missing: MISSING },
  "a file system that becomes full takes a part, and nothing from there on",
  async () => {
    const { told, folder } = await selfTest("handle", "ENOSPC@pwrite:1+");
    using _folder = folder;
    const failing = told.filter((line) => !line.endsWith(" -"));
    assertEquals(told[4], "pwrite 8 -");
    assertEquals(
      failing.map((line) => line.split(" ")[0]),
      "writev pwritev fsync fdatasync copy_file_range ftruncate fallocate link rename renameat symlink mkdir"
        .split(" ")
        // What is not there cannot be removed.
        .concat(["unlink", "unlinkat", "rmdir"]),
    );
    assert(failing.slice(0, -3).every((line) => line.endsWith(" -1 ENOSPC")), failing.join("\n"));
  },
);

testWith({ missing: MISSING }, "calls are interrupted at random, the same for the same seed", async () => {
  const { run, folder } = await selfTest("program", "EINTR@any%2:7");
  using _folder = folder;
  const again = await selfTest("program", "EINTR@any%2:7");
  using _again = again.folder;
  const other = await selfTest("program", "EINTR@any%2:8");
  using _other = other.folder;
  const numbers = (run: DisturbedRun) => struck(run).map(({ number }) => number);
  assertEquals(numbers(run), numbers(again.run));
  assert(numbers(run).join() !== numbers(other.run).join());
  assert(numbers(run).length > 3 && numbers(run).length < 15, `${numbers(run)}`);
  assert(struck(run).every(({ kind }) => !["close", "rename", "stat", "unlink"].includes(kind)));
});

testWith({ missing: MISSING }, "a second fault follows the first one", async () => {
  const { run, told, folder } = await selfTest("program", "EIO@fsync:1,kill@after:3");
  using _folder = folder;
  assert(run.isKilled);
  assertEquals(told.at(-1), "read 16 -");
  assertEquals(struck(run).map(({ kind, fault }) => `${kind} ${fault}`), ["fsync EIO", "pread kill"]);
});

testWith({ missing: MISSING }, "rules that cannot be understood end the process", async () => {
  for (
    const rules of [
      "EIO",
      "EIO@fsync",
      "EIO@fsync:0",
      "EIO@none:1",
      "ENONE@fsync:1",
      "EIO@fsync:1x",
      "EIO@fsync%2",
    ]
  ) {
    const { run, folder } = await selfTest("program", rules);
    using _folder = folder;
    assertEquals([run.code, run.calls.length], [97, 0], rules);
  }
  for (const fault of FAULTS) {
    const { run, folder } = await selfTest("program", ruleFor(fault, { kind: "write", ordinal: 99 }));
    using _folder = folder;
    assertEquals([run.code, struck(run).length], [0, 0], fault);
  }
});

testWith(
  { missing: MISSING },
  "a process that does not end is killed, and told from one that a fault kills",
  async () => {
    const options = { folder: "/nowhere", limitMs: 100 };
    const { isHung, isKilled } = await runDisturbed("sleep", ["1000"], options);
    assert(isHung && isKilled);
  },
);

testWith({ missing: MISSING }, "the library is compiled once", async () => {
  const built = () =>
    Deno.statSync(new URL("../../build/faults/libfaults.so", import.meta.url)).mtime?.getTime();
  await buildFaultLayer();
  const first = built();
  await buildFaultLayer();
  assertEquals(built(), first);
});

function struck({ calls }: DisturbedRun): CountedCall[] {
  return calls.filter(({ fault }) => fault !== undefined);
}
