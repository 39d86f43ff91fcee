/** A hash that a part is missing from is never given. */

import { assertRejects } from "@std/assert";
import { sha256Here, sha256There } from "../../cli/workers/hashes.ts";

const PART = new Uint8Array(10);

Deno.test("a hash of another thread tells at its end of an update that failed and nobody waited for", async () => {
  let count = 0;
  const hash = sha256There(
    1,
    () => ++count === 2 ? Promise.reject(new Error("no thread")) : Promise.resolve(),
  );
  await hash.update([PART]);
  hash.update([PART]).catch(() => {});
  await hash.update([PART]);
  await assertRejects(() => hash.hex(), Error, "no thread");
});

Deno.test("a hash of this thread does so, too", async () => {
  const hash = sha256Here();
  await hash.update([PART]);
  const broken = {
    get length(): number {
      throw new Error("no memory");
    },
  };
  hash.update([broken as Uint8Array]).catch(() => {});
  await hash.update([PART]);
  await assertRejects(() => hash.hex());
});
