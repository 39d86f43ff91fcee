/** Finds code blocks, hidden set-ups, links and headings in Markdown, as far as the documents of this repository use it. */

/** A fenced code block, or a hidden set-up: an HTML comment whose first line is `<!-- run`. */
export interface CodeBlock {
  /** The words after the opening fence, such as `["sh", "exit=3"]`; `["sh"]` for a set-up. */
  info: string[];
  text: string;
  /** The line of the fence, from 1. */
  line: number;
}

/** What the tests need to know of a document. */
export interface MarkdownDocument {
  blocks: CodeBlock[];
  /** The targets of links and images. */
  links: { target: string; line: number }[];
  /** The anchors of the headings, as GitHub names them. */
  anchors: Set<string>;
  /** Code within sentences and tables. */
  spans: { text: string; line: number }[];
}

/** Reads a document. @throws {Error} if a code block or a set-up does not end */
export function readMarkdown(text: string): MarkdownDocument {
  const document: MarkdownDocument = { blocks: [], links: [], anchors: new Set(), spans: [] };
  const lines = text.split("\n");
  for (let i = 0; i < lines.length; i++) {
    const opening = /^(?<indent> *)(?<fence>```+)(?<info>.*)$/.exec(lines[i])?.groups;
    const isSetUp = lines[i] === "<!-- run";
    if (opening === undefined && !isSetUp) {
      readLine(document, lines[i], i + 1);
      continue;
    }
    const indent = opening?.indent ?? "";
    const end = lines.indexOf(indent + (opening?.fence ?? "-->"), i + 1);
    if (end < 0) throw new Error(`The block that begins on line ${i + 1} does not end`);
    const info = isSetUp ? ["sh"] : opening!.info.split(" ").filter((word) => word !== "");
    const text = lines.slice(i + 1, end).map((line) => line.slice(indent.length)).join("\n");
    document.blocks.push({ info, text, line: i + 1 });
    i = end;
  }
  return document;
}

/** Reads a line outside of code blocks. Documents do not break links and code spans between lines. */
function readLine(document: MarkdownDocument, text: string, line: number): void {
  for (const [, span] of text.matchAll(/`([^`]+)`/g)) document.spans.push({ text: span, line });
  const withoutCode = text.replaceAll(/`[^`]*`/g, (code) => "x".repeat(code.length));
  for (const [, target] of withoutCode.matchAll(/\]\(([^)\s]+)\)/g)) document.links.push({ target, line });
  const heading = /^#+ +(.*?) *$/.exec(text)?.[1];
  if (heading !== undefined) document.anchors.add(anchorOf(heading, document.anchors));
}

/** The anchor of a heading: lower case, blanks as hyphens, without punctuation; a repeated one gets a number. */
function anchorOf(heading: string, taken: ReadonlySet<string>): string {
  const plain = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").replaceAll("`", "").toLowerCase();
  const anchor = plain.replaceAll(/[^\p{L}\p{N}\-_ ]/gu, "").replaceAll(" ", "-");
  let free = anchor;
  for (let i = 1; taken.has(free); i++) free = `${anchor}-${i}`;
  return free;
}
