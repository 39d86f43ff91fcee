/** The judges see what they are there for: each pledge is broken by hand. */

import { assertEquals } from "@std/assert";
import { join } from "@std/path/posix/join";
import { testWith } from "../support/skip.ts";
import { judgeNextRun, judgeReadBack } from "./aftermath.ts";
import type { CountedCall } from "./calls.ts";
import { type DisturbedRun, MISSING } from "./disturbed.ts";
import { writeFiles } from "./files.ts";
import { FolderJudge } from "./folder_judge.ts";
import { run } from "./material.ts";
import { brokenBy, type BrokenPledge } from "./pledges.ts";
import { judgeRun } from "./run_judge.ts";
import { DUMPS } from "./scenarios.ts";
import type { CaseFolder } from "./case_folder.ts";
import type { World } from "./world.ts";
import { loadMaterial, worldsOf } from "./worlds.ts";

/** A run that a test makes up. */
function ended(run: Partial<DisturbedRun>, ...faults: Partial<CountedCall>[]): DisturbedRun {
  const calls = faults.map((call, i) => ({
    ...{ number: i + 1, kind: "write", ordinal: 1, countBytes: 1, path: ".n.dump.x.vmdkbkp", fault: "EIO" },
    ...call,
  }));
  return { code: 0, isKilled: false, isHung: false, stdout: "", stderr: "", calls, ...run };
}

const FAILED = { code: 1, stderr: 'vmdkbkp: Cannot write "n.dump": Input/output error\n' };

/** Two worlds: files that exist are replaced, and there are none. */
async function worlds(): Promise<{ replacing: World; making: World; complete: World["before"] }> {
  const all = worldsOf(DUMPS, await loadMaterial());
  const making = await all.get("dump full to two folders")!();
  const replacing = await all.get("dump full to two folders over files that exist")!();
  using folder = replacing.begin();
  await judgeNextRun(replacing, folder, { isDone: false });
  return { replacing, making, complete: folder.files() };
}

