/** Runs a command line and prints how many bytes the process has read (proc_pid_io(5)) as its last line. */

import { main } from "../../cli/main.ts";

const code = await main(Deno.args);
console.log(/^rchar: (\d+)$/m.exec(Deno.readTextFileSync("/proc/self/io"))![1]);
Deno.exit(code);
