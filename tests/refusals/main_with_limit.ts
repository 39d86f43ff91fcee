/**
 * The program when it may only write files of so many bytes. The limit is set in the process, since Deno writes larger
 * files of its own while it starts.
 */

import { main, surviveFileSizeLimit } from "../../cli/main.ts";

const RLIMIT_FSIZE = 1;

const [limitBytes, ...args] = Deno.args;
const limits = new BigUint64Array([BigInt(limitBytes), BigInt(limitBytes)]);
const library = Deno.build.os === "darwin" ? "libSystem.B.dylib" : "libc.so.6";
const libc = Deno.dlopen(library, {
  setrlimit: { parameters: ["i32", "buffer"], result: "i32" },
});
if (libc.symbols.setrlimit(RLIMIT_FSIZE, limits) !== 0) throw new Error("setrlimit fails");
surviveFileSizeLimit();
const exitCode = await main(args);
writeBeyondLimit();
Deno.exit(exitCode);

/** As Deno does at the end, with what it has compiled, if it is more than the limit allows. */
function writeBeyondLimit(): void {
  const path = Deno.makeTempFileSync();
  try {
    Deno.writeFileSync(path, new Uint8Array(Number(limitBytes) + 1));
    throw new Error("there is no limit");
  } catch (error) {
    if (!String(error).includes("File too large")) throw error;
  } finally {
    Deno.removeSync(path);
  }
}
