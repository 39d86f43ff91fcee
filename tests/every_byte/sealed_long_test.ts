import { assert } from "@std/assert";
import { trySealed } from "./sealed.ts";

for (const suffix of ["", ".gz", ".zst"]) {
  Deno.test(`check with a seal notices every byte of "${suffix}" archives that changed`, async () => {
    const changes = await trySealed(suffix, 1);
    console.log(`"${suffix}": ${changes} changes noticed`);
    assert(changes > 5000);
  });
}
