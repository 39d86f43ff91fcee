/** What somebody may have meant who mistyped a word. */

import { levenshteinDistance } from "@std/text/levenshtein-distance";

const MAX_TYPING_ERRORS = 3;

/** `, did you mean "--level"?` for the word of `known` that is nearest to `word`; empty if none is near. */
export function suggestion(word: string, known: readonly string[]): string {
  const near = known.map((name) => ({ name, errors: levenshteinDistance(word, name) as number }))
    .filter(({ name, errors }) => errors <= MAX_TYPING_ERRORS && errors < name.replace(/^--/, "").length / 2)
    .sort((a, b) => a.errors - b.errors);
  return near.length > 0 ? `, did you mean "${near[0].name}"?` : "";
}
