/**
 * The program when it may only write files of so many bytes. The limit is set in the process, since Deno writes larger
 * files of its own while it starts.
 */

import { main } from "../../cli/main.ts";

const RLIMIT_FSIZE = 1;

const [limitBytes, ...args] = Deno.args;
const limits = new BigUint64Array([BigInt(limitBytes), BigInt(limitBytes)]);
const library = Deno.build.os === "darwin" ? "libSystem.B.dylib" : "libc.so.6";
const libc = Deno.dlopen(library, {
  setrlimit: { parameters: ["i32", "buffer"], result: "i32" },
});
if (libc.symbols.setrlimit(RLIMIT_FSIZE, limits) !== 0) throw new Error("setrlimit fails");
Deno.exit(await main(args));
