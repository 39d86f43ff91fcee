/** The documents of the repository. */

import { type MarkdownDocument, readMarkdown } from "./markdown.ts";

export const ROOT = new URL("../../", import.meta.url).pathname;

/** A document, with its path from the root of the repository. */
export interface NamedDocument extends MarkdownDocument {
  path: string;
  text: string;
}

/** Folders that hold no documents of the repository. */
const SKIPPED = new Set(["build", "node_modules", ".git"]);

/** All Markdown files of the repository, in the order of their paths. */
export const DOCUMENTS: readonly NamedDocument[] = [...markdownIn("")].sort().map((path) => {
  const text = Deno.readTextFileSync(`${ROOT}${path}`);
  return { path, text, ...readMarkdown(text) };
});

/** The documents whose command lines are tested: the manual, and those in the root of the repository. */
export const MANUAL: readonly NamedDocument[] = DOCUMENTS.filter(({ path }) =>
  path.startsWith("docs/") || (!path.includes("/") && path !== "CHANGELOG.md")
);

function* markdownIn(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(`${ROOT}${folder}`)) {
    if (isDirectory && !SKIPPED.has(name)) yield* markdownIn(`${folder}${name}/`);
    else if (name.endsWith(".md")) yield `${folder}${name}`;
  }
}
