/** The program, and behind its last line the most memory that it took: the kernel forgets that with the process. */

import { main } from "../../cli/main.ts";

const code = await main(Deno.args);
console.error(Deno.readTextFileSync("/proc/self/status"));
Deno.exit(code);
