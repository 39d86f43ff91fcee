/** The version of the program; `deno.json` says the same, and a test compares them. */
export const VERSION = "2.0.0";
