import { assert, assertEquals, assertThrows } from "@std/assert";
import { Judge } from "./judge.ts";
import { Scene } from "./scene.ts";
import { sweep } from "./sweep.ts";
import { type Sealing, World } from "./world.ts";

const CASES = 8;

for (const [i, sealing] of (["sealed", "unsealed", "mixed", "resealed"] satisfies Sealing[]).entries()) {
  Deno.test(`no command is wrong in silence on ${CASES} damaged folders, ${sealing}`, async () => {
    const { tally: { right, unproved, refused }, faults } = await sweep({
      first: CASES * i,
      cases: CASES,
      sealings: [sealing],
    });
    assertEquals(faults, []);
    const seen = `${right} right, ${unproved} unproved, ${refused} refused`;
    assert(right > 50 && refused > 15 && unproved > 8, seen);
  });
}

Deno.test("the judge of the sweep accepts what is right or called unproved, and nothing else", async () => {
  using world = await World.make(0, "sealed");
  using scene = new Scene(world);
  const judge = new Judge(scene, {
    name: "case",
    damage: ["some damage"],
    tally: { right: 0, unproved: 0, refused: 0 },
  });
  const generation = world.newest[0].made.generation;
  const { series, time, md5s, blockBytes, disk, adapterType, metadata } = generation;
  const result = { md5s, blockBytes, capacityBytes: disk.length, adapterType, metadata };
  const told = { series, time, blockSize: blockBytes, capacity: disk.length, unsealed: [] };
  const done = (more: { proof: string; unsealed?: string[]; time?: string }) => ({
    line: "restore",
    code: 0,
    told: { ...told, ...more },
  });
  for (const proof of ["root", "files", "digest"]) judge.judge(done({ proof }), result, "a.dump");

  const other = { ...result, md5s: md5s.with(0, "0".repeat(32)) };
  const wrong = {
    "a block": other,
    "the capacity": { ...result, capacityBytes: disk.length - 1 },
    "the adapter": { ...result, adapterType: adapterType + 1 },
    "the metadata": { ...result, metadata: { ...metadata, toolsVersion: "0" } },
  };
  for (const [what, made] of Object.entries(wrong)) {
    for (const proof of ["root", "files", "digest"]) {
      assertThrows(() => judge.judge(done({ proof }), made, "a.dump"), Error, "some damage", what);
    }
    judge.judge(done({ proof: "nothing" }), made, "a.dump");
    // What is said of the metadata says nothing of the blocks.
    const unsealed = done({ proof: "root", unsealed: ["a.dump"] });
    if (made === other) assertThrows(() => judge.judge(unsealed, made, "a.dump"), Error, "blocks");
    else judge.judge(unsealed, made, "a.dump");
  }
  // What was changed before `seal` sealed it, and nothing else.
  const wrongMetadata = wrong["the metadata"];
  const [intact, changed] = ["a.dump", "b.dump"].map((name) => scene.file(name, `${name} of a test`));
  scene.trust(intact);
  scene.trustSealed(intact);
  assertThrows(() => judge.judge(done({ proof: "root" }), wrongMetadata, intact), Error, "metadata");
  assertThrows(() => judge.judge(done({ proof: "root" }), wrongMetadata, changed), Error, "metadata");
  scene.trustSealed(changed);
  judge.judge(done({ proof: "root" }), wrongMetadata, changed);
  assertThrows(() => judge.judge(done({ proof: "root" }), other, changed), Error, "blocks");
  assertThrows(
    () => judge.judge(done({ proof: "root", time: "2001-01-01 00:00:00" }), result, "a.dump"),
    Error,
  );
});
