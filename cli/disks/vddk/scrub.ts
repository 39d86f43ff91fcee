/** Removes a password from text of others: messages of the disk library, its log, answers of a server. */

const REPLACEMENT = "***";

/**
 * The shortest password that is removed. Shorter ones occur in words by chance, where the stars would reveal
 * the password to a reader who knows the sentence. No server is secured by them: ESXi requires seven
 * characters, vCenter eight.
 */
const MIN_SECRET_CHARS = 4;

/**
 * Replaces every occurrence of `password` by `***`, also if it is escaped for JSON, XML or a URI. A password
 * of less than four characters is not replaced.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(scrub('{"user":"root","password":"a\\"b c"}', 'a"b c'), '{"user":"root","password":"***"}');
 * ```
 */
export function scrub(text: string, password: string): string {
  if (password.length < MIN_SECRET_CHARS) return text;
  return formsOf(password).reduce((rest, form) => rest.replaceAll(form, REPLACEMENT), text);
}

/**
 * Returns the forms of a password, the longest first, so that nothing is left of `a%2525`, the URI's form of
 * `a%25`.
 */
function formsOf(password: string): string[] {
  // Half of a surrogate pair cannot be encoded.
  const whole = password.toWellFormed();
  const uris = [
    encodeURIComponent(whole),
    encodeURI(whole),
    new URLSearchParams({ "": whole }).toString().slice("=".length),
  ];
  const xml = whole.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const forms = [
    password,
    JSON.stringify(password).slice(1, -1),
    ...uris,
    ...uris.map((uri) => uri.replaceAll(/%../g, (escape) => escape.toLowerCase())),
    xml,
    xml.replaceAll('"', "&quot;").replaceAll("'", "&apos;"),
  ];
  return [...new Set(forms)].sort((a, b) => b.length - a.length);
}