testWith({ missing: MISSING }, "judgeRun() sees each pledge that a run breaks", async (t) => {
  const { replacing, making, complete } = await worlds();
  const sees = async (
    what: string,
    expected: string[],
    end: DisturbedRun,
    { world = replacing, earlier, change = () => {} }: {
      world?: World;
      earlier?: (folder: CaseFolder) => void | Promise<void>;
      change?: (folder: CaseFolder) => void | Promise<void>;
    },
  ) => {
    await t.step(what, async () => {
      using folder = world.begin();
      await earlier?.(folder);
      const judged = earlier && new FolderJudge(world, folder);
      await change(folder);
      assertEquals(pledges(await judgeRun(end, { world, folder, earlier: judged })), expected);
    });
  };
  const finish = (folder: CaseFolder) => writeFiles(folder.path, complete);
  const cut = (name: string) => (folder: CaseFolder) => {
    finish(folder);
    Deno.truncateSync(join(folder.path, name), 1000);
  };
  // A seal names the disk by its path, so that it is right only in the folder in which it was made.
  const right = async (folder: CaseFolder) => void await run(folder.path, replacing.line);
  const killed = ended({ isKilled: true, code: 137 }, { fault: "kill" });

  await sees("nothing is done, and the exit code is 1", [], ended(FAILED, {}), {});
  await sees("it is killed before it begins", [], killed, {});
  await sees("it does not end", ["end"], ended({ isKilled: true, isHung: true }), {});
  await sees("nothing is done, and the exit code is 0", ["right result"], ended({}, {}), {});
  await sees("all is done, and a mode is wrong", ["right result"], ended({}, {}), {
    change: async (folder) => {
      await right(folder);
      Deno.chmodSync(join(folder.path, "one/n.dump"), 0o644);
    },
  });
  for (const [mode, expected] of [[0o600, []], [0o644, ["right result"]]] as const) {
    const warned = ended({ stderr: 'Warning: "n.dump" does not keep its mode\n' }, {});
    await sees(
      `a warning says that a mode is lost, and the mode is ${mode.toString(8)}`,
      [...expected],
      warned,
      {
        change: async (folder) => {
          await right(folder);
          Deno.chmodSync(join(folder.path, "one/n.dump"), mode);
        },
      },
    );
  }
  await sees("all is done, and the modes are right", [], ended({}, {}), { change: right });
  await sees("a file is cut, and the exit code is 0", ["right result"], ended({}, {}), {
    change: cut("one/n.dump"),
  });
  await sees("a file is cut, and the exit code is 1", ["nothing partial"], ended(FAILED, {}), {
    change: cut("one/n.dump"),
  });
  await sees("a file is cut, and it is killed", ["nothing partial"], killed, { change: cut("two/n.digest") });
  await sees("one of the outputs is new, and the exit code is 1", ["nothing partial"], ended(FAILED, {}), {
    change: (folder) => writeFiles(folder.path, new Map([["one/n.dump", complete.get("one/n.dump")!]])),
  });
  const unfinished = {
    code: 1,
    stderr: 'vmdkbkp: Cannot sync "n.dump": no space; the next run finishes or undoes the commit\n',
  };
  await sees(
    "one of the outputs is new, the old one is gone, and a commit is unfinished",
    ["nothing lost"],
    ended(unfinished, {}),
    {
      change: (folder) => writeFiles(folder.path, new Map([["one/n.dump", complete.get("one/n.dump")!]])),
    },
  );
  await sees("one of the outputs is new, the old one is gone, and it is killed", ["nothing lost"], killed, {
    change: (folder) => writeFiles(folder.path, new Map([["one/n.dump", complete.get("one/n.dump")!]])),
  });
  await sees("one of the outputs is new, the old one is hidden, and it is killed", [], killed, {
    change: (folder) => {
      Deno.renameSync(join(folder.path, "one/n.dump"), join(folder.path, "one/.n.dump.any.vmdkbkp"));
      writeFiles(folder.path, new Map([["one/n.dump", complete.get("one/n.dump")!]]));
    },
  });
  const left = (folder: CaseFolder, name: string) => {
    Deno.renameSync(join(folder.path, "one/n.dump"), join(folder.path, `one/.n.dump.any.vmdkbkp`));
    Deno.writeTextFileSync(join(folder.path, "one/n.dump"), name);
  };
  await sees("an output is neither, but an earlier run has left it, and it is killed", [], killed, {
    earlier: (folder) => left(folder, "of an earlier run"),
  });
  await sees("an output is not what an earlier run has left, and it is killed", ["nothing partial"], killed, {
    earlier: (folder) => left(folder, "of an earlier run"),
    change: (folder) => Deno.writeTextFileSync(join(folder.path, "one/n.dump"), "another one"),
  });
  await sees("an earlier run has replaced all, and one of its outputs is nowhere", ["nothing lost"], killed, {
    earlier: right,
    change: (folder) => writeFiles(folder.path, new Map([["two/n.digest", complete.get("two/n.digest")!]])),
  });
  await sees("an output is removed, and it is killed", ["nothing partial"], killed, {
    change: (folder) => Deno.removeSync(join(folder.path, "one/n.dump")),
  });
  await sees("an output that was not there is half there", ["nothing partial"], ended(FAILED, {}), {
    world: making,
    change: (folder) => Deno.writeTextFileSync(join(folder.path, "one/n.dump"), "half"),
  });
  await sees("there is a file that nobody asked for", ["nothing partial"], ended(FAILED, {}), {
    change: (folder) => Deno.writeTextFileSync(join(folder.path, "other"), ""),
  });
  await sees("an input is changed", ["inputs"], ended(FAILED, {}), {
    change: (folder) => Deno.truncateSync(join(folder.path, "d1.raw"), 1000),
  });
  await sees("a sync fails, and the exit code is 0", ["synced"], ended({}, { kind: "fsync" }), {
    change: right,
  });
  await sees("a lock fails, and the exit code is 0", ["locked"], ended({}, { kind: "flock" }), {
    change: right,
  });
  const seal = { kind: "open", path: "one/n.seal.json" };
  await sees("a seal cannot be read, and the exit code is 0", ["proved"], ended({}, seal), { change: right });
  await sees("a seal is read the second time", [], ended({}, seal, { ...seal, fault: undefined }), {
    change: right,
  });
  await sees("an interrupted call ends it", ["interruptions"], ended(FAILED, { fault: "EINTR" }), {});
  await sees(
    "a hidden file is left behind an interrupted call",
    ["no leftovers"],
    ended({}, { fault: "EINTR" }),
    {
      change: async (folder) => {
        await right(folder);
        Deno.writeTextFileSync(join(folder.path, ".n.dump.any.vmdkbkp"), "");
      },
    },
  );
  await sees("the exit code is that of damage", ["exit code"], ended({ ...FAILED, code: 3 }, {}), {});
  await sees("no file is named", ["message"], ended({ ...FAILED, stderr: "vmdkbkp: it fails\n" }, {}), {});
  await sees(
    "a stack is printed",
    ["message"],
    ended({ ...FAILED, stderr: `    at main\n${FAILED.stderr}` }, {}),
    {},
  );
  await sees("nothing is said", ["message"], ended({ ...FAILED, stderr: "" }, {}), {});
});

testWith({ missing: MISSING }, "what comes behind a run is judged, too", async () => {
  const { replacing, making } = await worlds();
  {
    // What has the name of an output is none of the program's files, and cannot be read.
    using folder = replacing.begin();
    Deno.writeTextFileSync(join(folder.path, "one/n.dump"), "half");
    assertEquals(pledges(await brokenBy([() => judgeReadBack(replacing, folder)])), ["read back"]);
  }
  {
    using folder = making.begin();
    Deno.writeTextFileSync(join(folder.path, "one/n.dump"), "half");
    const looks = [() => judgeNextRun(making, folder, { isDone: false })];
    assertEquals(pledges(await brokenBy(looks)), ["next run"], "the next run refuses what it did not make");
  }
  {
    using folder = making.begin();
    Deno.writeTextFileSync(join(folder.path, ".other.0a1b2c3d.vmdkbkp"), "");
    const looks = [() => judgeNextRun(making, folder, { isDone: false })];
    assertEquals(pledges(await brokenBy(looks)), ["no leftovers"]);
  }
});

function pledges(broken: readonly BrokenPledge[]): string[] {
  return broken.map(({ pledge }) => pledge);
}
