/** Writes roff for the macros of manual pages (man(7), groff_man(7)). */

/** Characters that roff shows as others on terminals of today, or takes for its own (groff_char(7)). */
const SPECIAL: Readonly<Record<string, string>> = {
  "\\": "\\e",
  "-": "\\-",
  "'": "\\(aq",
  "`": "\\(ga",
  "^": "\\(ha",
  "~": "\\(ti",
};

/** Plain text on lines of roff. It can be copied into a shell, and no line of it is taken for a request. */
export function escaped(text: string): string {
  return text.replaceAll(/[\\\-'`^~]/g, (char) => SPECIAL[char]).replaceAll(/^\./gm, "\\&.");
}

/** Bold text within a line. */
export function bold(text: string): string {
  return `\\fB${escaped(text)}\\fR`;
}

/** Text in italics within a line: what stands for something else. */
export function italic(text: string): string {
  return `\\fI${escaped(text)}\\fR`;
}

/** A request with its arguments, each of which may have blanks. */
export function request(name: string, ...args: string[]): string {
  return [`.${name}`, ...args.map((arg) => `"${escaped(arg).replaceAll('"', "\\(dq")}"`)].join(" ");
}

/** A section with a title; `lines` are roff. */
export function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [request("SH", title), ...lines];
}

/** A term, which is roff, and behind it the text that explains it. */
export function item(term: string, text: string): string[] {
  return [".TP", term, escaped(text)];
}

/** Lines that stay as they are. */
export function verbatim(text: string): string[] {
  return [".nf", escaped(text), ".fi"];
}

/** Paragraphs, with empty lines between them in the text; a paragraph whose lines are indented stays as it is. */
export function paragraphs(text: string): string[] {
  return text.trim().split(/\n{2,}/).flatMap((paragraph, i) => [
    ...i > 0 ? [".PP"] : [],
    ...partsOf(paragraph).flatMap(({ isIndented, lines }) =>
      isIndented ? [".RS 4", ...verbatim(lines.join("\n")), ".RE"] : [escaped(lines.join("\n"))]
    ),
  ]);
}

/** Neighbouring lines that are all indented, or all not. Indented ones are returned without their blanks. */
function partsOf(paragraph: string): { isIndented: boolean; lines: string[] }[] {
  const parts: { isIndented: boolean; lines: string[] }[] = [];
  for (const line of paragraph.split("\n")) {
    const isIndented = line.startsWith("  ");
    const last = parts.at(-1);
    if (last?.isIndented === isIndented) last.lines.push(line.trim());
    else parts.push({ isIndented, lines: [line.trim()] });
  }
  return parts;
}
