/** What a command says when the system refuses an operation on a file. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { basename } from "@std/path/posix/basename";
import { MAKERS } from "../refusals/makers.ts";
import { Archives, EXIT } from "../refusals/refusal.ts";
import type { CliResult } from "../support/run_cli.ts";
import { FaultyFiles, type Operation } from "./faulty_files.ts";

const REASON = "Input/output error (os error 5)";

/** Commands by what they do; `OUT` is an output. */
const COMMANDS: Record<string, string> = {
  ...MAKERS,
  "dump --resume": `${MAKERS["dump --dumpout"]} --resume`,
  "check --junit": "check --junit OUT --digestin g0.digest g0.dump",
  "salvage --lostout": "salvage --digestin g0.digest --dumpout new.dump --lostout OUT g0.dump",
  "salvage with a scratch file": "salvage --digestin g0.digest --dumpout OUT cut.dump g1.dump g0.rdiff",
  seal: "seal g0.dump g0.digest",
  "restore --create, raw": "restore --create --local new.raw g1.dump",
  "restore --create, flat": "restore --create --local new.vmdk --metadata g1.dump",
  "restore --create, monolithicSparse": "restore --create --local new.vmdk --format monolithicSparse g1.dump",
  "restore --create, streamOptimized": "restore --create --local new.vmdk --format streamOptimized g1.dump",
  "restore in place, raw": "restore --local d0.raw g1.dump",
  "restore in place, flat": "restore --local flat.vmdk --metadata g1.dump",
};

/** Those that are tried over files that exist, too. */
const FORCED = ["dump --rdiffout", "digest", "restore --create, flat"];

/** What messages call an operation. */
const ACTIONS: Record<string, RegExp> = {
  open: /^(create|open)\b/,
  reopen: /^(open|lock)\b/,
  write: /^write\b/,
  truncate: /^(cut|create|write)\b/,
  sync: /^sync\b/,
  rename: /^rename\b/,
  remove: /^remove\b/,
  chmod: /^set the mode of$/,
  lock: /^lock\b/,
};

for (const [name, line] of Object.entries(COMMANDS)) {
  Deno.test(`${name}: an operation that fails is told with file, action and reason, in text and in JSON`, async () => {
    for (const force of FORCED.includes(name) ? [false, true] : [false]) {
      for (let at = 1;; at++) {
        using archives = folder({ force });
        using files = new FaultyFiles({ at, fault: "EIO" });
        const words = line.replace("OUT", "new.out") + (force ? " --force --json" : " --json");
        const result = await archives.run(words);
        files[Symbol.dispose]();
        if (!files.happened) {
          assert(at > 5, "the operations are counted");
          break;
        }
        assertTold(result, files.victim!, `${words}, operation ${at}: ${JSON.stringify(files.victim)}`);
      }
    }
  });
}

/** A failure names what failed; what does not matter much is a warning, or nothing. */
function assertTold({ code, stdout, stderr }: CliResult, victim: Operation, context: string): void {
  const said = `${context}\n${stdout}${stderr}`;
  if (code === EXIT.done) {
    if (stderr !== "") assertNamed(stderr, victim, said);
    else assert(["remove", "link", "lock"].includes(victim.kind) || isUndone(victim), said);
    return;
  }
  assertNamed(stderr.trimEnd().split("\n").at(-1)!, victim, said);
  assertEquals(code, EXIT.environment, said);
  const { error } = JSON.parse(stdout.trimEnd().split("\n").at(-1)!);
  assertEquals(error.reason, REASON, said);
  assertMatch(error.action, ACTIONS[victim.kind], said);
  assert(error.path.includes(nameOf(victim)), said);
}

