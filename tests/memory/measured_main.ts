/**
 * Runs a command line and prints the most memory that the process had resident, in bytes, as its last line.
 */

import { main } from "../../cli/main.ts";

const code = await main(Deno.args);
const [, kibibytes] = Deno.readTextFileSync("/proc/self/status").match(/^VmHWM:\s+(\d+) kB$/m)!;
console.log(Number(kibibytes) * 1024);
Deno.exit(code);
