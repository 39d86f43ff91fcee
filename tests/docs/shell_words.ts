/** Splits command lines of documents into words, as a shell does, as far as the documents need it. */

/** The characters that end a command. */
const ENDS = new Set(["\n", "|", ";", "&", ")"]);

/**
 * Returns the commands of a shell script, each as its words. Continued lines, quotes, comments, pipes, `$(` and redirections are
 * understood; variables and patterns stay as they are.
 *
 * @throws {Error} if a quote does not end
 */
export function commandsOf(script: string): string[][] {
  const commands: string[][] = [[]];
  const text = script.replaceAll("\\\n", " ").replaceAll("$(", "\n");
  let word: string | undefined;
  let isTarget = false;
  const endWord = () => {
    if (word !== undefined && !isTarget) commands.at(-1)!.push(word);
    if (word !== undefined) isTarget = false;
    word = undefined;
  };
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '"' || char === "'") {
      const end = text.indexOf(char, i + 1);
      if (end < 0) throw new Error(`A quote in the script does not end: ${text.slice(i)}`);
      word = (word ?? "") + text.slice(i + 1, end);
      i = end;
    } else if (char === "#" && word === undefined) {
      i = text.indexOf("\n", i) < 0 ? text.length : text.indexOf("\n", i) - 1;
    } else if (ENDS.has(char)) {
      endWord();
      commands.push([]);
    } else if (char === "<" || char === ">") {
      // A digit in front of the sign is a descriptor.
      if (/^\d$/.test(word ?? "")) word = undefined;
      endWord();
      isTarget = true;
    } else if (char === " ") {
      endWord();
    } else {
      word = (word ?? "") + char;
    }
  }
  endWord();
  return commands.filter((words) => words.length > 0);
}
