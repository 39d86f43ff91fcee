import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Archives, assertRefusal, EXIT } from "../refusals/refusal.ts";
import { concat, token } from "../refusals/material.ts";
import { runCli } from "../support/run_cli.ts";

/** Between the first two generations of the series blocks 1, 2, 3 and 5 of six change. */
const BITMAPS = {
  "true.bmp": concat(token(6), [0b01110100]),
  "lie.bmp": concat(token(6), [0b01000000]),
};

const incr = (bitmap: string, more = "") =>
  `dump --mode incr --local d1.raw --dumpin g0.dump --digestin g0.digest --bmpin ${bitmap} ` +
  `--dumpout new.dump --digestout new.digest --rdiffout new.rdiff${more}`;

Deno.test("incr audits a bitmap unasked, and says how far that reaches", async () => {
  using archives = new Archives(BITMAPS);
  const { stdout } = await archives.done(incr("true.bmp"));
  assertStringIncludes(stdout, "audit: 2 of 2 blocks that the bitmap calls unchanged were read, all are\n");
  assertEquals(archives.read("new.rdiff"), archives.read("g0.rdiff"));
});

Deno.test("a bitmap that hides a change ends incr and leaves nothing", async () => {
  using archives = new Archives(BITMAPS);
  for (const audit of ["", " --audit 100%", " --on-mismatch stop"]) {
    await archives.refused(incr("lie.bmp", audit), {
      code: EXIT.corrupt,
      says: [
        'lie.bmp"',
        "block 2 unchanged",
        'd1.raw"',
        'g0.digest"',
        "3 of 5 sampled blocks",
        "--mode diff",
      ],
    });
  }
  const { stdout } = await archives.run(incr("lie.bmp", " --json"));
  assertEquals(JSON.parse(stdout).error.block, 2);
});

Deno.test("--on-mismatch diff goes on as a diff, and makes what a diff makes", async () => {
  using archives = new Archives(BITMAPS);
  const { stdout } = await archives.done(incr("lie.bmp", " --on-mismatch diff --json"));
  const { mode, modeAsked, modeReason, blocksRead, changedBlocks, audit: { seed, ...audit } } = JSON.parse(
    stdout,
  );
  assertEquals(
    { mode, modeAsked, modeReason, blocksRead, changedBlocks },
    {
      mode: "diff",
      modeAsked: "incr",
      modeReason: "the bitmap calls block 2 unchanged, and it differs",
      blocksRead: 6,
      changedBlocks: 4,
    },
  );
  assertMatch(seed, /^[0-9a-f-]{36}$/);
  assertEquals(audit, {
    unchangedBlocks: 5,
    sampledBlocks: 5,
    differingBlocks: 3,
    firstDifferingBlock: 2,
    result: "differs",
  });
  assertEquals(archives.read("new.rdiff"), archives.read("g0.rdiff"));
  await archives.done("check --digestin g0.digest new.dump new.rdiff");
  const again = await archives.done(incr("lie.bmp", " --on-mismatch diff --force"));
  assertStringIncludes(again.stdout, "mode: diff instead of incr: the bitmap calls block 2 unchanged");
  assertStringIncludes(again.stdout, "3 differ (the first is block 2): the bitmap was not used");
});

Deno.test("--on-mismatch diff of a bitmap that is right stays incr", async () => {
  using archives = new Archives(BITMAPS);
  const { stdout } = await archives.done(incr("true.bmp", " --on-mismatch diff --json"));
  const { mode, modeAsked, blocksRead, audit } = JSON.parse(stdout);
  assertEquals({ mode, modeAsked, blocksRead }, { mode: "incr", modeAsked: undefined, blocksRead: 4 });
  assertEquals(audit.result, "agrees");
});

Deno.test("--audit 0 believes the bitmap and says so", async () => {
  using archives = new Archives(BITMAPS);
  for (const off of ["0", "0%"]) {
    const { stdout } = await archives.done(incr("lie.bmp", ` --audit ${off} --force`));
    assertStringIncludes(stdout, "audit: NONE, what the bitmap says of 5 unchanged blocks is believed");
  }
});

Deno.test("--audit takes a share of the unchanged blocks, and --audit-seed brings a sample back", async () => {
  using archives = new Archives(BITMAPS);
  const audit = async (more: string) => {
    const line = incr("lie.bmp", ` --audit 20% --on-mismatch diff --force --json${more}`);
    return JSON.parse((await archives.done(line)).stdout).audit;
  };
  const first = await audit("");
  assertEquals([first.percent, first.sampledBlocks, first.unchangedBlocks], [20, 1, 5]);
  const seen = new Set<string>();
  for (let seed = 0; seed < 12; seed++) {
    const record = await audit(` --audit-seed s${seed}`);
    assertEquals(await audit(` --audit-seed s${seed}`), record);
    seen.add(`${record.result} ${record.firstDifferingBlock}`);
  }
  // One of five blocks, of which 0 and 4 are as they were.
  assertEquals([...seen].sort(), ["agrees undefined", "differs 2", "differs 3", "differs 5"]);
  assertEquals(await audit(` --audit-seed ${first.seed}`), first);
});

Deno.test("a bitmap that names every block leaves nothing to audit", async () => {
  using archives = new Archives(BITMAPS);
  const { stdout } = await archives.done(incr("all.bmp", " --audit 5%"));
  assertStringIncludes(stdout, "audit: the bitmap names every block");
});

Deno.test("a digest from a pipe is not audited unasked, and refused if asked", async () => {
  using archives = new Archives(BITMAPS);
  const stdin = archives.read("g0.digest");
  const line = incr("true.bmp").replace("g0.digest", "-");
  const asked = await runCli(archives.args(`${line} --audit 5%`), { stdin });
  assertRefusal(line, asked, { code: EXIT.usage, says: ["--audit", '--digestin "-"', "only once"] });
  const unasked = await runCli(archives.args(line), { stdin });
  assertEquals(unasked.code, EXIT.done, unasked.stderr);
  assertStringIncludes(unasked.stderr, 'Warning: the bitmap is not audited: "-" can be read only once');
  assertStringIncludes(unasked.stdout, "audit: NONE");
});

Deno.test("the options of an audit belong to incr", async () => {
  using archives = new Archives(BITMAPS);
  for (const option of ["audit 5%", "audit-seed x", "on-mismatch diff"]) {
    const says = [`--${option.split(" ")[0]} has no use there`];
    const line = `dump --mode full --local d1.raw --dumpout new.dump --digestout new.digest --${option}`;
    await archives.refused(line, { code: EXIT.usage, says });
    const diff = incr("true.bmp", ` --${option}`).replace("incr", "diff").replace("--bmpin true.bmp ", "");
    await archives.refused(diff, { code: EXIT.usage, says });
  }
  await archives.refused(incr("true.bmp", " --audit 5"), {
    code: EXIT.usage,
    says: ['--audit cannot be "5"', "5%"],
  });
  await archives.refused(incr("true.bmp", " --on-mismatch go"), { code: EXIT.usage, says: ["stop, diff"] });
});
