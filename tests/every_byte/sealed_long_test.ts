import { assert } from "@std/assert";
import { trySealed } from "./sealed.ts";

for (const suffix of ["", ".gz", ".zst"]) {
  Deno.test(`check with a seal notices every changed byte of "${suffix}" archives`, async () => {
    const changes = await trySealed(suffix, 1);
    console.log(`"${suffix}": ${changes} changes noticed`);
    assert(changes > 5000);
  });
}
