/** `hex()` of a hash must reject if an earlier `update()` failed, because bytes are missing from the hash. */

import { assertRejects } from "@std/assert";
import { sha256OnThisThread, sha256OnWorker } from "../../cli/workers/hashes.ts";

const PART = new Uint8Array(10);

Deno.test("hex() of a hash of a worker rejects if an earlier update() failed, even if nothing waited for that", async () => {
  let count = 0;
  const hash = sha256OnWorker(
    1,
    () => ++count === 2 ? Promise.reject(new Error("no thread")) : Promise.resolve(),
  );
  await hash.update([PART]);
  hash.update([PART]).catch(() => {});
  await hash.update([PART]);
  await assertRejects(() => hash.hex(), Error, "no thread");
});

Deno.test("hex() of a hash of the calling thread rejects if an earlier update() failed", async () => {
  const hash = sha256OnThisThread();
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