function assertNamed(text: string, victim: Operation, said: string): void {
  assertStringIncludes(text, REASON, said);
  assertStringIncludes(text, nameOf(victim), said);
  const actions = [...text.matchAll(/[Cc]annot ([a-z ]+?) "/g)].map(([, action]) => action);
  const isNamed = actions.some((action) => ACTIONS[victim.kind].test(action.replace(/ (disk|folder)$/, "")));
  assert(isNamed || /partly written/.test(text), said);
}

/** The note of a commit that is undone or complete, which the next run reads again. */
function isUndone({ kind, path }: Operation): boolean {
  return (kind === "write" || kind === "sync") && path.endsWith(".lock.vmdkbkp");
}

/** The final name of the file that a hidden one stands for. */
function nameOf({ path }: Operation): string {
  const name = basename(path);
  return /^\.(.+?)\.(lock|[0-9a-f]{8}(\.journal|\.old)?)\.vmdkbkp$/.exec(name)?.[1] ?? name;
}

/** The series, a flat disk, and a dump that lacks blocks; with `force` what all outputs replace. */
function folder({ force }: { force: boolean }): Archives {
  const archives = new Archives();
  archives.file("flat-flat.vmdk", new Uint8Array(3072));
  archives.file(
    "flat.vmdk",
    '# Disk DescriptorFile\nversion=1\nCID=11112222\nparentCID=ffffffff\ncreateType="monolithicFlat"\n' +
      'RW 6 FLAT "flat-flat.vmdk" 0\n',
  );
  archives.file("cut.dump", archives.read("g0.dump").slice(0, 700));
  const outputs = ["new.out", "new.dump", "new.digest", "new.raw", "new.vmdk", "new-flat.vmdk"];
  if (force) { for (const name of outputs) archives.file(name, "<testsuites> an older file"); }
  return archives;
}

Deno.test("a file that cannot be removed is named by every command, also by one that fails", async () => {
  for (const [name, line] of Object.entries(COMMANDS)) {
    for (const force of [false, true]) {
      for (const breaks of [false, true]) {
        using archives = folder({ force });
        if (breaks) archives.file("g0.digest", archives.read("g0.digest").slice(0, -1));
        const words = line.replace("OUT", "new.out") +
          (force && !line.includes("--local d0") ? " --force" : "");
        using files = new FaultyFiles({ fails: ({ kind }) => kind === "remove" });
        const { stderr } = await archives.run(words);
        files[Symbol.dispose]();
        const left = Object.keys(archives.snapshot()).filter((file) => file.endsWith(".vmdkbkp"));
        for (const file of left) {
          assertStringIncludes(stderr, file, `${name}: ${words}`);
          assertStringIncludes(stderr, REASON, words);
        }
      }
    }
  }
});

Deno.test("what a killed run left and cannot be removed is named by the next run, which succeeds", async () => {
  for (const kind of ["temporary", "journal"]) {
    using archives = new Archives();
    const hidden = `.new.out.0123abcd${kind === "journal" ? ".journal" : ""}.vmdkbkp`;
    archives.file(hidden, "left");
    using files = new FaultyFiles({ fails: ({ kind, path }) => kind === "remove" && path.endsWith(hidden) });
    const { code, stderr } = await archives.run("merge --dumpout new.out g1.dump g0.rdiff");
    files[Symbol.dispose]();
    assertEquals(code, EXIT.done, stderr);
    assertStringIncludes(
      stderr,
      `Warning: what an earlier run left of "${archives.file("new.out")}" is still there`,
    );
    assertStringIncludes(stderr, hidden);
    assertStringIncludes(stderr, REASON);
  }
});

/** Modes of files that a new file does not have by itself. */
const MODES = [0o640, 0o604, 0o666];

Deno.test("a mode that need not be set is not set, and one that cannot be set is a warning", async () => {
  for (
    const line of [
      MAKERS.digest,
      MAKERS["merge --dumpout"],
      "restore --create --local OUT --format raw g1.dump",
    ]
  ) {
    for (const mode of [0o600, ...MODES]) {
      using archives = folder({ force: true });
      const path = archives.file("new.out");
      Deno.chmodSync(path, mode);
      using files = new FaultyFiles({ fails: ({ kind }) => kind === "chmod" });
      const { code, stderr } = await archives.run(`${line.replace("OUT", "new.out")} --force`);
      files[Symbol.dispose]();
      assertEquals(code, EXIT.done, stderr);
      const tried = files.operations.filter(({ kind }) => kind === "chmod").length;
      assertEquals(tried, mode === 0o600 ? 0 : 1, `${line}: mode ${mode.toString(8)}`);
      const warning = `Warning: "${path}" does not keep its mode: cannot set the mode of "`;
      if (tried === 0) assertEquals(stderr, "");
      else assert(stderr.startsWith(warning) && stderr.includes(REASON), stderr);
    }
  }
});

Deno.test("a restore in place sets the mode of a descriptor only if need be, and goes on where that is refused", async () => {
  for (const mode of [0o644, 0o600, 0o666]) {
    using archives = folder({ force: false });
    Deno.chmodSync(archives.file("flat.vmdk"), mode);
    using files = new FaultyFiles({ fails: ({ kind }) => kind === "chmod" });
    const { code, stderr } = await archives.run("restore --local flat.vmdk g1.dump");
    files[Symbol.dispose]();
    assertEquals(code, EXIT.done, stderr);
    const tried = files.operations.filter(({ kind }) => kind === "chmod").length;
    const isKept = (mode & ~Deno.umask()) === mode;
    assertEquals(tried, isKept ? 0 : 1, mode.toString(8));
    assertEquals(
      stderr.includes('flat.vmdk" does not keep its mode: cannot set the mode of "'),
      !isKept,
      stderr,
    );
    assertEquals(archives.read("flat-flat.vmdk"), archives.read("d1.raw"));
  }
});
