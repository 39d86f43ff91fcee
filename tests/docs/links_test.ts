/** Links between the documents, and from them to files of the repository, lead somewhere. */

import { assert, assertEquals } from "@std/assert";
import { DOCUMENTS, MANUAL } from "./documents.ts";
import { placeOf, problemOf } from "./links.ts";

for (const { path, links } of DOCUMENTS) {
  Deno.test(`${path}: its links lead to files and headings that exist`, () => {
    for (const { target, line } of links) {
      assertEquals(problemOf(target, path), undefined, `${path}:${line}: (${target})`);
    }
  });
}

Deno.test("problemOf() finds files and headings that do not exist", () => {
  for (
    const [target, problem] of [
      ["promises.md", undefined],
      ["promises.md#signed-seals", undefined],
      ["../cli/archive/", undefined],
      ["#the-manual-of-vmdkbkp", undefined],
      ["https://example.com/none", undefined],
      ["promise.md", 'there is no "docs/promise.md"'],
      ["promises.md#signed", '"docs/promises.md" has no heading "#signed"'],
      ["#none", '"docs/README.md" has no heading "#none"'],
      ["../deno.json#tasks", '"deno.json" has no heading "#tasks"'],
      ["../../x.md", "it leads out of the repository"],
    ]
  ) {
    assertEquals(problemOf(target!, "docs/README.md"), problem, target);
  }
});

Deno.test("docs/README.md links to every page of the manual, and README.md to docs/README.md", () => {
  const targetsOf = (from: string) =>
    DOCUMENTS.find(({ path }) => path === from)!.links.map(({ target }) => placeOf(target, from)?.path);
  const listed = targetsOf("docs/README.md");
  const pages = MANUAL.map(({ path }) => path).filter((path) => !path.endsWith("README.md"));
  assert(pages.length > 0);
  assertEquals(pages.filter((path) => !listed.includes(path)), []);
  assert(targetsOf("README.md").includes("docs/README.md"));
});

Deno.test("README.md has at most 150 lines, the two commands to begin with, and VMware in its first sentence", () => {
  const { text } = DOCUMENTS.find(({ path }) => path === "README.md")!;
  const lines = text.trimEnd().split("\n");
  assert(lines.length <= 150, `it has ${lines.length} lines`);
  assert(lines.includes("npx -y deno@2.9.6 task demo"));
  assert(lines.includes("npx -y deno@2.9.6 task test"));
  const sentence = /^# vmdkbkp\n\n([^.]*)\./.exec(text)?.[1];
  assert(sentence?.includes("VMware"), `the first sentence is: ${sentence}`);
});
