/** The program on a Deno that says it is of version 2.7.14; started by a test. */

import { main } from "../../cli/main.ts";

Object.defineProperty(Deno, "version", { value: { ...Deno.version, deno: "2.7.14" } });
Deno.exit(await main(Deno.args));
