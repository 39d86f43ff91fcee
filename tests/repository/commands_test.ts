import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { EXIT } from "../../cli/errors.ts";
import { noise } from "../disks/helpers.ts";
import { callMain } from "../support/run_cli.ts";

/** A folder with a disk and commands on a repository in it. */
class CommandFolder implements Disposable {
  readonly path: string = Deno.makeTempDirSync({ prefix: "vmdkbkp-repository-" });

  at(name: string): string {
    return `${this.path}/${name}`;
  }

  write(name: string, bytes: Uint8Array): string {
    Deno.writeFileSync(this.at(name), bytes);
    return this.at(name);
  }

  run(command: string, ...args: string[]) {
    return callMain([command, "--repo", this.at("repo"), ...args]);
  }

  async json(command: string, ...args: string[]) {
    const { code, stdout, stderr } = await this.run(command, "--json", ...args);
    assertEquals(code, 0, stderr);
    return JSON.parse(stdout);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

Deno.test("init, backup, list, check, restore and forget make a night of a machine", async () => {
  using folder = new CommandFolder();
  const first = noise(20 * 512, 1);
  const second = first.slice();
  second.fill(9, 600, 700);
  assertEquals((await folder.run("init")).code, 0);
  const disk = folder.write("web.raw", first);
  const words = ["--blocksize", "512", "--note", "first"];
  const { generation } = await folder.json("backup", ...words, disk);
  folder.write("web.raw", second);
  const changes = folder.write("changes.json", new TextEncoder().encode('[{"start": 600, "length": 100}]'));
  const result = await folder.json("backup", "--changed", changes, disk);
  assertEquals(result.parent, generation);
  assertEquals(
    result.disks.map((
      { mode, blocksRead, changedBlocks }: Record<string, unknown>,
    ) => [mode, blocksRead, changedBlocks]),
    [["incr", 1, 1]],
  );

  const listed = await folder.json("list");
  assertEquals(listed.schema, 1);
  assertEquals(listed.machines[0].generations.map(({ id }: { id: string }) => id), [
    result.generation,
    generation,
  ]);
  const check = await folder.run("check");
  assert(check.stdout.endsWith("Check: OK\n"), check.stdout + check.stderr);

  for (const [at, bytes] of [["latest", second], [generation, first]] as const) {
    const target = folder.at(`${at}.vmdk`);
    const { code, stderr } = await folder.run(
      "restore",
      "--at",
      at,
      "--create",
      "--verify",
      "--local",
      target,
      "web",
    );
    assertEquals(code, 0, stderr);
    assertEquals(Deno.readFileSync(folder.at(`${at}-flat.vmdk`)), bytes);
  }
  const dryRun = await folder.json("forget", "--keep-last", "1", "--dry-run");
  assertEquals(dryRun.machines[0].generations.map(({ kept }: { kept: boolean }) => kept), [true, false]);
  const kept = await folder.run("forget", "--keep-last", "1", "--keep-noted");
  assertStringIncludes(kept.stdout, "stays: noted");
  assertEquals((await folder.run("forget", "--keep-last", "1")).code, 0);
  assertEquals((await folder.json("list")).machines[0].generations.length, 1);
  assertEquals((await folder.run("check", "web")).code, 0);
});

Deno.test("restore without --disk makes all disks of a machine in a folder", async () => {
  using folder = new CommandFolder();
  const disks = ["a.raw", "b.raw"].map((name, i) => folder.write(name, noise(3000 + i * 72, i)));
  assertEquals((await folder.run("backup", "--init", "--machine", "two", ...disks)).code, 0);
  Deno.mkdirSync(folder.at("out"));
  const { code, stderr } = await folder.run("restore", "--create", "--local", folder.at("out"), "two");
  assertEquals(code, 0, stderr);
  assertEquals(Deno.readFileSync(folder.at("out/a.raw")), noise(3000, 0));
  assertEquals(Deno.readFileSync(folder.at("out/b-flat.vmdk")), noise(3072, 1));
  const one = await folder.run("restore", "--create", "--local", folder.at("c.raw"), "two");
  assertEquals(one.code, EXIT.usage);
  assertStringIncludes(one.stderr, 'it has "a", "b"; name one with --disk');
});

Deno.test("commands on repositories refuse what they cannot mean", async () => {
  using folder = new CommandFolder();
  const disk = folder.write("web.raw", noise(3000, 1));
  const refused = async (message: string, command: string, ...args: string[]) => {
    const { code, stderr } = await folder.run(command, ...args);
    assertEquals(code, EXIT.usage, stderr);
    assertStringIncludes(stderr, message);
  };
  await refused("it has no repository.json", "backup", disk);
  await refused("it has no repository.json", "list");
  assertEquals((await folder.run("backup", "--init", disk)).code, 0);
  await refused("it is one already", "init");
  await refused("it would remove everything", "forget");
  await refused('--keep-within cannot be "soon"', "forget", "--keep-within", "soon");
  await refused('Cannot find machine "db"', "list", "db");
  await refused(
    'Cannot find generation "1999-01-01"',
    "restore",
    "--at",
    "1999-01-01",
    "--create",
    "--local",
    "x.raw",
    "web",
  );
  await refused("it is a part of repository", "backup", folder.at("repo/web/image/web.vmdk"));
  await refused(
    "it is a part of repository",
    "restore",
    "--create",
    "--local",
    folder.at("repo/web/x.raw"),
    "web",
  );
  await refused('disk "web" has blocks of', "backup", "--blocksize", "512", disk);
  await refused("Cannot use --digestin with --repo", "check", "--digestin", "x.digest");
  const { code, stderr } = await callMain(["check", "--max-age", "1h", disk]);
  assertEquals(code, EXIT.usage);
  assertStringIncludes(stderr, "Cannot use --max-age with archives");
  await refused("the list is of one of them", "backup", "--changed", disk, disk, folder.at("repo"));
});

Deno.test("check --max-age tells that the last backup is too old", async () => {
  using folder = new CommandFolder();
  const disk = folder.write("web.raw", noise(3000, 1));
  assertEquals((await folder.run("backup", "--init", disk)).code, 0);
  assertEquals((await folder.run("check", "--max-age", "1h")).code, 0);
  const late = await folder.run("check", "--max-age", "0h", "--junit", folder.at("check.xml"));
  assertEquals(late.code, EXIT.corrupt);
  assertStringIncludes(late.stdout, "at most 0 h are accepted");
  assertStringIncludes(Deno.readTextFileSync(folder.at("check.xml")), "at most 0 h are accepted");
});

Deno.test("with --repo an argument is a machine, also where a file has its name", async () => {
  using folder = new CommandFolder();
  const disk = folder.write("web.raw", noise(4 * 512, 1));
  assertEquals((await folder.run("backup", "--init", "--machine", disk, disk)).code, 0);
  const { code, stdout } = await folder.run("check", disk);
  assertEquals(code, 0);
  assertStringIncludes(stdout, `${disk}: right\n`);
});

Deno.test("export writes an archive to standard output, and its report to standard error", async () => {
  using folder = new CommandFolder();
  const disk = folder.write("web.raw", noise(4 * 512, 1));
  assertEquals((await folder.run("backup", "--init", "--blocksize", "512", disk)).code, 0);
  for (const [dump, digest] of [["-", folder.at("e.digest")], [folder.at("e.dump"), "-"]]) {
    const { code, stdout, stderr } = await folder.run(
      ...["export", "--json", "--dumpout", dump, "--digestout", digest, "web"] as [string, ...string[]],
    );
    assertEquals(code, 0, stderr);
    assertEquals(JSON.parse(stderr.trim().split("\n").at(-1)!).ok, true);
    assert(!stdout.includes('"ok"') && stdout.length > 60, stdout);
  }
  const { code, stdout, stderr } = await folder.run(
    ...["export", "--json", "--dumpout", "-", "--digestout", folder.at("x.digest"), "db"] as [
      string,
      ...string[],
    ],
  );
  assertEquals([code, stdout, JSON.parse(stderr.trim().split("\n").at(-1)!).ok], [EXIT.usage, "", false]);
});
