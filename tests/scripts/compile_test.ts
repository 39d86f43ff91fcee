/** What goes into the executable. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { type LockFile, lockOf, packagesOf } from "../../scripts/compile.ts";

const LOCK: LockFile = {
  version: "5",
  specifiers: {
    "npm:app@1": "1.0.0",
    "npm:app@1.0.0": "1.0.0",
    "npm:@scope/lib@^2.0.0": "2.1.0",
    "npm:tool@3": "3.0.0",
    "npm:peered@1": "1.0.0_app@1.0.0",
  },
  npm: {
    "app@1.0.0": { integrity: "a", dependencies: ["@scope/lib", "twice@1.0.0"] },
    "@scope/lib@2.1.0": { integrity: "b", dependencies: ["app"] },
    "twice@1.0.0": { integrity: "c" },
    "twice@2.0.0": { integrity: "d" },
    "tool@3.0.0": { integrity: "e", dependencies: ["twice@2.0.0", "large"] },
    "large@9.0.0": { integrity: "f" },
    "peered@1.0.0_app@1.0.0": { integrity: "g", dependencies: ["app"] },
  },
  workspace: { dependencies: ["npm:app@1"] },
};

Deno.test("lockOf() keeps packages, what they depend on, and their hashes, and no others", () => {
  const { npm, specifiers, version, workspace } = lockOf(LOCK, ["app@1.0.0"]);
  assertEquals(Object.keys(npm!), ["app@1.0.0", "@scope/lib@2.1.0", "twice@1.0.0"]);
  assertEquals(npm!["app@1.0.0"], LOCK.npm!["app@1.0.0"]);
  assertEquals(Object.keys(specifiers), ["npm:app@1", "npm:app@1.0.0", "npm:@scope/lib@^2.0.0"]);
  assertEquals([version, workspace], ["5", LOCK.workspace]);
});

Deno.test("lockOf() knows packages with peers, and several versions of one", () => {
  const { npm, specifiers } = lockOf(LOCK, ["tool@3.0.0", "peered@1.0.0_app@1.0.0"]);
  assertEquals(Object.keys(npm!).toSorted(), Object.keys(LOCK.npm!).toSorted());
  assertEquals(specifiers, LOCK.specifiers);
  assertEquals(Object.keys(lockOf(LOCK, ["twice@2.0.0"]).npm!), ["twice@2.0.0"]);
  assertEquals(lockOf(LOCK, []).npm, {});
});

Deno.test("lockOf() refuses packages that the lock file does not have", () => {
  assertThrows(() => lockOf(LOCK, ["other@1.0.0"]), Error, '"deno.lock" has no package "other@1.0.0"');
  const ambiguous = {
    ...LOCK,
    npm: { ...LOCK.npm, "app@1.0.0": { integrity: "a", dependencies: ["twice"] } },
  };
  assertThrows(() => lockOf(ambiguous, ["app@1.0.0"]), Error, 'has 2 versions of the package "twice"');
});

Deno.test("the executable has the packages of the program, and none of its build tools and tests", async () => {
  const root = new URL("../../", import.meta.url);
  const lock = JSON.parse(await Deno.readTextFile(new URL("deno.lock", root))) as LockFile;
  const workers = ["cli/workers/worker.ts", "cli/workers/hash_worker.ts"];
  const names = Object.keys(lockOf(lock, await packagesOf(["cli/main.ts", ...workers])).npm!);
  const kept = names.map((id) => id.slice(0, id.indexOf("@", 1))).toSorted();
  assertEquals(kept, ["@bokuweb/zstd-wasm", "deno-std", "fzstd", "hash-wasm", "pako", "saxes", "xmlchars"]);
  const dropped = Object.keys(lock.npm!).filter((id) => !names.includes(id));
  assert(dropped.some((id) => id.startsWith("binaryen@")), "the compiler of the core is in the lock file");
});
