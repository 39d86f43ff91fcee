import { assertEquals, assertStringIncludes } from "@std/assert";
import { run } from "./expect.ts";
import { goldenTest, SERIES } from "./manifest.ts";

const lastLine = (text: string) => text.trimEnd().split("\n").at(-1);

goldenTest("check proves each dump with its digest", async (set) => {
  for (const generation of set.generations()) {
    const { stdout } = await run([
      "check",
      "--digestin",
      set.path(`g${generation}.digest`),
      set.path(`g${generation}.dump`),
    ]);
    assertEquals(lastLine(stdout), "Check: OK");
  }
});

goldenTest("check proves the newest dump and the rdiffs with every older digest", async (set) => {
  for (const generation of set.generations()) {
    const { stdout } = await run([
      "check",
      "--digestin",
      set.path(`g${generation}.digest`),
      ...set.chain(generation),
    ]);
    assertEquals(lastLine(stdout), "Check: OK");
  }
}, SERIES);

goldenTest("check proves each rdiff alone with the digest of the older generation", async (set) => {
  for (const generation of set.generations().slice(0, -1)) {
    const { stdout } = await run([
      "check",
      "--digestin",
      set.path(`g${generation}.digest`),
      set.path(`g${generation}.rdiff`),
    ]);
    assertEquals(lastLine(stdout), "Check: OK");
  }
}, SERIES);

goldenTest("check reports WRONG for the digest of another generation, and names the digest", async (set) => {
  for (const generation of set.generations()) {
    for (const other of set.generations().filter((n) => n !== generation)) {
      for (const archives of [[set.path(`g${generation}.dump`)], set.chain(generation)]) {
        const digest = set.path(`g${other}.digest`);
        const { stdout, stderr } = await run(["check", "--digestin", digest, ...archives], 3);
        assertEquals(lastLine(stdout), "Check: WRONG");
        assertStringIncludes(stderr, "different generations");
        assertStringIncludes(stderr, digest);
      }
    }
  }
}, SERIES);
