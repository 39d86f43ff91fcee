/** A program that wants a password: says what it got and from then on nothing, stopped by signals as `main.ts` is. */

import { readPassword } from "../../cli/files/password.ts";
import { Interrupt } from "../../cli/files/interrupt.ts";

const interrupt = new Interrupt();
const { signal } = interrupt;
const interrupted = new Promise<never>((_, reject) => {
  signal.addEventListener("abort", () => reject(signal.reason));
});
const warn = (line: string) => console.log(`warned: ${line}`);

console.log(`pid ${Deno.pid}.`);
try {
  const password = await Promise.race([
    readPassword({ ...JSON.parse(Deno.args[0]), signal }, { user: "root", server: "esxi.example", warn }),
    interrupted,
  ]);
  // In another form than it was typed: what is typed must not appear.
  console.log(`got ${encodeURIComponent([...password].reverse().join(""))}`);
} catch (error) {
  console.log(`${(error as Error).name}: ${(error as Error).message}`);
}
Deno.exit(0);
